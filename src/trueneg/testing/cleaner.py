"""Conformance checks of the Cleaner shape.

A cleaner is a scikit-learn estimator with ``fit(X, y, *, groups=None, trusted=None,
pred_proba=None)``, after which ``label_quality_`` holds one entry a row and ``suspects_`` the
suspects in rank order: row numbers, or an object whose ``row`` holds them. ``fit_resample``
returns rows and labels to train on, ``sample_indices_`` the rows it kept.

Every check takes the unfitted estimator, works on clones of it, and raises ``AssertionError``
with a sentence that says what is broken. ``needs_trusted=True`` is for cleaners that cannot work
without a re-checked subset. A cleaner with a ``negative_label`` parameter gets it set.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import clone

from trueneg.core.errors import InputError
from trueneg.testing._checking import prepared, require, with_global_seed

__all__ = ["check_cleaner", "cleaner_checks"]

Check = Callable[..., None]

_CLASSES = 4


@dataclass(frozen=True)
class _Case:
    """A small labelled set in which some rows of class 0 belong to another class."""

    X: np.ndarray
    codes: np.ndarray
    proba: np.ndarray
    trusted: np.ndarray
    groups: np.ndarray


def _case(n: int = 240) -> _Case:
    """Draw four overlapping classes, hide a sixth of the others in class 0, trust a quarter."""
    rng = np.random.default_rng(20240611)
    true = rng.permutation(np.arange(n) % _CLASSES)
    centers = 3.0 * np.eye(_CLASSES, 6)
    points = centers[true] + rng.normal(size=(n, 6))
    # What an honest model gives: the posterior of the true classes, softened by noise.
    scores = points @ centers.T / 3.0 + 0.5 * rng.normal(size=(n, _CLASSES))
    proba = np.exp(scores)
    proba /= proba.sum(axis=1, keepdims=True)
    trusted = rng.random(n) < 0.25
    codes = np.where((rng.random(n) < 1 / 6) & ~trusted, 0, true)
    return _Case(points, codes, proba, trusted, np.arange(n) // 4)


def _prepared(estimator: Any, negative_label: Any) -> Any:
    """Return a clone that is deterministic and knows the dirty class, where it has such parameters."""
    model = prepared(estimator)
    if "negative_label" in model.get_params(deep=False):
        model.set_params(negative_label=negative_label)
    return model


def _fitted(
    estimator: Any, case: _Case, *, needs_trusted: bool, labels: Any = None, negative_label: Any = 0, **given: Any
) -> Any:
    """Fit a clone on the case; ``given`` replaces what is passed to fit."""
    model = _prepared(estimator, negative_label)
    passed: dict[str, Any] = {"pred_proba": case.proba}
    if needs_trusted:
        passed["trusted"] = case.trusted
    return model.fit(case.X, case.codes if labels is None else labels, **{**passed, **given})


def _rows(model: Any) -> np.ndarray:
    """Return the row numbers of the suspects, in rank order."""
    require(hasattr(model, "suspects_"), f"{type(model).__name__} has no suspects_ after fit")
    found = model.suspects_
    return np.asarray(getattr(found, "row", found))


def _some_rows(model: Any) -> np.ndarray:
    rows = _rows(model)
    require(len(rows) > 1, "no two suspects among 240 rows of which about 30 are wrong: nothing can be checked")
    return rows


def _same_rank(left: Any, right: Any, what: str) -> None:
    require(np.array_equal(_rows(left), _rows(right)), f"{what} changes the suspects or their order")
    same = np.allclose(left.label_quality_, right.label_quality_, rtol=1e-5, atol=1e-7, equal_nan=True)
    require(same, f"{what} changes label_quality_")


def check_parameters(estimator: Any, *, needs_trusted: bool = False) -> None:
    """``get_params``, ``set_params`` and ``clone`` agree, and the constructor stores what it is given."""
    params = estimator.get_params(deep=False)
    for name, value in params.items():
        require(getattr(estimator, name) is value, f"parameter {name} is not stored as it was given")
    copy = clone(estimator)
    require(copy is not estimator and type(copy) is type(estimator), "clone does not give a new one of the same type")
    require(repr(copy.get_params(deep=False)) == repr(params), "clone loses a parameter")
    require(copy.set_params(**params) is copy, "set_params does not return self")
    require(copy.get_params(deep=False) == params, "set_params does not set what get_params told")
    fitted = [name for name in vars(copy) if name.endswith("_") and not name.startswith("_")]
    require(not fitted, f"the constructor already sets the fitted attributes {fitted}")


def check_signature(estimator: Any, *, needs_trusted: bool = False) -> None:
    """``fit(X, y, *, groups=None, trusted=None, pred_proba=None)``: optional, by keyword only."""
    given = inspect.signature(estimator.fit).parameters
    require(list(given)[:2] == ["X", "y"], "fit does not begin with X, y")
    for name in ("groups", "trusted", "pred_proba"):
        require(name in given, f"fit does not take {name}")
        require(given[name].kind is inspect.Parameter.KEYWORD_ONLY, f"fit takes {name} by position")
        require(given[name].default is None, f"fit does not default {name} to None")


def check_fit_returns_self(estimator: Any, *, needs_trusted: bool = False) -> None:
    """``fit`` returns the estimator itself and leaves the parameters as they were."""
    case = _case()
    model = _prepared(estimator, 0)
    before = repr(model.get_params(deep=False))
    given = {"trusted": case.trusted} if needs_trusted else {}
    require(model.fit(case.X, case.codes, pred_proba=case.proba, **given) is model, "fit does not return self")
    require(repr(model.get_params(deep=False)) == before, "fit changes a parameter")


def check_label_quality(estimator: Any, *, needs_trusted: bool = False) -> None:
    """``label_quality_`` has one float entry a row, within 0 and 1, none missing for labelled rows."""
    case = _case()
    quality = _fitted(estimator, case, needs_trusted=needs_trusted).label_quality_
    require(isinstance(quality, np.ndarray), f"label_quality_ is a {type(quality).__name__}, not a NumPy array")
    require(quality.shape == (len(case.X),), f"label_quality_ has shape {quality.shape} for {len(case.X)} rows")
    require(quality.dtype.kind == "f", f"label_quality_ holds {quality.dtype}, not floats")
    require(((quality >= 0) & (quality <= 1)).all(), "label_quality_ leaves 0..1 or is NaN for a labelled row")


def check_suspects(estimator: Any, *, needs_trusted: bool = False) -> None:
    """``suspects_`` names existing rows, each once, as a NumPy array of integers."""
    case = _case()
    model = _fitted(estimator, case, needs_trusted=needs_trusted)
    rows = _some_rows(model)
    held = getattr(model.suspects_, "row", model.suspects_)
    require(isinstance(held, np.ndarray), f"the suspects are a {type(held).__name__}, not a NumPy array")
    require(rows.ndim == 1 and rows.dtype.kind in "iu", "the suspects are not a list of row numbers")
    require(rows.min() >= 0 and rows.max() < len(case.X), "a suspect is no row of the input")
    require(len(np.unique(rows)) == len(rows), "a row is named as a suspect twice")


def check_suspects_have_low_quality(estimator: Any, *, needs_trusted: bool = False) -> None:
    """Suspects have, on average, a lower ``label_quality_`` than the other rows."""
    model = _fitted(estimator, _case(), needs_trusted=needs_trusted)
    rows = _some_rows(model)
    suspect = np.zeros(len(model.label_quality_), dtype=bool)
    suspect[rows] = True
    lower = model.label_quality_[suspect].mean() < model.label_quality_[~suspect].mean()
    require(lower, "suspects have a higher label_quality_ than the other rows")


def check_trusted(estimator: Any, *, needs_trusted: bool = False) -> None:
    """A row is no suspect once it is trusted, and some others still are."""
    case = _case()
    rows = _some_rows(_fitted(estimator, case, needs_trusted=needs_trusted))
    trusted = case.trusted.copy() if needs_trusted else np.zeros(len(case.X), dtype=bool)
    require(not trusted[rows].any(), "a trusted row is a suspect")
    trusted[rows[::2]] = True
    again = _rows(_fitted(estimator, case, needs_trusted=needs_trusted, trusted=trusted))
    require(not trusted[again].any(), "a trusted row is a suspect")
    require(len(again), "trusting half of the suspects leaves none")


def check_unlabelled(estimator: Any, *, needs_trusted: bool = False) -> None:
    """Rows without a label (-1, or None among strings) are no suspects, and the other rows still are."""
    case = _case()
    rows = _some_rows(_fitted(estimator, case, needs_trusted=needs_trusted))
    blank = np.zeros(len(case.X), dtype=bool)
    blank[rows[::2]] = True
    names = np.array([f"kind {code}" for code in range(_CLASSES)], dtype=object)
    for labels, negative in (
        (np.where(blank, -1, case.codes), 0),
        (np.where(blank, None, names[case.codes]), "kind 0"),
    ):
        model = _fitted(estimator, case, needs_trusted=needs_trusted, labels=labels, negative_label=negative)
        again = _rows(model)
        require(not blank[again].any(), "a row without a label is a suspect")
        require(len(again), "rows without a label hide all suspects")
        require(model.label_quality_.shape == (len(case.X),), "label_quality_ leaves out rows without a label")


def check_deterministic(estimator: Any, *, needs_trusted: bool = False) -> None:
    """Two fits under one ``random_state`` agree exactly, with and without ``pred_proba``, as does a refit."""
    case = _case()
    passed: tuple[dict[str, Any], ...] = ({}, {"pred_proba": None})
    for given in passed:
        run = partial(_fitted, estimator, case, needs_trusted=needs_trusted, **given)
        first, second = with_global_seed(1, run), with_global_seed(2, run)
        require(np.array_equal(_rows(first), _rows(second)), "two equal fits name other suspects")
        same = np.array_equal(first.label_quality_, second.label_quality_, equal_nan=True)
        require(same, "two equal fits give another label_quality_")
    trusted = {"trusted": case.trusted} if needs_trusted else {}
    second.fit(case.X, case.codes, pred_proba=case.proba, **trusted)
    _same_rank(second, _fitted(estimator, case, needs_trusted=needs_trusted), "an earlier fit")


def check_inputs_unchanged(estimator: Any, *, needs_trusted: bool = False) -> None:
    """``fit`` writes into none of its inputs, and takes read-only ones."""
    case = _case()
    given = {"X": case.X, "y": case.codes, "pred_proba": case.proba, "groups": case.groups}
    if needs_trusted:
        given["trusted"] = case.trusted
    kept = {name: value.copy() for name, value in given.items()}
    _prepared(estimator, 0).fit(**given)
    for name, value in given.items():
        require(np.array_equal(value, kept[name]), f"fit changes {name}")
        value.flags.writeable = False
    _prepared(estimator, 0).fit(**given)


def check_row_order(estimator: Any, *, needs_trusted: bool = False) -> None:
    """Permuting the rows permutes the results (with ``pred_proba`` given: folds may depend on the order)."""
    case = _case()
    order = np.random.default_rng(3).permutation(len(case.X))
    plain = _fitted(estimator, case, needs_trusted=needs_trusted)
    mixed = _Case(*(getattr(case, name)[order] for name in ("X", "codes", "proba", "trusted", "groups")))
    moved = _fitted(estimator, mixed, needs_trusted=needs_trusted)
    same = np.array_equal(order[_rows(moved)], _rows(plain))
    require(same, "permuting the rows changes the suspects or their order")
    quality = np.allclose(moved.label_quality_, plain.label_quality_[order], rtol=1e-5, atol=1e-7)
    require(quality, "permuting the rows does not permute label_quality_")


def check_label_types(estimator: Any, *, needs_trusted: bool = False) -> None:
    """String labels, shifted numbers and other integer types give the suspects of the plain numbers."""
    case = _case()
    plain = _fitted(estimator, case, needs_trusted=needs_trusted)
    names = np.array([f"kind {code}" for code in range(_CLASSES)])
    for what, kinds in (
        ("naming the classes by strings", names),
        ("naming the classes by string objects", names.astype(object)),
        ("shifting the class numbers", np.arange(_CLASSES) + 10),
        ("storing the classes as int8", np.arange(_CLASSES, dtype=np.int8)),
        ("storing the classes as floats", np.arange(_CLASSES, dtype=float)),
    ):
        labels = kinds[case.codes]
        negative = kinds.tolist()[0]
        other = _fitted(estimator, case, needs_trusted=needs_trusted, labels=labels, negative_label=negative)
        _same_rank(other, plain, what)


def check_bad_probabilities(estimator: Any, *, needs_trusted: bool = False) -> None:
    """``pred_proba`` with NaN, of other rows, of too few classes or of one dimension raises InputError."""
    case = _case()
    holed = case.proba.copy()
    holed[7, 1] = np.nan
    for what, proba in (
        ("with NaN", holed),
        ("of fewer rows than y", case.proba[:-1]),
        ("of more rows than y", np.concatenate([case.proba, case.proba[:1]])),
        ("with fewer columns than classes", case.proba[:, :-1]),
        ("of one dimension", case.proba[:, 0]),
    ):
        try:
            _fitted(estimator, case, needs_trusted=needs_trusted, pred_proba=proba)
        except InputError:
            continue
        except Exception as error:
            msg = f"pred_proba {what} raises {type(error).__name__}, not InputError"
            raise AssertionError(msg) from error
        require(False, f"pred_proba {what} is taken without an error")


def check_without_probabilities(estimator: Any, *, needs_trusted: bool = False) -> None:
    """``fit(X, y)`` works alone (with ``trusted`` where that is needed): the cleaner predicts out of fold itself."""
    case = _case()
    model = _fitted(estimator, case, needs_trusted=needs_trusted, pred_proba=None)
    _some_rows(model)
    require(model.label_quality_.shape == (len(case.X),), "label_quality_ has not one entry a row")
    grouped = _fitted(estimator, case, needs_trusted=needs_trusted, pred_proba=None, groups=case.groups)
    require(grouped.label_quality_.shape == (len(case.X),), "label_quality_ has not one entry a row with groups")


def check_fit_resample(estimator: Any, *, needs_trusted: bool = False) -> None:
    """``fit_resample`` returns NumPy for NumPy, rows as they were, and ``sample_indices_`` says which."""
    case = _case()
    model = _prepared(estimator, 0)
    require(hasattr(model, "fit_resample"), f"{type(model).__name__} has no fit_resample")
    given = {"trusted": case.trusted} if needs_trusted else {}
    kept_rows, kept_labels = model.fit_resample(case.X, case.codes, pred_proba=case.proba, **given)
    for name, value in (("rows", kept_rows), ("labels", kept_labels), ("sample_indices_", model.sample_indices_)):
        require(isinstance(value, np.ndarray), f"the {name} are a {type(value).__name__}, not a NumPy array")
    index = model.sample_indices_
    require(len(np.unique(index)) == len(index), "sample_indices_ names a row twice")
    require(np.array_equal(kept_rows, case.X[index]), "sample_indices_ does not say which rows were kept")
    require(len(kept_labels) == len(index), "fit_resample returns other numbers of rows and labels")
    changed = index[kept_labels != case.codes[index]]
    require(np.isin(changed, _rows(model)).all(), "fit_resample changes the label of a row that is no suspect")
    gone = np.setdiff1d(np.arange(len(case.X)), index)
    require(np.isin(gone, _rows(model)).all(), "fit_resample drops a row that is no suspect")


_CHECKS: tuple[Check, ...] = (
    check_parameters,
    check_signature,
    check_fit_returns_self,
    check_label_quality,
    check_suspects,
    check_suspects_have_low_quality,
    check_trusted,
    check_unlabelled,
    check_deterministic,
    check_inputs_unchanged,
    check_row_order,
    check_label_types,
    check_bad_probabilities,
    check_without_probabilities,
    check_fit_resample,
)


def cleaner_checks() -> Iterator[Check]:
    """Yield every check of the Cleaner shape.

    Yields
    ------
    callable
        ``check(estimator, *, needs_trusted=False)``; raises AssertionError where the estimator fails.
    """
    yield from _CHECKS


def check_cleaner(estimator: Any, *, needs_trusted: bool = False) -> None:
    """Run every check of the Cleaner shape; raise AssertionError at the first that fails.

    Parameters
    ----------
    estimator : cleaner
        Unfitted; it is cloned, never fitted itself.
    needs_trusted : bool, default=False
        Whether the cleaner cannot work without ``trusted``.
    """
    for check in cleaner_checks():
        check(estimator, needs_trusted=needs_trusted)
