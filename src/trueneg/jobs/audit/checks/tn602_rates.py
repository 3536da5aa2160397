"""The share of correct attempts, once the verifier's errors are taken out.

The share that a verifier accepts is not the share that is correct: it misses some and lets others pass. With truth
for a random part (1 and 0 in the column ``truth``, of accepted and of rejected attempts) the rate is corrected by
post-stratification: the share of correct ones within accepted, rejected and silent attempts, weighed by how many
there are of each. Rogan-Gladen's estimate stands beside it; use that one where the truth was taken from another
population. Both intervals hold the noise of the judged part, and count problems.

A verifier that accepts wrong attempts as often as correct ones cannot be corrected, and is a finding of its own. With
truth for accepted attempts alone, the share that is accepted *and* correct can be told, and what was rejected wrongly
cannot.

Where a column tells models, data sets or difficulty apart, the verifier's errors are told for each; where their
intervals lie apart, one correction for all holds for this mixture alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate
from trueneg.jobs.audit.attempts import AttemptsContext
from trueneg.jobs.audit.findings import Finding

CODE = "TN602"
TITLE = "Rates corrected for the verifier's errors"
DATA = ("attempts",)
_SIDES, _EACH = 20, 10  # groups told apart; correct and wrong ones with truth that each must have
_ALONE = "Truth is known for accepted ones alone: what is correct among the other"


def run(context: AttemptsContext) -> Finding:
    """Report the accepted share beside the corrected one."""
    from trueneg.core.verdicts import Calibration

    share = context.false_share
    if share is None:
        return Finding(CODE, TITLE, "not applicable", "no truth is known; judge a part first (trueneg review)")
    rejected_known = int(((context.accepted == 0) & (context.given >= 0)).sum())
    if not rejected_known:
        return _accepted_only(context, share)
    calibration = Calibration.of(context.given, context.accepted, item=context.problem)
    right, wrong = calibration.accepts_correct(), calibration.accepts_wrong()
    details: dict[str, Any] = {
        "accepts correct ones": str(right),
        "accepts wrong ones": str(wrong),
        "kappa": round(calibration.kappa(), 3),
        "attempts with truth": calibration.n,
        "problems with truth": calibration.n_items,
    }
    details |= _by_group(context)
    try:
        calibration.require_better_than_chance()
    except InputError as error:
        return Finding(
            CODE,
            TITLE,
            "finding",
            str(error),
            severity="high",
            affected=len(context.accepted),
            remedy="use another verifier, or the judged attempts alone",
            details=details,
        )
    return _corrected(context, calibration, details)


def _by_group(context: AttemptsContext) -> dict[str, Any]:
    """Tell the verifier's errors by model, data set and so on, and where their intervals lie apart."""
    from trueneg.core.verdicts import Calibration

    out: dict[str, Any] = {}
    for name, values in context.groups.items():
        found = {}
        for group in np.unique(values)[:_SIDES].tolist():
            rows = (values == group) & (context.given >= 0)
            if min(np.bincount(context.given[rows], minlength=2)) >= _EACH:
                part = Calibration.of(context.given[rows], context.accepted[rows], item=context.problem[rows])
                found[group] = (part.accepts_wrong(), part.accepts_correct())
        if len(found) < 2:
            continue
        out[f"accepts wrong ones, by {name}"] = {group: str(wrong) for group, (wrong, _) in found.items()}
        out[f"accepts correct ones, by {name}"] = {group: str(right) for group, (_, right) in found.items()}
        if any(max(e.low for e in side) > min(e.high for e in side) for side in zip(*found.values(), strict=True)):
            out[f"errors differ by {name}"] = "one correction for all holds for this mixture alone: audit each apart"
    return out


def _corrected(context: AttemptsContext, calibration: Any, details: dict[str, Any]) -> Finding:
    from trueneg.core.verdicts import corrected_rate
    from trueneg.report.figures import forest

    found = {}
    for method in ("post_stratified", "rogan_gladen"):
        try:
            found[method] = corrected_rate(context.accepted, calibration, method=method, item=context.problem)
        except InputError as error:
            details[method] = str(error)
    first = found["post_stratified"]
    details |= {name: str(rate.corrected) for name, rate in found.items()}
    details["notes"] = [note for rate in found.values() for note in rate.notes]
    value, naive = first.corrected, first.naive
    off = not value.low <= naive.value <= value.high
    shown = {
        "as the verifier counts": naive,
        **{name.replace("_", " "): rate.corrected for name, rate in found.items()},
    }
    figure = forest(
        list(shown),
        [e.value for e in shown.values()],
        [e.low for e in shown.values()],
        [e.high for e in shown.values()],
        title="Share of correct attempts, as counted and corrected",
        id="tn602-rates",
        caption="Post-stratified: the judged ones are a random part of these attempts. Rogan-Gladen: of others.",
    )
    return Finding(
        CODE,
        TITLE,
        "finding" if off else "passed",
        f"the verifier accepts {naive} of the attempts it judges; {value} of all attempts are correct",
        severity="medium" if off else "none",
        estimate=value,
        unit="share of attempts",
        affected=round(abs(naive.value - value.value) * len(context.accepted)),
        remedy="report the corrected rate with its interval" if off else "",
        details=details,
        figures=[figure],
    )


def _accepted_only(context: AttemptsContext, share: Estimate) -> Finding:
    yes = float((context.accepted == 1).mean())
    value = Estimate(
        yes * (1 - share.value),
        yes * (1 - share.high),
        yes * (1 - share.low),
        share.level,
        "accepted less false",
        share.n,
    )
    off = share.low > 0.005
    missed = np.count_nonzero(context.accepted != 1)
    return Finding(
        CODE,
        TITLE,
        "finding" if off else "passed",
        f"the verifier accepts {yes:.3f} of the attempts; {value} are accepted and correct"
        + (f". {_ALONE} {missed:,} cannot be told" if missed else ""),
        severity="medium" if off else "none",
        estimate=value,
        unit="share of attempts",
        affected=round((yes - value.value) * len(context.accepted)),
        remedy="report the corrected rate with its interval; judge some rejected attempts too" if off else "",
    )
