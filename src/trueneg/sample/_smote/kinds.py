"""What the descendants of SMOTE change: which rows may be parents, of whom, and how many children each has."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from trueneg.core.errors import InputError
from trueneg.sample._smote.base import BaseSmote, Task
from trueneg.sample._smote.clusters import filled
from trueneg.sample._smote.nearest import nearest_among
from trueneg.sample._smote.plan import Draft

__all__ = ["ADASYN", "SVMSMOTE", "BorderlineSMOTE"]

Ids = NDArray[np.int64]


class _LooksAround(BaseSmote):
    """A sampler that asks how many of a row's m nearest rows, of all classes, are of another class."""

    m_neighbors: int

    def _check_options(self) -> None:
        super()._check_options()
        m = self.m_neighbors
        if isinstance(m, bool) or not isinstance(m, (int, np.integer)) or m < 1:
            raise InputError(f"m_neighbors={m!r} must be a whole number, at least 1")

    def _others(self, task: Task, rows: Ids, code: int) -> tuple[Ids, Ids]:
        """Return how many of the m nearest are of another class, and how many there are, each (len(rows),)."""
        n = len(task.labels.codes)
        found = nearest_among(self._space(task), rows, np.arange(n), min(self.m_neighbors, n - 1))
        there = found >= 0
        return ((task.labels.codes[found] != code) & there).sum(axis=1), there.sum(axis=1)


class BorderlineSMOTE(_LooksAround):
    """SMOTE whose parents are the rows in danger: half or more of their neighbours are of other classes, but not all.

    Parameters
    ----------
    kind : {"borderline-1", "borderline-2"}, default="borderline-1"
        Partners are of the class; or, for half of the children, near rows of other classes, toward which a child goes
        at most half of the way.
    m_neighbors : int, default=10
        Rows of all classes that are looked at to find the danger.
    sampling_strategy, k_neighbors, amount, under, gap, allocation, random_state
        As for :class:`SMOTE`; ``amount`` counts all rows of the class, not only those in danger.

    Notes
    -----
    It has the fitted attributes of :class:`SMOTE`. With no row in danger nothing is made, and a warning says so.
    Looking around costs a search among all rows, far more than SMOTE's own within the class.

    References
    ----------
    Han, Wang and Mao (2005), Borderline-SMOTE, ICIC.
    """

    def __init__(
        self,
        *,
        kind: str = "borderline-1",
        m_neighbors: int = 10,
        sampling_strategy: Any = "auto",
        k_neighbors: int = 5,
        amount: Any = None,
        under: float | None = None,
        gap: str = "row",
        allocation: str = "even",
        random_state: Any = None,
    ) -> None:
        self.kind = kind
        self.m_neighbors = m_neighbors
        self.sampling_strategy = sampling_strategy
        self.k_neighbors = k_neighbors
        self.amount = amount
        self.under = under
        self.gap = gap
        self.allocation = allocation
        self.random_state = random_state

    def _check_options(self) -> None:
        super()._check_options()
        if self.kind not in ("borderline-1", "borderline-2"):
            raise InputError(f"kind={self.kind!r} is unknown: choose 'borderline-1' or 'borderline-2'")

    def _drafts(self, task: Task, code: int, rng: np.random.Generator) -> list[Draft]:
        rows = task.rows(code)
        others, looked = self._others(task, rows, code)
        danger = (2 * others >= looked) & (others < looked)
        if not danger.any():
            return []
        own = Draft(rows[danger], self._partners(task, rows)[danger])
        if self.kind == "borderline-1":
            return [own]
        strangers = np.flatnonzero(task.labels.codes != code)
        k = min(self.k_neighbors, len(strangers))
        toward = nearest_among(self._space(task), rows[danger], strangers, k, task.group_codes)
        return [own, Draft(rows[danger], toward, high=0.5)]

    def _obstacle(self, task: Task, code: int) -> tuple[str, str]:
        if task.counts[code] == 1:
            return super()._obstacle(task, code)
        return (
            f"no row with a partner is in danger, that is, has half or more but not all of its {self.m_neighbors} "
            "neighbours in other classes",
            "use SMOTE, or another m_neighbors",
        )


