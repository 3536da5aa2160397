"""Rules against false negatives, side by side on the same candidates, before anything is written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trueneg.core.intervals import Estimate, bootstrap
from trueneg.jobs.mine.pooling import pooling_rule
from trueneg.mine import BelowPositive, Duplicates, Filter, Negatives, Positives, SecondOpinion, hard_negatives
from trueneg.mine.mining import Source

__all__ = ["ON_REQUEST", "RULES", "Rule", "side_by_side"]

ON_REQUEST = ("pooling-bias",)  # never compared unless asked for
RULES = ("none", "second-opinion", "percent", "absolute", "relative", "spread", *ON_REQUEST)


@dataclass(frozen=True, eq=False)
class Rule:
    """One rule and what it leaves.

    Attributes
    ----------
    name : str
    words : str
        The rule as a sentence.
    mined : Negatives
    full : Estimate
        Share of the queries that got all they were to get.
    hardness : Estimate
        Mean score of the negatives, its interval over queries.
    removed : int
        Candidates removed by the rule itself, beside the copies.
    shift : int or None
        The plain alternative: leaving out the first ranks until the list is as easy as this one. The same number of
        candidates dropped without looking at any of them.
    deepest : int
        Largest shift that the window of ranks allows.
    """

    name: str
    words: str
    mined: Negatives
    full: Estimate
    hardness: Estimate
    removed: int
    shift: int | None
    deepest: int = 0

    def row(self) -> dict[str, str]:
        """Return the line of a table."""
        most = self.deepest and self.shift == self.deepest
        shift = "-" if self.shift is None else f"{self.shift} or more" if most else str(self.shift)
        return {
            "rule": self.name,
            "keeps a candidate that": self.words,
            "negatives": f"{len(self.mined):,}",
            "queries with all": str(self.full),
            "hardness": str(self.hardness),
            "removed": f"{self.removed:,}",
            "as easy as skipping the first": shift,
        }


def rule_of(name: str, second: Source | None) -> tuple[Filter | None, str]:
    """Return the filter of a name, and what it keeps in words."""
    if name == "second-opinion" and second is not None:
        return SecondOpinion(second, drop=0.3), f"{second.name} does not rank among the first 30 %"
    made: dict[str, tuple[Filter | None, str]] = {
        "percent": (BelowPositive(95), "scores at most 95 % of the positive"),
        "absolute": (BelowPositive(0.05, rule="absolute"), "scores 0.05 less than the positive"),
        "relative": (BelowPositive(0.1, rule="relative"), "scores 10 % of the positive less than it"),
        "spread": (
            BelowPositive(0.5, rule="spread"),
            "scores half a spread of its list less than the positive",
        ),
    }
    return made.get(name, (None, "is no copy"))


def side_by_side(
    source: Source,
    second: Source | None,
    positives: Positives,
    duplicates: Duplicates,
    *,
    n: int,
    ranks: tuple[int, int],
    sampling: str,
    seed: int,
    asked: str = "auto",
) -> list[Rule]:
    """Mine with each rule on the same candidates; those on request only where they are asked for."""
    out = []
    queries, documents = range(source.n_queries), range(source.n_documents)
    how = {"n": n, "sampling": sampling, "source": source, "random_state": seed}
    for name in RULES:
        if (name == "second-opinion" and second is None) or (name in ON_REQUEST and name != asked):
            continue
        rule, words = rule_of(name, second)
        if name == "pooling-bias":
            rule = pooling_rule(source, second, positives, ranks[1] + int(positives.count.max()))
            words = "a model of who was shown to the judges finds rather not relevant"
        joined = duplicates if rule is None else duplicates & rule
        mined = hard_negatives(queries, documents, positives, filters=joined, ranks=ranks, **how)  # type: ignore[arg-type]
        removed = sum(mined.removed.get(part.name, 0) for part in (rule.parts if rule is not None else ()))
        hardness = _hardness(mined)
        out.append(Rule(name, words, mined, _full(mined, source.n_queries), hardness, removed, None))
    plain = out[0]
    return [plain, *(_with_shift(rule, source, positives, duplicates, ranks, how) for rule in out[1:])]


def _with_shift(
    rule: Rule, source: Source, positives: Positives, duplicates: Duplicates, ranks: tuple[int, int], how: dict
) -> Rule:
    """Find by bisection how many first ranks a plain shift leaves out to be as easy."""
    low, high = ranks[0], ranks[1] - int(how["n"])
    if not len(rule.mined) or high <= low:
        return rule
    queries, documents = range(source.n_queries), range(source.n_documents)
    first, deepest = low, high - low
    while low < high:
        middle = (low + high) // 2
        shifted = hard_negatives(queries, documents, positives, filters=duplicates, ranks=(middle, ranks[1]), **how)
        if shifted.hardness > rule.hardness.value:
            low = middle + 1
        else:
            high = middle
    return Rule(rule.name, rule.words, rule.mined, rule.full, rule.hardness, rule.removed, low - first, deepest)


def _hardness(mined: Negatives) -> Estimate:
    if not len(mined):
        return Estimate(float("nan"), float("nan"), float("nan"), 0.95, "no negative", 0)
    who, at = np.unique(mined.query, return_inverse=True)
    count = np.bincount(at)
    total = np.bincount(at, weights=mined.score)
    if len(who) < 2:
        return Estimate(mined.hardness, mined.hardness, mined.hardness, 0.95, "one query: no spread known", 1)
    return bootstrap(lambda t, c: float(t.sum() / c.sum()), total, count, n_boot=500, random_state=0)


def _full(mined: Negatives, n_queries: int) -> Estimate:
    from trueneg.core.intervals import wilson

    return wilson(n_queries - len(mined.short), n_queries)
