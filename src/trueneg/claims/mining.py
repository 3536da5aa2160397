"""The claims on mined negatives: a second opinion halves the false ones, and 60 judged pairs tell how many remain."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.claims._collections import hidden, latent, read
from trueneg.claims.evidence import Evidence
from trueneg.core.cells import Cells
from trueneg.core.intervals import jeffreys
from trueneg.data.retrieval import Collection
from trueneg.mine import Bm25, Dense, Positives

_DEPTH, _KEPT = 100, 5
Floats = NDArray[np.float64]


class _Set:
    """A collection whose judgments are nearly complete, its queries with three relevant documents or more.

    With `others` it is cut to the relevant documents and so many more.
    """

    def __init__(self, name: str, encoder: str, others: int | None = None) -> None:
        data = read(name)
        if others is not None:
            data = _cut(data, others)
        every = Positives.of(data.qrels, len(data.queries), len(data.documents))
        self.use = np.flatnonzero(every.count >= 3)
        self.n = len(self.use)
        self.truth = Positives.of(
            [every.document[every.start[q] : every.start[q + 1]] for q in self.use.tolist()],
            self.n,
            len(data.documents),
        )
        queries, documents = _weak(data) if encoder == "lsa" else _packaged(data, encoder)
        self.dense = Dense(queries[self.use], documents)
        self.words = Bm25([data.queries[q] for q in self.use.tolist()], data.documents)
        self.score, self.rows = self.dense.search(np.arange(self.n), _DEPTH + int(self.truth.count.max()))
        self.who = np.broadcast_to(np.arange(self.n)[:, None], self.rows.shape)
        self.second = self.words.score(self.who.ravel(), self.rows.ravel()).reshape(self.rows.shape)
        self.relevant = self.truth.known(self.who, self.rows)
        place, self.document = self.truth.pairs(np.arange(self.n))
        self.place = place
        value = self.words.score(place, self.document)
        deep = self.words.search(np.arange(self.n), min(2000, len(data.documents)))[0]
        self.bm25_rank = (deep[place] > value[:, None]).sum(axis=1) + 1

    def labels(self, share: float, how: str, rng: np.random.Generator) -> Positives:
        """Hide labels: keep a share at random, or by a soft pool of BM25's ranks; one a query at least."""
        keep = hidden(self.place, self.n, share, rng, None if how == "random" else self.bm25_rank)
        return Positives.of(np.stack([self.place[keep], self.document[keep]], axis=1), self.n, self.dense.n_documents)

    def candidates(self, labels: Positives, depth: int) -> tuple[Floats, NDArray[np.bool_], Floats]:
        """Return score, truth and second score of the first unlabelled documents, shape (n, depth)."""
        known = labels.known(self.who, self.rows)
        order = np.argsort(known, axis=1, kind="stable")[:, :depth]
        score, relevant, second = (
            np.take_along_axis(a, order, axis=1) for a in (self.score, self.relevant, self.second)
        )
        return score.astype(np.float64), relevant, second.astype(np.float64)


@lru_cache(maxsize=4)
def _set(name: str, encoder: str, others: int | None = None) -> _Set:
    return _Set(name, encoder, others)


def _cut(data: Collection, others: int) -> Collection:
    """Keep the relevant documents and some drawn from the rest, in their order."""
    relevant = np.unique(data.qrels.candidate[data.qrels.verdict == 1])
    rest = np.setdiff1d(np.arange(len(data.documents)), relevant)
    keep = np.sort(np.concatenate([relevant, np.random.default_rng(0).permutation(rest)[:others]]))
    ids = data.document_ids[keep]
    at = np.isin(data.qrels.candidate, keep)
    pairs = data.query_ids[data.qrels.row[at]], data.document_ids[data.qrels.candidate[at]]
    grade = np.asarray(data.qrels.side["grade"], dtype=np.float64)[at]
    qrels = Cells.from_qrels(*pairs, grade, queries=data.query_ids, documents=ids)
    return replace(data, documents=[data.documents[i] for i in keep.tolist()], document_ids=ids, qrels=qrels)


