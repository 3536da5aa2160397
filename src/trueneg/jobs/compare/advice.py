"""What follows from the figures: the remedy to take, when not to resample, which head the rows call for."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate
from trueneg.jobs.compare.differences import Difference, Row, judged, rows_needed
from trueneg.jobs.compare.metrics import LOWER_IS_BETTER, called
from trueneg.jobs.compare.summary import decides_on_trusted

if TYPE_CHECKING:
    from trueneg.jobs.compare.task import Task

BALANCED = 3.0
CURVE_ROWS = 3_000
ABSTAIN = 0.9
_NOT_TO_ADOPT = ("control",)


def told(row: Row, metric: str, *, on_trusted: bool) -> Difference | None:
    """Return the difference that the verdict rests on."""
    return (row.trusted_difference if on_trusted else row.difference).get(metric)


def winner(rows: list[Row], metric: str) -> Row | None:
    """Return the remedy to take: the best of those that beat *nothing*, None where none does.

    Where the tuned threshold beats *nothing* too and the best one's interval reaches down to its gain, the tuned
    threshold is taken: it changes no row and no probability.
    """
    on_trusted = decides_on_trusted(rows, metric)
    better = [r for r in rows if r.verdict == "better" and r.kind not in _NOT_TO_ADOPT]
    if not better:
        return None

    best = max(better, key=lambda r: _gain(r, metric, on_trusted).value)
    simple = next((r for r in better if r.name == "tuned-threshold"), None)
    if simple is not None and _gain(best, metric, on_trusted).low <= _gain(simple, metric, on_trusted).value:
        return simple
    return best


def _gain(row: Row, metric: str, on_trusted: bool) -> Estimate:
    """Return the difference that the verdict rests on, better as larger; of a remedy that has a verdict."""
    found = told(row, metric, on_trusted=on_trusted)
    return Estimate(math.nan, math.nan, math.nan) if found is None else found.gain(metric)


def conclusion(rows: list[Row], task: Task, metric: str) -> str:
    """Say in a few sentences what came out."""
    on_trusted = decides_on_trusted(rows, metric)
    size = f"{int(task.trusted.sum()):,} trusted rows" if on_trusted else f"{len(task):,} rows"

    def size_of(row: Row) -> str:
        found = told(row, metric, on_trusted=on_trusted)
        return "" if found is None else _signed(found)

    def most(among: list[Row]) -> Row:
        return max(among, key=lambda r: _gain(r, metric, on_trusted).value)

    best = winner(rows, metric)
    if best is not None:
        text = f"{_capital(best.title)} beats doing nothing on {size}: {_name(metric)} {size_of(best)}."
        ahead = most([r for r in rows if r.verdict == "better" and r.kind not in _NOT_TO_ADOPT])
        if ahead is not best:
            text += f" {_capital(ahead.title)} has {size_of(ahead)}, not told apart from it; the simplest is taken."
        return text
    unsettled = [r for r in rows if r.verdict == "not told apart" and r.kind not in _NOT_TO_ADOPT]
    unsettled = [r for r in unsettled if _gain(r, metric, on_trusted).value > 0]
    if not unsettled:
        return f"Nothing beats nothing on {size}: no remedy has a better {_name(metric)} than the model as it is."
    near = most(unsettled)
    found = told(near, metric, on_trusted=on_trusted)
    text = (
        f"No difference can be told with this much data ({size}): with {len(judged(rows)) - 1} remedies judged "
        f"together, nothing is shown to beat nothing. The largest gain is that of {near.title}, {_name(metric)} "
        f"{size_of(near)} (its own interval)."
    )
    if found is not None and found.needed is not None:
        rows_of = "trusted rows" if on_trusted else "rows"
        text += f" n needed to tell a gain of that size: {rows_needed(found)} {rows_of}."
    return text


def resampling(rows: list[Row], task: Task, metric: str) -> str:
    """Say whether to resample, and when not to."""
    counts = np.bincount(task.codes, minlength=len(task.classes))
    ratio = counts.max() / max(int(counts.min()), 1)
    stand = f"the largest class has {ratio:.3g} times the rows of the smallest"
    tried = [r for r in rows if r.kind == "sampling" and r.value]
    if not tried:
        return f"No resampling was tried; {stand}."
    if ratio < BALANCED:
        return f"Do not resample: {stand}, which is no imbalance to repair."
    worse = [r for r in tried if "log_loss" in r.difference and r.difference["log_loss"].estimate.low > 0]
    spoilt = ""
    if worse:
        most = max(worse, key=lambda r: r.difference["log_loss"].estimate.value)
        spoilt = (
            f" It spoils the probabilities of {len(worse)} of the {len(tried)} tried, most of {most.title} "
            f"(log loss {_signed(most.difference['log_loss'])})."
        )
    if not task.binary:
        helps = [r for r in tried if r.verdict == "better"]
        if helps:
            names = ", ".join(r.title for r in helps)
            return f"Resampling helps here ({names}); {stand}.{spoilt}"
        return f"Do not resample: no way of doing so beats the model as it is; {stand}.{spoilt}"
    helps = [r for r in tried if "recall" in r.matched_difference and r.matched_difference["recall"].estimate.low > 0]
    if helps:
        best = max(helps, key=lambda r: r.matched_difference["recall"].estimate.low)
        found = best.matched_difference["recall"]
        return (
            f"{_capital(best.title)} finds more than a moved threshold does: recall {_signed(found)} at the same "
            f"false-positive rate; {stand}.{spoilt}"
        )
    return (
        f"Do not resample: at the false-positive rate of the tuned threshold no sampler is shown to find more than the "
        f"model as it is, so what resampling moves is the operating point, and a threshold moves that; {stand}.{spoilt}"
    )


def abstaining(rows: list[Row]) -> str:
    """Say whether a rejecter chooses the rows to leave to a person better than the probability; empty without one."""
    said = []
    for row in rows:
        if row.kind != "rejecter" or ABSTAIN not in row.abstaining_difference:
            continue
        found = row.abstaining_difference[ABSTAIN]
        low, high = found.estimate.low, found.estimate.high
        word = "fewer errors than" if high < 0 else "more errors than" if low > 0 else "errors not told apart from"
        said.append(
            f"{_capital(row.title)} leaves {word} those by the likeliest class's probability where "
            f"{100 * ABSTAIN:.0f} % of the rows are answered ({_signed(found)})."
        )
    return " ".join(said)


def head(task: Task, *, seed: int, quick: bool) -> str:
    """Say which of naive Bayes and logistic regression the rows call for, by a curve on at most 3,000 of them."""
    from trueneg.heads import regime_advice, sample_complexity_curve
    from trueneg.jobs.compare.plan import drawn

    positions = drawn(task, min(len(task), CURVE_ROWS), seed)
    part = task.take(positions)
    everything = np.arange(len(part))
    dense = part.features.prepare(everything, part.codes, part.groups, "linear", seed).dense(everything)
    size = len(part) if quick else max(2 * len(task.classes), int(0.65 * len(part)))
    k = len(task.classes)
    try:
        if quick:
            return str(regime_advice(size, dense.shape[1], n_classes=k))
        sizes = np.unique(np.geomspace(max(2 * k, 20), size, 5).astype(int))
        curve = sample_complexity_curve(
            None, None, dense, part.codes, sizes.tolist(), 10 if k <= 10 else 4, groups=part.groups, random_state=seed
        )
        return str(regime_advice(int(0.8 * len(task)), dense.shape[1], n_classes=k, curve=curve))
    except InputError as error:
        return f"not measured: {error}"


def next_command(rows: list[Row], task: Task, metric: str) -> str:
    """Return the one command, or line of code, to run next; empty where there is none."""
    best = winner(rows, metric)
    folder = None if task.folder is None else shlex.quote(str(task.folder))
    if best is None:
        return "" if folder is None else f"trueneg review {folder}"
    if not best.apply.startswith("trueneg "):
        return best.apply
    path = Path(task.path)
    target = path.with_name(f"{path.name.split('.')[0]}-repaired{''.join(path.suffixes)}")
    said = best.apply.replace("CODE", "TN203" if task.negative is None else "TN201")
    if folder is None:
        return said
    return said.replace("OUT", folder).replace("FILE", shlex.quote(str(target)))


def _signed(found: Difference) -> str:
    from trueneg.report.words import estimate

    text = estimate(found.estimate.to_dict())
    return text if found.estimate.value < 0 else f"+{text}"


def _name(metric: str) -> str:
    return called(metric) + (" (lower is better)" if metric in LOWER_IS_BETTER else "")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
