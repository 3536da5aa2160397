"""Conformance checks of the Rejecter shape: familiar rows score higher, and thresholds keep what they promise.

Every check takes the unfitted rejecter, works on clones of it, and raises ``AssertionError`` with a sentence that says
what is broken. ``one_class=True`` is for rejecters that learn from familiar rows alone, without labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import clone

from trueneg.core.costs import CostMatrix
from trueneg.core.detection import auroc_of
from trueneg.core.errors import InputError
from trueneg.testing._checking import prepared, require, with_global_seed

__all__ = ["check_rejecter", "rejecter_checks"]

Check = Callable[..., None]
_CLASSES = 3


def _case(n: int = 240) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw rows of three classes to learn from, others to calibrate on, and rows far from all; y is 99 there."""
    rng = np.random.default_rng(20261125)
    codes = rng.permutation(np.arange(n) % _CLASSES)
    centre = 6.0 * np.eye(_CLASSES, 6)
    learn = centre[codes] + rng.normal(size=(n, 6))
    later = centre[codes] + rng.normal(size=(n, 6))
    odd = rng.normal(size=(n // 2, 6)) + 14.0 * np.eye(6)[rng.integers(3, 6, n // 2)]
    return learn, codes, np.concatenate([later, odd]), np.concatenate([codes, np.full(len(odd), 99)])


def _fitted(rejecter: Any, one_class: bool) -> Any:
    learn, codes, _, _ = _case()
    return prepared(rejecter).fit(learn) if one_class else prepared(rejecter).fit(learn, codes)


def _labels(y: np.ndarray, one_class: bool) -> np.ndarray:
    return np.where(y == 99, 0, 1) if one_class else y


def _refused(call: Callable[[], Any], what: str, kinds: tuple[type[Exception], ...] = (InputError,)) -> None:
    try:
        call()
    except kinds as error:
        require("\n" not in str(error) and len(str(error)) > 15, f"{what}: the refusal says too little: {error}")
        return
    except Exception as error:
        msg = f"{what} raises {type(error).__name__} ({error}), not {kinds[0].__name__}"
        raise AssertionError(msg) from error
    require(False, f"{what} is taken without an error")


def check_parameters(rejecter: Any, *, one_class: bool = False) -> None:
    """``get_params``, ``set_params`` and ``clone`` agree, and nothing is fitted before ``fit``."""
    params = rejecter.get_params(deep=False)
    copy = clone(rejecter)
    require(repr(copy.get_params(deep=False)) == repr(params), "clone loses a parameter")
    require(copy.set_params(**params) is copy, "set_params does not return self")
    require(not any(hasattr(copy, a) for a in ("classes_", "threshold_")), "the constructor sets fitted attributes")


def check_fit(rejecter: Any, *, one_class: bool = False) -> None:
    """``fit`` returns self, names the classes and sets no threshold; deciding without one is refused in a line."""
    learn, codes, _, _ = _case()
    model = prepared(rejecter)
    require((model.fit(learn) if one_class else model.fit(learn, codes)) is model, "fit does not return self")
    want = [1] if one_class else list(range(_CLASSES))
    require(np.array_equal(model.classes_, want), f"classes_ is {model.classes_}, not {want}")
    _refused(lambda: model.predict(learn), "predict before calibrate")


def check_scores(rejecter: Any, *, one_class: bool = False) -> None:
    """Scores are one finite number a row, higher for familiar rows, and those of a row do not depend on the others."""
    _, _, later, y = _case()
    model = _fitted(rejecter, one_class)
    scores = model.score_samples(later)
    require(isinstance(scores, np.ndarray) and scores.shape == (len(later),), "score_samples gives no array (n,)")
    require(np.isfinite(scores).all(), "a score is not finite")
    again, nearest = model.score_samples(later, return_class=True)
    require(np.array_equal(again, scores), "score_samples(return_class=True) gives other scores")
    require(np.isin(nearest, model.classes_).all(), "score_samples(return_class=True) names a class that is none")
    area = auroc_of(y != 99, scores)
    require(area > 0.9, f"rows far from all classes are told from familiar ones with AUROC {area:.2f} only")
    few = np.concatenate([model.score_samples(later[i : i + 7]) for i in range(0, len(later), 7)])
    require(np.allclose(few, scores, rtol=1e-4, atol=1e-4), "a row's score depends on the rows beside it")


def check_target_tpr(rejecter: Any, *, one_class: bool = False) -> None:
    """A target share of known rows is kept, as tightly as ties allow, and told with its interval."""
    _, _, later, y = _case()
    model = _fitted(rejecter, one_class)
    known = later[y != 99]
    require(model.calibrate(known, target_tpr=0.9) is model, "calibrate does not return self")
    scores = model.score_samples(known)
    kept = float((scores >= float(model.threshold_)).mean())
    require(kept >= 0.9, f"target_tpr=0.9 keeps only {kept:.3f} of the rows it was set on")
    higher = scores[scores > float(model.threshold_)]
    require(len(higher) / len(scores) < 0.9, "a higher threshold would keep target_tpr as well")
    told = model.threshold_.tpr
    require(told is not None and abs(told.value - kept) < 1e-9, "threshold_.tpr is not the rate reached")
    require(told.low < kept < told.high, "threshold_.tpr has no interval around its value")


def check_target_fpr(rejecter: Any, *, one_class: bool = False) -> None:
    """No more than the target share of unknown rows is accepted; without unknown rows the aim is refused."""
    _, _, later, y = _case()
    model = _fitted(rejecter, one_class)
    model.calibrate(later, _labels(y, one_class), target_fpr=0.05)
    passed = float((model.score_samples(later[y == 99]) >= float(model.threshold_)).mean())
    require(passed <= 0.05, f"target_fpr=0.05 lets {passed:.3f} of the unknown rows pass")
    _refused(lambda: model.calibrate(later[y != 99], target_fpr=0.05), "target_fpr without unknown rows")


def check_costs(rejecter: Any, *, one_class: bool = False) -> None:
    """Dear mistakes of one kind move the threshold to their side."""
    _, _, later, y = _case()
    model, labels = _fitted(rejecter, one_class), _labels(y, one_class)
    lenient = model.calibrate(later, labels, costs=CostMatrix(fn=1e4, fp=1.0)).threshold_
    strict = model.calibrate(later, labels, costs=CostMatrix(fn=1.0, fp=1e4)).threshold_
    require(float(lenient) <= float(strict), "costly refusals do not lower the threshold")
    require(strict.cost is not None, "threshold_.cost is missing where costs were the aim")


def check_aims(rejecter: Any, *, one_class: bool = False) -> None:
    """No aim, two aims, shares out of range, and rows or labels missing are refused in a line."""
    _, _, later, y = _case()
    model, labels = _fitted(rejecter, one_class), _labels(y, one_class)
    _refused(lambda: model.calibrate(later, labels), "calibrate without an aim")
    _refused(lambda: model.calibrate(later, labels, target_tpr=0.9, target_fpr=0.1), "calibrate with two aims")
    _refused(lambda: model.calibrate(later, labels, target_tpr=1.5), "target_tpr=1.5")
    _refused(lambda: model.calibrate(later, labels[:-1], target_tpr=0.9), "labels that are too few")
    _refused(lambda: model.calibrate(later, np.full(len(later), 77), target_tpr=0.9), "labels of no known class")
    _refused(lambda: model.calibrate(later[:0], target_tpr=0.9), "no rows", (ValueError,))


def check_predict(rejecter: Any, *, one_class: bool = False) -> None:
    """``predict`` answers a class or the unknown label, of y's type, as ``decision_function`` says."""
    _, _, later, y = _case()
    model = _fitted(rejecter, one_class).calibrate(later, _labels(y, one_class), target_tpr=0.95)
    said, decided = model.predict(later), model.decision_function(later)
    require(isinstance(said, np.ndarray) and said.shape == (len(later),), "predict gives no array (n,)")
    require(said.dtype.kind in "iu", f"labels were integers, predict answers {said.dtype}")
    unknown = ~np.isin(said, model.classes_)
    nearest = model.score_samples(later, return_class=True)[1]
    require(np.array_equal(said[~unknown], nearest[~unknown]), "predict answers another class than the nearest")
    require(np.array_equal(unknown, decided < 0), "predict and decision_function disagree")
    require(len(np.unique(said[unknown])) <= 1, "there are several unknown labels")
    require(unknown[y == 99].mean() > 0.8, "rows far from all classes are not answered unknown")
    if not one_class:
        right = (said == y)[(y != 99) & ~unknown]
        require(right.mean() > 0.9, "accepted rows of well separated classes get wrong answers")


def check_label_types(rejecter: Any, *, one_class: bool = False) -> None:
    """Text labels give the answers of the plain numbers, and an unknown label that is a class is refused."""
    if one_class:
        return
    learn, codes, later, y = _case()
    names = np.array([f"kind {i}" for i in range(_CLASSES)])
    plain = _fitted(rejecter, False).calibrate(later, y, target_tpr=0.95)
    text = prepared(rejecter).fit(learn, names[codes])
    texts = np.where(y == 99, "odd", names[np.minimum(y, _CLASSES - 1)])
    text.calibrate(later, texts, target_tpr=0.95)
    said, numbers = text.predict(later), plain.predict(later)
    known = np.isin(numbers, plain.classes_)
    require(said.dtype.kind in "UO", f"labels were texts, predict answers {said.dtype}")
    require(np.array_equal(np.isin(said, names), known), "naming the classes changes which rows are unknown")
    require(np.array_equal(said[known], names[numbers[known]]), "naming the classes changes the answers")
    if "unknown_label" in plain.get_params(deep=False):
        clash = prepared(rejecter).set_params(unknown_label=1)
        _refused(lambda: clash.fit(learn, codes).calibrate(later, y, target_tpr=0.95).predict(later), "unknown_label=1")


def check_deterministic(rejecter: Any, *, one_class: bool = False) -> None:
    """Two fits under one ``random_state`` score the same."""
    _, _, later, _ = _case()

    def run() -> np.ndarray:
        return np.asarray(_fitted(rejecter, one_class).score_samples(later))

    first, second = with_global_seed(1, run), with_global_seed(2, run)
    require(np.array_equal(first, second), "two equal fits give other scores")


def check_inputs_unchanged(rejecter: Any, *, one_class: bool = False) -> None:
    """Nothing writes into its inputs, and read-only ones are taken."""
    learn, codes, later, y = _case()
    labels = _labels(y, one_class)
    kept = [a.copy() for a in (learn, codes, later, labels)]
    for array in (learn, codes, later, labels):
        array.flags.writeable = False
    model = prepared(rejecter).fit(learn) if one_class else prepared(rejecter).fit(learn, codes)
    model.calibrate(later, labels, target_tpr=0.95).predict(later)
    same = all(np.array_equal(a, b) for a, b in zip((learn, codes, later, labels), kept, strict=True))
    require(same, "an input was changed")


def check_fit_forgets(rejecter: Any, *, one_class: bool = False) -> None:
    """``fit`` starts anew: a threshold of an earlier fit is gone."""
    learn, codes, later, y = _case()
    model = _fitted(rejecter, one_class).calibrate(later, _labels(y, one_class), target_tpr=0.95)
    model.fit(learn) if one_class else model.fit(learn, codes)
    _refused(lambda: model.predict(later), "predict after another fit")


def check_bad_input(rejecter: Any, *, one_class: bool = False) -> None:
    """NaN in X, rows that do not match y, and other widths than fitted raise ValueError."""
    learn, codes, _, _ = _case()
    holed = learn.copy()
    holed[3, 2] = np.nan
    model = _fitted(rejecter, one_class)
    given = () if one_class else (codes,)
    _refused(lambda: prepared(rejecter).fit(holed, *given), "fit on NaN", (ValueError,))
    _refused(lambda: model.score_samples(learn[:, :-1]), "another width than fitted", (ValueError,))
    _refused(lambda: model.score_samples(holed), "score_samples on NaN", (ValueError,))
    if not one_class:
        _refused(lambda: prepared(rejecter).fit(learn[:-1], codes), "rows that do not match y", (ValueError,))


def check_missing_labels(rejecter: Any, *, one_class: bool = False) -> None:
    """A row without a label is neither a class nor an unknown row: it is refused in ``fit`` and in ``calibrate``."""
    learn, codes, later, y = _case()
    model, labels = _fitted(rejecter, one_class), _labels(y, one_class)
    for gone in (None, np.nan):
        holed, taught = labels.astype(object), codes.astype(object)
        holed[5], taught[5] = gone, gone
        _refused(partial(model.calibrate, later, holed, target_tpr=0.9), f"calibrate with the label {gone}")
        if not one_class:
            _refused(partial(prepared(rejecter).fit, learn, taught), f"fit with the label {gone}", (ValueError,))


def check_no_rows(rejecter: Any, *, one_class: bool = False) -> None:
    """A batch without rows, as a stream may hold, gets as many answers."""
    _, _, later, y = _case()
    model = _fitted(rejecter, one_class).calibrate(later, _labels(y, one_class), target_tpr=0.95)
    for name in ("score_samples", "decision_function", "predict"):
        found = getattr(model, name)(later[:0])
        require(isinstance(found, np.ndarray) and found.shape == (0,), f"{name} of no rows gives no array (0,)")


def check_tensors(rejecter: Any, *, one_class: bool = False) -> None:
    """Tensors are answered by tensors of the same values, labels by what labels were; without torch it asks nothing."""
    try:
        import torch
    except ModuleNotFoundError:
        return
    learn, codes, later, y = _case()
    plain = _fitted(rejecter, one_class).calibrate(later, _labels(y, one_class), target_tpr=0.95)
    X = torch.tensor(later, requires_grad=True)
    model = prepared(rejecter)
    model.fit(torch.tensor(learn)) if one_class else model.fit(torch.tensor(learn), torch.tensor(codes))
    model.calibrate(X, torch.tensor(_labels(y, one_class)), target_tpr=0.95)
    for name in ("score_samples", "decision_function", "predict"):
        want, found = getattr(plain, name)(later), getattr(model, name)(X)
        require(isinstance(found, torch.Tensor) and not found.requires_grad, f"{name} of a tensor gives no tensor")
        require(np.array_equal(found.numpy(), want), f"{name} of a tensor gives other values")
    require(isinstance(model.score_samples(later), np.ndarray), "score_samples of an array gives no array")
    if not one_class:
        require(isinstance(plain.predict(X), np.ndarray), "labels were an array, and predict of a tensor gives none")


_CHECKS: tuple[Check, ...] = (
    check_parameters,
    check_fit,
    check_scores,
    check_target_tpr,
    check_target_fpr,
    check_costs,
    check_aims,
    check_predict,
    check_label_types,
    check_deterministic,
    check_inputs_unchanged,
    check_fit_forgets,
    check_bad_input,
    check_missing_labels,
    check_no_rows,
    check_tensors,
)


def rejecter_checks() -> Iterator[Check]:
    """Yield every check of the Rejecter shape.

    Yields
    ------
    callable
        ``check(rejecter, *, one_class=False)``; raises AssertionError where the rejecter fails.
    """
    yield from _CHECKS


def check_rejecter(estimator: Any, *, one_class: bool = False) -> None:
    """Run every check of the Rejecter shape; raise AssertionError at the first that fails.

    Parameters
    ----------
    estimator : rejecter
        Unfitted; it is cloned, never fitted itself.
    one_class : bool, default=False
        Whether it learns from familiar rows without labels.
    """
    for check in rejecter_checks():
        check(estimator, one_class=one_class)
