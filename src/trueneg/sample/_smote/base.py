"""What all samplers share: input checked, a plan made, the caller's container restored; SMOTE's own frame besides."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin
from sklearn.utils import InputTags, Tags
from sklearn.utils._metadata_requests import RequestMethod

from trueneg.core.errors import InputError
from trueneg.sample._smote.labels import Labels, gather, read_labels
from trueneg.sample._smote.nearest import EuclideanSpace, Space, nearest_partners
from trueneg.sample._smote.plan import Draft, SamplingPlan, draw, largest_remainder, votes
from trueneg.sample._smote.rows import build_rows
from trueneg.sample._smote.strategy import rows_to_make, under_percent
from trueneg.sample._smote.tables import Table, read_table

__all__ = ["BaseSampler", "BaseSmote", "SamplerTags", "SamplingWarning", "Task", "class_streams"]

Ids = NDArray[np.int64]


class SamplingWarning(UserWarning):
    """A class could not be given the rows that were asked for; the message says why and what to do."""


@dataclass(slots=True)
class SamplerTags:
    """What a sampler has beyond scikit-learn's tags, named as imbalanced-learn does."""

    sample_indices: bool = True


@dataclass(slots=True)
class _InputTags(InputTags):
    dataframe: bool = True


@dataclass(slots=True)
class _Tags(Tags):
    sampler_tags: SamplerTags = field(default_factory=SamplerTags)


@dataclass
class Task:
    """Checked input of one call."""

    table: Table
    labels: Labels
    counts: Ids
    groups: Any  # as given
    group_codes: Ids | None
    sample_weight: NDArray[np.float64] | None
    spaces: dict[Any, Any] = field(default_factory=dict)

    def rows(self, code: int) -> Ids:
        """Return the rows of a class, ascending."""
        return np.flatnonzero(self.labels.codes == code)

    def name(self, code: int) -> str:
        """Return a class as a message writes it."""
        return repr(self.labels.classes.tolist()[code])


def class_streams(random_state: Any, n: int) -> list[np.random.Generator]:
    """Return n independent generators; the first ones do not depend on n.

    Parameters
    ----------
    random_state : int, Generator, RandomState or None
        A generator is drawn from once, so that it moves on from call to call.
    n : int
    """
    if isinstance(random_state, np.random.Generator):
        seed: Any = int(random_state.integers(2**63))
    elif isinstance(random_state, np.random.RandomState):
        seed = int(random_state.randint(2**31 - 1))
    elif random_state is None or (isinstance(random_state, (int, np.integer)) and random_state >= 0):
        seed = None if random_state is None else int(random_state)
    else:
        msg = f"random_state={random_state!r} must be a whole number from 0 up, a Generator, a RandomState or None"
        raise InputError(msg)
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(n)]


