"""Label noise among K classes: the noise matrix, the confusion it shows, its inverse, corrected metrics.

Confusions are (K, K) with the label in rows and the prediction in columns, as scikit-learn has them. With
``T[i, j] = P(observed j | truly i)`` and errors that do not depend on the prediction, the expected observed confusion
is ``T' C``; its inverse is clipped column by column, since what was predicted is known without error. At K = 2 all of
this equals the binary forms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.judge._noisy_metrics.correction import CorrectedMetrics, check_draws
from trueneg.judge._noisy_metrics.draws import interval
from trueneg.judge._noisy_metrics.metrics import check_lengths, ratio

Array = np.ndarray
_MAX_CONDITION = 100.0  # beyond it, a sampling error of 1 % of the rows may come back as large as the rows themselves
_BLOCK = 500_000  # numbers held at once while drawing


# ----------------------------------------------------------------------------------------------------- metrics
def _accuracy(c: Array) -> Array:
    return ratio(np.trace(c, axis1=-2, axis2=-1), c.sum(axis=(-2, -1)))


def _recalls(c: Array) -> Array:
    return ratio(np.diagonal(c, axis1=-2, axis2=-1), c.sum(axis=-1))


def _macro_recall(c: Array) -> Array:
    return _recalls(c).mean(axis=-1)


def _macro_f1(c: Array) -> Array:
    return ratio(2.0 * np.diagonal(c, axis1=-2, axis2=-1), c.sum(axis=-1) + c.sum(axis=-2)).mean(axis=-1)


def _agreement(c: Array) -> tuple[Array, Array, Array, Array]:
    """Share of agreement, its value by chance, and one minus the squared length of both margins."""
    p = ratio(c, c.sum(axis=(-2, -1), keepdims=True))
    true, said = p.sum(axis=-1), p.sum(axis=-2)
    agree, chance = np.trace(p, axis1=-2, axis2=-1), (true * said).sum(axis=-1)
    return agree, chance, 1.0 - (true**2).sum(axis=-1), 1.0 - (said**2).sum(axis=-1)


def _mcc(c: Array) -> Array:
    """Gorodkin's R_K (2004), which is the Matthews correlation at K = 2."""
    agree, chance, true, said = _agreement(c)
    # One class alone leaves a variance of 0, which rounding puts on either side of it.
    true, said = (np.where(v > 1e-12, v, 0.0) for v in (true, said))
    return ratio(agree - chance, np.sqrt(true * said))


def _kappa(c: Array) -> Array:
    agree, chance, _, _ = _agreement(c)
    return ratio(agree - chance, 1.0 - chance)


CLASS_METRICS: dict[str, Callable[[Array], Array]] = {
    "accuracy": _accuracy,
    "macro_recall": _macro_recall,
    "macro_f1": _macro_f1,
    "mcc": _mcc,
    "kappa": _kappa,
}
"""Metric name -> function of confusions ``(..., K, K)``; NaN where undefined, a class without rows included."""


