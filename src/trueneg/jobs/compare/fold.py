"""What a remedy is given: the training part of one fold, and nothing of its test part."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trueneg.core.costs import CostMatrix, RowCosts

INNER_FOLDS = 3
NEIGHBORS = 10
MAX_NEIGHBOR_ROWS = 20_000


class OneClassLeft(InputError):
    """A repair left the rows of one class only."""


@dataclass(frozen=True, eq=False)
class View:
    """Rows to predict: what the learner sees, and the dense form, made when asked for."""

    X: Any
    dense_of: Callable[[], NDArray[np.float32]]

    @property
    def dense(self) -> NDArray[np.float32]:
        """Return the dense form, (m, e) float32."""
        return self.dense_of()


@dataclass(frozen=True, eq=False)
class Model:
    """What a remedy returns.

    Parameters
    ----------
    predict_proba : callable
        ``predict_proba(view) -> (m, K)`` probabilities.
    rows : int
        Rows that the model was trained on, made ones included.
    decide : callable or None, default=None
        ``decide(proba) -> (m,)`` codes; None takes the likeliest class.
    note : str, default=""
        What the user should know, such as how many labels were changed.
    certainty : callable or None, default=None
        ``certainty(view) -> (m,)``, higher = answered first where some rows go to a person; None is the probability of
        the likeliest class.
    """

    predict_proba: Callable[[View], NDArray[np.float64]]
    rows: int
    decide: Callable[[NDArray[np.float64]], NDArray[np.int64]] | None = None
    note: str = ""
    certainty: Callable[[View], NDArray[np.float64]] | None = None

    def decisions(self, proba: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the decided codes, (m,)."""
        return np.asarray(proba.argmax(axis=1) if self.decide is None else self.decide(proba), np.int64)