class BaseSampler(OneToOneFeatureMixin, BaseEstimator):
    """Template of a sampler: a subclass writes ``_plan(task)`` on checked input and never sees a container."""

    _numbers = True  # whether the values of X are read
    sampling_strategy: Any
    random_state: Any
    # scikit-learn routes to methods it knows; pipelines of imbalanced-learn make fit_resample known to it.
    set_fit_resample_request = RequestMethod("fit_resample", ["groups", "sample_weight"])

    def fit(self, X: Any, y: Any, *, groups: Any = None, sample_weight: Any = None) -> Any:  # noqa: N803
        """Decide which rows there will be, as indices: nothing of X is copied.

        Parameters
        ----------
        X : array-like, sparse matrix or frame of shape (n, d)
        y : array-like of shape (n,)
            Labels of any type, or a table with one 1 a row.
        groups : array-like of shape (n,), optional
            A child's parents are of one group, which is its own; see ``groups_``.
        sample_weight : array-like of shape (n,), optional
            Carried along: a child weighs what its parents do, mixed as its values are; see ``sample_weight_``.

        Returns
        -------
        self
            ``plan_`` says which rows are kept and which pairs have children; ``plan_.take(X, rows)`` makes some.

        Raises
        ------
        InputError
            For data, labels or parameters that cannot be used.
        """
        self._check(X, y, groups, sample_weight)
        return self

    def fit_resample(self, X: Any, y: Any, *, groups: Any = None, sample_weight: Any = None) -> tuple[Any, Any]:  # noqa: N803
        """Return the rows to train on and their labels, in the containers given.

        Parameters
        ----------
        X, y, groups, sample_weight
            As for :meth:`fit`.

        Returns
        -------
        X_resampled, y_resampled
            Kept rows first, in their order; then made rows, class by class. A frame keeps its types, a pandas index
            goes on.
        """
        table = self._check(X, y, groups, sample_weight)
        return build_rows(table, self.plan_), self.plan_.y

    def _check(self, X: Any, y: Any, groups: Any, sample_weight: Any) -> Table:  # noqa: N803
        """Check everything, plan, and set the fitted attributes; return what the rows are built from."""
        labels = read_labels(y)
        table = self._read(X)
        n = len(labels.codes)
        if table.n != n:
            raise InputError(f"X has {table.n} rows and y has {n} labels: give one label a row")
        codes, weight = _group_codes(groups, n), _weights(sample_weight, n)
        counts = np.bincount(labels.codes, minlength=len(labels.classes))
        task = Task(table, labels, counts, groups, codes, weight)
        self.classes_ = labels.classes
        self.report_: dict[Any, dict[str, int]] = {
            label: {"rows": int(c)} for label, c in zip(labels.classes.tolist(), counts, strict=True)
        }
        self.plan_ = self._plan(task)
        self._publish(task)
        return table

    def _read(self, X: Any) -> Table:  # noqa: N803
        return read_table(self, X, numbers=self._numbers)

    def _plan(self, task: Task) -> SamplingPlan:
        """Return the plan; set ``sampling_strategy_``."""
        raise NotImplementedError

    def _publish(self, task: Task) -> None:
        """Set what the plan says as fitted attributes, and carry groups and weights."""
        plan = self.plan_
        self.sample_indices_, self.parents_, self.weights_ = plan.sample_indices, plan.parents, plan.weights
        rows = np.concatenate([plan.kept, plan.parents[:, 0]]) if task.groups is not None else None
        self.groups_ = None if rows is None else gather(task.groups, rows)
        weight = task.sample_weight
        mix = "blend" if plan.weights.ndim == 1 else "first"
        self.sample_weight_ = None if weight is None else plan.carry(weight, made=mix)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn and imbalanced-learn what is taken."""
        tags = super().__sklearn_tags__()
        return _Tags(
            estimator_type="sampler",
            target_tags=type(tags.target_tags)(required=True),
            input_tags=_InputTags(sparse=True, allow_nan=True, string=not self._numbers),
        )


def _group_codes(groups: Any, n: int) -> Ids | None:
    if groups is None:
        return None
    values = np.asarray(groups.to_numpy() if hasattr(groups, "to_numpy") else groups)
    if values.shape != (n,):
        raise InputError(f"groups has shape {values.shape} and there are {n} rows: give one group a row")
    try:
        return np.unique(values, return_inverse=True)[1].astype(np.int64)
    except TypeError as error:
        raise InputError("groups mixes types or has missing values: give every row a group of one type") from error


def _weights(sample_weight: Any, n: int) -> NDArray[np.float64] | None:
    if sample_weight is None:
        return None
    values = np.asarray(sample_weight, dtype=np.float64)
    if values.shape != (n,) or not (np.isfinite(values) & (values >= 0)).all():
        raise InputError(f"sample_weight must be {n} finite numbers from 0 up, one a row; its shape is {values.shape}")
    if not values.any():
        raise InputError("sample_weight is zero for every row: at least one row must count")
    return values


class BaseSmote(BaseSampler):
    """The frame of SMOTE and its descendants: how many children, of which parents, how far toward whom.

    A subclass says in ``_drafts`` which rows of a class may be parents, and of whom.
    """

    k_neighbors: int
    amount: Any
    under: Any
    gap: str
    allocation: str

    def _drafts(self, task: Task, code: int, rng: np.random.Generator) -> list[Draft]:
        """Return the candidates of a class; by default each row with its nearest of the class."""
        rows = task.rows(code)
        return [Draft(rows, self._partners(task, rows))]

    def _space(self, task: Task, code: int | None = None) -> Space:
        """Return the space in which a class is searched."""
        if "x" not in task.spaces:
            task.spaces["x"] = EuclideanSpace(task.table.x, holes=task.table.holes)
        space: Space = task.spaces["x"]
        return space

    def _partners(self, task: Task, rows: Ids, code: int | None = None) -> Ids:
        """Return the nearest of the class of each row, (len(rows), k)."""
        k = min(self.k_neighbors, max(1, len(rows) - 1))
        return nearest_partners(self._space(task, code), rows, k, groups=task.group_codes)

    def _asked(self, draft: Draft) -> Ids:
        """Return who votes on the nominal values of a row's children: its neighbours."""
        return draft.partners

    def _check_options(self) -> None:
        k = self.k_neighbors
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
            raise InputError(f"k_neighbors={k!r} must be a whole number, at least 1")
        if self.gap not in ("row", "attribute"):
            raise InputError(f"gap={self.gap!r} is unknown: choose 'row' (a line) or 'attribute' (a box)")
        if self.allocation not in ("even", "random"):
            raise InputError(f"allocation={self.allocation!r} is unknown: choose 'even' or 'random'")

    def _plan(self, task: Task) -> SamplingPlan:
        """Draw the children of each class from a stream of its own, and under-sample the other classes."""
        self._check_options()
        classes, counts = task.labels.classes, task.counts
        make = rows_to_make(self.sampling_strategy, self.amount, counts, classes)
        self.sampling_strategy_ = {c: int(m) for c, m in zip(classes.tolist(), make, strict=True) if m > 0}
        streams = class_streams(self.random_state, len(classes) + 1)
        tried = [self._children(task, int(c), int(make[c]), streams[c + 1]) for c in np.flatnonzero(make)]
        parts = [part for part in tried if part is not None]
        width = task.table.x.shape[1] if self.gap == "attribute" and task.table.x is not None else None
        empty = np.empty((0, 2), dtype=np.int64), np.empty(0 if width is None else (0, width))
        parents = _below([p.parents for p in parts] or [empty[0]])
        weights = _below([p.gaps for p in parts] or [empty[1]])
        made = np.bincount(task.labels.codes[parents[:, 0]], minlength=len(counts))
        for label, m in zip(classes.tolist(), made, strict=True):
            self.report_[label]["made"] = int(m)
        indices = self._indices(task, counts + made, len(parents), streams[0])
        kept = indices[: len(indices) - len(parents)]
        voters, voter = _joined(parts)
        return SamplingPlan(indices, parents, weights, task.labels.of(kept, parents[:, 0]), voters, voter)

    def _indices(self, task: Task, after: Ids, n_new: int, rng: np.random.Generator) -> Ids:
        """Return the rows that stay, all or those that under-sampling at U % leaves, and -1 for each made one."""
        n = len(task.labels.codes)
        if self.under is None:
            out = np.arange(n + n_new)
        else:
            keep = under_percent(self.under, task.counts, after, "under")
            stays = np.ones(n, dtype=bool)
            for code in np.flatnonzero((keep < after) & (after == task.counts)):
                stays[rng.permutation(task.rows(int(code)))[int(keep[code]) :]] = False
            out = np.concatenate([np.flatnonzero(stays), np.empty(n_new, dtype=np.int64)])
        out[len(out) - n_new :] = -1
        return out

    def _children(self, task: Task, code: int, n: int, rng: np.random.Generator) -> _Children | None:
        """Draw n children of one class from its drafts; None where there can be none."""
        drafts = [draft.able() for draft in self._drafts(task, code, rng)]
        drafts = [draft for draft in drafts if len(draft.rows)]
        if not drafts:
            self._say_nothing(task, code, n)
            return None
        share = np.array([draft.part for draft in drafts])
        allocation: Any = self.allocation
        width = task.table.x.shape[1] if self.gap == "attribute" and task.table.x is not None else None
        out = []
        for draft, m in zip(drafts, largest_remainder(share, n), strict=True):
            parents, gaps, which = draw(draft, int(m), rng, allocation=allocation, width=width)
            codes = task.table.codes
            if codes is None:
                out.append(_Children(parents, gaps, None, np.empty(0, dtype=np.int64)))
            else:
                out.append(_Children(parents, gaps, votes(codes, draft.rows, self._asked(draft)), which))
        voters, voter = _joined(out)
        parents, gaps = (_below([getattr(o, name) for o in out]) for name in ("parents", "gaps"))
        return _Children(parents, gaps, voters, np.empty(0, dtype=np.int64) if voter is None else voter)

    def _say_nothing(self, task: Task, code: int, n: int) -> None:
        """Warn that a class stays as it is."""
        why, cure = self._obstacle(task, code)
        msg = f"class {task.name(code)}: none of the {n} rows asked for was made, since {why}; {cure}"
        warnings.warn(msg, SamplingWarning, stacklevel=5)

    def _obstacle(self, task: Task, code: int) -> tuple[str, str]:
        """Say why a class has no pair of parents, and what to do."""
        rows = int(task.counts[code])
        replicate = "replicate them with OverSampler, or weigh the class"
        if rows == 1:
            return "it has 1 row and a child needs two parents", replicate
        if task.group_codes is not None:
            return f"none of its {rows} rows has another point of its own group beside it", replicate
        return f"its {rows} rows are copies of one point, or share no column that both have", replicate


@dataclass
class _Children:
    """Children of one class."""

    parents: Ids
    gaps: NDArray[Any]
    voters: Ids | None
    voter: Ids


def _below(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Put arrays below each other; a single one is not copied."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _joined(parts: list[_Children]) -> tuple[Ids | None, Ids | None]:
    """Put the voters of several lots of children below each other."""
    lots: list[Ids] = [part.voters for part in parts if part.voters is not None]
    if not lots:
        return None, None
    shift = np.cumsum([0, *[len(lot) for lot in lots]])
    return _below(lots), _below([p.voter + s for p, s in zip(parts, shift, strict=False)])
