"""The claims on judgments: a pool of BM25 is seen, and sixty answers tell how many relevant ones are unlabelled."""

from __future__ import annotations

import numpy as np

from trueneg.claims.evidence import Evidence
from trueneg.claims.mining import _Set, _set
from trueneg.core.intervals import jeffreys
from trueneg.core.survey import estimate, plan
from trueneg.jobs.audit.checks.tn503_pooling import DEEP, alone
from trueneg.jobs.audit.retrieval import Doubt, doubt_of

_DRAWS = 20


def _ranks(one: _Set) -> tuple[np.ndarray, np.ndarray]:
    """Ranks of every relevant pair by BM25 and by the encoder, 101 where they are not among the first 100."""
    out = []
    for source in (one.words, one.dense):
        score, rows = source.search(np.arange(one.n), DEEP)
        rows = np.where(score > 0, rows, -1) if source is one.words else rows
        hit = rows[one.place] == one.document[:, None]
        out.append(np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, DEEP + 1))
    return out[0], out[1]


def _seen(one: _Set, share: float, how: str, seed: int) -> float:
    """Share of draws of labels in which the test takes them for a pool of BM25."""
    first, second = _ranks(one)
    width = one.dense.n_documents
    keys = one.place * width + one.document
    seen = 0
    for draw in range(_DRAWS):
        labels = one.labels(share, how, np.random.default_rng([seed, draw, 3]))
        place, document = labels.pairs(np.arange(one.n))
        kept = np.isin(keys, place * width + document)
        found = alone(one.place[kept], first[kept], second[kept], random_state=draw)
        seen += found is not None and found.pooled
    return seen / _DRAWS


class PoolingSeenClaim:
    """What one retriever lists alone tells, shallow against deep, whether its list was the pool."""

    id = "pooling-bias-seen"
    system = "jobs.audit (TN503)"
    paper = "How reliable are the results of large-scale information retrieval experiments?"
    statement = (
        "Vaswani, 30 and 50 % of the relevant pairs labelled by a soft pool of BM25's ranks, latent analysis as the "
        "other retriever: TN503 says in 80 % of the draws of labels or more that BM25 made the pool, and in 20 % or "
        "fewer where as many labels are drawn at random. The long form shows the same for MiniLM. With 15 % labelled, "
        "and on Cranfield, where both list nearly every positive, it is often missed: told, and not claimed."
    )
    control = "as many labels drawn at random, without regard to BM25"
    MOST, LEAST = 0.2, 0.8

    def run(self, seed: int, *, full: bool = False) -> Evidence:
        """Hide labels by a pool and at random, 20 times each."""
        places = [("vaswani", "lsa", share) for share in (0.3, 0.5)]
        told = [("vaswani", "lsa", 0.15)]
        if full:
            places += [("vaswani", "minilm", share) for share in (0.3, 0.5)]
            told += [("vaswani", "minilm", 0.15), ("cranfield", "lsa", 0.3), ("cranfield", "minilm", 0.3)]
        measured: dict[str, float | str] = {}
        holds, control = True, True
        for name, encoder, share in [*places, *told]:
            pool, chance = (_seen(_set(name, encoder), share, how, seed) for how in ("pool", "random"))
            measured |= {
                f"{name} {encoder} {share:.0%}, pool of BM25 seen": pool,
                f"{name} {encoder} {share:.0%}, random labels taken for one": chance,
            }
            if (name, encoder, share) in places:
                holds &= pool >= self.LEAST and chance <= self.MOST
                control &= chance >= self.LEAST
        return Evidence(holds, control, measured)


def _doubt(
    one: _Set, tops: list[np.ndarray], share: float, how: str, rng: np.random.Generator
) -> tuple[Doubt, np.ndarray]:
    """Hide labels; return the doubted pairs as TN502 has them, and which of them are relevant."""
    labels = one.labels(share, how, rng)
    made = doubt_of(
        np.arange(one.n), tops, one.dense.n_documents, lambda q, d: np.where(labels.known(q, d), 1.0, np.nan)
    )
    return made, one.truth.known(made.query, made.document)


def _coverage(one: _Set, share: float, how: str, seed: int, draws: int) -> dict[str, float]:
    """How often the intervals of 60 answers hold the truth, and that of the first 60 of the list."""
    held = {"total": 0, "precision": 0, "first 60": 0}
    figures = {"share of the pairs relevant": 0.0, "of those agreed on": 0.0, "width of the total": 0.0}
    tops = [source.search(np.arange(one.n), DEEP)[1] for source in (one.words, one.dense)]
    for draw in range(draws):
        doubt, true = _doubt(one, tops, share, how, np.random.default_rng([seed, draw, 5]))
        n, right = len(true), float(true.mean())
        sample = plan(doubt.weight, n=60, random_state=np.random.default_rng([seed, draw, 6]))
        told = estimate(sample, true[sample.rows].astype(int), doubt.weight, suspects=doubt.agreed)
        of = float(true[doubt.agreed].mean())
        held["total"] += told.model_free.low <= right * n <= told.model_free.high
        held["precision"] += told.precision.low <= of <= told.precision.high
        first = jeffreys(int(true[doubt.order[:60]].sum()), 60)
        held["first 60"] += first.low <= right <= first.high
        width = (told.model_free.high - told.model_free.low) / n
        for name, value in zip(figures, (right, of, width), strict=True):
            figures[name] += value / draws
    return {f"{name} covered": count / draws for name, count in held.items()} | figures


class JudgmentsReviewClaim:
    """Sixty answers tell how many of the unlabelled documents at the top are relevant."""

    id = "judgments-review"
    system = "jobs.audit (TN502)"
    paper = "Hard Negatives or False Negatives: Correcting Pooling Bias in Training Neural Ranking Models"
    statement = (
        "Vaswani and Cranfield, labels hidden at random and by a pool of BM25: of the documents among the first ten of "
        "BM25 or of latent analysis that are not labelled, 60 answers drawn as trueneg review draws them give 95 % "
        "intervals that hold the number of relevant ones in all, and their share among those on which both agree, in "
        "88 % of 120 draws or more (95 % less what so few draws may miss)."
    )
    control = "the first 60 of the list judged, in place of a random sample of the whole"
    LEAST = 0.88

    def run(self, seed: int, *, full: bool = False) -> Evidence:
        """Hide labels and draw a review 120 times in each setting (200 times in the long form, with MiniLM too)."""
        places = [
            ("vaswani", "lsa", 0.15, "random"),
            ("vaswani", "lsa", 0.3, "pool"),
            ("cranfield", "lsa", 0.3, "random"),
        ]
        if full:
            places += [(name, "minilm", share, how) for name, _, share, how in places]
        measured: dict[str, float | str] = {}
        holds, control = True, True
        for name, encoder, share, how in places:
            got = _coverage(_set(name, encoder), share, how, seed, 200 if full else 120)
            holds &= min(got["total covered"], got["precision covered"]) >= self.LEAST
            control &= got["first 60 covered"] >= self.LEAST
            measured |= {f"{name} {encoder} {how} {share:.0%}, {what}": round(v, 3) for what, v in got.items()}
        return Evidence(holds, control, measured)
