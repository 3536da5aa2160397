"""How often labels are wrong: known rates, rates with standard errors, and rates from an audit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.judge._noisy_metrics.metrics import check_binary, check_lengths, ratio

Array = np.ndarray
_DIFFER = 0.05  # level at which the rates are said to differ between predicted-positive and predicted-negative rows


@dataclass(frozen=True)
class Audit:
    """What an audit saw in each (observed, predicted) cell; arrays (2, 2), predicted axis of size 1 if unknown."""

    rows: Array  # effective number of audited rows
    positive: Array  # effective number of them truly positive
    mass: Array  # rows of the data that the audited rows stand for

    def draw(self, rng: np.random.Generator, n_draws: int) -> Array:
        """Draw P(truly positive | cell), shape (n_draws, 2, P), from the Jeffreys posterior."""
        a, b = self.positive + 0.5, self.rows - self.positive + 0.5
        return rng.beta(a, np.maximum(b, 0.5), size=(n_draws, *a.shape))

    def rates(self, share: Array) -> tuple[Array, Array]:
        """Turn P(truly positive | cell) (..., 2, P) into pooled (miss, false_alarm) (...)."""
        positive = (self.mass * share).sum(axis=-1)
        negative = (self.mass * (1.0 - share)).sum(axis=-1)
        return (
            ratio(positive[..., 0], positive.sum(axis=-1)),
            ratio(negative[..., 1], negative.sum(axis=-1)),
        )

    @property
    def share(self) -> Array:
        """P(truly positive | cell) as counted; 0 in a cell without audited rows."""
        return np.divide(self.positive, self.rows, out=np.zeros_like(self.rows), where=self.rows > 0)


@dataclass(frozen=True)
class NoiseRates:
    """How often labels are wrong.

    Parameters
    ----------
    miss : float
        P(observed negative | truly positive), in [0, 1).
    false_alarm : float
        P(observed positive | truly negative), in [0, 1). The two must sum to less than 1.
    se : pair of float, optional
        Standard errors of the two rates; the intervals then carry them. Without, the rates count as known.
    by_prediction : pair of NoiseRates, optional
        Rates among predicted-negative rows, then among predicted-positive rows. They belong to one model.
    difference_p : float, optional
        Set by :meth:`from_audit`: p-value that the rates are the same in both predicted columns.
    """

    miss: float
    false_alarm: float
    se: tuple[float, float] | None = None
    by_prediction: tuple[NoiseRates, NoiseRates] | None = None
    difference_p: float | None = None
    _audit: Audit | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("miss", "false_alarm"):
            value = float(getattr(self, name))
            if not 0.0 <= value <= 1.0:
                raise InputError(f"{name} is {value!r}; a rate lies between 0 and 1.")
        if self.miss + self.false_alarm >= 1.0:
            raise InputError(
                f"miss + false_alarm = {self.miss + self.false_alarm:.3f}, which is 1 or more: the labels then say "
                "nothing about the truth, or its opposite. Check that the classes are not exchanged, or relabel."
            )
        if self.se is not None and (len(self.se) != 2 or not all(np.isfinite(s) and s >= 0 for s in self.se)):
            raise InputError(f"se is {self.se!r}; give two standard errors, of miss and of false_alarm.")
        if self.by_prediction is not None and len(self.by_prediction) != 2:
            raise InputError("by_prediction needs two NoiseRates: predicted-negative rows, predicted-positive rows.")

    @property
    def differs(self) -> bool:
        """True when the rates are known to depend on the prediction, so that no global correction is valid."""
        return self.difference_p is not None and self.difference_p < _DIFFER

    @classmethod
    def from_audit(
        cls,
        observed: Any,
        audited: Any,
        predicted: Any = None,
        *,
        weights: Any = None,
        min_cell: int = 5,
    ) -> NoiseRates:
        """Estimate the rates from rows that were looked at again.

        Parameters
        ----------
        observed, audited : array_like of {0, 1}, shape (m,)
            The label in the data and the label found by the audit, taken as the truth.
        predicted : array_like of {0, 1}, shape (m,), optional
            What the model said. Given, a test of equal rates is made and per-cell correction becomes possible.
        weights : array_like, shape (m,), optional
            How many rows of the data each audited row stands for (1 / its chance to be audited). Needed whenever
            the audit was not a simple random sample, as when it was drawn within observed or predicted cells.
        min_cell : int, default 5
            Audited rows required in each (observed, predicted) cell before cells are corrected one by one.

        Returns
        -------
        NoiseRates
        """
        obs, truth = check_binary(observed, "observed"), check_binary(audited, "audited")
        pred = np.zeros_like(obs) if predicted is None else check_binary(predicted, "predicted")
        weighted = weights is not None
        w = np.asarray(weights, dtype=np.float64) if weighted else np.ones(obs.size)
        check_lengths(obs, truth, pred, w)
        if not np.isfinite(w).all() or (w <= 0).any():
            raise InputError("weights must be positive and finite: the number of rows each audited row stands for.")
        audit, rows, hits = _tabulate(obs, truth, pred, w, 1 if predicted is None else 2)
        if (audit.mass.sum(axis=1) == 0).any() or truth.min() == truth.max():
            raise InputError(
                "The audit lacks observed positives or negatives, or found one true class only, so a rate cannot be "
                "estimated; audit some rows of each observed class."
            )
        miss, alarm = (float(v) for v in audit.rates(audit.share))
        draws = audit.rates(audit.draw(np.random.default_rng(0), 4000))
        rates = cls(miss, alarm, (float(draws[0].std()), float(draws[1].std())), _audit=audit)
        if predicted is None:
            return rates
        p_value = _difference_p(audit, rows, hits)
        columns = _column_rates(audit) if (rows >= min_cell).all() else None
        return replace(rates, by_prediction=columns, difference_p=p_value)

    def draw(self, n_draws: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw (miss, false_alarm), each (n_draws,), from what is known about the pooled rates."""
        if self._audit is not None:
            return self._audit.rates(self._audit.draw(rng, n_draws))
        se = self.se or (0.0, 0.0)
        return _draw_rate(self.miss, se[0], n_draws, rng), _draw_rate(self.false_alarm, se[1], n_draws, rng)


