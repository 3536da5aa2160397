"""Conformance checks of the Sampler shape.

A sampler is a scikit-learn estimator with ``fit_resample(X, y, *, groups=None, sample_weight=None)``, after which
``sample_indices_`` holds the row of each row of the output, -1 for a made one, made ones last; ``parents_`` (n_new, 2)
the two rows each made one comes from, and ``weights_`` (n_new, ...) how far it is on its way to the second.
``groups_`` and ``sample_weight_`` are those of the output.

Every check takes the unfitted estimator, works on clones of it, and raises ``AssertionError`` with a sentence that says
what is broken. The checks' tables are small and numeric, their first column whole numbers from 0 to 3.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from trueneg.core.errors import InputError
from trueneg.testing._checking import prepared, require, with_global_seed

__all__ = ["check_sampler", "sampler_checks"]

Check = Callable[..., None]


@dataclass(frozen=True)
class _Case:
    """Two overlapping classes of 90 and 30 rows in pairs of one group, in random order."""

    X: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    weight: np.ndarray


def _case() -> _Case:
    rng = np.random.default_rng(20240611)
    y = np.repeat(rng.permutation(np.repeat([0, 1], [15, 5])), 6)
    points = rng.normal(size=(len(y), 4)) + 0.8 * y[:, None]
    points[:, 0] = rng.integers(0, 4, len(y))
    return _Case(points, y, np.arange(len(y)) // 6, rng.uniform(0.5, 2, len(y)))


def _resampled(estimator: Any, X: Any, y: Any, **given: Any) -> tuple[Any, Any, Any]:  # noqa: N803
    model = prepared(estimator)
    return (model, *model.fit_resample(X, y, **given))


def _same_plan(one: Any, two: Any, what: str) -> None:
    for name in ("sample_indices_", "parents_", "weights_"):
        same = np.array_equal(getattr(one, name), getattr(two, name))
        require(same, f"{what} changes {name}")


def check_parameters(estimator: Any) -> None:
    """``get_params``, ``set_params`` and ``clone`` agree, and the constructor sets nothing fitted."""
    params = estimator.get_params(deep=False)
    copy = clone(estimator)
    require(repr(copy.get_params(deep=False)) == repr(params), "clone loses a parameter")
    require(copy.set_params(**params) is copy, "set_params does not return self")
    fitted = [name for name in vars(copy) if name.endswith("_") and not name.startswith("_")]
    require(not fitted, f"the constructor already sets the fitted attributes {fitted}")


def check_signature(estimator: Any) -> None:
    """``fit_resample(X, y, *, groups=None, sample_weight=None)``: optional, by keyword only, no parameter changed."""
    for method in (estimator.fit, estimator.fit_resample):
        given = inspect.signature(method).parameters
        require(list(given)[:2] == ["X", "y"], f"{method.__name__} does not begin with X, y")
        for name in ("groups", "sample_weight"):
            require(name in given, f"{method.__name__} does not take {name}")
            require(given[name].kind is inspect.Parameter.KEYWORD_ONLY, f"{method.__name__} takes {name} by position")
            require(given[name].default is None, f"{method.__name__} does not default {name} to None")
    case = _case()
    model = prepared(estimator)
    before = repr(model.get_params(deep=False))
    model.fit_resample(case.X, case.y)
    require(repr(model.get_params(deep=False)) == before, "fit_resample changes a parameter")


def check_output(estimator: Any) -> None:
    """Rows, labels, ``sample_indices_``, ``parents_`` and ``weights_`` tell one story, and something changed."""
    case = _case()
    model, X, y = _resampled(estimator, case.X, case.y)
    for name, value in (("rows", X), ("labels", y), ("sample_indices_", model.sample_indices_)):
        require(isinstance(value, np.ndarray), f"the {name} are a {type(value).__name__}, not a NumPy array")
    index, parents = model.sample_indices_, model.parents_
    require(len(X) == len(y) == len(index), "rows, labels and sample_indices_ differ in number")
    kept = index >= 0
    require(not kept[np.argmin(kept) :].any() or kept.all(), "made rows do not come last")
    require(np.array_equal(X[kept], case.X[index[kept]]), "sample_indices_ does not say which rows were kept")
    require(np.array_equal(y[kept], case.y[index[kept]]), "a kept row has another label")
    n_new = int((~kept).sum())
    require(parents.shape == (n_new, 2), f"parents_ has shape {parents.shape} for {n_new} made rows")
    require(len(model.weights_) == n_new, "weights_ has not one entry a made row")
    require(((parents >= 0) & (parents < len(case.X))).all(), "parents_ names rows that do not exist")
    require(np.array_equal(y[~kept], case.y[parents[:, 0]]), "a made row has not its first parent's label")
    require(not np.array_equal(index, np.arange(len(case.X))), "nothing was resampled")
    before, after = (np.bincount(a) for a in (case.y, y))
    require(after.min() / after.max() > before.min() / before.max(), "the classes are no nearer in size than before")


def check_children(estimator: Any) -> None:
    """A made row lies where its parents and its weight say, in every column that changes with the weight."""
    case = _case()
    model, X, _ = _resampled(estimator, case.X, case.y)
    if not len(model.parents_):
        return
    made = X[model.sample_indices_ < 0]
    one, two = (case.X[model.parents_[:, i]] for i in (0, 1))
    weight = np.asarray(model.weights_)
    between = one + (weight[:, None] if weight.ndim == 1 else weight) * (two - one)
    for column in range(X.shape[1]):
        nominal = np.isin(made[:, column], np.unique(case.X[:, column])).all()
        near = np.allclose(made[:, column], between[:, column], atol=1e-6)
        require(near or nominal, f"column {column} of made rows is neither between the parents nor a value of the data")


def check_fit_is_the_plan(estimator: Any) -> None:
    """``fit`` returns self and decides what ``fit_resample`` does."""
    case = _case()
    model = prepared(estimator)
    require(model.fit(case.X, case.y) is model, "fit does not return self")
    _same_plan(model, _resampled(estimator, case.X, case.y)[0], "fit instead of fit_resample")


def check_deterministic(estimator: Any) -> None:
    """Two calls under one ``random_state`` agree exactly, whatever NumPy's global generator does."""
    case = _case()
    first = with_global_seed(1, lambda: _resampled(estimator, case.X, case.y))
    second = with_global_seed(2, lambda: _resampled(estimator, case.X, case.y))
    _same_plan(first[0], second[0], "another call")
    require(np.array_equal(first[1], second[1]), "two equal calls give other rows")
    second[0].fit_resample(case.X, case.y)
    _same_plan(first[0], second[0], "an earlier call")


