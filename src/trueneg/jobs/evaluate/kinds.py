"""Kinds of tasks for an encoder: what each asks for, and the figures that it gives of vectors.

A task holds texts and what is known of them. ``measure(encode, random_state)`` gives each figure as one function of row
counts a draw (:mod:`trueneg.jobs.evaluate.figures`). The protocols are those of the public benchmark of embeddings:
logistic regression on a few examples a label, mini-batch k-means, cosines of pairs, and rankings.

References
----------
Muennighoff, Tazi, Magne and Reimers (2023), "MTEB: Massive text embedding benchmark", arXiv 2210.07316.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from trueneg.core.neighbors import top_k
from trueneg.core.ranked import Measure, rank
from trueneg.data.retrieval import Collection
from trueneg.jobs.evaluate.figures import (
    Figure,
    average_precision,
    macro_f1,
    mean,
    pearson,
    spearman,
    v_measure,
)

__all__ = ["KINDS", "Classification", "Clustering", "Reranking", "Retrieval", "Similarity", "Task"]

KINDS = ("classification", "clustering", "similarity", "reranking", "retrieval")
Rows = NDArray[np.int64]
Encode = Callable[[list[str]], NDArray[Any]]
_DEPTH = 100  # documents listed a query


class Task(Protocol):
    """What an encoder is held to.

    Attributes
    ----------
    name, kind : str
    main : str
        The figure that the task is ranked by.
    unit : (n,) int64
        Rows of the same number are resampled together.
    units, about : str
        What a unit is, in the plural; and the task in a few words.
    notes : list of str
        What was left out, and what to know.
    """

    kind: ClassVar[str]
    main: ClassVar[str]
    name: str
    unit: Rows
    units: str
    notes: list[str]

    @property
    def about(self) -> str:
        """The task in a few words."""
        ...

    def measure(self, encode: Encode, random_state: int) -> dict[str, list[Figure]]:
        """Return each figure as one function of row counts a draw."""
        ...


@dataclass(eq=False)
class Classification:
    """Labels from a few examples: logistic regression on the vectors.

    Attributes
    ----------
    test, train : list of str
    truth : (n,) int64
        Codes of the labels of `test`.
    taught : (m,) int64
        Those of `train`.
    draws : list of int arrays
        Rows of `train` that each classifier learns from.
    labels : list of str
    """

    kind: ClassVar[str] = "classification"
    main: ClassVar[str] = "accuracy"
    name: str
    test: list[str]
    truth: Rows
    train: list[str]
    taught: Rows
    draws: list[Rows]
    labels: list[str]
    unit: Rows
    units: str = "texts"
    notes: list[str] = field(default_factory=list)

    @property
    def about(self) -> str:
        """Size of the task."""
        return f"{len(self.test):,} texts, {len(self.labels)} labels, {len(self.draws)} draws of few examples"

    def measure(self, encode: Encode, random_state: int) -> dict[str, list[Figure]]:
        """Fit one classifier a draw, and predict the test texts."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits

        del random_state  # the draws are made already, so that all encoders learn from the same
        seen, taught = encode(self.test), encode(self.train)
        out: dict[str, list[Figure]] = {"accuracy": [], "macro F1": []}
        two = len(self.labels) == 2
        rare = int(np.bincount(self.truth, minlength=2).argmin())
        for rows in self.draws:
            with warnings.catch_warnings(), threadpool_limits(1):  # the fits are small
                warnings.simplefilter("ignore", ConvergenceWarning)  # where it stops is where everybody's stops
                model = LogisticRegression(max_iter=300).fit(taught[rows], self.taught[rows])
            said = model.predict(seen)
            out["accuracy"].append(mean(said == self.truth))
            out["macro F1"].append(macro_f1(self.truth, said, len(self.labels)))
            if two:
                score = model.decision_function(seen) * (1 if model.classes_[1] == rare else -1)
                name = f"AP of {self.labels[rare]}"
                out.setdefault(name, []).append(average_precision(score, self.truth == rare))
        return out


@dataclass(eq=False)
class Clustering:
    """Labels found again without any example: mini-batch k-means with as many clusters as labels.

    Attributes
    ----------
    texts : list of str
    truth : (n,) int64
    n_draws : int
        Starts of k-means.
    """

    kind: ClassVar[str] = "clustering"
    main: ClassVar[str] = "V-measure"
    name: str
    texts: list[str]
    truth: Rows
    n_draws: int
    unit: Rows
    units: str = "texts"
    notes: list[str] = field(default_factory=list)

    @property
    def about(self) -> str:
        """Size of the task."""
        return f"{len(self.texts):,} texts, {len(np.unique(self.truth))} labels, {self.n_draws} starts"

    def measure(self, encode: Encode, random_state: int) -> dict[str, list[Figure]]:
        """Cluster from several starts."""
        from sklearn.cluster import MiniBatchKMeans
        from sklearn.exceptions import ConvergenceWarning
        from threadpoolctl import threadpool_limits

        vectors = np.asarray(encode(self.texts))
        seeds = np.random.SeedSequence(random_state).generate_state(self.n_draws)
        out = []
        for seed in seeds.tolist():
            model = MiniBatchKMeans(len(np.unique(self.truth)), batch_size=512, n_init=1, random_state=seed)
            with warnings.catch_warnings(), threadpool_limits(1):
                warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct vectors than labels
                out.append(v_measure(self.truth, model.fit_predict(vectors)))
        return {"V-measure": out}