def _tabulate(obs: Array, truth: Array, pred: Array, w: Array, columns: int) -> tuple[Audit, Array, Array]:
    """Build the audit table; also the plain counts of rows and of true positives, each (2, columns)."""
    cell, size = obs * columns + pred, 2 * columns
    shape = (2, columns)
    rows = np.bincount(cell, minlength=size).reshape(shape).astype(np.float64)
    hits = np.bincount(cell, weights=truth, minlength=size).reshape(shape)
    mass = np.bincount(cell, weights=w, minlength=size).reshape(shape)
    positive = np.bincount(cell, weights=w * truth, minlength=size).reshape(shape)
    squares = np.bincount(cell, weights=w * w, minlength=size).reshape(shape)
    # Kish's effective size: unequal weights inside a cell buy less information than their number.
    effective = np.divide(mass**2, squares, out=np.zeros(shape), where=squares > 0)
    share = np.divide(positive, mass, out=np.zeros(shape), where=mass > 0)
    return Audit(effective, effective * share, mass), rows, hits


def _column_rates(audit: Audit) -> tuple[NoiseRates, NoiseRates] | None:
    """Rates in each predicted column, or None where a column is beyond repair (no true class, or sum >= 1)."""
    out = []
    for c in (0, 1):
        part = Audit(audit.rows[:, [c]], audit.positive[:, [c]], audit.mass[:, [c]])
        miss, alarm = (float(np.nan_to_num(v)) for v in part.rates(part.share))
        # Cells are corrected by P(true | cell), which needs no inverse; a column at sum >= 1 is still usable there,
        # so the displayed rates are capped rather than refused.
        over = miss + alarm
        if over >= 1.0:
            miss, alarm = miss / over * (1 - 1e-9), alarm / over * (1 - 1e-9)
        out.append(NoiseRates(miss, alarm, _audit=part))
    return out[0], out[1]