def _weak(data: Collection) -> tuple[Any, Any]:
    queries, documents = latent(data, 128)
    return queries.astype(np.float32), documents.astype(np.float32)


def _packaged(data: Collection, name: str) -> tuple[Any, Any]:
    from trueneg.encoders.cache import vector_cache
    from trueneg.encoders.text import text_encoder

    encoder = text_encoder(name, folder=vector_cache())
    return encoder.encode(data.queries), encoder.encode(data.documents)


# ---------------------------------------------------------------------------------------------- second opinion
def _frontier(suspicion: Floats, score: Floats, relevant: NDArray[np.bool_], *, by_query: bool) -> Floats:
    """Hardness and share of false negatives of five a query as a rule gets stricter, shape (steps, 2).

    A query that is left short is filled with its least suspicious candidates, so that every rule keeps as many.
    """
    out = []
    rank = np.argsort(np.argsort(suspicion, axis=1, kind="stable"), axis=1)
    scale = np.abs(suspicion).max() + 1e-9
    for share in np.linspace(0.06, 1, 16):
        keep = rank < max(_KEPT, int(share * _DEPTH)) if by_query else suspicion <= np.quantile(suspicion, share)
        order = np.argsort(np.where(keep, -score, 10 + suspicion / scale), axis=1, kind="stable")[:, :_KEPT]
        picked = [np.take_along_axis(a, order, axis=1).mean() for a in (score, relevant)]
        out.append(picked)
    return np.array(out)


def _at(points: Floats, hardness: float) -> float:
    points = points[np.argsort(points[:, 0])]
    return float(np.interp(hardness, points[:, 0], points[:, 1]))


def _rates(one: _Set, hardness: float | None, seed: int) -> dict[str, float]:
    """False negatives among five a query at equal hardness, by rule; labels are 15 % of the relevant, at random."""
    total: dict[str, float] = {}
    draws = 4
    for draw in range(draws):
        rng = np.random.default_rng([seed, draw])
        labels = one.labels(0.15, "random", rng)
        score, relevant, second = one.candidates(labels, _DEPTH)
        place, document = labels.pairs(np.arange(one.n))
        positive = np.minimum.reduceat(one.dense.score(place, document), np.searchsorted(place, np.arange(one.n)))
        best = positive.astype(np.float64)[:, None]
        rules = {
            "random drop": rng.random(score.shape),
            "rank shift": score,
            "max score": score,
            "pos - m": score - best,
            "percent": score / np.abs(best),
            "spread": (score - best) / score.std(axis=1, keepdims=True),
            "second opinion": second,
            "permuted": rng.permuted(second, axis=1),
        }
        at = hardness or 0.94 * float(score[:, :_KEPT].mean())
        for name, suspicion in rules.items():
            by_query = name in ("random drop", "rank shift", "second opinion", "permuted")
            rate = _at(_frontier(suspicion, score, relevant, by_query=by_query), at)
            total[name] = total.get(name, 0.0) + rate / draws
    return total


class SecondOpinionClaim:
    """An independent retriever finds the false negatives that a margin around the positive does not."""

    id = "second-opinion"
    system = "mine.mining"
    paper = (
        "NV-Retriever: Improving text embedding models with effective hard-negative mining (its rules, as baselines)"
    )
    statement = (
        "Vaswani, 15 % of the relevant documents labelled, the others hidden; five negatives a query from an encoder's "
        "top 100, every rule made as strict as gives the same hardness: dropping what BM25 ranks first leaves at most "
        "0.65 times the false negatives of the best rule that looks at the encoder's own scores (rank shift, highest "
        "score, margin, percent, spread). The long form shows the same for MiniLM, on Vaswani and Cranfield."
    )
    control = "the second retriever's scores permuted within each query"
    MOST = 0.65

    def run(self, seed: int, *, full: bool = False) -> Evidence:
        """Hide labels four times, and compare the rules at equal hardness."""
        places: list[tuple[str, str, float | None]] = [("vaswani", "lsa", None)]
        if full:
            places += [("vaswani", "minilm", 0.55), ("cranfield", "minilm", 0.50)]
        measured: dict[str, float | str] = {}
        holds, control = True, True
        for name, encoder, hardness in places:
            rates = _rates(_set(name, encoder), hardness, seed)
            best = min(v for k, v in rates.items() if k not in ("second opinion", "permuted", "random drop"))
            holds &= rates["second opinion"] <= self.MOST * best
            control &= rates["permuted"] <= self.MOST * best
            measured |= {f"{name} {encoder}, {rule}": round(value, 4) for rule, value in rates.items()}
            measured[f"{name} {encoder}, ratio"] = round(rates["second opinion"] / best, 3)
            measured[f"{name} {encoder}, ratio permuted"] = round(rates["permuted"] / best, 3)
        return Evidence(holds, control, measured)


