"""Alarms within a budget as a remedy, and what the tables say of all remedies at a budget."""

from __future__ import annotations

import numpy as np
import pytest

import trueneg
from trueneg.jobs.compare.rejecting import _columns

OPTIONS = {"label": "label", "positive": "yes", "metric": "accuracy", "folds": 3, "repeats": 1}


@pytest.fixture(scope="module")
def found(make):
    """Compare on a table with enough negative rows."""
    return trueneg.compare(make(3600, rate=0.15, shift=2.0), remedies=["intrusion"], **OPTIONS)


def test_alarms_keep_to_the_budget(found):
    """Protects the promise: of the negative rows of the test folds about 1 % raise an alarm, no more beyond chance."""
    row = found["intrusion"]
    assert row.status == "done"
    alarms = 1 - row.value["specificity"].value
    assert 0 < alarms < 0.02
    assert row.value["recall"].value > 0.2
    assert "1 % of the negative rows, set on" in row.note


def test_at_a_budget_a_remedy_is_beside_nothing_with_its_interval(found):
    """Protects the table: recall at 1 % false positives and false positives at equal recall, each with a difference."""
    assert "budget" in found["nothing"].matched
    for name in ("intrusion", "class-weights"):
        row, plain = found[name], found["nothing"]
        for what in ("fpr", "budget"):
            change = row.matched_difference[what].estimate
            assert change.value == pytest.approx(row.matched[what].value - plain.matched[what].value)
            assert change.low <= change.value <= change.high
    assert found["tuned-threshold"].matched_difference["fpr"].estimate.value == pytest.approx(0)
    table = next(t for t in found.report["tables"] if t["id"] == "matched")
    assert "recall at 1 % false positives" in table["columns"]
    assert len(set(table["columns"])) == len(table["columns"])
    assert all(len(line) == len(table["columns"]) for line in table["rows"])


def test_too_few_rows_for_a_budget_are_told(make):
    """Protects the promise: where 1 % cannot be kept the remedy is not run, with the number of rows that it needs."""
    row = trueneg.compare(make(400), remedies=["intrusion"], **OPTIONS)["intrusion"]
    assert row.status == "not run"
    assert "about 2,492 negative rows" in row.reason


@pytest.mark.parametrize("positive", [0, 1])
def test_probabilities_keep_the_order_of_the_score(positive):
    """Protects the threshold: what is less familiar is never less probable, whichever class is positive."""
    score = np.sort(np.random.default_rng(0).normal(-5, 4, 200))
    proba = _columns(score, 1.3, -4.0, positive)
    assert np.all(np.diff(proba[:, positive]) < 0)
    np.testing.assert_allclose(proba.sum(axis=1), 1)


def test_rare_classes_come_as_prototypes_of_few_rows():
    """Protects TEEN as a remedy: classes of at most 20 training rows are new ones, beside the frequent classes."""
    rng = np.random.default_rng(0)
    sizes = {"a": 120, "b": 120, "c": 120, "d": 12}
    where = rng.normal(size=(4, 6)) * 4
    y = np.repeat(list(sizes), list(sizes.values()))
    x = np.repeat(where, list(sizes.values()), axis=0) + rng.normal(size=(len(y), 6))
    frame = {**{f"x{j}": x[:, j] for j in range(6)}, "label": y.tolist()}
    out = trueneg.compare(frame, label="label", remedies=["teen"], folds=3, repeats=1)
    assert out["teen"].note == "1 class of at most 20 rows as a new one"
    assert out["teen"].value["macro_f1"].value > 0.8