def _difference_p(audit: Audit, rows: Array, hits: Array) -> float:
    """P-value of "the rates are the same in both predicted columns", smallest of two tests times two.

    For each true class the four audited counts, observed x predicted, follow Fisher's noncentral hypergeometric
    law given their margins; its odds ratio under equal rates is that of the sampling fractions. Exact in small
    counts, so that a cell without errors proves nothing.
    """
    fraction = np.divide(rows, audit.mass, out=np.ones_like(rows), where=audit.mass > 0)
    odds = fraction[1, 1] * fraction[0, 0] / (fraction[1, 0] * fraction[0, 1])
    p_values = [noncentral_fisher(table, odds) for table in (hits, rows - hits)]
    return float(min(1.0, 2.0 * min(p_values)))


def noncentral_fisher(table: Array, odds: float) -> float:
    """Two-sided p-value of a 2 x 2 table of counts against a given odds ratio."""
    t = np.rint(table).astype(np.int64)
    row, column, total = int(t[1].sum()), int(t[:, 1].sum()), int(t.sum())
    x = np.arange(max(0, row + column - total), min(row, column) + 1)
    if x.size < 2:
        return 1.0
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, total + 1)))])
    log_p = x * np.log(odds) - (
        log_factorial[x] + log_factorial[row - x] + log_factorial[column - x] + log_factorial[total - row - column + x]
    )
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    return float(min(1.0, p[p <= p[x == t[1, 1]][0] * (1 + 1e-9)].sum()))


def _draw_rate(mean: float, se: float, n_draws: int, rng: np.random.Generator) -> Array:
    """Draw a rate with a given mean and standard error, inside [0, 1]: a Beta law matched by moments."""
    spread = mean * (1.0 - mean)
    if se == 0.0:
        return np.full(n_draws, mean)
    if se * se < spread:
        strength = spread / (se * se) - 1.0
        return rng.beta(mean * strength, (1.0 - mean) * strength, size=n_draws)
    return np.clip(rng.normal(mean, se, size=n_draws), 0.0, 1.0)


def draw_rates(rates: NoiseRates, per_cell: bool, n_draws: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Draw (miss, false_alarm): scalars where known, else (n_draws,); pairs by prediction; or, per cell and from an
    audit, (P(truly positive | observed, predicted) (n_draws, 2, 2), None).
    """
    if not per_cell or rates.by_prediction is None:
        if rates._audit is None and not any(rates.se or ()):
            return rates.miss, rates.false_alarm
        return _informative(*rates.draw(n_draws, rng))
    if rates._audit is not None:
        return rates._audit.draw(rng, n_draws), None
    neg, pos = (_informative(*r.draw(n_draws, rng)) for r in rates.by_prediction)
    return (neg[0], pos[0]), (neg[1], pos[1])


def _informative(miss: Array, alarm: Array) -> tuple[Array, Array]:
    """Keep drawn rates invertible; a drawn sum of 1 or more is pulled just below, where counts are clipped."""
    over = np.maximum((miss + alarm) / 0.999, 1.0)
    return miss / over, alarm / over


def refuse_global(rates: NoiseRates) -> None:
    """Raise InputError where an audit refuted one correction for all rows."""
    if rates.differs:
        raise InputError(
            f"The audit shows that label errors depend on the prediction (p = {rates.difference_p:.2g}), so one global "
            "correction would move the metrics away from the truth. Audit rows within each (observed, predicted) "
            "cell, give from_audit their predictions and weights, and correct per cell."
        )
