"""Labels as users have them: missing, mixed, dates, of tensors and frames; batches without a row."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import torch

from trueneg.core.errors import InputError
from trueneg.reject import MahalanobisDetector

X = np.random.default_rng(0).normal(size=(60, 4))
Y = np.arange(60) % 3
X[np.arange(60), Y] += 4


@pytest.mark.parametrize(
    "y",
    [
        [None, *Y[1:]],
        [None, *np.array(list("abc"))[Y[1:]]],
        [float("nan"), *np.array(list("abc"))[Y[1:]]],
        np.r_[np.nan, Y[1:]],
        pd.Series([pd.NA, *Y[1:].tolist()], dtype="Int64"),
        pd.Series([None, *np.array(list("abc"))[Y[1:]]]),
        np.array(["NaT", *["2020", "2021"] * 29, "2020"], dtype="datetime64[Y]"),
    ],
    ids=["None", "None, texts", "NaN, texts", "NaN", "NA", "series", "NaT"],
)
def test_a_missing_label_is_no_class_and_no_unknown_row(y):
    """Null is unlabelled: such a row is never learned as a class of its own, nor counted as an unknown one."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match="row 0: leave"):
            MahalanobisDetector().fit(X, y)
        with pytest.raises(InputError, match="row 0: leave"):
            MahalanobisDetector().fit(X, Y).calibrate(X, y, target_fpr=0.1)


def test_texts_among_numbers_are_refused_where_classes_are_learned():
    """NumPy would make one class of 1 and "1"."""
    with pytest.raises(InputError, match="one class"):
        MahalanobisDetector().fit(X, [1, "1", 2] * 20)


def test_any_other_label_is_an_unknown_row_in_calibration():
    """Of numbers, a text beside them stands for no class; texts alone do not fit at all."""
    model = MahalanobisDetector().fit(X, Y)
    y = [*Y[:40].tolist(), *["none"] * 20]
    found = model.calibrate(X, y, target_fpr=0.1).threshold_
    assert (found.tpr.n, found.fpr.n) == (40, 20)
    with pytest.raises(InputError, match="type"):
        model.calibrate(X, Y.astype(str), target_tpr=0.9)


def test_dates_are_labels_too():
    """Labels of any type: a row of none is told in words beside them."""
    days = np.array(["2020", "2021", "2022"], dtype="datetime64[Y]")
    model = MahalanobisDetector().fit(X, days[Y]).calibrate(X, target_tpr=0.9)
    said = model.predict(np.r_[X[:1], 99 * np.ones((1, 4))])
    assert said[0] == days[0].item()
    assert said[1] == "unknown"


@pytest.mark.parametrize("label", [None, 2.5, 2, float("nan"), "none", [7]])
def test_a_label_of_none_that_does_not_fit_is_refused_before_learning(label):
    """2.5 among whole numbers became 2, which is a class."""
    with pytest.raises(InputError, match="unknown_label"):
        MahalanobisDetector(unknown_label=label).fit(X, Y)


def test_messages_name_labels_as_users_wrote_them():
    """Not as NumPy writes them."""
    with pytest.warns(UserWarning, match="class 9 has"):
        MahalanobisDetector().fit(X, np.r_[Y[:-1], 9])
    with pytest.raises(InputError, match=r"only, 0\.0:"):
        MahalanobisDetector().fit(X, np.zeros(60))


@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.bfloat16])
def test_tensors_with_gradients_are_rows(kind):
    """Features come from networks as tensors that ask for gradients, in bfloat16 as well."""
    rows = torch.tensor(X, dtype=kind, requires_grad=True)
    model = MahalanobisDetector().fit(rows, torch.tensor(Y))
    want = MahalanobisDetector().fit(X, Y).score_samples(X)
    assert np.allclose(model.score_samples(rows), want, rtol=0.1, atol=0.1)


def test_a_batch_without_rows_has_no_answers():
    """A stream may hold an empty batch: it is no error when scoring, and none to learn a class from."""
    model = MahalanobisDetector().fit(X, Y).calibrate(X, target_tpr=0.9)
    assert (
        model.predict(X[:0]).shape == model.score_samples(X[:0]).shape == model.decision_function(X[:0]).shape == (0,)
    )
    with pytest.raises(InputError, match="has no row"):
        model.add_class(X[:0], 3)
