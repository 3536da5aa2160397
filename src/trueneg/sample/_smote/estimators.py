"""SMOTE as published, its two forms for nominal columns, and the two baselines it must beat."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.sample._smote.base import BaseSampler, BaseSmote, Task, class_streams
from trueneg.sample._smote.nearest import EuclideanSpace, NominalSpace, Space, ValueDifferenceSpace
from trueneg.sample._smote.plan import Draft, SamplingPlan
from trueneg.sample._smote.strategy import rows_to_keep, rows_to_make
from trueneg.sample._smote.tables import Table, read_table

__all__ = ["SMOTE", "SMOTEN", "SMOTENC", "OverSampler", "UnderSampler"]


class SMOTE(BaseSmote):
    """Make rows of the small classes on the lines between near neighbours of one class.

    Parameters
    ----------
    sampling_strategy : {"auto", "minority", "not minority", "not majority", "all"}, float or dict, default="auto"
        How many rows the classes have afterwards. A word names the classes that are brought to the size of the
        largest ("auto" is "not majority"); a ratio in (0, 1] is minority / majority of two classes; a dict gives the
        rows of each class afterwards, classes that it does not name stay as they are.
    k_neighbors : int, default=5
        Partners a row, the paper's k. A class with fewer other points uses those it has.
    amount : float or dict of percentages, default=None
        In place of `sampling_strategy`, the paper's N %: 200 makes two children of every row of the smallest class;
        below 100 that share of its rows, drawn at random, has one child each. A dict names the classes.
    under : float, default=None
        The paper's U %: the other classes are then under-sampled until the smallest class's rows, children included,
        are U % of theirs. 100 makes them equal, 200 leaves half as many.
    gap : {"row", "attribute"}, default="row"
        One random step for the whole row, so that the child lies on the line between its parents (the paper's text,
        and what everybody implements), or one for each attribute, so that it lies in their box (its pseudo-code).
    allocation : {"even", "random"}, default="even"
        Every row has the same number of children, one more for a random choice of rows (the paper's), or each child
        draws its parent, so that some rows have many and others none.
    random_state : int, Generator, RandomState or None, default=None
        Every class draws from a stream of its own.

    Attributes
    ----------
    sample_indices_ : int64 array of shape (n_out,)
        The row of the input, -1 for a made one; made rows come last.
    parents_ : int64 array of shape (n_new, 2)
        The two rows each child lies between.
    weights_ : float64 array of shape (n_new,), or (n_new, d) with ``gap="attribute"``
        How far the child is on its way from the first parent to the second.
    groups_, sample_weight_ : of shape (n_out,), or None
        Groups and weights of the output, where they were given.
    sampling_strategy_ : dict
        Rows asked for, by class.
    report_ : dict
        By class: rows there were, rows made.
    plan_ : SamplingPlan
        All of it as indices; :meth:`fit` alone makes it and copies nothing.
    classes_ : ndarray of shape (K,)

    Notes
    -----
    Copies of a row count as one point, so that a class with repeated rows still has partners that differ. Distances
    over missing values are scaled up from the columns both rows have; a child lacks what its nearer parent lacks.
    Whole numbers are rounded to the nearest. The search is exact; it takes half of the distances within a class.

    Not for probabilities: after resampling they are those of another prior. See :class:`ResampledClassifier`, and
    ``docs/systems/smote.md`` for when not to resample at all.

    References
    ----------
    Chawla, Bowyer, Hall and Kegelmeyer (2002), JAIR 16, 321-357, arXiv 1106.1813.

    Examples
    --------
    >>> import numpy as np
    >>> from trueneg.sample import SMOTE
    >>> X, y = np.random.default_rng(0).normal(size=(110, 3)), np.repeat([0, 1], [100, 10])
    >>> X_new, y_new = SMOTE(random_state=0).fit_resample(X, y)
    >>> X_new.shape, int(y_new.sum())
    ((200, 3), 100)
    """

    def __init__(
        self,
        *,
        sampling_strategy: Any = "auto",
        k_neighbors: int = 5,
        amount: Any = None,
        under: float | None = None,
        gap: str = "row",
        allocation: str = "even",
        random_state: Any = None,
    ) -> None:
        self.sampling_strategy = sampling_strategy
        self.k_neighbors = k_neighbors
        self.amount = amount
        self.under = under
        self.gap = gap
        self.allocation = allocation
        self.random_state = random_state


class SMOTENC(SMOTE):
    """SMOTE for numeric and nominal columns side by side; no one-hot table is made.

    A nominal column that differs adds the square of the median standard deviation of the class's numeric columns to
    the square of the distance. A child has the value that most of its first parent's k neighbours have; among
    equally frequent ones that of the nearest.

    Parameters
    ----------
    categorical_features : "auto", or column positions, names or a mask, default="auto"
        The nominal columns; "auto" takes those of a frame that hold no numbers. A missing value is a level of its own.
    sampling_strategy, k_neighbors, amount, under, gap, allocation, random_state
        As for :class:`SMOTE`.

    Attributes
    ----------
    penalties_ : dict
        By class: what a differing nominal column adds to the distance. Where the median is 0, the median over the
        columns that vary, else 1.

    Notes
    -----
    It has the fitted attributes of :class:`SMOTE` besides. Source: Chawla et al. (2002), section 6.1.
    """

    def __init__(
        self,
        *,
        categorical_features: Any = "auto",
        sampling_strategy: Any = "auto",
        k_neighbors: int = 5,
        amount: Any = None,
        under: float | None = None,
        gap: str = "row",
        allocation: str = "even",
        random_state: Any = None,
    ) -> None:
        super().__init__(
            sampling_strategy=sampling_strategy,
            k_neighbors=k_neighbors,
            amount=amount,
            under=under,
            gap=gap,
            allocation=allocation,
            random_state=random_state,
        )
        self.categorical_features = categorical_features

    def _read(self, X: Any) -> Table:  # noqa: N803
        self.penalties_: dict[Any, float] = {}
        return read_table(self, X, nominal=self.categorical_features)

    def _space(self, task: Task, code: int | None = None) -> Space:
        table = task.table
        if table.codes is None or code is None:
            raise InputError("SMOTENC needs nominal columns: use SMOTE")
        penalty = median_deviation(table.x[task.rows(code)])
        self.penalties_[task.labels.classes.tolist()[code]] = penalty
        if "x" not in task.spaces:
            task.spaces["x"] = EuclideanSpace(table.x, holes=table.holes)
        return NominalSpace(task.spaces["x"], table.codes, penalty)

    def _drafts(self, task: Task, code: int, rng: np.random.Generator) -> list[Draft]:
        rows = task.rows(code)
        return [Draft(rows, self._partners(task, rows, code))]


class SMOTEN(SMOTE):
    """SMOTE for nominal columns alone, by the value-difference metric.

    Two values are near where the classes share out alike among their rows. A child has, in each column, the value that
    most of its parent and the parent's k neighbours have; among equally frequent ones the parent's, then the nearest's.
    So all children of one row are alike, as published: they weigh the row's neighbourhood rather than fill it.

    Parameters
    ----------
    sampling_strategy, k_neighbors, amount, under, gap, allocation, random_state
        As for :class:`SMOTE`; `gap` has no effect.

    Notes
    -----
    It has the fitted attributes of :class:`SMOTE`. Source: Chawla et al. (2002), section 6.2; Cost and Salzberg (1993).
    """

    def _read(self, X: Any) -> Table:  # noqa: N803
        return read_table(self, X, nominal="all")

    def _space(self, task: Task, code: int | None = None) -> Space:
        codes = task.table.codes
        if "vdm" not in task.spaces and codes is not None:
            task.spaces["vdm"] = ValueDifferenceSpace(codes, task.labels.codes)
        space: Space = task.spaces["vdm"]
        return space

    def _asked(self, draft: Draft) -> NDArray[np.int64]:
        return np.hstack([draft.rows[:, None], draft.partners])

    def __sklearn_tags__(self) -> Any:
        """Tell that texts are taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.categorical = True
        return tags


def median_deviation(x: Any) -> float:
    """Return the median over columns of the standard deviation, without missing values.

    Where it is 0 a differing nominal would count nothing: then the median over the columns that vary, or 1.
    """
    if hasattr(x, "tocsc"):
        x = x.toarray()
    values = np.asarray(x, dtype=np.float64)
    known = ~np.isnan(values)
    n = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values, 0).sum(axis=0) / n
    deviation = np.sqrt((np.where(known, values - mean, 0) ** 2).sum(axis=0) / n)
    middle = float(np.median(deviation))
    if middle > 0:
        return middle
    varying = deviation[deviation > 0]
    return float(np.median(varying)) if len(varying) else 1.0


