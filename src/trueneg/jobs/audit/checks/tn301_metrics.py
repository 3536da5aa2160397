"""How far each metric is off because some labels are wrong, and which ones still order models rightly.

With known error rates every metric of a two-class table can be corrected in closed form. Under errors
that depend on the class alone, precision, MCC, balanced accuracy and AUROC keep the order of models;
F1, G-mean, recall, accuracy and kappa do not (Kulatilleke & Samarakoon, arXiv 2208.11904, and the
two-line proof in the docs of ``noisy_metrics``). No metric is best without a cost.

After a review (`trueneg review`) the corrected values are measured: the answers, each counted for the
rows that it stands for, say how many labels are wrong among the rows predicted positive and among those
predicted negative, and every metric gets the interval of that (drawn within the strata of the sample and
from the recalibrated ranking, joined under the review's guard). Errors may then depend on the prediction.
Trusted rows (`--trusted`) are measured by themselves, beside all rows, with an interval by resampling
them, or their groups; they speak for the table where they are a random part of it.

Give `--miss-rate` (how often a true positive is labelled negative) and `--false-alarm-rate` (how often
a true negative is labelled positive) where you know them: each metric is then corrected, with its
interval. The rates count as exact, so the interval holds sampling error only. Without them the rate of
misses is model-based, from the same ranking as the suspects, and the misses of that model are not
independent of the labels: the corrected column is then a direction, not a measurement, and has no
interval.

Trusted rows cannot supply the rates: the label of a trusted row *is* the truth, the table no longer
holds what the annotator had written there, and there is nothing left to compare it with. Keep the first
label in a column of its own, and count its errors with `NoiseRates.from_audit`.

The area under the precision-recall curve is shown as observed only. At each threshold the precision is
mapped by one affine function, but the area weighs it by steps of recall, and observed recall mixes the
true recall with the share of true negatives above the threshold: two models of equal area come out
unequal, so no formula leads from the observed area to the true one.

Remedy: review 60 rows or more before a corrected figure is reported.
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
    """Put observed and corrected metrics side by side: by answers, else at the rates given, else model-based."""
    if context.probability is None:
        return Finding(CODE, TITLE, "skipped", "--quick asks no model; leave it out, or give --proba")
    if context.positive is None or context.negative is None:
        return _of_classes(context)
    judged = np.flatnonzero(context.codes >= 0)
    observed = (context.codes[judged] == context.positive).astype(int)
    scores = context.probability[judged, context.positive].astype(float)
    if context.reviewed.keys() & {"TN201", "TN202"}:
        found = _reviewed(context, judged, observed, scores)
    elif context.noise_rates is None:
        found = _model_based(context, judged, observed, scores)
    else:
        found = _given(context, observed, scores, context.noise_rates)
    if found.status == "advice":
        _beside_trusted(context, found)
    return found


def _reviewed(context: Context, judged: np.ndarray, observed: np.ndarray, scores: np.ndarray) -> Finding:
    """Correct by the answers of a review: every figure has its interval, and errors may depend on the prediction."""
    from trueneg.jobs.audit.measured import LEVEL, reviewed_two_class
    from trueneg.judge import noisy_metrics

    probability = context.probability
    assert probability is not None  # noqa: S101 - for the type checker; run has looked
    found = {str(code): context.suspicion(code) for code in ("TN201", "TN202") if code in context.reviewed}
    counts = noisy_metrics.confusion_counts(observed, (scores >= 0.5).astype(int))
    positive = probability[:, context.positive] >= 0.5
    estimates = reviewed_two_class(counts, found, positive, n_draws=context.n_boot(2000), seed=context.seed)
    seen = {k: float(v) for k, v in noisy_metrics.metric_values(counts).items()} | _areas(observed, scores)
    rows = {name: _row(name, value, estimates.get(name)) for name, value in seen.items()}
    worst = _most_off(rows)
    asked = sum(one.review.n_answered for one in found.values() if one.review is not None)
    notes = [
        f"no answer on {code}: every label given as {side} is taken as right"
        for code, side in (("TN201", "negative"), ("TN202", "positive"))
        if code not in found
    ]
    if context.noise_rates is not None:
        notes.append("the rates given are left aside: the answers measure the errors of these very rows")
    return Finding(
        CODE,
        TITLE,
        "advice",
        f"by {asked:,} answers {worst} is most off: {seen[worst]:.2f} observed, {estimates[worst]} corrected "
        f"({100 * LEVEL:g} % interval)" + "".join(f"; {note}" for note in notes),
        severity="low",
        estimate=estimates[worst],
        unit=f"{worst}, corrected",
        affected=observed.size,
        remedy=_remedy(rows),
        details={"metrics": rows, "notes": notes},
    )


def _beside_trusted(context: Context, found: Finding) -> None:
    """Add what the metrics are on trusted rows, where there are enough."""
    from trueneg.jobs.audit.measured import trusted_two_class

    if context.trusted is None or context.probability is None:
        return
    known = np.flatnonzero(context.trusted & (context.codes >= 0))
    truth = (context.codes[known] == context.positive).astype(int)
    scores = context.probability[known, context.positive].astype(float)
    groups = None if context.groups is None else context.groups[known]
    made = trusted_two_class(truth, scores, groups=groups, n_boot=context.n_boot(2000), seed=context.seed)
    _add_trusted(found, made, known.size, groups is not None)


def _add_trusted(found: Finding, made: dict[str, Estimate], n: int, grouped: bool) -> None:
    if not made:
        found.message += f"; the {n:,} trusted rows are too few, or of one class, to measure a metric on"
        return
    rows = found.details["metrics"]
    for name, estimate in made.items():
        row = rows.setdefault(name, {"observed": None, "corrected": None, "keeps the order of models": False})
        row["trusted rows"] = _rounded(estimate.value)
        row["trusted low"], row["trusted high"] = _rounded(estimate.low), _rounded(estimate.high)
    told = "f1" if "f1" in made else next(iter(made))
    found.message += f"; on the {n:,} trusted rows {told} is {made[told]}"
    if grouped:
        found.message += " (whole groups resampled)"
    found.details["trusted rows"] = f"{n:,}; they speak for the table where they are a random part of it"


def _of_classes(context: Context) -> Finding:
    """With several classes, or none declared positive: nothing is corrected, and trusted rows are measured."""
    from trueneg.jobs.audit.measured import class_figures, trusted_classes

    why = "correcting needs two classes and --positive"
    probability = context.probability
    if context.trusted is None or probability is None:
        return Finding(CODE, TITLE, "not applicable", why)
    judged = np.flatnonzero(context.codes >= 0)
    known = np.flatnonzero(context.trusted & (context.codes >= 0))
    size = len(context.classes)
    groups = None if context.groups is None else context.groups[known]
    predicted = probability.argmax(axis=1)
    made = trusted_classes(
        context.codes[known], predicted[known], size, groups=groups, n_boot=context.n_boot(1000), seed=context.seed
    )
    seen = class_figures(context.codes[judged], predicted[judged], size)
    rows = {name: {"observed": _rounded(value)} for name, value in seen.items()}
    found = Finding(
        CODE,
        TITLE,
        "advice",
        f"accuracy is {seen['accuracy']:.2f} against the labels as they are ({why})",
        severity="low",
        affected=int(judged.size),
        remedy="judge models on the trusted rows; review a sample where they are no random part of the table",
        details={"metrics": rows},
    )
    _add_trusted(found, made, int(known.size), groups is not None)
    found.estimate, found.unit = made.get("accuracy"), "accuracy on trusted rows"
    return found


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

    suspicion = context.suspicion("TN201")
    false_negatives = float(suspicion.over_rows()[judged][observed == 0].sum())
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
        f"{seen[worst]:.2f} observed, {corrected[worst]:.2f} corrected ({suspicion.words}, no interval)",
        severity="low",
        affected=observed.size,
        remedy=_remedy(rows),
        details={f"miss rate ({suspicion.words})": round(miss, 4), "metrics": rows},
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
