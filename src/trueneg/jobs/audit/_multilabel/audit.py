"""The audit of a multi-label table from its columns to findings and suspects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.data.sniff import trusted_mask
from trueneg.jobs.audit._multilabel.findings import ScoredCells, judge_cells
from trueneg.jobs.audit._multilabel.folds import nearest_judged, out_of_fold_cells
from trueneg.jobs.audit._multilabel.reviewed import with_answers
from trueneg.jobs.audit._multilabel.score import score_cells
from trueneg.jobs.audit._multilabel.suspects import suspects_frame
from trueneg.jobs.audit._multilabel.tables import TITLES, classes_finding, conflicts_finding, unjudged_finding
from trueneg.jobs.audit.findings import Finding
from trueneg.jobs.audit.represent import represent

ROUNDS = 3

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from trueneg.data.readers import Table
    from trueneg.data.sniff import Roles
    from trueneg.jobs.audit.folder import Ranking
    from trueneg.jobs.audit.represent import Representation
    from trueneg.jobs.audit.reviewed import Reviewed


def audit_multilabel(
    table: Table,
    roles: Roles,
    *,
    seed: int = 0,
    quick: bool = False,
    progress: Callable[[str], None] | None = None,
    reviewed: dict[str, Reviewed] | None = None,
    thorough: bool = False,
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
    reviewed : dict of str to Reviewed, optional
        The answers of a review, by finding.
    thorough : bool, default False
        Average the probabilities of three rounds of cross-validation.

    Returns
    -------
    findings : list of Finding
        In order of severity.
    suspects : pyarrow.Table
        One row a suspected cell, most probable first within its finding: row, id (where there is one), finding,
        label, given, proposed, probability, nearest_row (the nearest row that carries the proposed state, else
        the nearest row; -1 without neighbours).
    words : dict
        ``classes`` (name and count each), ``saw`` (sentences) and ``model``, for the report; ``rankings`` (every
        cell of each direction of error, by finding code) and ``neighbors`` ((n, 10) or None), for the folder.
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
    findings = [classes_finding(codes, names), unjudged_finding(codes, names), conflicts_finding(codes, data)]
    suspects: list[tuple[str, np.ndarray, np.ndarray]] = []
    rankings: dict[str, Ranking] = {}
    rounds = ROUNDS if thorough else 1
    cells = _make_cells(table, roles, codes, names, data, notes, seed=seed, quick=quick, rounds=rounds, say=say)
    if cells is None:
        why = "--quick asks no model; leave it out, or give --proba"
        findings += [Finding(c, TITLES[c], "skipped", why) for c in ("TN201", "TN202", "TN204")]
    else:
        costs = {"TN201": _unit(table, roles.cost_fn), "TN202": _unit(table, roles.cost_fp)}
        judged = judge_cells(cells, costs["TN201"], costs["TN202"])
        if reviewed:
            judged = with_answers(judged, cells, reviewed, costs)
        findings += judged.findings
        suspects, rankings = judged.suspects, judged.rankings
    model = "no model (--quick)" if cells is None else cells.model
    notes.append(f"probabilities: {model}")
    frame = suspects_frame(table, roles, cells, suspects)
    counts = (codes == 1).sum(axis=0)
    listed = [{"name": n, "count": int(c)} for n, c in zip(names, counts, strict=True)]
    near = None if cells is None else cells.neighbors
    words = {"classes": listed, "saw": notes, "model": model, "rankings": rankings, "neighbors": near}
    return sorted(findings, key=Finding.rank), frame, words


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
    rounds: int,
    say: Callable[[str], None],
) -> ScoredCells | None:
    """Score every cell; None where no model may be asked."""
    groups = _groups(table, roles, data)
    if roles.proba:
        probability, model = np.asarray(roles.proba_matrix(table), np.float32), "given probabilities"
    elif not quick and data is not None:
        model = "logistic regression, one a class"
        probability = out_of_fold_cells(data.linear, codes, groups, seed=seed, progress=say)
        if rounds > 1:
            once = _loss(probability, codes)
            for r in range(1, rounds):
                probability = probability + out_of_fold_cells(data.linear, codes, groups, seed=seed + r, progress=say)
            probability = (probability / rounds).astype(np.float32)
            notes.append(
                f"--thorough averaged {rounds} rounds of folds: held-out log loss of a cell "
                f"{_loss(probability, codes):.4f}, against {once:.4f} by one round"
            )
    else:
        return None
    neighbors = None if quick or data is None else nearest_judged(data, codes, groups, notes, say)
    say("ranking the cells")
    usable = codes >= 0
    if roles.trusted:
        usable[trusted_mask(table, roles.trusted)] = False
    score, weights = score_cells(probability, codes, neighbors, seed=seed)
    return ScoredCells(codes, names, usable, score, neighbors, weights, model)


def _loss(probability: np.ndarray, codes: np.ndarray) -> float:
    """Return the mean log loss of the judged cells."""
    p = np.clip(probability[codes >= 0].astype(float), 1e-6, 1 - 1e-6)
    return float(-np.log(np.where(codes[codes >= 0] == 1, p, 1 - p)).mean())


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
