"""The main job on real data with known errors, and on bad input."""

import json
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import trueneg
from trueneg.core.errors import InputError
from trueneg.jobs.demo import run_demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """One audit of the digits with a quarter of the nines hidden."""
    return run_demo(tmp_path_factory.mktemp("demo"))


def test_demo_finds_most_planted_errors(demo):
    """The main job must put most planted false negatives on top, or it is worth nothing."""
    result, _, _ = demo
    found = next(f for f in result.findings if f.code == "TN201")
    truth = _nines()
    top = np.asarray(found.rows[:45])
    assert truth[top].mean() >= 0.8
    assert 20 <= found.details["expected number"] <= 90


def _nines() -> np.ndarray:
    from sklearn.datasets import load_digits

    return load_digits().target == 9


def test_folder_holds_what_it_promises(demo):
    """The folder is the contract of the other commands."""
    _, folder, _ = demo
    assert {p.name for p in folder.iterdir()} >= {"audit.json", "report.html", "suspects.parquet", "suspects.csv"}
    report = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
    from trueneg.report.schema import validate

    validate(report)
    suspects = pq.read_table(folder / "suspects.parquet")
    assert suspects.num_rows == report["suspects"]["total"]


def test_suspect_probabilities_are_not_negative_class_only(demo):
    """False negatives and false positives are told apart, each with its own given label."""
    result, _, _ = demo
    frame = result.suspects_arrow.to_pylist()
    given = {row["finding"]: row["given"] for row in frame}
    assert given["TN201"] == "other"
    assert given.get("TN202", "nine") == "nine"


def test_frames_come_back_as_they_came():
    """A pandas user gets pandas, a polars user polars."""
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    columns = {"x": x, "z": rng.normal(size=200), "label": np.where(x > 0, "yes", "no")}
    for kind in (pd, pl):
        out = trueneg.audit(kind.DataFrame(columns), label="label", positive="yes")
        assert isinstance(out.suspects, kind.DataFrame)
        assert not out.crashed, [f.message for f in out.findings if f.status == "error"]


def test_rows_are_counted_from_nought_and_the_page_says_so():
    """A suspect must be found again: ``row`` is a position, whatever the index of the frame is."""
    pandas = pytest.importorskip("pandas")
    x = np.random.default_rng(0).normal(size=(200, 3))
    frame = pandas.DataFrame(x, columns=list("abc"), index=np.arange(200) + 5000)
    frame["y"] = np.where(x[:, 0] > 0.5, "yes", "no")
    planted = int(np.flatnonzero(x[:, 0] > 1.5)[0])
    frame.iloc[planted, 3] = "no"
    audit = trueneg.audit(frame, label="y", positive="yes")
    assert planted in audit.suspects["row"].tolist()
    assert frame.iloc[planted]["y"] == "no"
    assert "Rows are counted from 0." in audit._repr_html_()


def test_same_seed_same_report():
    """An audit is reproducible: only the time stamp may differ."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(150, 3))
    table = pa.table({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": (x[:, 0] + rng.normal(size=150) > 1).astype(int)})
    one, two = (trueneg.audit(table, label="y", positive="1").report for _ in range(2))
    one.pop("generated"), two.pop("generated")
    assert one == two


def test_unlabelled_rows_are_never_negative():
    """A null label is unjudged: it is no suspect and no negative."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=120)
    y = [None if i % 4 == 0 else int(v > 0) for i, v in enumerate(x)]
    out = trueneg.audit(pa.table({"x": x, "y": y}), label="y", positive="1")
    assert not any(row["row"] % 4 == 0 for row in out.suspects_arrow.to_pylist())
    assert sum(c["count"] for c in out.report["input"]["classes"]) == 90


def test_conflicting_duplicates_and_leak_are_found():
    """Equal rows with different labels, and a column that is the label, are findings."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=60)
    x[1] = x[0]
    y = (x > 0).astype(int)
    leak = y.astype(float)
    y2, leak2 = y.copy(), leak.copy()
    y2[1] = 1 - y2[0]
    leak2[1] = leak2[0]
    out = trueneg.audit(pa.table({"x": x, "y": y2}), label="y", positive="1", quick=True)
    clash = next(f for f in out.findings if f.code == "TN103")
    assert clash.status == "finding"
    assert sorted(clash.rows) == [0, 1]
    leaking = trueneg.audit(
        pa.table({"x": rng.normal(size=60), "code": leak, "y": y}), label="y", positive="1", quick=True
    )
    found = next(f for f in leaking.findings if f.code == "TN104")
    assert found.status == "finding"
    assert list(found.details["auroc"]) == ["code"]


def test_costs_turn_the_threshold_into_a_finding():
    """With costs, the threshold is chosen by cost and its saving carries an interval."""
    rng = np.random.default_rng(4)
    y = rng.random(2000) < 0.05
    x = rng.normal(size=2000) + 1.5 * y
    table = pa.table({"x": x, "y": y.astype(int)})
    out = trueneg.audit(table, label="y", positive="1", cost_fn=50.0, cost_fp=1.0, select=["TN302"])
    found = next(f for f in out.findings if f.code == "TN302")
    assert found.status == "finding"
    assert found.estimate.low > 0
    free = trueneg.audit(table, label="y", positive="1", select=["TN302"])
    assert "no threshold is best" in next(f for f in free.findings if f.code == "TN302").message


def test_markup_in_the_data_is_escaped(tmp_path):
    """Neither a cell nor a column nor a class name may run in the reader's browser."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=80)
    bad = "<script>alert(1)</script>"
    out = trueneg.audit(pa.table({bad: x, "y": np.where(x > 0, bad, "no")}), label="y", positive=bad)
    page = (out.save(tmp_path / "o") / "report.html").read_text(encoding="utf-8")
    assert bad not in page