class OverSampler(BaseSampler):
    """Repeat rows of the small classes: the baseline that SMOTE must beat.

    Parameters
    ----------
    sampling_strategy : str, float or dict, default="auto"
        As for :class:`SMOTE`.
    amount : float or dict of percentages, default=None
        As for :class:`SMOTE`.
    allocation : {"even", "random"}, default="even"
        Every row is repeated equally often, once more for a random choice of rows; or each repetition draws its row.
    random_state : int, Generator, RandomState or None, default=None

    Attributes
    ----------
    sample_indices_ : int64 array of shape (n_out,)
        The row of the input; all rows first, then the repetitions, class by class.
    parents_, weights_ : empty, of shapes (0, 2) and (0,)
        No row is made.
    groups_, sample_weight_, sampling_strategy_, report_, plan_, classes_
        As for :class:`SMOTE`.

    Notes
    -----
    Any values are taken: text, missing, infinite, sparse.
    """

    _numbers = False

    def __init__(
        self,
        *,
        sampling_strategy: Any = "auto",
        amount: Any = None,
        allocation: str = "even",
        random_state: Any = None,
    ) -> None:
        self.sampling_strategy = sampling_strategy
        self.amount = amount
        self.allocation = allocation
        self.random_state = random_state

    def _plan(self, task: Task) -> SamplingPlan:
        if self.allocation not in ("even", "random"):
            raise InputError(f"allocation={self.allocation!r} is unknown: choose 'even' or 'random'")
        classes = task.labels.classes
        make = rows_to_make(self.sampling_strategy, self.amount, task.counts, classes)
        self.sampling_strategy_ = {c: int(m) for c, m in zip(classes.tolist(), make, strict=True) if m > 0}
        streams = class_streams(self.random_state, len(classes) + 1)
        parts = [np.arange(len(task.labels.codes))]
        for code, n in enumerate(make):
            rows, rng = task.rows(code), streams[code + 1]
            if self.allocation == "random":
                parts.append(rng.choice(rows, size=n))
            else:
                parts.append(np.concatenate([np.repeat(rows, n // len(rows)), rng.permutation(rows)[: n % len(rows)]]))
            self.report_[classes.tolist()[code]]["made"] = int(n)
        return _chosen(np.concatenate(parts), task)


class UnderSampler(BaseSampler):
    """Keep a random part of the large classes: the cheapest baseline, and often the best.

    Parameters
    ----------
    sampling_strategy : {"auto", "majority", "not minority", "not majority", "all"}, float or dict, default="auto"
        A word names the classes that are cut to the size of the smallest ("auto" is "not minority"); a ratio in (0, 1]
        is minority / majority of two classes afterwards; a dict gives the rows of each class afterwards.
    percent : float, default=None
        In place of `sampling_strategy`, the paper's U %: the smallest class has U % of the rows of each other class
        afterwards. 100 makes them equal, 200 leaves half as many; a class never grows.
    random_state : int, Generator, RandomState or None, default=None

    Attributes
    ----------
    sample_indices_ : int64 array of shape (n_out,)
        The rows kept, ascending.
    parents_, weights_ : empty, of shapes (0, 2) and (0,)
    groups_, sample_weight_, report_, plan_, classes_
        As for :class:`SMOTE`; the report counts rows kept.
    sampling_strategy_ : dict
        Rows to keep of each class that is cut.

    Notes
    -----
    Any values are taken: text, missing, infinite, sparse. Drawn without replacement.
    """

    _numbers = False

    def __init__(
        self, *, sampling_strategy: Any = "auto", percent: float | None = None, random_state: Any = None
    ) -> None:
        self.sampling_strategy = sampling_strategy
        self.percent = percent
        self.random_state = random_state

    def _plan(self, task: Task) -> SamplingPlan:
        classes = task.labels.classes
        keep = rows_to_keep(self.sampling_strategy, self.percent, task.counts, classes)
        cut = keep < task.counts
        self.sampling_strategy_ = {c: int(k) for c, k, less in zip(classes.tolist(), keep, cut, strict=True) if less}
        streams = class_streams(self.random_state, len(classes) + 1)
        stays = np.ones(len(task.labels.codes), dtype=bool)
        for code, n in enumerate(keep):
            if cut[code]:
                stays[streams[code + 1].permutation(task.rows(code))[n:]] = False
            self.report_[classes.tolist()[code]]["kept"] = int(n)
        return _chosen(np.flatnonzero(stays), task)


def _chosen(rows: NDArray[np.int64], task: Task) -> SamplingPlan:
    """Return the plan that takes these rows and makes none."""
    none = np.empty(0, dtype=np.int64)
    return SamplingPlan(rows, np.empty((0, 2), dtype=np.int64), np.empty(0), task.labels.of(rows, none))
