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
        make(400), label="label", positive="yes", remedies=["teen", "loki"], metric="accuracy", folds=4, repeats=1
    )
    for name in ("nothing", "teen", "loki"):
        row = out[name]
        assert row.abstaining[1.0].value == pytest.approx(1 - row.value["accuracy"].value)
    plain = out["nothing"].abstaining
    assert plain[0.8].value < plain[1.0].value
    table = next(t for t in out.report["tables"] if t["id"] == "abstaining")
    assert [line[0] for line in table["rows"]][0] == "nothing"
    assert len(set(table["columns"])) == len(table["columns"])
    assert 0 not in out["teen"].abstaining_difference


def test_a_rejecter_answers_as_nothing_and_only_chooses_what_is_answered(make):
    """Protects the comparison at matched coverage: same answers as nothing, other rows left out, and no verdict."""
    out = trueneg.compare(
        make(400), label="label", positive="yes", remedies=["mahalanobis"], metric="accuracy", folds=4, repeats=1
    )
    plain, row = out["nothing"], out["mahalanobis"]
    assert row.abstaining[1.0] == plain.abstaining[1.0]
    assert row.abstaining[0.8] != plain.abstaining[0.8]
    assert row.abstaining_difference[1.0].estimate.value == 0
    found = row.abstaining_difference[0.8].estimate
    assert found.value == pytest.approx(row.abstaining[0.8].value - plain.abstaining[0.8].value)
    assert found.low <= found.value <= found.high
    assert row.verdict == "see abstaining"
    assert not row.value
    tables = {t["id"]: [line[0] for line in t["rows"]] for t in out.report["tables"]}
    assert "Mahalanobis distance" in tables["abstaining"]
    assert not any("Mahalanobis distance" in tables[t] for t in ("verdicts", "probabilities", "matched", "others"))
    raw = next(r for r in out.report["remedies"] if r["name"] == "mahalanobis")
    assert raw["abstaining"]["0.9"]["difference"]["low"] <= raw["abstaining"]["0.9"]["difference"]["high"]
    assert any(tip["title"] == "Leaving rows to a person" for tip in out.report["advice"])


def test_a_rejecter_does_not_make_the_other_verdicts_harder(make):
    """Protects the others: what decides nothing is not counted among those judged together."""
    options = {"label": "label", "positive": "yes", "metric": "accuracy", "folds": 4, "repeats": 1}
    alone = trueneg.compare(make(400), remedies=["teen"], **options)
    beside = trueneg.compare(make(400), remedies=["teen", "mahalanobis"], **options)
    assert alone["teen"].p_adjusted == beside["teen"].p_adjusted
    assert alone["teen"].difference["accuracy"] == beside["teen"].difference["accuracy"]


def test_own_certainty_comes_before_the_probability():
    """Protects the order: what a remedy says of its rows decides which are answered, and follows them when taken."""
    proba = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.1, 0.9]])
    found = Predicted.of(proba, proba.argmax(axis=1), np.zeros(4, int), 1, certain=np.array([0.0, 3.0, 1.0, 2.0]))
    assert found.most_certain(0.5).tolist() == [1, 3]
    assert found.take(np.array([2, 0])).most_certain(0.5).tolist() == [0]
