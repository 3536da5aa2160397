"""Which metrics keep the order of models under label noise, and how sure one model beats another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.judge._noisy_metrics.correction import (
    check_draws,
    corrected_confusion,
    expected_observed,
    invert,
)
from trueneg.judge._noisy_metrics.metrics import (
    METRICS,
    check_binary,
    check_counts,
    check_lengths,
    check_names,
    ratio,
)
from trueneg.judge._noisy_metrics.rates import NoiseRates, draw_rates, refuse_global

Array = np.ndarray
_RANK_PRESERVING = frozenset({"precision", "mcc", "balanced_accuracy", "youden_j", "auroc"})


def rank_preserving(metric: str, rates: NoiseRates | None = None) -> bool:
    """Whether noise leaves the expected order of models unchanged under this metric.

    True for precision, MCC, balanced accuracy, Youden's J and AUROC: under noise that ignores the prediction each
    is mapped by one increasing affine function with the same constants for every model. False for all others, and
    for every metric when ``rates`` depend on the prediction.
    """
    if metric not in METRICS and metric != "auroc":
        raise InputError(f"Unknown metric {metric!r}; choose one of {', '.join(METRICS)}, auroc.")
    depends = rates is not None and (rates.differs or (rates.by_prediction is not None and rates._audit is None))
    return metric in _RANK_PRESERVING and not depends


def _kendall(a: Array, b: Array) -> float:
    """Kendall's tau-b; values equal to 12 digits are ties."""
    both = np.isfinite(a) & np.isfinite(b)
    a, b = np.round(a[both], 12), np.round(b[both], 12)
    if a.size < 2:
        return float("nan")
    top = left = right = 0.0
    for start in range(0, a.size, 512):  # blocks keep the pairwise table small
        da = np.sign(a[start : start + 512, None] - a)
        db = np.sign(b[start : start + 512, None] - b)
        top, left, right = top + (da * db).sum(), left + np.abs(da).sum(), right + np.abs(db).sum()
    return float(top / np.sqrt(left * right)) if left * right > 0 else float("nan")


def ranking_distortion(
    confusions: Any, rates: NoiseRates, *, metrics: str | Sequence[str] | None = None
) -> dict[str, float]:
    """Kendall's tau-b between the true and the expected noisy order of models, by metric.

    Parameters
    ----------
    confusions : array_like, shape (models, 4)
        True counts of at least two models.
    rates : NoiseRates
    metrics : str or sequence of str, optional
        All of :data:`METRICS` by default.

    Returns
    -------
    dict of str to float
        1 where the order is kept; NaN where all models are equal.
    """
    counts = check_counts(confusions, "confusions")
    if counts.ndim != 2 or counts.shape[0] < 2:
        raise InputError(f"confusions has shape {counts.shape}; give the counts of two or more models, (models, 4).")
    seen = expected_observed(counts, rates)
    return {name: _kendall(METRICS[name](counts), METRICS[name](seen)) for name in check_names(metrics)}


@dataclass(frozen=True)
class Trust:
    """Which metrics keep the order of these models, and what choosing by each would cost.

    Attributes
    ----------
    keeps_order : tuple of str
        Metrics whose order survives these rates by theorem.
    tau : dict of str to float
        Kendall's tau-b of each metric for these models.
    cheapest : int or None
        Model of least cost; None unless a cost was given.
    regret : dict of str to float
        Cost of the model each noisy metric would choose over the least cost; empty unless a cost was given.
    clipped : bool
        True when the rates asked for negative counts in some model.
    advice : str
    """

    keeps_order: tuple[str, ...]
    tau: dict[str, float]
    cheapest: int | None
    regret: dict[str, float]
    clipped: bool
    advice: str


def trusted_metric(
    observed: Any,
    rates: NoiseRates,
    *,
    cost: tuple[float, float] | None = None,
    metrics: str | Sequence[str] | None = None,
) -> Trust:
    """Say which metrics can be trusted to order these models.

    Parameters
    ----------
    observed : array_like, shape (models, 4)
        Observed (noisy) counts.
    rates : NoiseRates
    cost : (false alarm, miss), optional
        Cost of one false positive and of one false negative of the model. Without it no metric is best: a metric
        that keeps its order under noise may still order by the wrong thing.
    metrics : str or sequence of str, optional

    Returns
    -------
    Trust
    """
    names = check_names(metrics)
    counts = check_counts(observed, "observed")
    true, clipped = corrected_confusion(counts, rates)
    tau = ranking_distortion(true, rates, metrics=names)
    keeps = tuple(name for name in names if rank_preserving(name, rates))
    head = f"The order of the models survives these label errors under: {', '.join(keeps) or 'none of these'}. "
    if cost is None:
        advice = head + "No metric is best without a cost: give cost=(false alarm, miss) to choose a model."
        return Trust(keeps, tau, None, {}, bool(clipped.any()), advice)
    if len(cost) != 2 or min(cost) < 0 or max(cost) <= 0:
        raise InputError(f"cost is {cost!r}; give two costs, of a false alarm and of a miss, zero or more.")
    price = cost[0] * true[:, 1] + cost[1] * true[:, 2]
    best = int(price.argmin())
    regret = {}
    for name in names:
        values = METRICS[name](counts)
        if np.isfinite(values).any():
            regret[name] = float(ratio(price[int(np.nanargmax(values))], price[best]))
    advice = head + f"At this cost model {best} is the cheapest by corrected counts; regret gives each metric's choice."
    return Trust(keeps, tau, best, regret, bool(clipped.any()), advice)