def check_inputs_unchanged(estimator: Any) -> None:
    """Nothing is written into the input, and read-only input is taken."""
    case = _case()
    given = {"X": case.X, "y": case.y, "groups": case.groups, "sample_weight": case.weight}
    kept = {name: value.copy() for name, value in given.items()}
    for value in given.values():
        value.flags.writeable = False
    X = prepared(estimator).fit_resample(**given)[0]
    for name, value in given.items():
        require(np.array_equal(value, kept[name]), f"fit_resample changes {name}")
    require(not np.shares_memory(X, case.X), "the output is a view of the input: writing into it would change X")


def check_label_types(estimator: Any) -> None:
    """Strings, shifted numbers and booleans give the plan of the plain numbers, and come back in their own type."""
    case = _case()
    plain = _resampled(estimator, case.X, case.y)[0]
    kinds = (
        np.array(["a", "b"]),
        np.array(["a", "b"], dtype=object),
        np.array([7, 9], dtype=np.int8),
        np.array([-1, 1]),
    )
    for names in (*kinds, np.array([False, True])):
        model, _, y = _resampled(estimator, case.X, names[case.y])
        _same_plan(model, plain, f"labels of type {names.dtype}")
        require(y.dtype == names.dtype, f"labels of type {names.dtype} come back as {y.dtype}")


def check_groups(estimator: Any) -> None:
    """A made row's parents are of one group, its own; ``groups_`` are those of the output."""
    case = _case()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model, X, _ = _resampled(estimator, case.X, case.y, groups=case.groups)
    own = case.groups[model.parents_]
    require((own[:, 0] == own[:, 1]).all(), "a made row mixes two groups: it would leak from one fold to another")
    require(len(model.groups_) == len(X), "groups_ has not one entry a row of the output")
    kept = model.sample_indices_ >= 0
    expected = np.concatenate([case.groups[model.sample_indices_[kept]], own[:, 0]])
    require(np.array_equal(model.groups_, expected), "groups_ are not the groups of the rows")


def check_sample_weight(estimator: Any) -> None:
    """``sample_weight_`` holds the weights of the output: a kept row's own, a made row's between its parents'."""
    case = _case()
    model, X, _ = _resampled(estimator, case.X, case.y, sample_weight=case.weight)
    weight, index = model.sample_weight_, model.sample_indices_
    require(weight.shape == (len(X),), "sample_weight_ has not one entry a row of the output")
    require(np.array_equal(weight[index >= 0], case.weight[index[index >= 0]]), "a kept row has another weight")
    require((weight >= 0).all(), "a made row has a negative weight")


def check_streams(estimator: Any) -> None:
    """Two classes that look alike are resampled independently: no class repeats another one's draws."""
    rng = np.random.default_rng(5)
    sizes = (67, 23)
    parts = [rng.normal(size=(n, 4)) for n in sizes]
    for part in parts:
        part[:, 0] = rng.integers(0, 4, len(part))
    # Copies a little apart, mixed with their likes, so that every row has other classes around it.
    X = np.concatenate([parts[0], parts[1], parts[0] + [0, 1e-3, 0, 0], parts[1] + [0, 1e-3, 0, 0]])
    y = np.repeat([0, 1, 2, 3], [*sizes, *sizes])
    model = _resampled(estimator, X, y)[0]
    start = np.concatenate([[0], np.cumsum([*sizes, *sizes])[:-1]])

    def draws(code: int) -> tuple[Any, ...]:
        of = y[model.parents_[:, 0]] == code
        index = model.sample_indices_[model.sample_indices_ >= 0]
        own = np.sort(index[y[index] == code]) - start[code]
        return own.tolist(), np.asarray(model.weights_)[of].tolist()

    alike = draws(0) == draws(2) and draws(1) == draws(3)
    require(not alike, "two classes of one size draw the same rows and weights: give each class its own stream")


