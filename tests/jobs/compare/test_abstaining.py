"""Abstaining in a comparison: which rows are answered, and the errors among them."""

from __future__ import annotations

import numpy as np
import pytest

import trueneg
from trueneg.jobs.compare.metrics import Predicted


def test_the_most_certain_rows_are_chosen_without_their_labels():
    """Protects honesty: the rows answered follow from the probabilities alone, ties by their order."""
    proba = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.1, 0.9]])
    for y in (np.zeros(4, int), np.array([0, 1, 0, 1])):
        found = Predicted.of(proba, proba.argmax(axis=1), y, 1)
        assert found.most_certain(0.5).tolist() == [0, 3]
        assert found.most_certain(1.0).tolist() == [0, 3, 2, 1]
    three = Predicted.of(np.array([[0.6, 0.3, 0.1], [0.4, 0.3, 0.3]]), np.zeros(2, int), np.array([0, 1]), None)
    assert three.most_certain(0.5).tolist() == [0]


def test_errors_fall_with_the_share_answered(make):
    """Protects the table: fewer rows answered, fewer errors; at 100 % the errors are those of all rows."""
    out = trueneg.compare(
        make(400), label="label", positive="yes", remedies=["teen"], metric="accuracy", folds=4, repeats=1
    )
    for name in ("nothing", "teen"):
        row = out[name]
        assert row.abstaining[1.0].value == pytest.approx(1 - row.value["accuracy"].value)
    plain = out["nothing"].abstaining
    assert plain[0.8].value < plain[1.0].value
    table = next(t for t in out.report["tables"] if t["id"] == "abstaining")
    assert [line[0] for line in table["rows"]][0] == "nothing"
    assert len(set(table["columns"])) == len(table["columns"])
    assert 0 not in out["teen"].abstaining_difference
