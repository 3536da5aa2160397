"""How far each metric is off because some labels are wrong, and which ones still order models rightly.

With known error rates every metric of a two-class table can be corrected in closed form. Under errors
that depend on the class alone, precision, MCC, balanced accuracy and AUROC keep the order of models;
F1, G-mean, recall, accuracy and kappa do not (Kulatilleke & Samarakoon, arXiv 2208.11904, and the
two-line proof in the docs of ``noisy_metrics``). No metric is best without a cost.

Give `--miss-rate` (how often a true positive is labelled negative) and `--false-alarm-rate` (how often
a true negative is labelled positive) where you know them: each metric is then corrected, with its
interval. The rates count as exact, so the interval holds sampling error only. Without them the rate of
misses is model-based, from the same ranking as the suspects, and the misses of that model are not
independent of the labels: the corrected column is then a direction, not a measurement, and has no
interval.

Verified rows cannot supply the rates: the label of a verified row *is* the truth, the table no longer
holds what the annotator had written there, and there is nothing left to compare it with. Keep the first
label in a column of its own, and count its errors with `NoiseRates.from_audit`.

The area under the precision-recall curve is shown as observed only. At each threshold the precision is
mapped by one affine function, but the area weighs it by steps of recall, and observed recall mixes the
true recall with the share of true negatives above the threshold: two models of equal area come out
unequal, so no formula leads from the observed area to the true one.

Remedy: have 60 or more rows verified, by (given, predicted) cell, before a corrected figure is
reported.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.jobs.audit.findings import Finding

if TYPE_CHECKING:
    from trueneg.core.intervals import Estimate
    from trueneg.jobs.audit.context import Context

CODE, TITLE = "TN301", "Metrics under label errors"
_LEVEL = 0.9


def run(context: Context) -> Finding:
    """Put observed and corrected metrics side by side, at the rates given or else at the model-based ones."""
    given = getattr(context, "noise_rates", None)
    if context.probability is None:
        return Finding(CODE, TITLE, "skipped", "--quick asks no model; leave it out, or give --proba")
    if context.positive is None or context.negative is None:
        return Finding(CODE, TITLE, "not applicable", "needs two classes and --positive")
    judged = np.flatnonzero(context.codes >= 0)
    observed = (context.codes[judged] == context.positive).astype(int)
    scores = context.probability[judged, context.positive].astype(float)
    if given is None:
        return _model_based(context, judged, observed, scores)
    return _given(context, observed, scores, given)


def _given(context: Context, observed: np.ndarray, scores: np.ndarray, given: tuple[float, float]) -> Finding:
    """Correct at rates the user stands for: every figure has its interval."""
    from trueneg.judge import noisy_metrics

    rates = noisy_metrics.NoiseRates(*given)
    predicted = (scores >= 0.5).astype(int)
    fixed = noisy_metrics.corrected_metrics(observed, predicted, rates, level=_LEVEL, random_state=context.seed)
    estimates, seen, notes = dict(fixed), dict(fixed.observed), list(fixed.notes)
    seen |= _areas(observed, scores)
    if "auroc" in seen:
        try:
            estimates["auroc"] = noisy_metrics.corrected_auroc(
                observed, scores, rates, level=_LEVEL, random_state=context.seed
            )
        except InputError as error:
            notes.append(f"AUROC is not corrected: {error}")
    rows = {name: _row(name, value, estimates.get(name)) for name, value in seen.items()}
    worst = _most_off(rows)
    said = (
        f"with {100 * given[0]:g} % of the true positives and {100 * given[1]:g} % of the true negatives labelled wrong"
    )
    return Finding(
        CODE,
        TITLE,
        "advice",
        f"{said}, {worst} is most off: {seen[worst]:.2f} observed, {estimates[worst]} corrected "
        f"({100 * _LEVEL:g} % interval, the rates taken as exact)",
        severity="low",
        estimate=estimates[worst],
        unit=f"{worst}, corrected",
        affected=observed.size,
        remedy=_remedy(rows),
        details={"miss rate": given[0], "false-alarm rate": given[1], "metrics": rows, "notes": notes},
    )


def _model_based(context: Context, judged: np.ndarray, observed: np.ndarray, scores: np.ndarray) -> Finding:
    """Correct at the miss rate of the suspect ranking: a direction, without interval."""
    from trueneg.judge import noisy_metrics

    false_negatives = float(np.nansum(context.ranker(context.negative).probability_[judged][observed == 0]))
    # Only the declared direction: on rare positives the other one is made of hard true positives.
    miss = false_negatives / max(int(observed.sum()) + false_negatives, 1e-12)
    counts = noisy_metrics.confusion_counts(observed, (scores >= 0.5).astype(int))
    seen = {k: float(v) for k, v in noisy_metrics.metric_values(counts).items()} | _areas(observed, scores)
    try:
        rates = noisy_metrics.NoiseRates(miss, 0.0)
        fixed, _ = noisy_metrics.corrected_confusion(counts, rates)
        corrected = {k: float(v) for k, v in noisy_metrics.metric_values(fixed).items()}
        if "auroc" in seen:
            corrected["auroc"] = noisy_metrics.corrected_auroc(observed, scores, rates, n_draws=1).value
    except InputError as error:
        return Finding(CODE, TITLE, "skipped", f"rates cannot be corrected for: {error}")
    rows = {name: _row(name, value, corrected.get(name)) for name, value in seen.items()}
    worst = _most_off(rows)
    return Finding(
        CODE,
        TITLE,
        "advice",
        f"if about {100 * miss:.0f} % of the true positives are labelled negative, {worst} is most off: "
        f"{seen[worst]:.2f} observed, {corrected[worst]:.2f} corrected (model-based, no interval)",
        severity="low",
        affected=observed.size,
        remedy=_remedy(rows),
        details={"miss rate (model-based)": round(miss, 4), "metrics": rows},
    )


def _areas(observed: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Observed AUROC and AUPRC; nothing where one class is missing or a score is not finite."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    if observed.min() == observed.max() or not np.isfinite(scores).all():
        return {}
    return {
        "auroc": float(roc_auc_score(observed, scores)),
        "auprc": float(average_precision_score(observed, scores)),
    }


def _row(name: str, observed: float, corrected: Estimate | float | None) -> dict[str, Any]:
    """One metric's line: an Estimate with its ends, a bare number as model-based, None as not corrected."""
    from trueneg.judge import noisy_metrics

    row: dict[str, Any] = {"observed": _rounded(observed)}
    if isinstance(corrected, float):
        row["corrected (model-based)"] = _rounded(corrected)
    elif corrected is not None:
        row["corrected"] = _rounded(corrected.value)
        row["low"], row["high"] = _rounded(corrected.low), _rounded(corrected.high)
    else:
        row["corrected"] = None
    # Average precision is no metric of one confusion table; its order is not kept either, see above.
    row["keeps the order of models"] = name != "auprc" and noisy_metrics.rank_preserving(name)
    return row


def _rounded(value: float) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None


def _most_off(rows: dict[str, dict[str, Any]]) -> str:
    """Return the metric furthest from its correction; an undefined one is never it."""

    def gap(name: str) -> float:
        row = rows[name]
        fixed = row.get("corrected", row.get("corrected (model-based)"))
        return -1.0 if fixed is None or row["observed"] is None else abs(row["observed"] - fixed)

    return max(rows, key=gap)


def _remedy(rows: dict[str, dict[str, Any]]) -> str:
    keeps = ", ".join(name for name, row in rows.items() if row["keeps the order of models"])
    return f"to order models by these labels use one of {keeps}; none is best without a cost"
