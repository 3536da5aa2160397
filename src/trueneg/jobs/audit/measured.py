"""Metrics where the truth is known: over trusted rows, and over all rows by the answers of a review."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from trueneg.core._detection.ranked import Ranked, area, average_precision
from trueneg.core.intervals import Estimate, bootstrap

if TYPE_CHECKING:
    from trueneg.jobs.audit.suspicion import Suspicion

LEVEL = 0.95
LEAST = 10
AREA_ROWS = 20_000
AREA_DRAWS = 300
MAX_CLASSES = 50


def trusted_two_class(
    truth: np.ndarray, scores: np.ndarray, *, groups: np.ndarray | None, n_boot: int, seed: int
) -> dict[str, Estimate]:
    """Measure every metric on trusted rows, rows or whole groups resampled.

    Parameters
    ----------
    truth : (m,) int array of 0 and 1
    scores : (m,) float array
        Out of fold; positive from 0.5 upwards.
    groups : (m,) int array or None
        Rows of one group are resampled together.
    n_boot, seed : int
        Resamples of the counts; areas get fewer, since each sorts the rows again.

    Returns
    -------
    dict of str to Estimate
        Undefined metrics are left out. Empty below 10 rows or with one class.
    """
    from trueneg.judge.noisy_metrics import METRICS

    if len(truth) < LEAST or truth.min() == truth.max():
        return {}
    code = 2 * truth + (scores >= 0.5)
    table = _tables(code, 4, groups)[:, [3, 1, 2, 0]]  # TP, FP, FN, TN
    drawn, words = _resampled(table, n_boot, seed)
    whole = table.sum(axis=0)
    out = {}
    for name, metric in METRICS.items():
        made = _estimate(float(metric(whole)), metric(drawn), words, _units(table))
        if made is not None:
            out[name] = made
    some = np.arange(len(truth))
    if len(truth) > AREA_ROWS:
        some = np.sort(np.random.default_rng(seed).choice(len(truth), AREA_ROWS, replace=False))
    clustered = None if groups is None else groups[some]
    if clustered is not None and len(np.unique(clustered)) < 2:
        return out

    row = np.arange(len(some))
    for name, figure in _ranked_metrics(truth[some], scores[some]).items():
        out[name] = bootstrap(figure, row, n_boot=min(n_boot, AREA_DRAWS), groups=clustered, random_state=seed)
    return out


def _ranked_metrics(truth: np.ndarray, scores: np.ndarray) -> dict[str, Callable[[np.ndarray], float]]:
    """Return metrics of drawn rows, NaN without both classes: sorted once, each draw is one pass over its counts."""
    ranked = Ranked.of(truth, scores)
    sure = np.clip(scores.astype(float), 1e-6, 1 - 1e-6)
    loss = -np.log(np.where(truth == 1, sure, 1 - sure))

    def shares(row: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        return ranked.shares(np.bincount(row, minlength=len(truth)).astype(float))

    def auroc(row: np.ndarray) -> float:
        found = shares(row)
        return float("nan") if found is None else area(*found)

    def auprc(row: np.ndarray) -> float:
        found = shares(row)
        if found is None:
            return float("nan")
        hit = float(truth[row].sum())
        return average_precision(*found, (hit, len(row) - hit))

    def log_loss(row: np.ndarray) -> float:
        return float(loss[row].mean()) if 0 < truth[row].sum() < len(row) else float("nan")

    return {"auroc": auroc, "auprc": auprc, "log_loss": log_loss}


def trusted_classes(
    truth: np.ndarray, predicted: np.ndarray, n_classes: int, *, groups: np.ndarray | None, n_boot: int, seed: int
) -> dict[str, Estimate]:
    """Measure accuracy, and with up to 50 classes balanced accuracy and macro F1, on trusted rows; as above."""
    if len(truth) < LEAST or truth.min() == truth.max():
        return {}
    if n_classes > MAX_CLASSES:
        table = _tables((truth == predicted).astype(int), 2, groups)
        drawn, words = _resampled(table, n_boot, seed)
        whole = table.sum(axis=0)
        made = _estimate(float(whole[1] / whole.sum()), drawn[:, 1] / drawn.sum(axis=1), words, _units(table))
        return {} if made is None else {"accuracy": made}
    table = _tables(truth * n_classes + predicted, n_classes**2, groups)
    drawn, words = _resampled(table, n_boot, seed)
    whole = table.sum(axis=0).reshape(1, n_classes, n_classes)
    cubes = drawn.reshape(-1, n_classes, n_classes)
    out = {}
    for name, metric in (("accuracy", _accuracy), ("balanced_accuracy", _balanced), ("macro_f1", _macro_f1)):
        made = _estimate(float(metric(whole)[0]), metric(cubes), words, _units(table))
        if made is not None:
            out[name] = made
    return out


def class_figures(given: np.ndarray, predicted: np.ndarray, n_classes: int) -> dict[str, float]:
    """Return the same metrics of labels as they are, without interval."""
    if n_classes > MAX_CLASSES:
        return {"accuracy": float((given == predicted).mean())}
    table = np.bincount(given * n_classes + predicted, minlength=n_classes**2).reshape(1, n_classes, n_classes)
    both = (("accuracy", _accuracy), ("balanced_accuracy", _balanced), ("macro_f1", _macro_f1))
    return {name: float(metric(table.astype(float))[0]) for name, metric in both}


def _accuracy(t: np.ndarray) -> np.ndarray:
    out: np.ndarray = np.trace(t, axis1=1, axis2=2) / np.maximum(t.sum(axis=(1, 2)), 1e-300)
    return out


def _balanced(t: np.ndarray) -> np.ndarray:
    hit, size = np.diagonal(t, axis1=1, axis2=2), t.sum(axis=2)
    return _mean_where(hit / np.maximum(size, 1e-300), size > 0)


def _macro_f1(t: np.ndarray) -> np.ndarray:
    hit, size, said = np.diagonal(t, axis1=1, axis2=2), t.sum(axis=2), t.sum(axis=1)
    return _mean_where(2 * hit / np.maximum(size + said, 1e-300), size > 0)


def _mean_where(values: np.ndarray, there: np.ndarray) -> np.ndarray:
    out: np.ndarray = (values * there).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return out


def _tables(code: np.ndarray, size: int, groups: np.ndarray | None) -> np.ndarray:
    """Count the cells of each group (groups, size), or of all rows together (1, size)."""
    if groups is None:
        return np.bincount(code, minlength=size)[None].astype(float)
    member = np.unique(groups, return_inverse=True)[1]
    flat = np.bincount(member * size + code, minlength=(int(member.max()) + 1) * size)
    return flat.reshape(-1, size).astype(float)


def _units(table: np.ndarray) -> int:
    """Return what was resampled: groups, or rows."""
    return int(table.sum()) if len(table) == 1 else len(table)


def _resampled(table: np.ndarray, n_boot: int, seed: int) -> tuple[np.ndarray, str]:
    """Return the counts of resampled units (n_boot, size), and what was resampled."""
    rng = np.random.default_rng(seed)
    whole = table.sum(axis=0)
    if len(table) == 1:
        # Rows: a resample of them is a multinomial draw of their cells.
        drawn = rng.multinomial(int(whole.sum()), whole / whole.sum(), size=n_boot)
        return drawn.astype(float), "percentile bootstrap"
    out = np.empty((n_boot, table.shape[1]))
    for b in range(n_boot):
        out[b] = np.bincount(rng.integers(0, len(table), len(table)), minlength=len(table)) @ table
    return out, "percentile bootstrap of groups"


def _estimate(value: float, drawn: np.ndarray, method: str, n: int) -> Estimate | None:
    known = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or 2 * known.size < drawn.size:
        return None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, min(float(low), value), max(float(high), value), LEVEL, method, n)


def reviewed_two_class(
    counts: np.ndarray, found: dict[str, Suspicion], positive: np.ndarray, *, n_draws: int, seed: int
) -> dict[str, Estimate]:
    """Correct the metrics of all rows by the answers of a review.

    Parameters
    ----------
    counts : (4,) float array
        TP, FP, FN, TN against the labels as they are.
    found : dict of str to Suspicion
        Reviewed directions: ``TN201`` (negatives), ``TN202`` (positives). One that is missing counts as right.
    positive : (n,) bool array
        What the model predicts for every row of the table.
    n_draws, seed : int
        Worlds drawn from the strata and from the recalibrated ranking, joined under the guard of the review.

    Returns
    -------
    dict of str to Estimate
        The value is that of the recalibrated probabilities where the answers support the ranking, else of the
        answers weighted by the inverse of their chance to be drawn.
    """
    from trueneg.core.survey import worlds
    from trueneg.judge.noisy_metrics import METRICS

    rng = np.random.default_rng(seed)
    drawn, point = np.repeat(counts[None].astype(float), n_draws, axis=0), counts.astype(float).copy()
    n = 0
    for code, one in found.items():
        review = one.review
        if review is None:
            continue
        ranking = review.answered.ranking
        cell = positive[np.asarray(ranking.row)].astype(np.int64)
        moved = worlds(
            review.answered.sample, review.answers, ranking.probability, cell, n_draws=n_draws, random_state=rng
        )
        moved = np.pad(moved, ((0, 0), (0, 2 - moved.shape[1])))
        said = _point(one, positive)
        drawn += _shift(moved, code)
        point += _shift(said[None], code)[0]
        n += review.n_answered
    drawn, point = np.maximum(drawn, 0.0), np.maximum(point, 0.0)
    out = {}
    for name, metric in METRICS.items():
        made = _estimate(float(metric(point)), metric(drawn), "answers of a review, drawn within strata", n)
        if made is not None:
            out[name] = made
    return out


def _point(found: Suspicion, positive: np.ndarray) -> np.ndarray:
    """Return the wrong labels among rows predicted negative and positive (2,)."""
    review = found.review
    assert review is not None  # noqa: S101 - for the type checker
    if review.result.supported:
        return np.bincount(positive[found.row].astype(int), weights=found.probability, minlength=2)
    wrong = (review.answers == 1) * review.result.weight
    return np.bincount(positive[review.rows].astype(int), weights=wrong, minlength=2)


def _shift(wrong: np.ndarray, code: str) -> np.ndarray:
    """Turn wrong labels by prediction (d, 2) into changes of TP, FP, FN, TN (d, 4)."""
    among_negative, among_positive = wrong[:, 0], wrong[:, 1]
    sign = 1.0 if code == "TN201" else -1.0  # a false negative turns FP into TP and TN into FN
    return sign * np.stack([among_positive, -among_positive, among_negative, -among_negative], axis=1)