@dataclass(frozen=True)
class Learner:
    """The base learner: the audit's logistic regression or boosting; every remedy trains this one.

    ``expand`` turns a sampler's rows into the model's, categories into columns.
    """

    kind: str
    n_classes: int
    seed: int
    expand: Callable[[Any], Any]

    def fit(self, X: Any, y: NDArray[np.int64], weight: Any = None) -> Callable[[Any], NDArray[np.float64]]:  # noqa: N803
        """Train on rows X with codes (m,) and weights (m,); return the function that predicts (m, K)."""
        from sklearn.exceptions import ConvergenceWarning

        from trueneg.jobs.audit.learners import boosting_model, linear_model

        kept = np.ones(len(y), bool) if weight is None else np.asarray(weight) > 0
        if len(np.unique(y[kept])) < 2:
            raise OneClassLeft("one class only is left to train on")
        inputs = self.expand(X)
        if self.kind == "boosting":
            model: Any = boosting_model(y[kept], self.seed)
        else:
            model = linear_model(inputs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # as the audit's: 300 steps tell the remedies apart
            model.fit(inputs, y, sample_weight=weight)
        return lambda rows: full(model.predict_proba(self.expand(rows)), model.classes_, self.n_classes)


def full(proba: NDArray[Any], seen: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    """Return probabilities of all classes, (m, K) float64, 0 for those that the model never saw."""
    out = np.zeros((len(proba), n_classes))
    out[:, np.asarray(seen, np.int64)] = proba
    return out / np.maximum(out.sum(axis=1, keepdims=True), 1e-300)


@dataclass
class _Frame:
    """What is being made in one thread: what it asked for, and the seconds it waited for that."""

    names: set[str] = field(default_factory=set)
    elsewhere: float = 0.0


class Shared:
    """What several remedies of one fold need, made once, with the seconds that each piece took of its own."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._made: dict[str, Any] = {}
        self._seconds: dict[str, float] = {}
        self._needs: dict[str, set[str]] = {}
        self._local = threading.local()

    def get(self, name: str, make: Callable[[], Any]) -> Any:
        """Return the thing, made by the first who asks while the others wait."""
        frames: list[_Frame] = self._local.__dict__.setdefault("frames", [_Frame()])
        frames[-1].names.add(name)
        start = time.perf_counter()
        if name not in self._made:
            with self._lock:
                if name not in self._made:
                    frames.append(_Frame())
                    begun = time.perf_counter()
                    try:
                        made = make()
                    finally:
                        inner = frames.pop()
                    self._seconds[name] = time.perf_counter() - begun - inner.elsewhere
                    self._needs[name] = self._closure(inner.names)
                    self._made[name] = made  # last: who finds it here needs no lock
        frames[-1].elsewhere += time.perf_counter() - start
        return self._made[name]

    def timed(self, work: Callable[[], Any]) -> tuple[Any, float]:
        """Return what the work returns, and the seconds it would take alone: its own and all it shares."""
        frames: list[_Frame] = self._local.__dict__.setdefault("frames", [_Frame()])
        frames.append(_Frame())
        start = time.perf_counter()
        try:
            out = work()
        finally:
            frame = frames.pop()
        own = time.perf_counter() - start - frame.elsewhere
        return out, own + sum(self._seconds[name] for name in self._closure(frame.names))

    def _closure(self, names: set[str]) -> set[str]:
        return names.union(*(self._needs.get(name, set()) for name in names))


@dataclass(frozen=True, eq=False)
class Fold:
    """The training rows of one fold.

    Attributes
    ----------
    X : (m, d) array or CSR matrix
        Numbers scaled (NaN where missing, for boosting), categories as numbers in the columns ``nominal``, text as
        weights of terms.
    y : (m,) int64
        Given codes.
    groups : (m,) int64
        Rows that belong together.
    trusted : (m,) bool
        Rows whose label is verified: trained on as they are, never repaired.
    answers : (m,) int64
        Codes that a reviewer gave, -1 where none was asked.
    n_classes : int
    positive, negative : int or None
    costs : CostMatrix, RowCosts or None
    metric : str
        What the comparison is about; a threshold is tuned for it.
    learner : Learner
    nominal : list of int
    seed : int
    shared : Shared
    """

    X: Any
    y: NDArray[np.int64]
    groups: NDArray[np.int64]
    trusted: NDArray[np.bool_]
    answers: NDArray[np.int64]
    n_classes: int
    positive: int | None
    negative: int | None
    costs: CostMatrix | RowCosts | None
    metric: str
    learner: Learner
    nominal: list[int]
    seed: int
    dense_of: Callable[[], NDArray[np.float32]]
    shared: Shared

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what several remedies of this fold need under this name, made once."""
        return self.shared.get(name, make)

    @property
    def dense(self) -> NDArray[np.float32]:
        """The rows without gaps, (m, e) float32."""
        return self.once("dense", self.dense_of)

    @property
    def proba(self) -> NDArray[np.float64]:
        """Probabilities (m, K) by models that saw neither the row nor its group; all of this training part."""
        return self.once("proba", lambda: self.out_of_fold(self.learner.fit))

    @property
    def neighbors(self) -> NDArray[np.int64] | None:
        """The nearest rows (m, 10) of other groups, -1 where there is none; None above 20,000 rows."""
        if len(self.y) > MAX_NEIGHBOR_ROWS:
            return None
        return self.once("neighbors", self._nearest)

    def _nearest(self) -> NDArray[np.int64]:
        from trueneg.core.neighbors import top_k

        rows = self.dense
        k = min(NEIGHBORS, len(rows) - 1)
        own = np.arange(len(rows))
        return top_k(rows, rows, k, exclude=own, query_groups=self.groups, pool_groups=self.groups)[1]

    def inner(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Split the training rows again, three ways, groups whole."""
        smallest = int(np.bincount(self.y)[np.unique(self.y)].min())
        return split(self.y, self.groups, max(2, min(INNER_FOLDS, smallest)), self.seed)

    def out_of_fold(self, fit: Callable[..., Callable[[Any], NDArray[np.float64]]]) -> NDArray[np.float64]:
        """Predict every training row by ``fit(X, y)`` on the other parts of the training rows, (m, K)."""
        out = np.zeros((len(self.y), self.n_classes))
        for train, test in self.inner():
            out[test] = fit(self.X[train], self.y[train])(self.X[test])
        return out

    def model(
        self,
        X: Any = None,
        y: Any = None,
        weight: Any = None,
        *,
        note: str = "",
        decide: Any = None,  # noqa: N803
    ) -> Model:
        """Train the base learner on these rows (by default all, as they are)."""
        rows, codes = (self.X, self.y) if X is None else (X, self.y if y is None else y)
        codes = np.asarray(codes, np.int64)
        predict = self.learner.fit(rows, codes, weight)
        size = len(codes) if weight is None else int((np.asarray(weight) > 0).sum())
        return Model(lambda view: predict(view.X), size, decide, note)


def split(
    y: NDArray[np.int64], groups: NDArray[np.int64], folds: int, seed: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return stratified folds that keep groups whole, the audit's own."""
    from trueneg.jobs.audit.folds import grouped_folds

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with fewer rows than folds is told elsewhere
        return grouped_folds(y, groups, folds, seed)