# ------------------------------------------------------------------------------------------------------- noise
@dataclass(frozen=True)
class NoiseMatrix:
    """How often each class is written down as each other class.

    Parameters
    ----------
    rates : array_like, shape (K, K)
        ``rates[i, j] = P(observed j | truly i)``; each row sums to 1.
    classes : sequence, optional
        The labels in the order of the rows; 0 ... K - 1 by default.

    Raises
    ------
    InputError
        Rows that are no probabilities; a matrix whose inverse would blow up the sampling error (condition number
        above 100), or with a determinant not above 0, as when two classes are exchanged or one never shows.
    """

    rates: Array
    classes: tuple[Any, ...] = ()
    _table: tuple[Array, Array] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        rates = np.array(self.rates, dtype=np.float64)
        if rates.ndim != 2 or rates.shape[0] != rates.shape[1] or len(rates) < 2:
            raise InputError(f"rates has shape {rates.shape}; give a square noise matrix of two or more classes.")
        if not np.isfinite(rates).all() or (rates < 0).any() or np.abs(rates.sum(axis=1) - 1.0).max() > 1e-6:
            raise InputError(
                "rates must be probabilities with rows that sum to 1: entry (i, j) is P(observed j | truly i). "
                "Divide each row by its sum, or transpose if the columns sum to 1."
            )
        classes = tuple(self.classes) or tuple(range(len(rates)))
        if len(classes) != len(rates) or len(set(classes)) != len(classes):
            raise InputError(f"classes names {classes!r}; give {len(rates)} different labels, one for each row.")
        condition = float(np.linalg.cond(rates))
        sign = float(np.linalg.slogdet(rates).sign)  # the determinant itself underflows with many classes
        if condition > _MAX_CONDITION or sign <= 0.0:
            raise InputError(
                f"This noise matrix cannot be undone: condition number {condition:.3g} (at most {_MAX_CONDITION:.0f}), "
                f"sign of the determinant {sign:.0f} (must be 1). Merge the classes that labels mix up, or relabel."
            )
        rates.flags.writeable = False
        object.__setattr__(self, "rates", rates)
        object.__setattr__(self, "classes", classes)

    @classmethod
    def from_audit(
        cls, observed: Any, audited: Any, *, classes: Sequence[Any] | None = None, weights: Any = None
    ) -> NoiseMatrix:
        """Estimate the matrix from rows that were looked at again.

        Parameters
        ----------
        observed, audited : array_like, shape (m,)
            The label in the data and the label found by the audit, taken as the truth.
        classes : sequence, optional
            All labels; those seen in either by default, sorted.
        weights : array_like, shape (m,), optional
            How many rows of the data each audited row stands for; needed unless the audit was a simple random sample.

        Returns
        -------
        NoiseMatrix
            Its uncertainty (a Dirichlet law for each observed class, 1/K a class: Jeffreys' at K = 2) is carried into
            every interval.
        """
        seen, truth = np.asarray(observed), np.asarray(audited)
        names = tuple(np.unique(np.concatenate([seen, truth])).tolist() if classes is None else classes)
        i, j = _codes(truth, names, "audited"), _codes(seen, names, "observed")
        w = np.ones(i.size) if weights is None else np.asarray(weights, dtype=np.float64)
        check_lengths(i, j, w)
        if not np.isfinite(w).all() or (w <= 0).any():
            raise InputError("weights must be positive and finite: the number of rows each audited row stands for.")
        k = len(names)
        table = np.bincount(i * k + j, weights=w, minlength=k * k).reshape(k, k)
        mass, squares = table.sum(axis=0), np.bincount(j, weights=w * w, minlength=k)
        lacking = [n for n, a, b in zip(names, mass, table.sum(axis=1), strict=True) if a == 0 or b == 0]
        if lacking:
            raise InputError(
                f"The audit holds no row observed as, or none that truly is, {lacking!r}; audit some rows of every "
                "observed class, and leave out or merge classes that it never found."
            )
        # Kish's effective size: unequal weights inside an observed class buy less information than their number.
        rates = table / table.sum(axis=1, keepdims=True)
        return cls(rates, names, _table=(table * mass / squares, mass))

    def draw(self, n_draws: int, rng: np.random.Generator) -> Array:
        """Draw noise matrices (n_draws, K, K) from what the audit left open; the same one throughout where known."""
        if self._table is None:
            return np.broadcast_to(self.rates, (n_draws, *self.rates.shape))
        counts, mass = self._table
        share = rng.standard_gamma(counts + 1.0 / len(counts), size=(n_draws, *counts.shape))
        joint = share / share.sum(axis=1, keepdims=True) * mass
        return joint / np.maximum(joint.sum(axis=2, keepdims=True), np.finfo(float).tiny)


def _codes(values: Any, classes: tuple[Any, ...], what: str) -> Array:
    array = np.asarray(values)
    if array.ndim != 1 or array.size == 0:
        raise InputError(f"{what} has shape {array.shape}; give one label for each row.")
    names, inverse = np.unique(array, return_inverse=True)
    at = {c: i for i, c in enumerate(classes)}
    unknown = [n for n in names.tolist() if n not in at]
    if unknown:
        raise InputError(f"{what} holds {unknown[:5]!r}, not among the classes {classes[:20]!r}; drop unjudged rows.")
    return np.array([at[n] for n in names.tolist()], dtype=np.int64)[inverse]