def check_types(estimator: Any) -> None:
    """float32 and whole numbers keep their type, and sparse rows give the plan of dense ones."""
    from scipy import sparse

    case = _case()
    for dtype in (np.float32, np.int64, np.uint8):
        values = np.clip(np.rint(case.X * 10), 0, 200).astype(dtype)
        require(_resampled(estimator, values, case.y)[1].dtype == dtype, f"{np.dtype(dtype)} is not kept")
    dense, X, _ = _resampled(estimator, case.X, case.y)
    for kind in (sparse.csr_matrix, sparse.csc_array):
        model, rows, _ = _resampled(estimator, kind(case.X), case.y)
        require(sparse.issparse(rows) and rows.format == kind(case.X).format, f"{kind.__name__} is not kept")
        _same_plan(model, dense, f"{kind.__name__} instead of an array")
        require(np.allclose(rows.toarray(), X, atol=1e-6), f"{kind.__name__} gives other rows than an array")


def check_frames(estimator: Any) -> None:
    """A pandas frame keeps columns, types and the index of kept rows, whichever of whole numbers or text it holds."""
    import pandas as pd

    case = _case()
    frame = pd.DataFrame(case.X, columns=list("abcd"), index=np.arange(len(case.X)) * 10 + 3)
    frame = frame.astype({"b": "float32"}).assign(d=np.rint(case.X[:, 3] * 5).astype(int))
    y = pd.Series(case.y, index=frame.index, name="target")
    model, X, labels = _resampled(estimator, frame, y)
    require(isinstance(X, pd.DataFrame) and isinstance(labels, pd.Series), "a pandas frame is not kept")
    require(X.dtypes.equals(frame.dtypes), "a column's type is not kept")
    require(labels.name == "target" and X.index.equals(labels.index), "rows and labels have not one index")
    kept = model.sample_indices_ >= 0
    require(X[kept].equals(frame.iloc[model.sample_indices_[kept]]), "a kept row, or its index, has changed")


def check_refusals(estimator: Any) -> None:
    """Labels that cannot be resampled, and rows that do not fit them, raise InputError."""
    case = _case()
    half = case.y.astype(float)
    half[3] = np.nan
    several = np.stack([case.y, np.ones_like(case.y)], axis=1)
    bad: tuple[tuple[str, Any, dict[str, Any]], ...] = (
        ("several labels a row", several, {}),
        ("one class only", np.zeros_like(case.y), {}),
        ("a missing label", half, {}),
        ("fewer labels than rows", case.y[:-1], {}),
        ("fewer groups than rows", case.y, {"groups": case.groups[:-1]}),
        ("a negative weight", case.y, {"sample_weight": -case.weight}),
    )
    for what, y, given in bad:
        try:
            prepared(estimator).fit_resample(case.X, y, **given)
        except InputError:
            continue
        except Exception as error:
            msg = f"{what} raises {type(error).__name__}, not InputError"
            raise AssertionError(msg) from error
        require(False, f"{what} is taken without an error")


def check_nothing_silent(estimator: Any) -> None:
    """Where a class cannot get what was asked for, a warning says so; copies of one row make no error."""
    case = _case()
    rows = np.flatnonzero(case.y == 0)
    one = int(np.flatnonzero(case.y == 1)[0])
    for what, index in (("one row", [one]), ("copies of one row", [one] * 8)):
        X, y = case.X[np.r_[rows, index]], case.y[np.r_[rows, index]]
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            _, _, after = _resampled(estimator, X, y)
        before, counts = np.bincount(y), np.bincount(after)
        nearer = counts.min() * before.max() > before.min() * counts.max()
        require(nearer or said, f"a class with {what} is left short without a warning")


_CHECKS: tuple[Check, ...] = (
    check_parameters,
    check_signature,
    check_output,
    check_children,
    check_fit_is_the_plan,
    check_deterministic,
    check_inputs_unchanged,
    check_label_types,
    check_groups,
    check_sample_weight,
    check_streams,
    check_types,
    check_frames,
    check_refusals,
    check_nothing_silent,
)


def sampler_checks() -> Iterator[Check]:
    """Yield every check of the Sampler shape.

    Yields
    ------
    callable
        ``check(estimator)``; raises AssertionError where the estimator fails.
    """
    yield from _CHECKS


def check_sampler(estimator: Any) -> None:
    """Run every check of the Sampler shape; raise AssertionError at the first that fails.

    Parameters
    ----------
    estimator : sampler
        Unfitted; it is cloned, never fitted itself.
    """
    for check in sampler_checks():
        check(estimator)
