"""How far each metric is off because some labels are wrong, and which ones still order models rightly.

With known error rates every metric can be corrected in closed form. Under errors that depend on
the class alone, precision, MCC, balanced accuracy and AUROC keep the order of models; F1, G-mean,
recall, accuracy and kappa do not (Kulatilleke & Samarakoon, arXiv 2208.11904, and the two-line
proof in the docs of ``noisy_metrics``). No metric is best without a cost.

The rates here are model-based, from the same ranking as the suspects, and the misses of that model
are not independent of the labels: the corrected column is a direction, not a measurement.

Remedy: have 60 or more rows verified, by (given, predicted) cell, before a corrected figure is
reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trueneg.core.errors import InputError
from trueneg.jobs.audit.findings import Finding

if TYPE_CHECKING:
    from trueneg.jobs.audit.context import Context

CODE, TITLE = "TN301", "Metrics under label errors"


def run(context: Context) -> Finding:
    """Put observed and corrected metrics side by side, at the model-based rates."""
    from trueneg.judge import noisy_metrics

    if context.probability is None:
        return Finding(CODE, TITLE, "skipped", "--quick asks no model; leave it out, or give --proba")
    if context.positive is None or context.negative is None:
        return Finding(CODE, TITLE, "not applicable", "needs two classes and --positive")
    judged = np.flatnonzero(context.codes >= 0)
    observed = (context.codes[judged] == context.positive).astype(int)
    predicted = (context.probability[judged, context.positive] >= 0.5).astype(int)
    false_negatives = float(np.nansum(context.ranker(context.negative).probability_[judged][observed == 0]))
    positives, negatives = int(observed.sum()), int((1 - observed).sum())
    # Only the declared direction: on rare positives the other one is made of hard true positives.
    miss = false_negatives / (positives + false_negatives)
    counts = noisy_metrics.confusion_counts(observed, predicted)
    plain = {k: float(v) for k, v in noisy_metrics.metric_values(counts).items()}
    try:
        rates = noisy_metrics.NoiseRates(miss, 0.0)
        fixed, _ = noisy_metrics.corrected_confusion(counts, rates)
        corrected = {k: float(v) for k, v in noisy_metrics.metric_values(fixed).items()}
    except InputError as error:
        return Finding(CODE, TITLE, "skipped", f"rates cannot be corrected for: {error}")
    rows = {
        name: {
            "observed": round(plain[name], 4),
            "corrected (model-based)": round(corrected[name], 4),
            "keeps the order of models": noisy_metrics.rank_preserving(name, rates),
        }
        for name in plain
    }
    worst = max(rows, key=lambda name: abs(plain[name] - corrected[name]))
    keeps = [name for name, row in rows.items() if row["keeps the order of models"]]
    return Finding(
        CODE,
        TITLE,
        "advice",
        f"if about {100 * miss:.0f} % of the true positives are labelled negative, {worst} is most off: "
        f"{plain[worst]:.2f} observed, {corrected[worst]:.2f} corrected (model-based, no interval)",
        severity="low",
        affected=positives + negatives,
        remedy=f"to order models by these labels use one of {', '.join(keeps)}; none is best without a cost",
        details={"miss rate (model-based)": round(miss, 4), "metrics": rows},
    )
