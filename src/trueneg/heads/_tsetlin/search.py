"""The settings that decide everything, chosen on a validation share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, indexable, validate_data

from trueneg.core.errors import InputError
from trueneg.heads._tsetlin.estimator import TsetlinMachineClassifier
from trueneg.heads._tsetlin.inputs import seed_of

__all__ = ["TsetlinMachineSearch"]

Progress = Callable[[str, int, int], None]


class TsetlinMachineSearch(ClassifierMixin, BaseEstimator):
    """A Tsetlin machine whose number of clauses, T and s are chosen on rows set aside, then fitted on all rows.

    Parameters
    ----------
    estimator : TsetlinMachineClassifier or None, default=None
        What is set besides; None takes the default one.
    n_clauses : sequence of int, default=(100, 500)
        Clauses a class to try.
    threshold_ratios : sequence of float, default=(0.5, 1.0, 4.0)
        T over the number of clauses.
    specificities : sequence of float, default=(2.0, 5.0, 10.0)
        Values of s.
    validation_fraction : float, default=0.2
        Share of rows set aside, the same of each class.
    shortlist : int, default=3
        The whole grid is tried with the first number of clauses and a third of the passes; only so many settings go on
        to the others and to all passes.
    random_state : int, Generator, RandomState or None, default=None
        Of the split, and of the machines.

    Attributes
    ----------
    best_estimator_ : TsetlinMachineClassifier
        Fitted on all rows.
    best_params_ : dict
        ``n_clauses``, ``threshold``, ``specificity``.
    results_ : list of dict
        Every machine tried: its settings, ``max_iter``, ``validation`` accuracy and ``literals`` a clause.

    Notes
    -----
    The accuracy of the best on the rows set aside is too good by its choice: judge on rows that the search never saw.
    """

    def __init__(
        self,
        estimator: TsetlinMachineClassifier | None = None,
        *,
        n_clauses: Sequence[int] = (100, 500),
        threshold_ratios: Sequence[float] = (0.5, 1.0, 4.0),
        specificities: Sequence[float] = (2.0, 5.0, 10.0),
        validation_fraction: float = 0.2,
        shortlist: int = 3,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.n_clauses = n_clauses
        self.threshold_ratios = threshold_ratios
        self.specificities = specificities
        self.validation_fraction = validation_fraction
        self.shortlist = shortlist
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, *, progress: Progress | None = None) -> TsetlinMachineSearch:
        """Choose, then learn from all rows (n, d) and labels (n,).

        Raises
        ------
        InputError
            Where a list is empty, or a class has a single row: none could be set aside.
        """
        X, y = self._checked(X, y)
        seed = seed_of(self.random_state)
        base = clone(TsetlinMachineClassifier() if self.estimator is None else self.estimator)
        base.set_params(random_state=seed)
        learn, judge = self._split(y, seed)
        quick = max(1, -(-base.max_iter // 3))
        first = [(int(self.n_clauses[0]), r, s) for r in self.threshold_ratios for s in self.specificities]
        self.results_: list[dict[str, Any]] = []
        total = len(first) + min(self.shortlist, len(first)) * len(self.n_clauses)
        for clauses, ratio, s in first:
            self._try(base, (clauses, ratio, s, quick), (X, y, learn, judge))
            self._tell(progress, total)
        order = sorted(range(len(first)), key=lambda i: (-self.results_[i]["validation"], i))[: self.shortlist]
        for i in order:
            for clauses in self.n_clauses:
                self._try(base, (int(clauses), first[i][1], first[i][2], base.max_iter), (X, y, learn, judge))
                self._tell(progress, total)
        best = max(self.results_[len(first) :], key=lambda r: r["validation"])
        self.best_params_ = {name: best[name] for name in ("n_clauses", "threshold", "specificity")}
        self.best_estimator_ = clone(base).set_params(**self.best_params_).fit(X, y)
        self.classes_ = self.best_estimator_.classes_
        return self

    def _checked(self, X: Any, y: Any) -> tuple[Any, NDArray[Any]]:
        for name in ("n_clauses", "threshold_ratios", "specificities"):
            if len(getattr(self, name)) == 0:
                msg = f"{name} is empty: give at least one value."
                raise InputError(msg)
        if not isinstance(self.shortlist, int | np.integer) or self.shortlist < 1:
            msg = f"shortlist={self.shortlist!r} must be a whole number from 1 up."
            raise InputError(msg)
        X, y = validate_data(self, X, y, accept_sparse="csr")
        check_classification_targets(y)
        X, y = indexable(X, column_or_1d(y))
        return X, y

    def _split(self, y: NDArray[Any], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        classes, counts = np.unique(y, return_counts=True)
        if len(classes) < 2:
            msg = f"y has one class only, {classes[0]!r}: a search needs at least two classes."
            raise InputError(msg)
        if counts.min() < 2:
            msg = f"class {classes[counts.argmin()]!r} has a single row, so none can be set aside: add rows of it."
            raise InputError(msg)
        size = max(len(classes), round(self.validation_fraction * len(y)))
        size = min(size, len(y) - len(classes))
        splitter = StratifiedShuffleSplit(1, test_size=size, random_state=seed % 2**31)
        learn, judge = next(splitter.split(np.zeros(len(y)), y))
        return learn, judge

    def _try(self, base: Any, setting: tuple[int, float, float, int], data: tuple[Any, Any, Any, Any]) -> None:
        clauses, ratio, s, passes = setting
        X, y, learn, judge = data
        threshold = max(1, round(ratio * clauses))
        params = {"n_clauses": clauses, "threshold": threshold, "specificity": float(s)}
        model = clone(base).set_params(**params, max_iter=passes).fit(X[learn], y[learn])
        score = float((model.predict(X[judge]) == y[judge]).mean())
        self.results_.append(
            {**params, "max_iter": passes, "validation": score, "literals": model.readability_.literals}
        )

    def _tell(self, progress: Progress | None, total: int) -> None:
        if progress is not None:
            last = self.results_[-1]
            text = f"{last['n_clauses']} clauses, T {last['threshold']}, s {last['specificity']:g}"
            text += f": {last['validation']:.3f}"
            progress(text, len(self.results_), total)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return labels (n,) of the best machine."""
        return self._best(X).predict(X)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the best machine's shares of votes, (n, n_classes), not calibrated."""
        return self._best(X).predict_proba(X)

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the best machine's votes."""
        return self._best(X).decision_function(X)

    def _best(self, X: Any) -> TsetlinMachineClassifier:
        check_is_fitted(self, "best_estimator_")
        validate_data(self, X, accept_sparse="csr", reset=False)
        return self.best_estimator_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
