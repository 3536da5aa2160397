"""Multi-label audits: hidden labels come up, unjudged cells never do, neighbours that know nothing cost nothing."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import average_precision_score

from trueneg.core.neighbors import top_k
from trueneg.data.readers import read_frame
from trueneg.data.sniff import roles as sniff_roles
from trueneg.jobs.audit.multilabel import audit_multilabel, cell_probability, out_of_fold_cells, score_cells

CLASSES = 4


def _hide(truth, share, seed):
    rng = np.random.default_rng(seed)
    row, column = np.nonzero(truth == 1)
    gone = rng.choice(len(row), int(share * len(row)), replace=False)
    given = truth.copy()
    given[row[gone], column[gone]] = 0
    return given


def _audit(x, codes, **options):
    columns = {"id": [f"r{i}" for i in range(len(x))]}
    columns |= {f"x{j}": x[:, j] for j in range(x.shape[1])}
    columns |= {f"y_{c}": [None if v < 0 else int(v) for v in codes[:, c]] for c in range(codes.shape[1])}
    table = read_frame(pa.table(columns))
    return audit_multilabel(table, sniff_roles(table, label="y_*", id="id"), **options)


@pytest.fixture(scope="module")
def synthetic():
    """600 rows in which each label follows one direction; a fifth of the labels hidden, 100 cells unjudged."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 8)).astype(np.float32)
    truth = (x[:, :CLASSES] + 0.2 * rng.normal(size=(600, CLASSES)) > 0.8).astype(np.int8)
    given = _hide(truth, 0.2, 0)
    unjudged = rng.choice(truth.size, 100, replace=False)
    given.ravel()[unjudged] = -1
    # Two equal rows that contradict each other, and two of which one is unjudged and so contradicts nothing.
    x[1], x[3] = x[0], x[2]
    given[0], given[1] = [1, 0, 0, 0], [0, 0, 0, 0]
    given[2], given[3] = [1, 0, 0, 0], [-1, 0, 0, 0]
    findings, suspects, words = _audit(x, given, seed=0)
    return truth, given, {f.code: f for f in findings}, suspects, words


def test_hidden_labels_come_first(synthetic):
    """Labels that were hidden must stand on top of the suspects, or the audit is worth nothing."""
    truth, given, found, suspects, _ = synthetic
    frame = suspects.to_pandas().query("finding == 'TN201'")
    column = frame["label"].astype(int).to_numpy()
    row = frame["row"].to_numpy()
    hits = truth[row, column] == 1
    assert hits[:50].mean() > 0.85
    assert (given[row, column] == 0).all()
    hidden = int(((truth == 1) & (given == 0)).sum())
    assert hidden / 2 <= found["TN201"].details["expected number"] <= 2 * hidden
    assert frame["probability"].is_monotonic_decreasing
    assert (frame["id"] == "r" + frame["row"].astype(str)).all()


def test_all_findings_are_there_and_serialise(synthetic):
    """Each of the promised findings must come out in the form of the report."""
    import json

    _, given, found, suspects, words = synthetic
    assert set(found) == {"TN101", "TN102", "TN103", "TN201", "TN202", "TN204"}
    json.dumps([f.to_dict() for f in found.values()])
    assert [c["count"] for c in words["classes"]] == (given == 1).sum(axis=0).tolist()
    expected = ["row", "id", "finding", "label", "given", "proposed", "probability", "nearest_row"]
    assert suspects.column_names == expected
    assert found["TN102"].affected == int((given < 0).sum())


def test_equal_rows_clash_only_where_both_are_judged(synthetic):
    """An unjudged label is no contradiction; a label present on one copy and absent on the other is."""
    assert sorted(synthetic[2]["TN103"].rows) == [0, 1]


def test_quick_asks_no_model():
    """Under --quick the counts come out, the suspects are skipped and said to be."""
    rng = np.random.default_rng(1)
    x, codes = rng.normal(size=(60, 3)), rng.integers(0, 2, (60, 3)).astype(np.int8)
    findings, suspects, _ = _audit(x, codes, quick=True)
    status = {f.code: f.status for f in findings}
    assert status["TN201"] == status["TN202"] == status["TN204"] == "skipped"
    assert suspects.num_rows == 0


