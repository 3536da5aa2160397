"""Audit of a table whose rows carry any number of labels: every cell (row, class) is judged by itself.

A cell is a row with two possible labels, present or absent. Its evidence is the odds of an out-of-fold
probability, the lift of those odds among its nearest rows, and the size of the class. Three weights, shared by
all classes and fitted to the given labels, join them; a class twice as common has twice the missing labels, so
the size term stays in the rank. By default only absent labels are suspected: annotators forget labels far more
often than they invent them. An unjudged cell trains nothing, votes for nothing and is never a suspect.

The probability that an absent label is missing reads the fitted probability as one of the *given* label, takes
the share of each class's true labels that were missed from a confident joint count (Northcutt et al., 2021,
"Confident Learning", section 3), and divides it out. It is model-based and comes without an interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.intervals import wilson
from trueneg.data.sniff import trusted_mask
from trueneg.jobs.audit.findings import Finding
from trueneg.jobs.audit.represent import represent

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from trueneg.data.readers import Table
    from trueneg.data.sniff import Roles
    from trueneg.jobs.audit.represent import Representation

TITLES = {
    "TN101": "Labels per class and per row",
    "TN102": "Unjudged labels",
    "TN103": "Equal rows with different sets of labels",
    "TN201": "Missing labels",
    "TN202": "Labels that do not belong",
    "TN204": "The class with the largest share of missing labels",
}
N_NEIGHBORS = 10
MAX_NEIGHBOR_QUERIES = 20_000
FIT_CELLS = 50_000
CHUNK_CELLS = 400_000
TOO_FEW = 5
NAMED = 0.5
CANNOT_TELL = 3.0
PSEUDO_COUNTS = 10.0
STRENGTHS = (0.01, 0.1, 1.0, 10.0)
CHOOSE_ON = 20_000
CHOOSE_CLASSES = 20


@dataclass
class _Cells:
    """What the checks share: labels (n, K) int8, score and q (n, K) float32, neighbours (n, k) or None."""

    codes: np.ndarray
    names: list[str]
    usable: np.ndarray
    score: np.ndarray
    neighbors: np.ndarray | None
    weights: np.ndarray
    model: str


def audit_multilabel(
    table: Table,
    roles: Roles,
    *,
    seed: int = 0,
    quick: bool = False,
    progress: Callable[[str], None] | None = None,
) -> tuple[list[Finding], pa.Table, dict[str, Any]]:
    """Audit a multi-label table.

    Parameters
    ----------
    table : Table
        The table as read.
    roles : Roles
        Its roles, ``kind="multilabel"``.
    seed : int, default 0
        Seed of the folds and of the cells that the weights are fitted on.
    quick : bool, default False
        Ask no model, unless probabilities are given.
    progress : callable, optional
        Called with one line whenever a stage begins.

    Returns
    -------
    findings : list of Finding
        In order of severity.
    suspects : pyarrow.Table
        One row a suspected cell, most probable first within its finding: row, id (where there is one), finding,
        label, given, proposed, probability, nearest_row (the nearest row that carries the proposed state, else
        the nearest row; -1 without neighbours).
    words : dict
        ``classes`` (name and count each), ``saw`` (sentences) and ``model``, for the report.
    """
    say = progress or (lambda _: None)
    codes, classes = roles.codes(table)
    codes, names = np.asarray(codes, np.int8), [str(c) for c in classes]
    notes: list[str] = []
    data = None
    if roles.numeric or roles.categorical or roles.text or roles.embedding or not roles.proba:
        say("representation")
        data = represent(table, roles, random_state=seed, image_named=False, quick=quick, progress=progress)
        notes.append(f"learnt from: {data.words}")
    findings = [_classes(codes, names), _unjudged(codes, names), _conflicts(codes, data)]
    suspects: list[tuple[str, np.ndarray, np.ndarray]] = []
    cells = _make_cells(table, roles, codes, names, data, notes, seed=seed, quick=quick, say=say)
    if cells is None:
        words = "--quick asks no model; leave it out, or give --proba"
        findings += [Finding(c, TITLES[c], "skipped", words) for c in ("TN201", "TN202", "TN204")]
    else:
        judged, suspects = _judge(cells, _unit(table, roles.cost_fn), _unit(table, roles.cost_fp))
        findings += judged
    model = "no model (--quick)" if cells is None else cells.model
    notes.append(f"probabilities: {model}")
    frame = _frame(table, roles, cells, suspects)
    counts = (codes == 1).sum(axis=0)
    listed = [{"name": n, "count": int(c)} for n, c in zip(names, counts, strict=True)]
    return sorted(findings, key=Finding.rank), frame, {"classes": listed, "saw": notes, "model": model}


def _make_cells(
    table: Table,
    roles: Roles,
    codes: np.ndarray,
    names: list[str],
    data: Representation | None,
    notes: list[str],
    *,
    seed: int,
    quick: bool,
    say: Callable[[str], None],
) -> _Cells | None:
    """Score every cell; None where no model may be asked."""
    groups = _groups(table, roles, data)
    if roles.proba:
        probability, model = np.asarray(roles.proba_matrix(table), np.float32), "given probabilities"
    elif not quick and data is not None:
        model = "logistic regression, one a class"
        probability = out_of_fold_cells(data.linear, codes, groups, seed=seed, progress=say)
    else:
        return None
    neighbors = None if quick or data is None else _neighbors(data, codes, groups, notes, say)
    say("ranking the cells")
    usable = codes >= 0
    if roles.trusted:
        usable[trusted_mask(table, roles.trusted)] = False
    score, weights = score_cells(probability, codes, neighbors, seed=seed)
    return _Cells(codes, names, usable, score, neighbors, weights, model)


def _unit(table: Table, cost: str | float | None) -> Any:
    """Cost of one wrong cell: a number, an array (n,) of a column, or None."""
    if isinstance(cost, str) and cost in table.arrow.column_names:
        return np.nan_to_num(table.arrow[cost].cast("float64").to_numpy())
    return None if cost is None else float(cost)


def _groups(table: Table, roles: Roles, data: Representation | None) -> np.ndarray:
    """Return what must stay together in a fold: the group column, else rows of equal content."""
    if roles.group:
        return np.asarray(table.arrow[roles.group].dictionary_encode().combine_chunks().indices.fill_null(-1))
    return np.arange(len(table)) if data is None else data.duplicate_of


# --------------------------------------------------------------------------------------------- evidence


def out_of_fold_cells(
    features: Any,
    codes: np.ndarray,
    groups: np.ndarray,
    *,
    seed: int = 0,
    folds: int = 5,
    progress: Callable[[str], None] | None = None,
) -> np.ndarray:
    """Return probabilities (n, K) float32 of "present" from models that never saw the row or its group.

    Parameters
    ----------
    features : matrix of shape (n, p)
        May be sparse.
    codes : int array of shape (n, K)
        1 present, 0 absent, -1 unjudged (left out of the fit of its class).
    groups : int array of shape (n,)
        Rows of one group stay in one fold.
    seed : int, default 0
    folds : int, default 5
    progress : callable, optional

    Returns
    -------
    float32 array of shape (n, K)
        A class without both states in a fold's training part gets its smoothed share there.
    """
    fold = _deal(codes, groups, folds, seed)
    strength = _strength(features, codes, fold)
    out = np.empty(codes.shape, np.float32)
    for f in range(folds):
        if progress is not None:
            progress(f"out-of-fold probabilities, fold {f + 1} of {folds}")
        train, test = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
        if not test.size:
            continue
        inputs, asked = features[train], features[test]
        for c in range(codes.shape[1]):
            out[test, c] = _one_class(inputs, codes[train, c], asked, strength)
    return out


def _one_class(inputs: Any, y: np.ndarray, asked: Any, strength: float) -> np.ndarray:
    """Probabilities of one class on ``asked`` from its judged rows in ``inputs``."""
    from sklearn.linear_model import LogisticRegression

    known = y >= 0
    n, positive = int(known.sum()), int((y == 1).sum())
    if positive in (0, n):
        return np.full(asked.shape[0], (positive + 0.5) / (n + 1.0))
    model = LogisticRegression(max_iter=300, C=strength)
    proba: np.ndarray = model.fit(inputs if n == len(y) else inputs[known], y[known]).predict_proba(asked)
    return proba[:, 1]


def _strength(features: Any, codes: np.ndarray, fold: np.ndarray) -> float:
    """Choose one C for all classes by log loss on the first fold, on at most 20,000 rows and 20 classes.

    Standardised columns want a strong penalty, TF-IDF a weak one, and too weak a one leaves probabilities that
    rank missing labels badly (scene with a fifth hidden: average precision .29 with C=1, .49 with C=.01). One
    of four values chosen with the first fold in view is too little a choice to leak its labels.
    """
    rows = np.arange(len(codes))[:: max(1, len(codes) // CHOOSE_ON)]
    train, test = rows[fold[rows] != 0], rows[fold[rows] == 0]
    some = np.argsort(-(codes == 1).sum(axis=0), kind="stable")
    some = some[:: max(1, len(some) // CHOOSE_CLASSES)][:CHOOSE_CLASSES]
    if not train.size or not test.size:
        return 1.0
    inputs, asked = features[train], features[test]
    losses = []
    for strength in STRENGTHS:
        loss = 0.0
        for c in some:
            p = np.clip(_one_class(inputs, codes[train, c], asked, strength), 1e-6, 1 - 1e-6)
            y = codes[test, c]
            loss -= float(np.log(p[y == 1]).sum() + np.log(1 - p[y == 0]).sum())
        losses.append(loss)
    return STRENGTHS[int(np.argmin(losses))]


def _deal(codes: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Return the fold of each row; groups are dealt out in order of their rarest label, to spread rare classes."""
    names, first, group = np.unique(groups, return_index=True, return_inverse=True)
    counts = (codes == 1).sum(axis=0)
    rarity = np.empty(len(counts), np.int64)
    rarity[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    rarest = np.where(codes[first] == 1, rarity, len(counts)).min(axis=1)
    order = np.lexsort((np.random.default_rng(seed).random(len(names)), rarest))
    fold = np.empty(len(names), np.int64)
    fold[order] = np.arange(len(names)) % folds
    return fold[group]


def _neighbors(
    data: Representation, codes: np.ndarray, groups: np.ndarray, notes: list[str], say: Callable[[str], None]
) -> np.ndarray | None:
    """Ids (n, 10) of the nearest rows with a judged cell, own row and group excluded, -1 where there is none."""
    from trueneg.core.neighbors import top_k

    n = len(codes)
    if n > MAX_NEIGHBOR_QUERIES:
        notes.append(
            f"neighbours were not used for the ranking: {n:,} rows are more than the "
            f"{MAX_NEIGHBOR_QUERIES:,} queries an audit makes"
        )
        return None
    judged = np.flatnonzero((codes >= 0).any(axis=1))
    if judged.size < 2:
        return None
    say("nearest judged rows")
    place = np.full(n, -1, np.int64)
    place[judged] = np.arange(judged.size)
    _, found = top_k(
        data.embedding,
        data.embedding[judged],
        N_NEIGHBORS,
        exclude=place,
        query_groups=groups,
        pool_groups=groups[judged],
    )
    return np.where(found >= 0, judged[np.maximum(found, 0)], -1)


def score_cells(
    probability: np.ndarray, codes: np.ndarray, neighbors: np.ndarray | None, *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the log odds of "present" for every cell, from probabilities, neighbours and class sizes.

    Parameters
    ----------
    probability : array of shape (n, K)
        Out-of-fold probability of "present".
    codes : int array of shape (n, K)
        1 present, 0 absent, -1 unjudged.
    neighbors : int array of shape (n, k), or None
        Nearest rows, -1 for none; own row and own group must be left out.
    seed : int, default 0
        Seed of the at most 50,000 cells that the weights are fitted on.

    Returns
    -------
    score : float32 array of shape (n, K)
        Larger is more likely present; the rank of missing labels among absent cells.
    weights : float array of shape (3,)
        Of the odds, the neighbours' lift and the class size; 0 where a weight would have been negative.
    """
    n, k = codes.shape
    judged = np.maximum((codes >= 0).sum(axis=0), 1)
    share = np.clip((codes == 1).sum(axis=0) / judged, 1.0 / (judged + 1), judged / (judged + 1.0))
    # Drawn, not evenly spaced: a stride that is a multiple of K would see one class only.
    total = n * k
    cell = np.arange(total) if total <= FIT_CELLS else np.random.default_rng(seed).integers(0, total, FIT_CELLS)
    row, column = np.divmod(cell, k)
    known = codes[row, column] >= 0
    row, column = row[known], column[known]
    seen = _evidence(probability, codes, neighbors, share, row, column)
    weights = _fit(seen, codes[row, column].astype(np.float64), neighbors is not None)
    score = np.empty((n, k), np.float32)
    rows = np.arange(n)
    step = max(1, CHUNK_CELLS // max(n, 1))
    for start in range(0, k, step):
        columns = np.arange(start, min(start + step, k))
        for low in range(0, n, CHUNK_CELLS):
            part = rows[low : low + CHUNK_CELLS]
            r, c = np.repeat(part, columns.size), np.tile(columns, part.size)
            z = _evidence(probability, codes, neighbors, share, r, c) @ weights
            score[low : low + part.size, start : start + columns.size] = z.reshape(part.size, columns.size)
    return score, weights


def _evidence(
    probability: np.ndarray,
    codes: np.ndarray,
    neighbors: np.ndarray | None,
    share: np.ndarray,
    row: np.ndarray,
    column: np.ndarray,
) -> np.ndarray:
    """Return (m, 3): log odds of the model, log lift of the odds among the neighbours, log odds of the class."""
    p = probability[row, column].astype(np.float64)
    out = np.zeros((len(row), 3))
    out[:, 0] = np.log(np.maximum(p, 1e-6)) - np.log(np.maximum(1 - p, 1e-6))
    pi = share[column]
    out[:, 2] = np.log(pi) - np.log1p(-pi)
    if neighbors is not None:
        found = neighbors[row]
        label = np.where(found >= 0, codes[np.maximum(found, 0), column[:, None]], -1)
        present = (label == 1).sum(axis=1)
        votes = (label >= 0).sum(axis=1)
        lift = np.log((present + 0.5) / (votes * pi + 0.5))
        out[:, 1] = lift - np.log((votes - present + 0.5) / (votes * (1 - pi) + 0.5))
    return out


def _fit(seen: np.ndarray, y: np.ndarray, with_neighbors: bool) -> np.ndarray:
    """Weights (3,) by penalised likelihood of the given labels; a negative one is dropped and the rest refitted."""
    prior = np.array([1.0, 0.0, 0.0])
    active = np.array([True, with_neighbors, True])
    while True:
        weights = np.where(active, _newton(seen * active, y, prior * active), 0.0)
        negative = (weights[:2] < 0) & active[:2]
        if not negative.any():
            return weights
        active[:2] &= ~negative


def _newton(x: np.ndarray, y: np.ndarray, prior: np.ndarray, *, weight: Any = 1.0, steps: int = 12) -> np.ndarray:
    """Logistic coefficients with a unit Gaussian prior; halved steps, so that a far start cannot diverge."""

    def loss(b: np.ndarray) -> float:
        z = x @ b
        return float((weight * (np.logaddexp(0, z) - y * z)).sum() + 0.5 * ((b - prior) ** 2).sum())

    b = prior.astype(np.float64)
    now = loss(b)
    for _ in range(steps):
        q = _sigmoid(x @ b)
        gradient = x.T @ (weight * (q - y)) + b - prior
        curvature = (x * (weight * q * (1 - q))[:, None]).T @ x + np.eye(x.shape[1])
        step = np.linalg.solve(curvature, gradient)
        while (new := loss(b - step)) > now and np.abs(step).max() > 1e-9:
            step = step / 2
        if new > now or np.abs(step).max() < 1e-9:
            break
        b, now = b - step, new
    return b


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * z))


# ------------------------------------------------------------------------------------------ probability


def cell_probability(
    score: np.ndarray, given: np.ndarray, other: np.ndarray, usable: np.ndarray
) -> tuple[np.ndarray, bool]:
    """Return the probability that a cell of one given state is really of the other.

    Parameters
    ----------
    score : array of shape (n, K)
        Log odds of the other state.
    given, other : bool arrays of shape (n, K)
        Cells of the suspected state, and cells of the other one (believed).
    usable : bool array of shape (n, K)
        Cells that may be suspects; the others get 0.

    Returns
    -------
    probability : float32 array of shape (n, K)
        Strictly increasing in the score; 0 outside ``given & usable``.
    reliable : bool
        False where the two readings of the model differ so much that only a review can tell.
    """
    asked = given & usable
    probability = np.zeros(score.shape, np.float32)
    if not asked.any() or not other.any():
        return probability, False
    miss = _missed(score, given, other)
    low, high = float(score[asked].min()), float(score[asked].max())
    bins = 4096
    width = max(high - low, 1e-6) / bins
    sums = np.zeros((4, bins))
    for c in range(score.shape[1]):
        z = score[asked[:, c], c].astype(np.float64)
        q = _sigmoid(z)
        at = np.minimum(((z - low) / width).astype(np.int64), bins - 1)
        # The model read as P(given | x): what it would say had no label been missed.
        true = np.minimum(q / (1 - miss[c]), 0.999)
        v = true * miss[c] / (true * miss[c] + 1 - true)
        u = q * miss[c] / (q * miss[c] + 1 - q)
        for i, values in enumerate((None, z, v, u)):
            sums[i] += np.bincount(at, values, minlength=bins)
    count, z, v, u = sums[:, sums[0] > 0]
    reliable = bool(v.sum() <= CANNOT_TELL * max(u.sum(), 1e-12))
    target = (v if reliable else u) / count
    x = np.column_stack([z / count, np.ones(len(count))])
    start = np.array([1.0, np.log(max(target @ count, 1e-9) / count.sum())])
    alpha, beta = _newton(x, target, start, weight=count, steps=30)
    probability[asked] = _sigmoid(max(alpha, 1e-6) * score[asked] + beta)
    return probability, reliable


def _missed(score: np.ndarray, given: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Share (K,) of the cells truly of the other state that were given as this one, by a confident joint count."""
    k = score.shape[1]
    moved, believed = np.zeros(k), np.maximum(other.sum(axis=0), 1).astype(np.float64)
    for c in range(k):
        q = _sigmoid(score[given[:, c], c].astype(np.float64))
        kept = other[:, c]
        if not q.size or not kept.any():
            continue
        threshold = _sigmoid(score[kept, c].astype(np.float64)).mean()
        stay = float((1 - q).mean())
        over = q >= threshold
        staying = (1 - q >= stay) & ~(over & (q >= 0.5))
        over &= ~staying
        counted = max(int(staying.sum()), 1) + int(over.sum())
        moved[c] = over.sum() * q.size / counted
    # A small class alone says little about its own share: shrunk towards that of all classes together.
    pooled = moved.sum() / max(moved.sum() + believed.sum(), 1.0)
    miss = (moved + PSEUDO_COUNTS * pooled) / (moved + believed + PSEUDO_COUNTS)
    return np.clip(miss, 0.0, 0.95)


# --------------------------------------------------------------------------------------------- findings


def _classes(codes: np.ndarray, names: list[str]) -> Finding:
    from trueneg.report.figures import bar

    counts, per_row = (codes == 1).sum(axis=0), (codes == 1).sum(axis=1)
    rows = np.flatnonzero((codes >= 0).any(axis=1))
    per_row = per_row[rows]
    mean = float(per_row.mean()) if rows.size else 0.0
    empty = int((per_row == 0).sum())
    smallest = int(np.argmin(counts))
    small = np.flatnonzero(counts < TOO_FEW)
    message = (
        f"{len(names)} classes, {mean:.2f} labels a row on average (most: {int(per_row.max(initial=0))}), "
        f"{empty:,} rows with none; the smallest class, {names[smallest]!r}, has {counts[smallest]:,}"
    )
    details = {
        "counts": {names[c]: int(counts[c]) for c in np.argsort(-counts, kind="stable")[:100]},
        "rows by number of labels": {str(i): int(v) for i, v in enumerate(np.bincount(per_row)) if v},
    }
    order = np.argsort(-counts, kind="stable")
    figure = bar(
        [names[c] for c in order],
        counts[order].tolist(),
        title="Labels of each class",
        id="classes",
        caption="As labelled; unjudged cells are not counted.",
        label="class",
        value="rows",
    )
    listed = ", ".join(names[c] for c in small[:10])
    return Finding(
        "TN101",
        TITLES["TN101"],
        "finding" if small.size else "passed",
        f"{message}; fewer than {TOO_FEW} rows: {listed}" if small.size else message,
        severity="medium" if small.size else "none",
        affected=int(counts[small].sum()),
        remedy="collect rows of these classes or merge them; nothing can be told about their labels"
        if small.size
        else "",
        rows=np.flatnonzero((codes[:, small] == 1).any(axis=1)).tolist(),
        details=details,
        figures=[figure],
    )


def _unjudged(codes: np.ndarray, names: list[str]) -> Finding:
    missing = codes < 0
    count = int(missing.sum())
    if not count:
        return Finding("TN102", TITLES["TN102"], "passed", f"all {codes.size:,} cells are judged")
    by_class = missing.sum(axis=0)
    worst = np.argsort(-by_class, kind="stable")[:20]
    return Finding(
        "TN102",
        TITLES["TN102"],
        "advice",
        f"{count:,} of {codes.size:,} cells are unjudged; they are never read as absent and never suspected",
        severity="low",
        estimate=wilson(count, codes.size),
        unit="share of cells",
        affected=count,
        remedy="train and score each class on its judged rows only",
        rows=np.flatnonzero(missing.any(axis=1)).tolist(),
        details={"by class": {names[c]: int(by_class[c]) for c in worst if by_class[c]}},
    )


def _conflicts(codes: np.ndarray, data: Representation | None) -> Finding:
    """Sets of equal rows of which one has a label that another is judged not to have."""
    title = TITLES["TN103"]
    if data is None:
        return Finding("TN103", title, "not applicable", "no features, text or embedding to compare rows by")
    size = np.bincount(data.duplicate_of)
    copied = np.flatnonzero(size[data.duplicate_of] > 1)
    copied = copied[np.argsort(data.duplicate_of[copied], kind="stable")]
    repeated = int(copied.size - (size > 1).sum())
    if not copied.size:
        return Finding("TN103", title, "passed", "no row repeats another one")
    content = data.duplicate_of[copied]
    start = np.flatnonzero(np.r_[True, content[1:] != content[:-1]])
    clash = np.zeros(len(start), bool)
    step = max(1, CHUNK_CELLS // copied.size)
    for low in range(0, codes.shape[1], step):
        part = codes[copied, low : low + step]
        present = np.logical_or.reduceat(part == 1, start)
        clash |= (present & np.logical_or.reduceat(part == 0, start)).any(axis=1)
    rows = copied[np.repeat(clash, np.diff(np.r_[start, copied.size]))]
    if not rows.size:
        return Finding(
            "TN103", title, "passed", f"{repeated:,} rows repeat another one, none contradicts it in a label"
        )
    return Finding(
        "TN103",
        title,
        "finding",
        f"{rows.size:,} rows stand in {int(clash.sum()):,} sets of equal content and different sets of labels",
        severity="high" if rows.size > 0.01 * len(codes) else "medium",
        estimate=wilson(int(rows.size), len(codes)),
        unit="share of rows",
        affected=int(rows.size),
        remedy="decide every set once; a label that one copy has and another lacks is wrong on one of them",
        rows=rows.tolist(),
        details={"sets": int(clash.sum()), "repeated rows": repeated},
    )


def _judge(cells: _Cells, cost_fn: Any, cost_fp: Any) -> tuple[list[Finding], list[tuple[str, np.ndarray, np.ndarray]]]:
    """TN201, TN202 and TN204, and the suspected cells (flat numbers, probabilities) of the first two."""
    absent, present = cells.codes == 0, cells.codes == 1
    missing, sure = cell_probability(cells.score, absent, present, cells.usable)
    first, cells_201 = _directed(cells, "TN201", missing, absent & cells.usable, sure, cost_fn)
    last = _worst_class(cells, missing)
    wrong, sure = cell_probability(-cells.score, present, absent, cells.usable)
    second, cells_202 = _directed(cells, "TN202", wrong, present & cells.usable, sure, cost_fp)
    suspects = []
    if first.status == "finding":
        suspects.append(("TN201", cells_201, missing.ravel()[cells_201]))
    if second.status == "advice":
        suspects.append(("TN202", cells_202, wrong.ravel()[cells_202]))
    return [first, second, last], suspects


def _directed(
    cells: _Cells, code: str, probability: np.ndarray, pool: np.ndarray, sure: bool, cost: Any
) -> tuple[Finding, np.ndarray]:
    """Make the finding of one direction; also the suspected cells as flat numbers, most probable first."""
    about, size = float(probability.sum(dtype=np.float64)), int(pool.sum())
    named = int((probability >= NAMED).sum())
    keep = min(size, max(100, 2 * named) if code == "TN201" else named)
    toward = cells.score if code == "TN201" else -cells.score
    cell = _top(toward, pool, keep)
    words = ("absent", "missing") if code == "TN201" else ("present", "wrong")
    details: dict[str, Any] = {
        "probability": "model-based: no reviewed cell stands behind it, so no interval is given",
        "expected number": round(about, 1),
        "cells judged": size,
        "model": cells.model,
        "neighbours used": cells.neighbors is not None,
        "weights": {n: round(float(w), 3) for n, w in zip(("odds", "neighbours", "size"), cells.weights, strict=True)},
        "reliable before a review": sure,
    }
    if (about < 1 and not named) or (code == "TN202" and not named):
        return Finding(code, TITLES[code], "passed", f"none of {size:,} labels stands out", details=details), cell[:0]
    row, column = np.divmod(cell, cells.codes.shape[1])
    details["first cells"] = [
        {"row": int(r), "label": cells.names[c], "probability": round(float(probability[r, c]), 4)}
        for r, c in zip(row[:20], column[:20], strict=True)
    ]
    amount = f"about {_round(about)}" if sure else "an unknown number (it cannot be told before a review)"
    severity = "high" if about > 0.01 * size else "medium"
    found = Finding(
        code,
        TITLES[code],
        "finding" if code == "TN201" else "advice",
        f"{amount} of {size:,} labels given as {words[0]} are probably {words[1]} (an order of magnitude, "
        f"model-based); {named:,} have a probability of at least one half",
        severity=severity if code == "TN201" else "low",
        affected=max(named, round(about)),
        cost=None if cost is None else float(np.sum(cost * probability.sum(axis=1, dtype=np.float64))),
        remedy="look at the first cells of suspects.csv; treat those that stay in doubt as unjudged, not as absent",
        rows=row[np.sort(np.unique(row, return_index=True)[1])].tolist(),
        details=details,
        figures=[_falling(probability.ravel()[cell[: max(50, 3 * named)]], code)] if cell.size > 1 else [],
    )
    return found, cell


def _top(score: np.ndarray, pool: np.ndarray, keep: int) -> np.ndarray:
    """Flat numbers of the ``keep`` cells of the pool with the largest score; ties in the order of the table."""
    cell = np.flatnonzero(pool)
    values = score.ravel()[cell]
    if keep < cell.size:
        bar = np.partition(values, cell.size - keep)[cell.size - keep] if keep else np.inf
        cell, values = cell[values >= bar], values[values >= bar]
    return cell[np.argsort(-values, kind="stable")][:keep]


def _falling(probability: np.ndarray, code: str) -> dict[str, Any]:
    from trueneg.report.figures import line

    return line(
        list(range(1, len(probability) + 1)),
        probability.astype(float).tolist(),
        title=f"How fast the suspicion falls: {TITLES[code].lower()}",
        id=f"{code.lower()}-falling",
        caption="Model-based probability that the given state of the cell is wrong, most suspicious cell first.",
        x_label="rank of the cell",
        y_label="probability",
    )


def _worst_class(cells: _Cells, missing: np.ndarray) -> Finding:
    """TN204: missing labels as a share of all true ones of the class (given plus missing)."""
    counts = (cells.codes == 1).sum(axis=0)
    lost = missing.sum(axis=0, dtype=np.float64)
    share = np.where(counts >= TOO_FEW, lost / np.maximum(counts + lost, 1), 0.0)
    worst = int(np.argmax(share))
    if share[worst] < 0.005:
        return Finding("TN204", TITLES["TN204"], "passed", "no class misses more than 0.5 % of its labels")
    rows = np.flatnonzero((cells.codes[:, worst] == 0) & cells.usable[:, worst])
    rows = rows[np.argsort(-cells.score[rows, worst], kind="stable")]
    return Finding(
        "TN204",
        TITLES["TN204"],
        "advice",
        f"class {cells.names[worst]!r}: about {100 * share[worst]:.0f} % of its labels are probably missing "
        "(model-based)",
        severity="low",
        affected=round(float(lost[worst])),
        remedy="review this class first",
        rows=rows[:1000].tolist(),
        details={"share": {cells.names[c]: round(float(share[c]), 4) for c in np.argsort(-share)[:20]}},
    )


def _round(value: float) -> str:
    """Two significant digits: more would promise what is not known."""
    if value < 10:
        return f"{value:.0f}"
    digits = len(str(int(value))) - 2
    return f"{round(value / 10**digits) * 10**digits:,.0f}"


# --------------------------------------------------------------------------------------------- suspects


def _frame(
    table: Table, roles: Roles, cells: _Cells | None, suspects: list[tuple[str, np.ndarray, np.ndarray]]
) -> pa.Table:
    import pyarrow as pa

    k = 1 if cells is None else cells.codes.shape[1]
    cell = np.concatenate([np.empty(0, np.int64), *(s[1] for s in suspects)])
    probability = np.concatenate([np.empty(0), *(s[2] for s in suspects)])
    row, column = np.divmod(cell, k)
    missing = np.concatenate([np.empty(0, bool), *(np.full(len(s[1]), s[0] == "TN201") for s in suspects)])
    columns: dict[str, Any] = {"row": pa.array(row, pa.int64())}
    if roles.id:
        columns["id"] = table.arrow[roles.id].take(pa.array(row, pa.int64()))
    names = np.asarray([""] if cells is None else cells.names, dtype=object)
    text = pa.string()
    columns |= {
        "finding": pa.array(np.where(missing, "TN201", "TN202").tolist(), text),
        "label": pa.array(names[column].tolist(), text),
        "given": pa.array(np.where(missing, "absent", "present").tolist(), text),
        "proposed": pa.array(np.where(missing, "present", "absent").tolist(), text),
        "probability": np.round(probability.astype(float), 4),
        "nearest_row": _nearest(cells, row, column, missing),
    }
    return pa.table(columns)


def _nearest(cells: _Cells | None, row: np.ndarray, column: np.ndarray, missing: np.ndarray) -> np.ndarray:
    if cells is None or cells.neighbors is None:
        return np.full(len(row), -1, np.int64)
    near = cells.neighbors[row]
    label = np.where(near >= 0, cells.codes[np.maximum(near, 0), column[:, None]], -1)
    like = label == np.where(missing, 1, 0)[:, None]
    return near[np.arange(len(row)), like.argmax(axis=1)].astype(np.int64)