@dataclass(frozen=True)
class Comparison:
    """How often one model beats another.

    Attributes
    ----------
    names : tuple of str
    share : ndarray, shape (models, models)
        Entry (a, b): share of noise-consistent worlds in which a beats b; ties count one half; diagonal 0.5.
    metric : str
    n_draws : int
    pairing : {"rows", "rates"}
        "rows": both models were scored on the same drawn rows and rates; "rates": on the same drawn rates only.
    """

    names: tuple[str, ...]
    share: Array
    metric: str
    n_draws: int
    pairing: str

    def beats(self, a: str, b: str) -> float:
        """Share of noise-consistent worlds in which model ``a`` beats model ``b``."""
        for name in (a, b):
            if name not in self.names:
                raise InputError(f"No model is called {name!r}; there are {', '.join(self.names)}.")
        return float(self.share[self.names.index(a), self.names.index(b)])

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers, fit for JSON."""
        return {
            "names": list(self.names),
            "share": self.share.tolist(),
            "metric": self.metric,
            "n_draws": self.n_draws,
            "pairing": self.pairing,
        }


def compare(
    models: Mapping[str, Any],
    rates: NoiseRates,
    *,
    y_observed: Any = None,
    metric: str = "mcc",
    n_draws: int = 10_000,
    random_state: int | np.random.Generator | None = None,
) -> Comparison:
    """Compare models over the worlds that the noisy labels allow.

    A world is one draw of the rows (multinomial) and of the rates, with the noise undone.

    Parameters
    ----------
    models : mapping of str to array_like
        Predictions (n,) where ``y_observed`` is given, else observed counts (4,).
    rates : NoiseRates
        Global rates; rates by prediction belong to one model and are refused here.
    y_observed : array_like of {0, 1}, shape (n,), optional
        With it the two models of a pair see the same drawn rows, which makes the comparison far sharper.
    metric : str, default "mcc"
    n_draws : int, default 10000
    random_state : int, Generator or None

    Returns
    -------
    Comparison
    """
    (name,) = check_names(metric)
    check_draws(0.9, n_draws)
    if len(models) < 2:
        raise InputError("compare needs two or more models.")
    refuse_global(rates)
    if rates.by_prediction is not None and rates._audit is None:
        raise InputError("These rates depend on one model's predictions; compare needs rates that hold for all models.")
    rng = np.random.default_rng(random_state)
    miss, alarm = draw_rates(replace(rates, by_prediction=None), False, n_draws, rng)
    names, share = tuple(models), np.full((len(models), len(models)), 0.5)
    if y_observed is None:
        tables = [check_counts(models[k], f"models[{k!r}]") for k in names]
        # Every model gets its own draw of rows: counts alone do not say which rows the models share.
        worlds = [METRICS[name](invert(_rows(t, n_draws, rng), miss, alarm)[0]) for t in tables]
    else:
        y = check_binary(y_observed, "y_observed")
        preds = [check_binary(models[k], f"models[{k!r}]") for k in names]
        check_lengths(y, *preds)
    for i, j in combinations(range(len(names)), 2):
        if y_observed is None:
            a, b = worlds[i], worlds[j]
        else:
            a, b = (METRICS[name](invert(c, miss, alarm)[0]) for c in _paired(y, preds[i], preds[j], n_draws, rng))
        ok = np.isfinite(a) & np.isfinite(b)
        share[i, j] = ((a > b)[ok] + 0.5 * (a == b)[ok]).mean() if ok.any() else np.nan
        share[j, i] = 1.0 - share[i, j]
    return Comparison(names, share, name, n_draws, "rates" if y_observed is None else "rows")


def _rows(counts: Array, n_draws: int, rng: np.random.Generator) -> Array:
    """Draw one model's counts, (n_draws, 4), in no order."""
    return rng.multinomial(int(round(counts.sum())), counts / counts.sum(), size=n_draws).astype(np.float64)


def _paired(y: Array, a: Array, b: Array, n_draws: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw the eight counts (observed, a, b) together; return both models' counts, each (n_draws, 4)."""
    cells = np.bincount(4 * y + 2 * a + b, minlength=8)
    drawn = rng.multinomial(y.size, cells / y.size, size=n_draws).reshape(n_draws, 2, 2, 2).astype(np.float64)
    out = []
    for axis in (3, 2):  # sum over the other model's prediction
        t = drawn.sum(axis=axis)
        out.append(np.stack([t[:, 1, 1], t[:, 0, 1], t[:, 1, 0], t[:, 0, 0]], axis=-1))
    return out[0], out[1]