class SVMSMOTE(_LooksAround):
    """SMOTE whose parents are the support vectors of the class.

    Where less than half of a support vector's neighbours are of other classes the child goes away from the partner, to
    widen the class; where half or more are it lies between the two; where all are the row is noise and has none.

    Parameters
    ----------
    svm_estimator : estimator with ``support_`` after ``fit(X, y)``, default=None
        None takes ``SVC()``, whose time grows with the square of the rows: above some 50,000 give a fitted part, or
        take :class:`BorderlineSMOTE`.
    out_step : float, default=0.5
        How far a child goes beyond its parent at most, as a share of the way to the partner.
    m_neighbors : int, default=10
        Rows of all classes that are looked at.
    sampling_strategy, k_neighbors, amount, under, gap, random_state
        As for :class:`SMOTE`.

    Notes
    -----
    It has the fitted attributes of :class:`SMOTE`; a weight below 0 is a step beyond the first parent. The support
    vectors, not the neighbours, are found with missing values filled by the column's mean (0 in a sparse matrix).

    References
    ----------
    Nguyen, Cooper and Kamei (2011), Int. J. Knowledge Engineering and Soft Data Paradigms 3.
    """

    allocation = "even"

    def __init__(
        self,
        *,
        svm_estimator: Any = None,
        out_step: float = 0.5,
        m_neighbors: int = 10,
        sampling_strategy: Any = "auto",
        k_neighbors: int = 5,
        amount: Any = None,
        under: float | None = None,
        gap: str = "row",
        random_state: Any = None,
    ) -> None:
        self.svm_estimator = svm_estimator
        self.out_step = out_step
        self.m_neighbors = m_neighbors
        self.sampling_strategy = sampling_strategy
        self.k_neighbors = k_neighbors
        self.amount = amount
        self.under = under
        self.gap = gap
        self.random_state = random_state

    def _check_options(self) -> None:
        super()._check_options()
        if not 0 < self.out_step < np.inf:
            raise InputError(f"out_step={self.out_step!r} must be above 0")

    def _support(self, task: Task) -> Ids:
        """Return the support vectors, found once a call."""
        if "support" not in task.spaces:
            from sklearn.svm import SVC

            model = SVC() if self.svm_estimator is None else clone(self.svm_estimator)
            model.fit(filled(task.table.x), task.labels.codes)
            if not hasattr(model, "support_"):
                msg = f"svm_estimator={type(model).__name__} has no support_ after fit: give an SVC or the like"
                raise InputError(msg)
            task.spaces["support"] = np.sort(model.support_)
        support: Ids = task.spaces["support"]
        return support

    def _drafts(self, task: Task, code: int, rng: np.random.Generator) -> list[Draft]:
        rows = task.rows(code)
        support = np.flatnonzero(np.isin(rows, self._support(task)))
        if not len(support):
            return []
        others, looked = self._others(task, rows[support], code)
        partners = self._partners(task, rows)[support]
        parts = []
        danger = 2 * others >= looked
        for chosen, low, high in ((danger & (others < looked), 0.0, 1.0), (~danger, -self.out_step, 0.0)):
            able = chosen & (partners[:, 0] >= 0)
            if able.any():
                # Every support vector has the same number of children, whichever side it is on.
                parts.append(Draft(rows[support][able], partners[able], low=low, high=high, part=float(able.sum())))
        return parts

    def _obstacle(self, task: Task, code: int) -> tuple[str, str]:
        if task.counts[code] == 1:
            return super()._obstacle(task, code)
        return "it has no support vector with a partner that is not noise", "use SMOTE, or another svm_estimator"


class ADASYN(_LooksAround):
    """SMOTE with more children where the class is harder: in proportion to the share of other classes nearby.

    Parameters
    ----------
    m_neighbors : int, default=5
        Rows of all classes whose share of other classes is the difficulty. (imbalanced-learn's ``n_neighbors`` sets
        this and `k_neighbors` at once.)
    sampling_strategy, k_neighbors, amount, under, gap, random_state
        As for :class:`SMOTE`.

    Notes
    -----
    It has the fitted attributes of :class:`SMOTE`. As many rows are made as are asked for: the shares are rounded by
    the largest remainder. Where no row has another class nearby nothing is made, and a warning says so.

    References
    ----------
    He, Bai, Garcia and Li (2008), ADASYN, IJCNN.
    """

    allocation = "even"

    def __init__(
        self,
        *,
        m_neighbors: int = 5,
        sampling_strategy: Any = "auto",
        k_neighbors: int = 5,
        amount: Any = None,
        under: float | None = None,
        gap: str = "row",
        random_state: Any = None,
    ) -> None:
        self.m_neighbors = m_neighbors
        self.sampling_strategy = sampling_strategy
        self.k_neighbors = k_neighbors
        self.amount = amount
        self.under = under
        self.gap = gap
        self.random_state = random_state

    def _drafts(self, task: Task, code: int, rng: np.random.Generator) -> list[Draft]:
        rows = task.rows(code)
        others, looked = self._others(task, rows, code)
        hard = others > 0
        if not hard.any():
            return []
        return [Draft(rows[hard], self._partners(task, rows)[hard], share=others[hard] / looked[hard])]

    def _obstacle(self, task: Task, code: int) -> tuple[str, str]:
        if task.counts[code] == 1:
            return super()._obstacle(task, code)
        why = f"no row with a partner has another class among its {self.m_neighbors} neighbours"
        return why, "the class is easy: use SMOTE, or leave it as it is"