def test_trusted_rows_and_costs_are_heeded():
    """A trusted row is never a suspect, and the cost of a finding adds up cell by cell."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(300, 4))
    truth = (x[:, :2] > 0.8).astype(np.int8)
    codes = _hide(truth, 0.25, 1)
    trusted = np.arange(300) < 150
    columns = {f"x{j}": x[:, j] for j in range(4)} | {f"y_{c}": codes[:, c] for c in range(2)}
    table = read_frame(pa.table(columns | {"trusted": trusted, "cost": np.full(300, 3.0)}))
    roles = sniff_roles(table, label="y_*", trusted="trusted", features="x*", cost_fn="cost")
    findings, suspects, _ = audit_multilabel(table, roles)
    found = next(f for f in findings if f.code == "TN201")
    assert suspects.num_rows > 0
    assert suspects["row"].to_numpy().min() >= 150
    assert found.cost == pytest.approx(3 * found.details["expected number"], abs=0.2)


def test_what_an_unjudged_cell_holds_changes_nothing():
    """Unjudged cells must not vote, train or count: the probability given for them may be anything."""
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 2, (200, 3)).astype(np.int8)
    codes[:50, 0] = -1
    near = rng.integers(0, 200, (200, 5))
    p = rng.random((200, 3))
    other = p.copy()
    other[:50, 0] = rng.random(50)
    a, wa = score_cells(p, codes, near)
    b, wb = score_cells(other, codes, near)
    assert np.array_equal(wa, wb)
    assert np.array_equal(a[codes >= 0], b[codes >= 0])
    chance, _ = cell_probability(a, codes == 0, codes == 1, codes >= 0)
    assert (chance[codes != 0] == 0).all()


def test_chunks_change_no_score(monkeypatch):
    """The bound on memory must never change a result."""
    rng = np.random.default_rng(3)
    codes, p = rng.integers(-1, 2, (90, 7)).astype(np.int8), rng.random((90, 7))
    near = rng.integers(-1, 90, (90, 4))
    whole, _ = score_cells(p, codes, near)
    monkeypatch.setattr("trueneg.jobs.audit._multilabel.score.CHUNK_CELLS", 40)
    assert np.allclose(whole, score_cells(p, codes, near)[0], atol=1e-6)


def test_lift_is_that_of_a_plain_loop():
    """The neighbours' evidence must be the smoothed odds over the expected odds, cell by cell."""
    from trueneg.jobs.audit._multilabel.score import _evidence

    rng = np.random.default_rng(4)
    codes, near = rng.integers(-1, 2, (30, 3)).astype(np.int8), rng.integers(-1, 30, (30, 6))
    share = np.array([0.2, 0.5, 0.7])
    row, column = np.divmod(np.arange(90), 3)
    fast = _evidence(rng.random((30, 3)), codes, near, share, row, column)[:, 1].reshape(30, 3)
    for i in range(30):
        for c in range(3):
            votes = [codes[j, c] for j in near[i] if j >= 0 and codes[j, c] >= 0]
            k, ones = len(votes), sum(votes)
            up = np.log((ones + 0.5) / (k * share[c] + 0.5))
            assert fast[i, c] == pytest.approx(up - np.log((k - ones + 0.5) / (k * (1 - share[c]) + 0.5)))


def test_equal_rows_share_a_fold():
    """A model that saw the copy of a row must not judge it: memorised random labels would look believable."""
    rng = np.random.default_rng(5)
    x = np.repeat(rng.normal(size=(60, 80)), 2, axis=0).astype(np.float32)
    codes = np.repeat(rng.integers(0, 2, (60, 2)), 2, axis=0).astype(np.int8)
    p = out_of_fold_cells(x, codes, np.repeat(np.arange(60), 2))
    apart = p[codes == 1].mean() - p[codes == 0].mean()
    assert apart < 0.25


def test_class_without_any_label_is_survived():
    """A class with no positive row, or no negative one, must break nothing and be named as too rare."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=(80, 3))
    codes = np.column_stack([x[:, 0] > 0, np.zeros(80), np.ones(80)]).astype(np.int8)
    findings, _, _ = _audit(x, codes)
    assert next(f for f in findings if f.code == "TN101").status == "finding"
    assert not any(f.status == "error" for f in findings)


def test_scene_with_a_fifth_hidden():
    """On real images the score must beat the base rate far, not fall below the model, and bear bad neighbours."""
    path = Path(os.environ.get("TRUENEG_DATA", "")) / "mulan" / "scene-train.arff"
    if "TRUENEG_DATA" not in os.environ or not path.exists():
        pytest.skip("TRUENEG_DATA/mulan/scene-train.arff is not there")
    from scipy.io import arff

    data, _ = arff.loadarff(path)
    matrix = np.column_stack([data[name].astype(float) for name in data.dtype.names])
    x, truth = matrix[:, :-6].astype(np.float32), matrix[:, -6:].astype(np.int8)
    x = ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)
    given, own = _hide(truth, 0.2, 0), np.arange(len(x))
    p = out_of_fold_cells(x, given, own)
    near = top_k(x, x, 10, exclude=own)[1]
    absent = given == 0
    hidden = truth[absent]

    def precision(score):
        return average_precision_score(hidden, score[absent])

    alone, ours = precision(p), precision(score_cells(p, given, near)[0])
    without = precision(score_cells(p, given, None)[0])
    shuffled = precision(score_cells(p, given, np.random.default_rng(0).permutation(near))[0])
    assert ours > alone - 0.02
    assert ours > 8 * hidden.mean()
    assert shuffled > without - 0.02