@dataclass(eq=False)
class Similarity:
    """Pairs with a score that people gave: the cosine must rise with it.

    Attributes
    ----------
    first, second : list of str
    score : (n,) float64
    """

    kind: ClassVar[str] = "similarity"
    main: ClassVar[str] = "Spearman"
    name: str
    first: list[str]
    second: list[str]
    score: NDArray[np.float64]
    unit: Rows
    units: str = "pairs"
    notes: list[str] = field(default_factory=list)

    @property
    def about(self) -> str:
        """Size of the task."""
        return f"{len(self.first):,} pairs"

    def measure(self, encode: Encode, random_state: int) -> dict[str, list[Figure]]:
        """Correlate the cosines; of two scores only, tell too how well the pairs of the larger one are found."""
        del random_state
        cosine = _cosine(encode(self.first), encode(self.second))
        out = {"Spearman": [spearman(cosine, self.score)], "Pearson": [pearson(cosine, self.score)]}
        if len(np.unique(self.score)) == 2:
            out["AP"] = [average_precision(cosine, self.score == self.score.max())]
        return out


@dataclass(eq=False)
class Reranking:
    """A few documents a query, some of which answer it: those must come first.

    Attributes
    ----------
    queries, documents : list of str
    query, document : (n,) int64
        Pairs, as rows of the two lists; `document` is in order of the file.
    relevant : (n,) bool
    """

    kind: ClassVar[str] = "reranking"
    main: ClassVar[str] = "MAP"
    name: str
    queries: list[str]
    documents: list[str]
    query: Rows
    document: Rows
    relevant: NDArray[np.bool_]
    unit: Rows
    units: str = "queries"
    notes: list[str] = field(default_factory=list)

    @property
    def about(self) -> str:
        """Size of the task."""
        return f"{len(self.queries):,} queries, {len(self.query) / len(self.queries):.1f} documents each"

    def measure(self, encode: Encode, random_state: int) -> dict[str, list[Figure]]:
        """Rank the documents of each query by cosine; among equal ones, those that do not answer come first."""
        del random_state
        asked, answers = encode(self.queries), encode(self.documents)
        score = _cosine(asked[self.query], answers[self.document])
        grade = self.relevant.astype(np.float64)
        pairs = (self.query, np.arange(len(self.query)))
        lists = rank(*pairs, score, *pairs, grade, n_queries=len(self.queries), tie=1 - grade)
        return {str(m): [mean(lists.values(m))] for m in (Measure("MAP", 0), Measure("MRR", 10))}


@dataclass(eq=False)
class Retrieval:
    """A corpus, queries and judgments: the nearest documents of the whole corpus.

    Attributes
    ----------
    data : Collection
    """

    kind: ClassVar[str] = "retrieval"
    main: ClassVar[str] = "nDCG@10"
    name: str
    data: Collection
    unit: Rows
    units: str = "queries"
    notes: list[str] = field(default_factory=list)

    @property
    def about(self) -> str:
        """Size of the task."""
        return f"{len(self.data.queries):,} queries, {len(self.data.documents):,} documents"

    def measure(self, encode: Encode, random_state: int) -> dict[str, list[Figure]]:
        """Search exactly, and hold the first hundred to the judgments."""
        del random_state
        data, k = self.data, min(_DEPTH, len(self.data.documents))
        score, found = top_k(encode(data.queries), encode(data.documents), k, metric="cosine")
        who = np.repeat(np.arange(len(data.queries)), k)
        judged = data.qrels
        grade = judged.side.get("grade", judged.verdict)
        listed = (judged.row, judged.candidate, np.asarray(grade, dtype=np.float64))
        by_id = np.unique(data.document_ids.astype(str), return_inverse=True)[1]  # as a run of these lists would tie
        pairs = (who, found.ravel(), score.ravel())
        lists = rank(*pairs, *listed, n_queries=len(data.queries), tie=by_id[found.ravel()])
        measures = (Measure("nDCG", 10), Measure("MRR", 10), Measure("R", k), Measure("MAP", k))
        return {str(m): [mean(lists.values(m))] for m in measures}


def _cosine(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Cosine row by row; 0 for a row of zeros."""
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    size = np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
    value = np.einsum("ij,ij->i", x, y)
    return np.divide(value, size, out=np.zeros_like(value), where=size > 0)