# --------------------------------------------------------------------------------------------- forward, inverse
def _confusions(confusion: Any, noise: NoiseMatrix, what: str) -> Array:
    counts, k = np.asarray(confusion, dtype=np.float64), len(noise.classes)
    if counts.ndim < 2 or counts.shape[-2:] != (k, k):
        raise InputError(f"{what} has shape {counts.shape}; give confusions (..., {k}, {k}), labels in rows.")
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise InputError(f"{what} holds negative or non-finite counts; give counts of rows, zero or more.")
    return counts


def class_confusion(y: Any, y_pred: Any, classes: Sequence[Any]) -> Array:
    """Count labels ``y`` (n,) against predictions ``y_pred`` (n,): float64 (K, K), labels in rows."""
    names = tuple(classes)
    i, j, k = _codes(y, names, "y"), _codes(y_pred, names, "y_pred"), len(names)
    check_lengths(i, j)
    return np.bincount(i * k + j, minlength=k * k).reshape(k, k).astype(np.float64)


def expected_class_confusion(confusion: Any, noise: NoiseMatrix) -> Array:
    """Confusion (..., K, K) that noisy labels show on average, from the true one; predicted columns keep their sums."""
    return noise.rates.T @ _confusions(confusion, noise, "confusion")


def corrected_class_confusion(observed: Any, noise: NoiseMatrix) -> tuple[Array, Array]:
    """Undo the noise in observed confusions.

    Parameters
    ----------
    observed : array_like, shape (..., K, K)
        Observed labels in rows, predictions in columns.
    noise : NoiseMatrix

    Returns
    -------
    confusion : ndarray, shape (..., K, K)
        Never negative; where the inverse is, the nearest column (Euclidean) that is not, of the same sum.
    clipped : ndarray of bool, shape (...)
        True where that was needed: the matrix does not fit these counts.
    """
    counts = _confusions(observed, noise, "observed")
    return _undo(counts, noise.rates)


def _undo(counts: Array, rates: Array) -> tuple[Array, Array]:
    raw = np.linalg.solve(np.swapaxes(rates, -1, -2), counts)
    total = counts.sum(axis=-2, keepdims=True)
    bad = (raw < -1e-9 * (1.0 + total)).any(axis=(-2, -1))
    kept = np.maximum(raw, 0.0)
    if bad.any():
        kept[bad] = _on_simplex(raw[bad], total[bad])
    return kept, bad


def _on_simplex(raw: Array, total: Array) -> Array:
    """Nearest nonnegative columns of the given sums (Duchi et al., ICML 2008, algorithm of figure 1)."""
    order = -np.sort(-raw, axis=-2)
    step = np.arange(1, raw.shape[-2] + 1)[:, None]
    shift = (np.cumsum(order, axis=-2) - total) / step
    last = np.maximum((order > shift).sum(axis=-2, keepdims=True) - 1, 0)
    return np.maximum(raw - np.take_along_axis(shift, last, axis=-2), 0.0)


