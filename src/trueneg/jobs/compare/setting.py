"""What is settled before the first fold: the base learner, the reviewed answers, and which remedies fit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.jobs.compare.fold import Learner, split
from trueneg.jobs.compare.plan import drawn
from trueneg.jobs.compare.rejecting import too_few_to_alarm

if TYPE_CHECKING:
    from collections.abc import Callable

    from trueneg.jobs.compare.remedies import Remedy
    from trueneg.jobs.compare.task import Source, Task

CHOOSE_ON = 10_000
MAX_BOOSTED_CLASSES = 50


def settle_kind(task: Task, seed: int, say: Callable[[str], None]) -> tuple[Any, list[str]]:
    """Return the kind of the base learner, and what is shared by all folds, in words.

    The audit's choice where there is one; else the one with the lower log loss on a held-out fifth of at most 10,000
    rows. It is the same for all remedies and folds.
    """
    shared = [*task.features.shared]
    if task.model is not None:
        return task.model, [*shared, "the kind of model is the audit's, which chose it on all labelled rows"]
    width = task.features.numeric.shape[1] + task.features.categorical.shape[1] + task.features.given.shape[1]
    width += 0 if task.features.counts is None else 100
    if len(task.classes) > MAX_BOOSTED_CLASSES or width * len(task.classes) > 2000:
        return "linear", [*shared, "the model is linear: there are too many classes or columns for boosting"]
    say("choosing the kind of model")
    part = task.take(drawn(task, CHOOSE_ON, seed))
    train, test = split(part.codes, part.groups, 5, seed)[0]
    losses = {}
    for kind in ("linear", "boosting"):
        try:
            losses[kind] = _loss(part, train, test, kind, seed)
        except InputError:
            return "linear", [*shared, "the model is linear: there are too few rows to choose"]
    return min(losses, key=lambda k: losses[k]), [*shared, "the kind of model was chosen once, on all labelled rows"]


def _loss(task: Task, train: np.ndarray, test: np.ndarray, kind: Any, seed: int) -> float:
    prepared = task.features.prepare(train, task.codes[train], task.groups[train], kind, seed)
    predict = Learner(kind, len(task.classes), seed, prepared.expand).fit(prepared.rows(train), task.codes[train])
    p = predict(prepared.rows(test))[np.arange(len(test)), task.codes[test]]
    return float(-np.log(np.maximum(p, 1e-6)).mean())


def with_answers(task: Task, source: Source) -> Task:
    """Return the task with what a reviewer of the audit's folder answered, if anything."""
    if source.folder is None:
        return task
    from trueneg.jobs.review.answers import load

    keys = source.folder.keys(source.table, source.roles)
    found = load(source.folder, source.table, keys)
    if found is None or not found.judged:
        return task
    place = np.full(len(source.table), -1)
    place[task.table_rows] = np.arange(len(task))
    answers = task.answers.copy()
    for one in found.findings.values():
        judged = one.answers >= 0
        at = place[one.rows[judged]]
        label = np.where(one.answers[judged] == 1, one.proposed[judged], one.candidates[judged])
        # An accepted suspicion without a proposal says that the label is wrong, not which one is right.
        fine = (at >= 0) & (label >= 0)
        answers[at[fine]] = label[fine]
    return replace(
        task, answers=answers, saw=[*task.saw, f"{int((answers >= 0).sum()):,} rows were judged in a review"]
    )


def unfit(remedy: Remedy, task: Task, kind: str) -> str:
    """Say why a remedy does not fit these data; empty where it does."""
    nominal = task.features.categorical.shape[1]
    # Text makes the linear model's rows sparse, with the categories as columns of 0 and 1.
    coded = nominal and (kind == "boosting" or task.features.counts is None)
    others = task.features.numeric.shape[1] + task.features.given.shape[1] + (task.features.counts is not None)
    reasons = {
        "alarms": too_few_to_alarm(task) if "alarms" in remedy.needs else "",
        "negative": "" if task.negative is not None else "it needs a negative class; name it with --negative",
        "answers": "" if (task.answers >= 0).any() else "there are no answers; run trueneg review first",
        "nominal": "" if coded and others else "it needs categorical columns beside others",
        "no nominal": "" if not coded else "categories are no numbers to lie between; SMOTENC takes them",
        "all nominal": "" if coded and not others else "it needs categorical columns alone",
    }
    unknown = [need for need in remedy.needs if need not in reasons]
    if unknown:
        raise InputError(f"remedy {remedy.name!r} needs {unknown[0]!r}; known needs: {', '.join(reasons)}")
    return next((reasons[need] for need in remedy.needs if reasons[need]), "")
