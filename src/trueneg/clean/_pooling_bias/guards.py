"""When the correction must not be used: shared features, weights that are all one, labels that no pool explains."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
_BLOCK = 1 << 16
_EXPLAINED = 0.9
POOLED = 0.06  # nats a label: with less, a missing relevance feature explains the gain (measured: docs)
_LISTS = 1000  # queries that the test for a pool looks at
_PAIRS = 60_000


def explained(x: Any, z: Any, query: Rows) -> tuple[Floats, tuple[int, int] | None]:
    """Return how well the relevance features predict each selection feature, and the first pair of equal columns.

    R squared of a linear fit, adjusted for the number of columns; the larger of the one over all pairs and the one
    within queries, since a list loss sees nothing but differences within a query.

    Returns
    -------
    r2 : (q,) float64
        0 for a column that does not vary.
    same : (int, int) or None
        Columns of x and z that are one another up to scale and shift (within queries too).
    """
    r2, same = _r2(x, z, None)
    within, twin = _r2(x, z, query)
    return np.maximum(r2, within), same or twin


def _r2(x: Any, z: Any, query: Rows | None) -> tuple[Floats, tuple[int, int] | None]:
    p, n = x.shape[1], len(x)
    gram = _covariance(x, z, query)
    lost = 1 if query is None else len(np.unique(query))
    variance = np.diag(gram)
    varies = variance > 1e-12 * (1 + np.concatenate([_square_mean(x), _square_mean(z)]))
    scale = np.where(varies, np.sqrt(np.maximum(variance, 1e-300)), np.inf)
    corr = gram / np.outer(scale, scale)
    xx, xz = corr[:p, :p], corr[:p, p:]
    share = np.einsum("ij,ij->j", xz, np.linalg.pinv(xx, hermitian=True, rcond=1e-10) @ xz)
    free = n - lost - int(varies[:p].sum())
    r2 = 1 - (1 - share) * (n - lost) / free if free > 0 else np.zeros_like(share)
    twins = np.argwhere(np.abs(xz) > 1 - 1e-8)
    same = (int(twins[0, 0]), int(twins[0, 1])) if len(twins) else None
    return np.where(varies[p:], np.clip(r2, 0, 1), 0.0), same


def _covariance(x: Any, z: Any, query: Rows | None) -> Floats:
    """Covariance of all columns, over all pairs or within queries, a block at a time."""
    k = x.shape[1] + z.shape[1]
    total = np.zeros((k, k))
    if query is None:
        mean = np.concatenate([x.mean(axis=0, dtype=np.float64), z.mean(axis=0, dtype=np.float64)])[None]
        place = np.zeros(len(x), dtype=np.int64)
    else:
        _, place, count = np.unique(query, return_inverse=True, return_counts=True)
        sums = [np.bincount(place, weights=a[:, j], minlength=len(count)) for a in (x, z) for j in range(a.shape[1])]
        mean = np.stack(sums, axis=1) / count[:, None]
    for start in range(0, len(x), _BLOCK):
        part = slice(start, start + _BLOCK)
        own = np.concatenate([x[part], z[part]], axis=1) - mean[place[part]]
        total += own.T @ own
    return total / len(x)


def _square_mean(x: Any) -> Floats:
    out: Floats = np.asarray(x.mean(axis=0, dtype=np.float64)) ** 2
    return out


def shared_words(r2: Floats, same: tuple[int, int] | None) -> str | None:
    """Return what is wrong with the two sets of features, or None."""
    cure = "give selection features of the pooling system alone (its score, its rank), and take them out of X_rel"
    if same is not None:
        return f"column {same[1]} of X_sel is column {same[0]} of X_rel: the two models cannot be told apart; {cure}"
    if len(r2) and r2.max() > _EXPLAINED:
        column = int(r2.argmax())
        return (
            f"X_rel predicts column {column} of X_sel with R2 = {r2[column]:.3f}, above {_EXPLAINED}: the two models "
            f"cannot be told apart; {cure}"
        )
    return None


def pooling_evidence(query: Rows, labelled: NDArray[np.bool_], x: Any, z: Any, *, seed: int) -> Estimate | None:
    """Measure what the selection features say of the labels that the relevance features do not.

    Two logistic models of "labelled", with and without the selection features, each fitted on half of the queries and
    held to the other half: mean gain of log likelihood, a labelled pair, with an interval from a bootstrap over
    queries. A low end of less than :data:`POOLED` means: no pool is seen. A feature that tells relevance and is
    missing in `x` gains as well, so that the labels alone never prove a pool.

    Returns
    -------
    Estimate or None
        None where fewer than four queries have a labelled pair, so that nothing can be held out.
    """
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(seed)
    names, place = np.unique(query, return_inverse=True)
    useful = np.flatnonzero(np.bincount(place, weights=labelled) > 0)
    if len(useful) < 4:
        return None
    chosen = rng.permutation(useful)[:_LISTS]
    fold = np.full(len(names), -1)
    fold[chosen] = np.arange(len(chosen)) % 2
    rows = np.flatnonzero(fold[place] >= 0)
    if len(rows) > _PAIRS:
        rows = np.sort(rng.permutation(rows)[:_PAIRS])
    y, own, side = labelled[rows], place[rows], fold[place[rows]]
    both = np.concatenate([x[rows], z[rows]], axis=1).astype(np.float64)
    both = (both - both.mean(axis=0)) / np.maximum(both.std(axis=0), 1e-12)
    gain = np.zeros(len(rows))
    for test in (0, 1):
        train, held = side != test, side == test
        if len(np.unique(y[train])) < 2:
            return None
        for columns, sign in ((both, 1.0), (both[:, : x.shape[1]], -1.0)):
            model = LogisticRegression(C=10.0, max_iter=300).fit(columns[train], y[train])
            log_p = model.predict_log_proba(columns[held])
            gain[held] += sign * log_p[np.arange(len(log_p)), y[held].astype(np.int64)]
    number, total = np.bincount(own, weights=y), np.bincount(own, weights=gain)
    seen = np.bincount(own) > 0
    number, total = number[seen], total[seen]
    draws = rng.integers(0, len(total), (1000, len(total)))
    values = total[draws].sum(axis=1) / np.maximum(number[draws].sum(axis=1), 1)
    low, high = np.quantile(values, [0.025, 0.975])
    value = float(total.sum() / max(number.sum(), 1))
    return Estimate(
        value, min(float(low), value), max(float(high), value), 0.95, "held-out queries, bootstrap", len(total)
    )


def check_labels(y: Any) -> NDArray[np.int8]:
    """Read verdicts: 1 relevant, 0 judged not relevant, -1 unjudged."""
    found = np.asarray(y)
    if found.ndim != 1 or found.dtype.kind not in "iuf" or not np.isin(found, (-1, 0, 1)).all():
        raise InputError("y must hold one verdict a pair: 1 relevant, 0 judged not relevant, -1 nobody judged it")
    out = found.astype(np.int8)
    if not (out == 1).any():
        raise InputError("y holds no labelled positive (1): there is nothing to learn from")
    if not (out < 0).any():
        raise InputError("y holds no unjudged pair: mark pairs that nobody judged by -1; 0 says judged, not relevant")
    return out