# ---------------------------------------------------------------------------------------------- with intervals
def corrected_class_metrics(
    y_observed: Any,
    y_pred: Any,
    noise: NoiseMatrix,
    *,
    metrics: str | Sequence[str] | None = None,
    level: float = 0.9,
    n_draws: int = 2000,
    random_state: int | np.random.Generator | None = None,
) -> CorrectedMetrics:
    """Metrics of a K-class model against the truth, from noisy labels, with intervals.

    Parameters
    ----------
    y_observed : array_like, shape (n,), or confusion, shape (K, K)
        Noisy labels; or the observed confusion with ``y_pred=None``.
    y_pred : array_like, shape (n,), or None
    noise : NoiseMatrix
        Taken to hold for every predicted class alike; this is not tested here.
    metrics : str or sequence of str, optional
        Names in :data:`CLASS_METRICS`, and ``recall`` for one figure a class, ``recall of CLASS``; all by default.
    level : float, default 0.9
    n_draws : int, default 2000
        Draws of the confusion (multinomial) and, from an audit, of the matrix. Fewer than for two classes, since each
        costs a K x K solve.
    random_state : int, Generator or None

    Returns
    -------
    CorrectedMetrics
        A dict of Estimate; ``confusion`` is (K, K); ``clipped`` and ``notes`` say where the matrix does not fit.
    """
    names = _class_names(metrics)
    check_draws(level, n_draws)
    given = y_observed if y_pred is None else class_confusion(y_observed, y_pred, noise.classes)
    counts = _confusions(given, noise, "y_observed")
    if counts.ndim != 2 or counts.sum() <= 0:
        raise InputError(f"The observed confusion has shape {counts.shape}, sum {counts.sum()}; give one model's.")
    fixed, at_point = _undo(counts, noise.rates)
    drawn, clipped_share, lost = _figures(counts, noise, names, n_draws, np.random.default_rng(random_state))
    point, seen = _values(fixed, names, noise.classes), _values(counts, names, noise.classes)
    method = f"noise-corrected, {len(counts)} classes, {n_draws} draws" + (", clipped" if at_point else "")
    n = int(counts.sum())
    out = CorrectedMetrics((k, interval(drawn[k], float(v), level, method, n)) for k, v in point.items())
    out.observed = {k: float(v) for k, v in seen.items()}
    out.confusion, out.correction = fixed, "global"
    out.clipped, out.clipped_share = bool(at_point), clipped_share
    out.notes = _notes(out, noise, lost)
    return out


def _class_names(metrics: str | Sequence[str] | None) -> tuple[str, ...]:
    known = (*CLASS_METRICS, "recall")
    names = known if metrics is None else ((metrics,) if isinstance(metrics, str) else tuple(metrics))
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise InputError(f"Unknown metrics {unknown}; choose at least one of {', '.join(known)}.")
    return names


def _values(c: Array, names: tuple[str, ...], classes: tuple[Any, ...]) -> dict[str, Array]:
    out = {name: CLASS_METRICS[name](c) for name in names if name != "recall"}
    if "recall" in names:
        recalls = _recalls(c)
        out |= {f"recall of {label}": recalls[..., i] for i, label in enumerate(classes)}
    return out


def _figures(
    counts: Array, noise: NoiseMatrix, names: tuple[str, ...], n_draws: int, rng: np.random.Generator
) -> tuple[dict[str, Array], float, float]:
    """Draws of each figure, the share of draws that were clipped, the share of matrices that could not be undone."""
    total, parts, clipped, lost = counts.sum(), [], 0, 0
    step = max(1, _BLOCK // counts.size)
    for start in range(0, n_draws, step):  # blocks of draws, so that memory does not grow with their number
        size = min(step, n_draws - start)
        cells = rng.multinomial(int(round(total)), counts.ravel() / total, size=size).reshape(size, *counts.shape)
        matrix = noise.draw(size, rng)
        if noise._table is not None:
            usable = np.linalg.cond(matrix) <= _MAX_CONDITION
            cells, matrix, lost = cells[usable], matrix[usable], lost + int((~usable).sum())
        fixed, bad = _undo(cells.astype(np.float64), noise.rates if noise._table is None else matrix)
        clipped += int(bad.sum())
        parts.append(_values(fixed, names, noise.classes))
    if lost > n_draws // 2:
        raise InputError("Most noise matrices that this audit allows cannot be undone; audit more rows of each class.")
    figures = {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
    return figures, clipped / max(n_draws - lost, 1), lost / n_draws


def _notes(result: CorrectedMetrics, noise: NoiseMatrix, lost: float) -> tuple[str, ...]:
    notes = []
    if result.clipped:
        notes.append("clipped: this matrix asks for a negative count, which was set to zero; it does not fit the data.")
    elif result.clipped_share > 0:
        notes.append(f"clipped: a negative count was set to zero in {result.clipped_share:.1%} of the draws.")
    if lost > 0:
        notes.append(f"left out: {lost:.1%} of the drawn matrices could not be undone; the intervals are too short.")
    notes.append("untested: assumes that label errors do not depend on the prediction.")
    if noise._table is None:
        notes.append("exact rates: the interval holds sampling error only, not what is unknown about the rates.")
    return tuple(notes)