@pytest.mark.parametrize(
    ("columns", "options", "says"),
    [
        ({"x": [1.0, 2.0], "y": ["a", "a"]}, {"label": "y"}, "y"),
        ({"x": [1.0, 2.0], "y": ["a", "b"]}, {"label": "z"}, "z"),
        ({"x": [1.0, 2.0], "y": ["a", "b"]}, {"label": "y", "positive": "c"}, "c"),
        ({"x": [1.0, 2.0], "y": ["a", "b"]}, {}, "say label='y'"),
        ({"y": ["a", "b", "a", "b"]}, {"label": "y"}, "--features"),
        ({"x": [1.0, 2.0, 3.0, 4.0], "y": ["a", "a", "a", "b"]}, {"label": "y"}, "more rows of another class"),
        (
            {"x": [1.0, 2.0, 3.0], "y": ["a", "b", "c"]},
            {"label": "y"},
            "each of the 3 labelled rows has a value of 'y'",
        ),
    ],
)
def test_bad_input_is_one_clear_line(columns, options, says):
    """Bad input is refused with what to do, never with a traceback from the depths."""
    with pytest.raises(InputError) as caught:
        trueneg.audit(pa.table(columns), **options)
    assert says in str(caught.value)


@pytest.mark.parametrize("counts", [(2, 2), (3, 3), (200, 2), (60, 60, 1), (90, 60, 2, 1)])
@pytest.mark.parametrize("thorough", [False, True])
def test_classes_of_a_few_rows_are_audited(counts, thorough):
    """Tiny tables and rare classes are what people have: two rows of two classes are enough for an audit."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(len(counts)), counts)
    x = rng.normal(size=(len(y), 3)) + 3 * y[:, None]
    table = pa.table({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": [f"class {k}" for k in y]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a warning of the depths tells a user nothing
        out = trueneg.audit(table, label="y", thorough=thorough)
    assert {f["status"] for f in out.report["findings"]} <= {"finding", "advice", "passed", "not applicable", "not run"}


def test_a_class_of_one_row_leaves_the_others_their_folds():
    """One odd value of the label must not halve what every model learns from."""
    from trueneg.jobs.audit.folds import grouped_folds, possible_folds

    y = np.repeat([0, 1, 2], [60, 60, 1])
    rows = np.arange(len(y))
    assert possible_folds(y, rows, 5) == 5
    folds = grouped_folds(y, rows, 5, 0)
    assert min(len(train) for train, _ in folds) >= 96
    assert sorted(np.concatenate([test for _, test in folds])) == rows.tolist()
    assert possible_folds(y, rows // 61, 5) == 2  # two groups
    assert possible_folds(np.array([0, 0, 0, 1]), np.arange(4), 5) == 3  # no class has more rows


def test_a_multilabel_table_is_audited_cell_by_cell(tmp_path):
    """One door for both kinds: missing positives of a multi-label table come out as TN201."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=(400, 4))
    labels = (x[:, :3] + 0.1 * rng.normal(size=(400, 3)) > 0.3).astype(int)
    hidden = (labels == 1) & (rng.random(labels.shape) < 0.2)
    given = labels * ~hidden
    columns = {f"x{j}": x[:, j] for j in range(4)} | {f"tag_{j}": given[:, j] for j in range(3)}
    out = trueneg.audit(pa.table(columns), label="tag_*", ignore=["TN204"])
    assert out.report["input"]["kind"] == "multilabel"
    assert next(f for f in out.findings if f.code == "TN204").status == "ignored"
    top = [r for r in out.suspects_arrow.to_pylist() if r["finding"] == "TN201"][:20]
    right = [hidden[r["row"], int(r["label"][-1])] for r in top]
    assert np.mean(right) >= 0.8
    out.save(tmp_path / "o")


