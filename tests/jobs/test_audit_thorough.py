"""``--thorough``: what it does more, what it gains, and that it says both."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest

import trueneg
from trueneg.jobs.audit import prepare, thorough
from trueneg.jobs.audit import run as audit_run
from trueneg.jobs.audit.context import Context
from trueneg.jobs.audit.represent import Representation


def _data(n=600, seed=0):
    """A boundary that a line follows in two columns and a box in two others: neither model has it all."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    score = 1.5 * (x[:, 0] + x[:, 1]) + 2.0 * ((np.abs(x[:, 2]) < 0.7) & (np.abs(x[:, 3]) < 0.7))
    truth = (score + rng.logistic(size=n) > 1.0).astype(int)
    return x, truth


def _represented(x):
    return Representation(x, x, x, np.arange(len(x)), "four columns")


def _loss(p, y):
    return float(-np.log(np.maximum(p[np.arange(len(y)), y].astype(float), 1e-6)).mean())


def test_the_blend_is_no_worse_than_either_model_and_the_gain_is_the_one_told():
    """The weight is chosen among 21 that hold both ends; what the report says it gained must be what was measured."""
    x, y = _data()
    quiet = {"groups": None, "random_state": 0, "progress": lambda _: None}
    proba, model, told = thorough.thorough_out_of_fold(_represented(x), y, 2, **quiet)
    numbers = [float(v) for v in re.findall(r"(\d\.\d{4})", told)]
    linear, boosting, blend, once = numbers
    assert blend == pytest.approx(_loss(proba, y), abs=1e-4)
    assert blend <= min(linear, boosting) + 1e-9
    assert float(re.search(r"gained (-?[\d.]+) %", told)[1]) == pytest.approx(100 * (1 - blend / once), abs=0.06)
    assert model.endswith("3 rounds of 5 folds")
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-5)


def test_no_round_sees_the_row_it_judges():
    """Labels drawn by a coin cannot be predicted: a leak between rounds would show as a loss below that of the coin."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 3)).astype(np.float32)
    x[200:] = x[:200]  # every row has a twin of the same coin, which must be in the same fold
    y = np.tile(rng.integers(0, 2, 200), 2)
    data = Representation(x, x, x, np.tile(np.arange(200), 2), "twins")
    proba, _, _ = thorough.thorough_out_of_fold(data, y, 2, groups=None, random_state=0, progress=lambda _: None)
    assert _loss(proba, y) > 0.66


def test_rows_without_a_label_get_probabilities_and_train_nothing():
    """Flipping what stands at an unjudged row may change no probability of any other row."""
    x, y = _data(300)
    y = y.copy()
    y[:30] = -1
    proba, _, _ = thorough.thorough_out_of_fold(_represented(x), y, 2, groups=None, random_state=0, progress=str)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-5)
    assert proba[:30].min() > 0


def test_the_report_tells_what_it_did_and_every_row_has_neighbours(monkeypatch, tmp_path):
    """Deeper means something: all rows asked above the usual limit, more resamples, and the words for it."""
    x, y = _data(500)
    given = y.copy()
    given[np.flatnonzero(y)[:25]] = 0
    table = pa.table({f"x{j}": x[:, j] for j in range(4)} | {"y": given})
    monkeypatch.setattr(Context, "MAX_NEIGHBOR_QUERIES", 100)
    options = {"label": "y", "positive": "1", "cache": tmp_path / "kept"}
    usual, deep = trueneg.audit(table, **options), trueneg.audit(table, thorough=True, **options)
    assert (usual.neighbors[:, 0] < 0).any()
    assert (deep.neighbors[:, 0] >= 0).all()
    saw = " ".join(deep.report["input"]["saw"])
    assert "--thorough fitted 3 rounds of 5 folds" in saw
    assert "so it gained" in saw
    assert "neighbours of every row" in saw
    assert deep.report["options"]["thorough"] is True
    assert "thorough" not in usual.report["options"]
    monkeypatch.setattr(prepare, "thorough_out_of_fold", lambda *_, **__: pytest.fail("fitted again"))
    again = trueneg.audit(table, thorough=True, **options)
    assert again.report["findings"] == deep.report["findings"]
    counts = []
    monkeypatch.setattr(audit_run, "_table", lambda table, context, *_, **__: counts.append(context.n_boot(200)))
    for depth in (False, True):
        with pytest.raises(AttributeError):
            trueneg.audit(table, thorough=depth, **options)
    assert counts == [200, 1000]


def test_one_kind_of_model_is_enough(monkeypatch):
    """With very many columns and classes boosting is left out; the rest must still say what it did."""
    x, y = _data(300)
    data = Representation(None, x, x, np.arange(len(x)), "linear only")
    _, model, told = thorough.thorough_out_of_fold(data, y, 2, groups=None, random_state=0, progress=lambda _: None)
    assert model == "1.00 logistic regression, 3 rounds of 5 folds"
    assert "blend" not in told


def test_several_labels_average_three_rounds_and_say_what_it_gave():
    """Deeper must be deeper for cells as well, and the loss it reports must be that of the averaged rounds."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4))
    labels = (x[:, :2] + 0.7 * rng.normal(size=(300, 2)) > 0.5).astype(int)
    table = pa.table({f"x{j}": x[:, j] for j in range(4)} | {f"tag_{j}": labels[:, j] for j in range(2)})
    usual, deep = (trueneg.audit(table, label="tag_*", thorough=depth) for depth in (False, True))
    saw = " ".join(deep.report["input"]["saw"])
    after, once = re.search(r"averaged 3 rounds of folds: .* cell (\d\.\d+), against (\d\.\d+) by one", saw).groups()
    assert abs(float(after) - float(once)) < 0.05
    assert "averaged" not in " ".join(usual.report["input"]["saw"])
    one, three = (a.rankings["TN201"].probability for a in (usual, deep))
    assert not np.array_equal(one, three)
    assert np.corrcoef(one, three)[0, 1] > 0.95
