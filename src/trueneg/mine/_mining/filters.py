"""Filters against false negatives: small callables on blocks of scores that compose with ``&`` and count.

Each keeps some of the candidates of a block. What is removed is counted by the filter that removed it, in the order
in which they were joined. Rules that compare with a labelled positive (NV-Retriever's family) were measured to be no
better than dropping as many at random, at equal hardness; :class:`SecondOpinion` halves the false negatives where the
second retriever is not the one whose list was judged.

References
----------
Moreira et al. (2024), "NV-Retriever: improving text embedding models with effective hard-negative mining"; Gu et al.
(2025), "UniME-V2: MLLM-as-a-judge for universal multimodal embedding learning" (judge score).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.mine._mining.positives import Positives
from trueneg.mine._mining.sources import Source

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]
Scorer = Callable[[Rows, Rows], Any]
Which = Literal["min", "max", "mean"]


@dataclass(frozen=True, eq=False)
class Block:
    """Candidates of some queries, the best first.

    Attributes
    ----------
    query : (m,) int64
        Rows of the queries.
    document, score : (m, k)
        -1 and -inf where there is no candidate.
    alive : (m, k) bool
        What earlier filters have left.
    positives : Positives
    source : Source
        What scored the candidates; it scores the positives too.
    """

    query: Rows
    document: Rows
    score: NDArray[np.float32]
    alive: Mask
    positives: Positives
    source: Source

    def positive(self, which: Which, scorer: Scorer | None = None) -> NDArray[np.float64]:
        """Return the lowest, highest or mean score of the positives of each query, shape (m, 1)."""
        place, document = self.positives.pairs(self.query)
        score = scored(scorer or self.source.score, self.query[place], document)
        if which == "mean":
            out = np.bincount(place, weights=score, minlength=len(self.query)) / self.positives.count[self.query]
        else:
            best = np.minimum if which == "min" else np.maximum
            out = best.reduceat(score, np.searchsorted(place, np.arange(len(self.query))))
        return out[:, None]

    def scores(self, scorer: Scorer) -> NDArray[np.float64]:
        """Score the candidates that are alive by something else, NaN for the others, shape (m, k)."""
        at = np.nonzero(self.alive)
        out = np.full(self.alive.shape, np.nan)
        out[at] = scored(scorer, self.query[at[0]], self.document[at])
        return out


def scored(scorer: Scorer, query: Rows, document: Rows) -> NDArray[np.float64]:
    """Score pairs, and refuse what is not one number a pair."""
    if not len(query):
        return np.empty(0)
    value = np.asarray(scorer(query, document), dtype=np.float64)
    if value.shape != query.shape:
        msg = f"the scorer gave shape {value.shape} for {len(query):,} pairs: one number a pair is needed"
        raise InputError(msg)
    if np.isnan(value).any():
        first = int(np.isnan(value).argmax())
        msg = f"the scorer gave NaN for query {query[first]} and document {document[first]}: give a number"
        raise InputError(msg)
    return value


def _scorer(given: Any) -> Scorer:
    """Return what scores pairs, of a source or of a callable."""
    scorer: Scorer = getattr(given, "score", given)
    return scorer


class Filter:
    """Base of the filters: ``filter(block)`` is the mask of what it keeps, ``a & b`` applies a, then b."""

    def __call__(self, block: Block) -> Mask:
        """Return the mask of candidates to keep, shape (m, k)."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """What it is called in counts and reports."""
        return type(self).__name__

    @property
    def parts(self) -> tuple[Filter, ...]:
        """The filters that it is made of, in order."""
        return (self,)

    def __and__(self, other: Filter) -> Filter:
        return _All((*self.parts, *other.parts))

    def __repr__(self) -> str:
        return self.name


class _All(Filter):
    """Several filters, one after the other."""

    def __init__(self, parts: tuple[Filter, ...]) -> None:
        self._parts = parts

    @property
    def parts(self) -> tuple[Filter, ...]:
        return self._parts

    @property
    def name(self) -> str:
        return " & ".join(part.name for part in self._parts)

    def __call__(self, block: Block) -> Mask:
        keep = block.alive.copy()
        for part in self._parts:
            left = Block(block.query, block.document, block.score, keep, block.positives, block.source)
            keep &= part(left)
        return keep


class AtMost(Filter):
    """Keep candidates within fixed scores.

    Parameters
    ----------
    high : float, default=inf
        A candidate above is taken for a false negative.
    low : float, default=-inf
        A candidate below is too easy.
    """

    def __init__(self, high: float = np.inf, *, low: float = -np.inf) -> None:
        if not low < high:
            msg = f"low={low:g} and high={high:g} leave nothing between them"
            raise InputError(msg)
        self.high, self.low = float(high), float(low)

    @property
    def name(self) -> str:
        """The bounds that there are."""
        low = f"score >= {self.low:g}" if np.isfinite(self.low) else ""
        high = f"score <= {self.high:g}" if np.isfinite(self.high) else ""
        return ", ".join(part for part in (low, high) if part) or "any score"

    def __call__(self, block: Block) -> Mask:
        """Compare with the bounds."""
        return (block.score <= self.high) & (block.score >= self.low)


class BelowPositive(Filter):
    """Keep candidates that score clearly less than the query's positive.

    Parameters
    ----------
    margin : float
        How much less; see `rule`.
    rule : {"absolute", "relative", "percent", "spread"}, default="percent"
        ``pos - margin``; ``pos - |pos| * margin``; ``pos - |pos| * (1 - margin / 100)``, so that 95 is 95 % of a
        positive score and stays below a negative one; or ``pos - margin * s`` with s the spread (standard deviation)
        of the query's own candidates, which adapts to the query.
    positive : {"min", "max", "mean"}, default="min"
        Which score stands for several positives.

    Notes
    -----
    A candidate at the bound is kept. Presets: 95 percent (NV-Retriever's best), 0.05 absolute. When not to use: where
    the labelled positive was picked at random among many, its score says little of the others'.
    """

    def __init__(self, margin: float, *, rule: str = "percent", positive: Which = "min") -> None:
        if rule not in ("absolute", "relative", "percent", "spread"):
            msg = f"rule={rule!r}: choose 'absolute', 'relative', 'percent' or 'spread'"
            raise InputError(msg)
        if positive not in ("min", "max", "mean"):
            msg = f"positive={positive!r}: choose 'min', 'max' or 'mean'"
            raise InputError(msg)
        if not np.isfinite(margin) or margin < 0:
            msg = f"margin={margin!r}: give a number, 0 or more"
            raise InputError(msg)
        self.margin, self.rule, self.positive = float(margin), rule, positive

    @property
    def name(self) -> str:
        """The rule in a few words."""
        said = {
            "absolute": "positive - {:g}",
            "relative": "positive - {:g} |positive|",
            "percent": "{:g} % of positive",
        }
        return "score <= " + said.get(self.rule, "positive - {:g} spreads").format(self.margin)

    def __call__(self, block: Block) -> Mask:
        """Compare with the bound of each query."""
        best = block.positive(self.positive)
        # A positive that the source has no score for (-inf) keeps nothing, whatever the margin: -inf + 0 * inf is NaN.
        best = np.where(np.isfinite(best), best, -np.inf)
        size = np.where(np.isfinite(best), np.abs(best), 0.0)
        if self.rule == "absolute":
            bound = best - self.margin
        elif self.rule == "relative":
            bound = best - size * self.margin
        elif self.rule == "percent":
            bound = best - size * (1 - self.margin / 100)
        else:
            there = (block.document >= 0) & np.isfinite(block.score)
            value = np.where(there, block.score, 0.0).astype(np.float64)
            n = np.maximum(there.sum(axis=1, keepdims=True), 1)
            mean = value.sum(axis=1, keepdims=True) / n
            spread = np.sqrt((np.where(there, value - mean, 0.0) ** 2).sum(axis=1, keepdims=True) / n)
            bound = best - self.margin * spread
        # float32 scores are compared as float32, so that a candidate that ties with its bound counts as at it
        keep: Mask = (block.score <= bound.astype(np.float32)) & np.isfinite(best)
        return keep


class SecondOpinion(Filter):
    """Drop the candidates that an independent retriever ranks highest.

    Parameters
    ----------
    scorer : callable or Source
        ``scorer(query rows, document rows) -> scores``; a source is asked by its ``score``.
    drop : float, default=0.3
        Share of the query's candidates to drop: those the second retriever likes best. Ties are dropped together only
        where they fit, so that documents without a common word are kept.

    Notes
    -----
    The one rule that was measured to halve the false negatives at equal hardness. The second retriever must be
    independent: one that was used to pick what was judged has no news left, and the rule then gains nothing. It is
    about the labels, not about the ranker: where the second retriever's score is also a feature of the ranker that is
    trained, filtering by it moves the model.
    """

    def __init__(self, scorer: Scorer | Source, *, drop: float = 0.3) -> None:
        if not 0 < drop < 1:
            msg = f"drop={drop!r}: give a share strictly between 0 and 1"
            raise InputError(msg)
        self._said = getattr(scorer, "name", "a second retriever")
        self.scorer = _scorer(scorer)
        self.drop = float(drop)

    @property
    def name(self) -> str:
        """Who was asked, and how much goes."""
        return f"second opinion of {self._said}, top {100 * self.drop:g} % out"

    def __call__(self, block: Block) -> Mask:
        """Rank the candidates of each query by the second retriever."""
        value = np.where(block.alive, block.scores(self.scorer), -np.inf)
        n = (self.drop * block.alive.sum(axis=1)).astype(np.int64)
        ranked = -np.sort(-value, axis=1)
        at = np.minimum(n, value.shape[1] - 1)  # the first that stays: nobody who ties with it goes
        bound = np.take_along_axis(ranked, at[:, None], axis=1)
        keep: Mask = value <= bound
        return keep


class JudgeScore(Filter):
    """Drop the candidates that a judge finds relevant.

    Parameters
    ----------
    judge : callable or Source
        ``judge(query rows, document rows) -> scores``, such as P(yes) of a language model, or a cross-encoder.
    below_positive : float, optional
        Keep what scores at most the positive's judge score less this.
    maximum : float, optional
        Keep what scores at most this. One of the two is needed, both may be given.
    on_low_positive : {"drop", "keep_hardest"}, default="drop"
        Where the judge finds the positive itself irrelevant the bound removes every candidate: leave the query
        without negatives, or keep those that the judge likes least (a tenth of them).

    Notes
    -----
    The judge is called once for the candidates of a block that are still alive, so put cheap filters first.
    """

    def __init__(
        self,
        judge: Scorer | Source,
        *,
        below_positive: float | None = None,
        maximum: float | None = None,
        on_low_positive: Literal["drop", "keep_hardest"] = "drop",
    ) -> None:
        if below_positive is None and maximum is None:
            raise InputError("a judge needs a bound: give below_positive=, maximum= or both")
        if on_low_positive not in ("drop", "keep_hardest"):
            msg = f"on_low_positive={on_low_positive!r}: choose 'drop' or 'keep_hardest'"
            raise InputError(msg)
        self.judge = _scorer(judge)
        self.below_positive, self.maximum, self.on_low_positive = below_positive, maximum, on_low_positive

    @property
    def name(self) -> str:
        """The bounds."""
        said = [] if self.maximum is None else [f"judge <= {self.maximum:g}"]
        return ", ".join(
            said + ([] if self.below_positive is None else [f"judge <= positive - {self.below_positive:g}"])
        )

    def __call__(self, block: Block) -> Mask:
        """Judge what is alive."""
        value = np.where(block.alive, block.scores(self.judge), np.inf)
        keep: Mask = block.alive.copy()
        if self.maximum is not None:
            keep &= value <= self.maximum
        if self.below_positive is None:
            return keep
        keep &= value <= block.positive("min", self.judge) - self.below_positive
        if self.on_low_positive == "keep_hardest":
            lost = ~keep.any(axis=1)
            n = np.maximum(block.alive.sum(axis=1) // 10, 1)
            least = np.argsort(np.argsort(value, axis=1, kind="stable"), axis=1) < n[:, None]
            keep[lost] = (least & block.alive)[lost]
        return keep


class FalseNegativeProbability(Filter):
    """Drop the candidates that are probably relevant after all, by a model of who labelled what.

    Parameters
    ----------
    probability : callable or Source
        ``probability(query rows, document rows) -> P(relevant | unjudged)``, such as that of
        ``trueneg.clean.PoolingBiasCorrector.pair_scorer``.
    maximum : float, default=0.5
        Keep what is at most so probable.

    Notes
    -----
    Not a default anywhere: such probabilities were measured 2 to 5 times too high under a pool, and no better at
    finding false negatives than the cosine. Look at the yield before you believe it.
    """

    def __init__(self, probability: Scorer | Source, *, maximum: float = 0.5) -> None:
        if not 0 <= maximum <= 1:
            msg = f"maximum={maximum!r}: give a probability"
            raise InputError(msg)
        self.probability, self.maximum = _scorer(probability), float(maximum)

    @property
    def name(self) -> str:
        """The bound."""
        return f"P(false negative) <= {self.maximum:g}"

    def __call__(self, block: Block) -> Mask:
        """Ask for the candidates that are alive."""
        value = np.where(block.alive, block.scores(self.probability), 0.0)
        if ((value < 0) | (value > 1)).any():
            msg = f"a probability of {value[(value < 0) | (value > 1)][0]:g} was given: it must lie within 0 and 1"
            raise InputError(msg)
        keep: Mask = block.alive & (value <= self.maximum)
        return keep