def test_rows_on_both_sides_of_a_split_are_found():
    """A row that is in train and in test makes every figure too good; a group as well."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=80)
    x[41] = x[0]
    y = (x > 0).astype(int)
    table = pa.table({"x": x, "y": y, "part": ["train"] * 40 + ["test"] * 40})
    out = trueneg.audit(table, label="y", positive="1", split="part", quick=True)
    found = next(f for f in out.findings if f.code == "TN105")
    assert found.status == "finding"
    assert sorted(found.rows) == [0, 41]
    grouped = table.append_column("who", pa.array([f"g{i % 37}" for i in range(80)]))
    out = trueneg.audit(grouped, label="y", positive="1", split="part", group="who", quick=True)
    assert next(f for f in out.findings if f.code == "TN105").affected > 40


def test_hard_negatives_are_told_apart_from_false_ones():
    """True negatives near the border are hard; hidden positives in the middle of positives are false."""
    rng = np.random.default_rng(8)
    truth = rng.random(3000) < 0.2
    x = rng.normal(size=(3000, 2)) + 2.0 * truth[:, None]
    hidden = truth & (rng.random(3000) < 0.2)
    table = pa.table({"a": x[:, 0], "b": x[:, 1], "y": (truth & ~hidden).astype(int)})
    out = trueneg.audit(table, label="y", positive="1")
    hard = next(f for f in out.findings if f.code == "TN205")
    false = next(f for f in out.findings if f.code == "TN201")
    assert hard.status == "advice"
    assert hidden[hard.rows].mean() < hidden[false.rows[: len(hard.rows)]].mean()


def test_every_suspect_says_why(demo):
    """A suspect without its evidence cannot be judged; the words match the labels of the neighbours."""
    result, _, _ = demo
    first = next(r for r in result.suspects_arrow.to_pylist() if r["finding"] == "TN201")
    votes = int(first["reason"].split("; ")[1].split(" of ")[0])
    assert first["reason"].startswith("model: nine")
    assert votes >= 5


def test_trusted_rows_are_no_suspects():
    """A verified label is not put before a person again, and does not count among the expected errors."""
    rng = np.random.default_rng(9)
    x = rng.normal(size=400)
    y = (x > 1).astype(int)
    y[np.flatnonzero(y)[:15]] = 0
    trusted = np.arange(400) % 2 == 0
    table = pa.table({"x": x, "z": rng.normal(size=400), "y": y, "ok": trusted})
    out = trueneg.audit(table, label="y", positive="1", trusted="ok")
    listed = [r["row"] for r in out.suspects_arrow.to_pylist() if r["finding"] == "TN201" and r["probability"] > 0]
    assert listed
    assert not trusted[listed].any()


def test_a_large_table_asks_few_rows_and_ranks_as_well(monkeypatch):
    """Above the limit of queries neighbours still help, and the weights are not bent by asking the suspects."""
    from sklearn.metrics import average_precision_score

    from trueneg.jobs.audit.context import Context

    rng = np.random.default_rng(10)
    centre = rng.normal(size=(12, 6)) * 3
    group = rng.integers(0, 12, 6000)
    x = centre[group] + rng.normal(size=(6000, 6))
    truth = group < 2
    hidden = truth & (rng.random(6000) < 0.25)
    table = pa.table({f"x{j}": x[:, j] for j in range(6)} | {"y": (truth & ~hidden).astype(int)})
    options = {"label": "y", "positive": "1", "select": ["TN201"], "quick": False}

    def quality(limit):
        monkeypatch.setattr(Context, "MAX_NEIGHBOR_QUERIES", limit)
        out = trueneg.audit(table, **options)
        (found,) = [f for f in out.findings if f.code == "TN201"]
        score = np.zeros(6000)
        score[found.rows] = np.linspace(1, 0.1, len(found.rows))
        return average_precision_score(hidden, score), found.details["expected number"], out.report["input"]["saw"]

    whole, about, _ = quality(10_000)
    part, about_part, saw = quality(2_000)
    assert any("of 6,000 rows" in line for line in saw)
    assert part >= whole - 0.03
    assert about_part == pytest.approx(about, rel=0.35)


def test_a_spreadsheet_runs_no_cell_of_the_suspects(tmp_path):
    """A class or an id that is a formula gets an apostrophe in the CSV; the Parquet file stays as the data are."""
    import csv

    import pyarrow as pa

    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    given = np.where(np.arange(300) < 12, 1 - y, y)
    columns = {"x": y + rng.normal(0, 0.1, 300), "label": np.array(["=cmd()", "+ok"])[given]}
    table = pa.table({**columns, "id": [f"=id({i})" for i in range(300)]})
    folder = trueneg.audit(table, label="label", id="id").save(tmp_path / "out")
    exact = pq.read_table(folder / "suspects.parquet")
    with (folder / "suspects.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == exact.num_rows > 5
    assert {line["given"] for line in lines} <= {"'=cmd()", "'+ok"}
    assert set(exact["given"].to_pylist()) <= {"=cmd()", "+ok"}
    assert not any(cell.startswith(("=", "+", "@")) for line in lines for cell in line.values())