# ------------------------------------------------------------------------------------------------------- review
_SETTINGS = (
    ("vaswani", 0.15, "random"),
    ("vaswani", 0.15, "pool"),
    ("vaswani", 0.5, "pool"),
    ("cranfield", 0.3, "pool"),
    ("cranfield", 0.3, "random"),
)


def _elkan_noto(score: Floats, labelled: Floats, top: int, rng: np.random.Generator) -> tuple[float, float]:
    """Interval of the false negatives in the top from the labels alone: weights, queries resampled."""
    from sklearn.linear_model import LogisticRegression

    x = np.concatenate([labelled, score.ravel()])[:, None]
    y = np.concatenate([np.ones(len(labelled)), np.zeros(score.size)])
    model = LogisticRegression().fit(x, y)
    c = float(model.predict_proba(labelled[:, None])[:, 1].mean())
    p = model.predict_proba(score[:, :top].reshape(-1, 1))[:, 1]
    share = np.minimum((1 - c) / c * p / (1 - p), 1.0).reshape(len(score), top).mean(axis=1)
    means = share[rng.integers(0, len(share), (300, len(share)))].mean(axis=1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def _coverage(one: _Set, share: float, how: str, seed: int) -> dict[str, float]:
    """How often 60 random pairs, and the labels alone, hold the true share of false negatives in the first ten."""
    held, fooled, width, true = 0, 0, 0.0, 0.0
    draws, tries, top, n = 200, 20, 10, 60
    for draw in range(draws):
        rng = np.random.default_rng([seed, draw, 7])
        labels = one.labels(share, how, rng)
        score, relevant, _ = one.candidates(labels, _DEPTH if draw < tries else top)
        mined = relevant[:, :top].ravel()
        rate = float(mined.mean())
        at = jeffreys(int(rng.permutation(mined)[:n].sum()), n)
        held += at.low <= rate <= at.high
        width += (at.high - at.low) / draws
        true += rate / draws
        if draw < tries:
            place, document = labels.pairs(np.arange(one.n))
            low, high = _elkan_noto(score, one.dense.score(place, document).astype(np.float64), top, rng)
            fooled += low <= rate <= high
    return {"truth": true, "coverage": held / draws, "width": width, "labels alone": fooled / tries}


class FnReviewClaim:
    """Sixty random pairs tell how many mined negatives are false; the labels alone do not."""

    id = "fn-review"
    system = "mine.mining"
    paper = "Hard Negatives or False Negatives: Correcting Pooling Bias in Training Neural Ranking Models"
    statement = (
        "Vaswani and Cranfield, five ways to hide labels (15 to 50 %, at random or by a pool of BM25): the 95 % "
        "interval of 60 random pairs of the mined list holds the true share of false negatives in 180 of 200 draws "
        "or more, of labels and of judged pairs, in every setting."
    )
    control = "Elkan and Noto's estimate from the labels alone, its interval from a bootstrap over queries"
    LEAST = 0.90

    def run(self, seed: int, *, full: bool = False) -> Evidence:
        """Draw labels and judgments 200 times in each setting."""
        measured: dict[str, float | str] = {}
        holds, control = True, True
        for name, share, how in _SETTINGS:
            got = _coverage(_set(name, "minilm" if full else "lsa"), share, how, seed)
            holds &= got["coverage"] >= self.LEAST
            control &= got["labels alone"] >= self.LEAST
            measured |= {f"{name} {how} {share:.0%}, {what}": round(value, 3) for what, value in got.items()}
        return Evidence(holds, control, measured)
