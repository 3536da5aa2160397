"""Conformance checks of the Head shape: a scikit-learn classifier whose ``partial_fit`` takes new classes.

Every check takes the unfitted head, works on clones of it, and raises ``AssertionError`` with a
sentence that says what is broken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier

from trueneg.testing._checking import prepared, require, with_global_seed

__all__ = ["check_head", "head_checks"]

Check = Callable[[Any], None]

_CLASSES = 4


def _case(n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Draw four classes that any classifier can tell apart."""
    rng = np.random.default_rng(20240611)
    codes = rng.permutation(np.arange(n) % _CLASSES)
    return 6.0 * np.eye(_CLASSES, 6)[codes] + rng.normal(size=(n, 6)), codes


def _check_output(model: Any, points: np.ndarray, classes: np.ndarray) -> None:
    """Classes are those seen, each once; probabilities have a column for each and agree with predict."""
    require(np.array_equal(np.sort(model.classes_), classes), f"classes_ is {model.classes_}, seen were {classes}")
    predicted, proba = model.predict(points), model.predict_proba(points)
    for name, value in (("predict", predicted), ("predict_proba", proba)):
        require(isinstance(value, np.ndarray), f"{name} returns a {type(value).__name__}, not a NumPy array")
    require(predicted.shape == (len(points),), f"predict returns shape {predicted.shape} for {len(points)} rows")
    expected = (len(points), len(classes))
    require(proba.shape == expected, f"predict_proba returns shape {proba.shape}, not {expected}")
    require(np.isfinite(proba).all() and (proba >= 0).all(), "predict_proba returns what is no probability")
    require(np.allclose(proba.sum(axis=1), 1.0, atol=1e-4), "a row of predict_proba does not sum to one")
    agree = (model.classes_[proba.argmax(axis=1)] == predicted).mean()
    require(agree > 0.99, "predict does not name the class of the largest predict_proba: are the columns in order?")


def check_parameters(head: Any) -> None:
    """It is a classifier; ``get_params``, ``set_params`` and ``clone`` agree."""
    require(is_classifier(head), "the head is no scikit-learn classifier")
    params = head.get_params(deep=False)
    copy = clone(head)
    require(repr(copy.get_params(deep=False)) == repr(params), "clone loses a parameter")
    require(copy.set_params(**params) is copy, "set_params does not return self")
    require(not hasattr(copy, "classes_"), "the constructor already sets classes_")


def check_fit_predict(head: Any) -> None:
    """After ``fit``, which returns self, classes, predictions and probabilities fit together and are right."""
    points, codes = _case()
    model = prepared(head)
    require(model.fit(points, codes) is model, "fit does not return self")
    _check_output(model, points, np.arange(_CLASSES))
    share = (model.predict(points) == codes).mean()
    require(share > 0.8, f"only {share:.0%} of rows of four well separated classes are predicted right")


def check_partial_fit_adds_classes(head: Any) -> None:
    """``partial_fit`` on a batch with a class never seen adds it and keeps the others."""
    points, codes = _case()
    old = codes < _CLASSES - 1
    model = prepared(head).fit(points[old], codes[old])
    require(model.partial_fit(points, codes) is model, "partial_fit does not return self")
    for _ in range(4):
        model.partial_fit(points, codes)
    _check_output(model, points, np.arange(_CLASSES))
    right = model.predict(points) == codes
    require(right[~old].mean() > 0.5, "partial_fit takes a new class but does not learn it")
    require(right[old].mean() > 0.5, "partial_fit forgets the old classes")


def check_partial_fit_keeps_classes(head: Any) -> None:
    """``partial_fit`` on a batch that lacks a class does not drop that class."""
    points, codes = _case()
    model = prepared(head).fit(points, codes)
    some = codes < 2
    model.partial_fit(points[some], codes[some])
    _check_output(model, points, np.arange(_CLASSES))


def check_partial_fit_first(head: Any) -> None:
    """``partial_fit`` works as the first call."""
    points, codes = _case()
    _check_output(prepared(head).partial_fit(points, codes), points, np.arange(_CLASSES))


def check_fit_forgets(head: Any) -> None:
    """``fit`` starts anew: classes of an earlier fit are gone."""
    points, codes = _case()
    some = codes < _CLASSES - 1
    model = prepared(head).fit(points, codes)
    _check_output(model.fit(points[some], codes[some]), points, np.arange(_CLASSES - 1))


def check_deterministic(head: Any) -> None:
    """Two fits under one ``random_state`` predict the same."""
    points, codes = _case()

    def run() -> np.ndarray:
        return prepared(head).fit(points, codes).predict_proba(points)

    first, second = with_global_seed(1, run), with_global_seed(2, run)
    require(np.array_equal(first, second), "two equal fits predict other probabilities")


def check_inputs_unchanged(head: Any) -> None:
    """``fit``, ``partial_fit`` and ``predict`` write into none of their inputs, and take read-only ones."""
    points, codes = _case()
    kept = points.copy(), codes.copy()
    prepared(head).fit(points, codes).partial_fit(points, codes).predict(points)
    require(np.array_equal(points, kept[0]) and np.array_equal(codes, kept[1]), "an input was changed")
    points.flags.writeable = codes.flags.writeable = False
    prepared(head).fit(points, codes).partial_fit(points, codes).predict(points)


def check_label_types(head: Any) -> None:
    """String labels and shifted numbers give the predictions of the plain numbers."""
    points, codes = _case()
    plain = prepared(head).fit(points, codes).predict(points)
    for kinds in (np.array([f"kind {code}" for code in range(_CLASSES)]), np.arange(_CLASSES) + 10):
        other = prepared(head).fit(points, kinds[codes]).predict(points)
        require(np.array_equal(other, kinds[plain]), f"naming the classes {kinds.tolist()} changes the predictions")


def check_bad_input(head: Any) -> None:
    """NaN in X, rows that do not match y, and other widths than fitted raise ValueError."""
    points, codes = _case()
    holed = points.copy()
    holed[3, 2] = np.nan
    fitted = prepared(head).fit(points, codes)
    for what, call in (
        ("fit on NaN", lambda: prepared(head).fit(holed, codes)),
        ("partial_fit on NaN", lambda: prepared(head).partial_fit(holed, codes)),
        ("fit on rows that do not match y", lambda: prepared(head).fit(points[:-1], codes)),
        ("predict on another width", lambda: fitted.predict(points[:, :-1])),
        ("partial_fit on another width", lambda: fitted.partial_fit(points[:, :-1], codes)),
    ):
        try:
            call()
        except ValueError:
            continue
        except Exception as error:
            msg = f"{what} raises {type(error).__name__}, not ValueError"
            raise AssertionError(msg) from error
        require(False, f"{what} is taken without an error")


_CHECKS: tuple[Check, ...] = (
    check_parameters,
    check_fit_predict,
    check_partial_fit_adds_classes,
    check_partial_fit_keeps_classes,
    check_partial_fit_first,
    check_fit_forgets,
    check_deterministic,
    check_inputs_unchanged,
    check_label_types,
    check_bad_input,
)


def head_checks() -> Iterator[Check]:
    """Yield every check of the Head shape.

    Yields
    ------
    callable
        ``check(head)``; raises AssertionError where the head fails.
    """
    yield from _CHECKS


def check_head(estimator: Any) -> None:
    """Run every check of the Head shape; raise AssertionError at the first that fails.

    Parameters
    ----------
    estimator : head
        Unfitted; it is cloned, never fitted itself.
    """
    for check in head_checks():
        check(estimator)
