"""What a fold's models look at: columns read once, and all that learns fitted on the training rows alone."""

from __future__ import annotations

import threading
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from trueneg.core.errors import InputError
from trueneg.jobs.audit.contents import codes_of, hash_rows
from trueneg.jobs.audit.represent import MAX_ONE_HOT
from trueneg.jobs.audit.words import TOKENS, texts_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa
    from numpy.typing import NDArray

    from trueneg.data.readers import Table
    from trueneg.data.sniff import Roles

MAX_TERMS = 50_000
COMPONENTS = 100
CHOOSE_TOKENS_ON = 4_000
Kind = Literal["linear", "boosting"]


class Counts:
    """Texts as counts of terms, cut once by each way of cutting; nothing here looks at a label or at a split."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts
        self._made: dict[str, Any] = {}
        self._lock = threading.Lock()

    def of(self, kind: str) -> Any:
        """Return (n, all terms) CSR float32 counts of one kind of tokens; no columns where there are none."""
        from scipy import sparse
        from sklearn.feature_extraction.text import CountVectorizer

        with self._lock:
            if kind not in self._made:
                try:
                    self._made[kind] = CountVectorizer(dtype=np.float32, **TOKENS[kind]).fit_transform(self.texts)
                except ValueError:
                    self._made[kind] = sparse.csr_matrix((len(self.texts), 0), dtype=np.float32)
            return self._made[kind]


class TermWeights:
    """TF-IDF as of the training rows: which terms there are, which 50,000 are commonest, and how rare each is."""

    def __init__(self, counts: Any, train: NDArray[np.int64]) -> None:
        seen = counts[train]
        rows_with = np.bincount(seen.indices, minlength=counts.shape[1])
        often = np.asarray(seen.sum(axis=0)).ravel()
        terms = np.flatnonzero(rows_with)
        if len(terms) > MAX_TERMS:
            terms = np.sort(terms[np.argsort(-often[terms], kind="stable")[:MAX_TERMS]])
        if not len(terms):
            raise InputError("the text columns hold no words; name another column with --text")
        self.terms = terms
        self.idf = (np.log((1 + len(train)) / (1 + rows_with[terms])) + 1).astype(np.float32)

    def of(self, counts: Any) -> Any:
        """Return rows of unit length, (m, terms) CSR float32, of rows of counts."""
        from sklearn.preprocessing import normalize

        out = counts[:, self.terms].copy()
        out.data = np.log(out.data) + 1  # a term ten times in a text is not ten times as telling
        out.data *= self.idf[out.indices]
        return normalize(out, copy=False)


@dataclass
class Features:
    """The columns to learn from, of the labelled rows, as they were read.

    Attributes
    ----------
    numeric : (n, d) float32
        NaN where missing.
    categorical : (n, c) int64
        A number for each distinct value.
    given : (n, e) float32
        Given embeddings and image features, which are used as they are.
    counts : Counts or None
        Texts.
    content : (n,) int64
        Rows of equal content have the same number.
    words : str
        What is learnt from.
    shared : list of str
        What was made from all rows at once, none of it by labels.
    """

    numeric: NDArray[np.float32]
    categorical: NDArray[np.int64]
    given: NDArray[np.float32]
    counts: Counts | None
    content: NDArray[np.int64]
    words: str
    shared: list[str]

    @classmethod
    def read(
        cls,
        source: Table,
        roles: Roles,
        rows: NDArray[np.int64],
        *,
        seed: int,
        image_named: bool,
        progress: Callable[[str], None],
    ) -> Features:
        """Read the columns that the roles name, of these rows of the table."""
        arrow = source.arrow.take(rows)
        parts, shared, given = [], [], []
        embedding = roles.embedding_matrix(source)
        if embedding is not None:
            given.append(np.asarray(embedding, np.float32)[rows])
            parts.append(f"given embedding ({given[0].shape[1]} columns)")
        for name in roles.image:
            given.append(_image_features(source, name, seed, image_named, progress)[rows])
            parts.append(f"gradients and colours of the images in {name}")
            shared.append(f"the features of the images in {name} are reduced over all rows, without labels")
        numeric = _numbers(arrow, roles.numeric)
        none = np.empty((len(rows), 0), np.int64)
        categorical = np.column_stack([_values(arrow, c) for c in roles.categorical] or [none])
        if roles.numeric or roles.categorical:
            parts.append(f"{len(roles.numeric)} numeric and {len(roles.categorical)} categorical columns")
        counts = Counts(texts_of(arrow, roles.text)) if roles.text else None
        if counts is not None:
            parts.append("TF-IDF of " + ", ".join(roles.text))
        if not parts:
            raise InputError(
                "no column is left to learn from besides the label, and a remedy is a model trained again: "
                "name some with --features, --text or --embedding"
            )
        block = np.hstack(given) if given else np.empty((len(rows), 0), np.float32)
        content = _content(numeric, categorical, block, counts)
        return cls(numeric, categorical.astype(np.int64), block, counts, content, "; ".join(parts), shared)

    def take(self, positions: NDArray[np.int64]) -> Features:
        """Return some of the rows; used where the budget allows no more."""
        counts = None if self.counts is None else Counts([self.counts.texts[i] for i in positions])
        return Features(
            self.numeric[positions],
            self.categorical[positions],
            self.given[positions],
            counts,
            self.content[positions],
            self.words,
            self.shared,
        )

    def prepare(
        self, train: NDArray[np.int64], y: NDArray[np.int64], groups: NDArray[np.int64], kind: Kind, seed: int
    ) -> Prepared:
        """Fit medians, scales, categories, words and components on rows ``train``, of labels and groups (m,)."""
        return Prepared(self, train, y, groups, kind, seed)


class Prepared:
    """The preprocessing of one fold; it was shown the training rows and no others.

    ``nominal`` are the columns of :meth:`rows` that hold categories as numbers, which a model may not average.
    """

    def __init__(
        self,
        features: Features,
        train: NDArray[np.int64],
        y: NDArray[np.int64],
        groups: NDArray[np.int64],
        kind: Kind,
        seed: int,
    ) -> None:
        self._of, self._train, self._kind, self._seed = features, train, kind, seed
        self._lock = threading.RLock()
        seen = features.numeric[train]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a column without any value here
            self._centre = np.nan_to_num(np.nanmedian(seen, axis=0)) if len(train) else np.zeros(seen.shape[1])
            scale = np.nan_to_num(np.nanstd(seen, axis=0, dtype=np.float64))
        self._scale = np.where(scale > 0, scale, 1.0)
        common = [np.argsort(-np.bincount(c), kind="stable")[:MAX_ONE_HOT] for c in features.categorical[train].T]
        self._common = common
        self.tokens = None
        if features.counts is not None:
            self.tokens = _chosen_tokens(features.counts, train, y, groups, seed)
            self._terms = TermWeights(features.counts.of(self.tokens), train)
        first = features.numeric.shape[1]
        coded = features.categorical.shape[1] if kind == "boosting" or self.tokens is None else 0
        self.nominal = list(range(first, first + coded))

    @property
    def sparse(self) -> bool:
        """Whether :meth:`rows` gives sparse matrices."""
        return self.tokens is not None and self._kind == "linear"

    def rows(self, positions: NDArray[np.int64]) -> Any:
        """Return what samplers and the learner see, (m, d): numbers scaled, categories as numbers, text as terms."""
        from scipy import sparse

        numbers = self._numbers(positions, fill=self._kind == "linear")
        if self.sparse:
            dense = np.hstack([numbers, self._one_hot(self._of.categorical[positions]), self._of.given[positions]])
            return sparse.hstack([sparse.csr_matrix(dense), self._tfidf(positions)], format="csr")
        parts = [numbers, self._of.categorical[positions].astype(np.float32), self._of.given[positions]]
        if self.tokens is not None:
            parts.append(self._reduced(positions))
        return np.ascontiguousarray(np.hstack(parts))

    def dense(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return numbers without gaps, (m, e): for distances, and for models that know no missing value."""
        parts = [
            self._numbers(positions, fill=True),
            self._one_hot(self._of.categorical[positions]),
            self._of.given[positions],
        ]
        if self.tokens is not None:
            parts.append(self._reduced(positions))
        return np.ascontiguousarray(np.hstack(parts))

    def expand(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Turn the categories in rows of a linear model into columns of 0 and 1."""
        if self._kind == "boosting" or not self.nominal:
            return X
        first, last = self.nominal[0], self.nominal[-1] + 1
        return np.hstack([X[:, :first], self._one_hot(X[:, first:last]), X[:, last:]])

    def _numbers(self, positions: NDArray[np.int64], *, fill: bool) -> NDArray[np.float32]:
        block = (self._of.numeric[positions] - self._centre) / self._scale
        if fill:
            block = np.where(np.isnan(block), 0.0, block)
        return block.astype(np.float32)

    def _one_hot(self, codes: NDArray[Any]) -> NDArray[np.float32]:
        columns = [(codes[:, j] == value) for j, common in enumerate(self._common) for value in common]
        return np.column_stack(columns).astype(np.float32) if columns else np.empty((len(codes), 0), np.float32)

    def _tfidf(self, positions: NDArray[np.int64]) -> Any:
        return self._terms.of(self._of.counts.of(self.tokens)[positions])  # type: ignore[union-attr,arg-type]

    @cached_property
    def _components(self) -> Any:
        from sklearn.decomposition import TruncatedSVD

        block = self._tfidf(self._train)
        size = max(1, min(COMPONENTS, block.shape[1] - 1, block.shape[0] - 1))
        return TruncatedSVD(size, random_state=self._seed).fit(block)

    def _reduced(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        with self._lock:
            fitted = self._components
        return fitted.transform(self._tfidf(positions)).astype(np.float32)


def _image_features(source: Table, name: str, seed: int, named: bool, progress: Callable[[str], None]) -> Any:
    from trueneg.jobs.audit.images import ImageColumn, image_features

    folder = Path() if source.path is None else source.path.parent
    column = ImageColumn(source.arrow, name, folder, named)
    return np.asarray(image_features(column, random_state=seed, progress=progress).embedding, np.float32)


def _numbers(arrow: pa.Table, names: list[str]) -> NDArray[np.float32]:
    out = np.empty((arrow.num_rows, len(names)), np.float32)
    for j, name in enumerate(names):
        column = arrow[name].cast("float32", safe=False).to_numpy()
        out[:, j] = np.where(np.isfinite(column), column, np.nan)
    return out


def _values(arrow: pa.Table, name: str) -> NDArray[np.int64]:
    return codes_of([None if v is None else str(v) for v in arrow[name].to_pylist()])


def _content(numeric: Any, categorical: Any, given: Any, counts: Counts | None) -> NDArray[np.int64]:
    mixed = hash_rows(np.hstack([numeric, categorical.astype(np.float32), given]))
    if counts is not None:
        mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + codes_of(counts.texts).astype(np.uint64)
    return np.unique(mixed, return_inverse=True)[1]


def _chosen_tokens(
    counts: Counts, train: NDArray[np.int64], y: NDArray[np.int64], groups: NDArray[np.int64], seed: int
) -> str:
    """Choose how text is cut by held-out log loss on at most 4,000 training rows; words where there are too few."""
    rng = np.random.default_rng(seed)
    some = np.arange(len(train))
    if len(some) > CHOOSE_TOKENS_ON:
        some = np.sort(rng.choice(some, CHOOSE_TOKENS_ON, replace=False))
    together = np.unique(groups[some], return_inverse=True)[1]
    held = (rng.random(int(together.max(initial=0)) + 1) < 0.25)[together]
    known = held & np.isin(y[some], y[some][~held])
    if len(some) < 200 or len(np.unique(y[some][~held])) < 2 or known.sum() < 20:
        return "words"
    losses = {kind: _token_loss(counts.of(kind), train[some], y[some], ~held, known) for kind in TOKENS}
    return min(losses, key=lambda kind: losses[kind])


def _token_loss(counts: Any, rows: NDArray[np.int64], y: NDArray[np.int64], train: Any, test: Any) -> float:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    try:
        weights = TermWeights(counts, rows[train])
    except InputError:
        return float("inf")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(max_iter=30, C=10.0).fit(weights.of(counts[rows[train]]), y[train])
    proba = model.predict_proba(weights.of(counts[rows[test]])).astype(float)
    return float(log_loss(y[test], proba / proba.sum(axis=1, keepdims=True), labels=model.classes_))
