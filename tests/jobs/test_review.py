"""Drawing a review from an audit's folder, and drawing on without losing what was answered."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import trueneg
from trueneg.core.errors import InputError
from trueneg.core.survey import expected_width, n_for_width, plan
from trueneg.data.writers import write_table
from trueneg.jobs.audit.folder import AuditFolder
from trueneg.jobs.review.answers import load
from trueneg.jobs.review.record import load_record
from trueneg.jobs.review.sheet import read_lines, write_lines

WORDS = {1: "accept", 0: "reject"}


def _table(n=400, seed=0):
    """Make a rare-positive table of numbers, a tenth of whose positives is hidden."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.arange(n) % 4 == 0)
    x = rng.normal(size=(n, 3)) + 2 * truth[:, None]
    given = truth.copy()
    given[np.flatnonzero(truth)[:10]] = False
    return pa.table({**{f"x{j}": x[:, j] for j in range(3)}, "y": np.where(given, "yes", "no").tolist()}), truth


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Audit once."""
    folder = tmp_path_factory.mktemp("audit")
    table, truth = _table()
    path = write_table(table, folder / "data.csv")
    trueneg.audit(path, label="y", positive="yes").save(folder / "data.trueneg")
    return folder, truth


@pytest.fixture
def fresh(saved, tmp_path):
    """Give a copy of the audit without a review."""
    shutil.copytree(saved[0], tmp_path / "here")
    return tmp_path / "here" / "data.trueneg"


def _answer(out, truth, upto=None):
    """Answer the open lines of review.csv from the truth."""
    lines = read_lines(out / "review.csv")
    done = [replace(o, answer=int(truth[int(o.row)])) if i < (upto or len(lines)) else o for i, o in enumerate(lines)]
    write_lines(done, out / "review.csv")


def _load(out, reviewed=None):
    folder = AuditFolder.open(out)
    table = folder.table()
    return load(folder, table, folder.keys(table, folder.roles(table)), reviewed)


def test_what_is_drawn_is_the_surveys_own_sample(fresh):
    """The figures of a review hold only for the design that the survey knows, drawn from the whole population."""
    done = trueneg.review(fresh, n=50, seed=3)
    ranking = AuditFolder.open(fresh).rankings["TN201"]
    direct = plan(ranking.probability, n=50, random_state=np.random.default_rng([3, 0]))
    np.testing.assert_array_equal(done.drawn.sample.rows, direct.rows)
    np.testing.assert_allclose(done.drawn.sample.inclusion, direct.inclusion)
    np.testing.assert_array_equal(done.drawn.rows, ranking.row[direct.rows])
    assert [int(line.row) for line in read_lines(fresh / "review.csv")] == done.drawn.rows.tolist()
    assert done.forecast.at == expected_width(ranking.probability, 50)
    assert done.forecast.needed == n_for_width(ranking.probability, done.forecast.at.share / 2)


def test_a_wished_width_sets_the_number(fresh):
    """Who asks for a width gets the rows that it needs, and no more in a second call."""
    done = trueneg.review(fresh, width=0.05)
    needed = n_for_width(done.drawn.ranking.probability, 0.05)
    assert len(done.drawn.sample.rows) == needed == done.forecast.needed
    again = trueneg.review(fresh, width=0.05)
    assert again.new == 0
    assert "those drawn already suffice" in again.notes[-1]


def test_a_further_round_keeps_the_answers(fresh, saved):
    """A second round must be drawn from the rows left, by the first probabilities, and lose no answer."""
    _, truth = saved
    first = trueneg.review(fresh, n=30)
    _answer(fresh, truth)
    lines = read_lines(fresh / "review.csv")
    write_lines([replace(lines[0], note="=odd", reviewer="Ann"), *lines[1:]], fresh / "review.csv")
    second = trueneg.review(fresh, n=20)
    assert (second.new, second.answered) == (20, 30)
    np.testing.assert_array_equal(second.drawn.sample.rows[:30], first.drawn.sample.rows)
    assert len(set(second.drawn.sample.rows.tolist())) == 50
    assert second.drawn.sample.round.tolist() == [0] * 30 + [1] * 20
    one = _load(fresh).findings["TN201"]
    assert one.judged == 30
    np.testing.assert_array_equal(one.answers[:30], truth[first.drawn.rows].astype(int))
    assert one.remarks[0] == "=odd"
    direct = plan(
        first.drawn.ranking.probability, n=20, random_state=np.random.default_rng([0, 1]), earlier=first.drawn.sample
    )
    np.testing.assert_array_equal(second.drawn.sample.rows, direct.rows)


def test_probabilities_of_the_first_round_are_kept(fresh, saved):
    """An audit made anew may rank otherwise; the sample and its figures must stay those of the time of drawing."""
    _, truth = saved
    first = trueneg.review(fresh, n=30)
    _answer(fresh, truth)
    before = _load(fresh).findings["TN201"].result().total
    trueneg.audit(fresh.parent / "data.csv", label="y", positive="yes", seed=7, select=["TN201"]).save(fresh)
    assert (AuditFolder.open(fresh).rankings["TN201"].probability != first.drawn.ranking.probability).any()
    assert _load(fresh).findings["TN201"].result().total == before
    second = trueneg.review(fresh, n=30)
    np.testing.assert_array_equal(second.drawn.ranking.probability, first.drawn.ranking.probability)


def test_without_a_number_an_open_round_is_finished_first(fresh, saved):
    """Calling again to see the state must not add rows that nobody asked for."""
    assert trueneg.review(fresh).new == 60
    again = trueneg.review(fresh)
    assert again.new == 0
    assert "60 rows drawn earlier are open" in again.notes[-1]
    _answer(fresh, saved[1], upto=20)
    assert trueneg.review(fresh).answered == 20
    _answer(fresh, saved[1])
    assert trueneg.review(fresh).new == 60


def test_several_findings_share_a_folder(fresh, saved):
    """A review of the other direction of error must not disturb the first one's answers."""
    trueneg.review(fresh, n=20)
    _answer(fresh, saved[1])
    done = trueneg.review(fresh, n=10, finding="tn202")
    assert done.drawn.code == "TN202"
    answers = _load(fresh)
    assert [one.judged for one in answers.findings.values()] == [20, 0]
    assert trueneg.review(fresh).drawn.code == "TN202"  # the one under review
    page = (fresh / "review.html").read_text(encoding="utf-8")
    assert page.count('"finding":"TN201"') == 20
    assert page.count('"finding":"TN202"') == 10


def test_a_review_of_other_data_is_kept_aside(fresh, saved):
    """A table that has changed needs a new sample, and the old answers must not be overwritten."""
    trueneg.review(fresh, n=20)
    _answer(fresh, saved[1])
    old = (fresh / "review.csv").read_bytes()
    write_table(_table(seed=1)[0], fresh.parent / "data.csv")
    trueneg.audit(fresh.parent / "data.csv", label="y", positive="yes").save(fresh)
    done = trueneg.review(fresh, n=20)
    assert done.new == 20
    assert "it is kept as review-" in done.notes[0]
    (kept,) = fresh.glob("review-*.csv")
    assert kept.read_bytes() == old
    assert len(list(fresh.glob(".stages/review-TN201-*.npz"))) == 1
    assert _load(fresh).judged == 0


def test_a_damaged_sheet_stops_before_anything_is_written(fresh):
    """A round that cannot read the answers must not replace them."""
    trueneg.review(fresh, n=20)
    text = (fresh / "review.csv").read_text(encoding="utf-8-sig")
    (fresh / "review.csv").write_text(text.replace("TN201", "TN9", 1), encoding="utf-8")
    before = {p: p.read_bytes() for p in fresh.rglob("*") if p.is_file()}
    with pytest.raises(InputError, match=r"review.csv, line 2"):
        trueneg.review(fresh, n=20)
    assert {p: p.read_bytes() for p in fresh.rglob("*") if p.is_file()} == before


def test_strata_by_class(tmp_path):
    """Small classes are judged too where it is asked for, and a further round keeps their strata."""
    rng = np.random.default_rng(0)
    y = rng.choice(4, 600, p=[0.7, 0.2, 0.06, 0.04])
    x = rng.normal(size=(600, 4)) + 3 * np.eye(4)[y]
    y[rng.random(600) < 0.05] = 0
    frame = pa.table({**{f"x{j}": x[:, j] for j in range(4)}, "y": [f"c{v}" for v in y]})
    audit = trueneg.audit(frame, label="y")
    done = trueneg.review(audit, frame=frame, out=tmp_path / "out", n=48, by_class=True)
    sample = done.drawn.sample
    short = sample.drawn < sample.drawn.max() - 1
    np.testing.assert_array_equal(sample.drawn[short], sample.sizes[short])  # an even share of each, or all of it
    assert {name.split(":")[0] for name in done.drawn.sample.names} == {"c0", "c1", "c2", "c3"}
    more = trueneg.review(tmp_path / "out", frame=frame, n=8)
    assert more.drawn.by_class
    assert len(more.drawn.sample.rows) == 56
    assert "trueneg.audit(frame, label='y', reviewed='" in more.next
    plain = trueneg.review(audit, frame=frame, out=tmp_path / "two", n=48)
    late = trueneg.review(tmp_path / "two", frame=frame, n=8, by_class=True)
    assert not late.drawn.by_class
    assert "stay those of the first round" in late.notes[0]
    assert len(plain.drawn.sample.names) == 3


def test_cells_of_a_multilabel_table(tmp_path):
    """Of a table with several labels a row the cell is reviewed: the population holds every absent label."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4)).astype(np.float32)
    truth = (x[:, :3] > 0.7).astype(int)
    given = np.where(rng.random(truth.shape) < 0.2, 0, truth)
    given[5, 1] = -1
    columns = {f"x{j}": x[:, j] for j in range(4)} | {f"y_{c}": given[:, j] for j, c in enumerate("abc")}
    path = write_table(pa.table(columns), tmp_path / "data.parquet")
    trueneg.audit(path, label="y_*", unlabeled="-1").save(tmp_path / "out")
    ranking = AuditFolder.open(tmp_path / "out").rankings["TN201"]
    row, label = np.nonzero(given == 0)
    assert sorted(zip(ranking.row.tolist(), ranking.candidate.tolist(), strict=True)) == sorted(
        zip(row.tolist(), label.tolist(), strict=True)
    )
    np.testing.assert_array_equal(AuditFolder.open(tmp_path / "out").rankings["TN202"].verdict, 1)
    trueneg.review(tmp_path / "out", n=60, by_class=True)
    lines = read_lines(tmp_path / "out" / "review.csv")
    assert {line.given for line in lines} == {"absent"}
    assert {line.proposed for line in lines} == {"present"}
    at = {name: j for j, name in enumerate(AuditFolder.open(tmp_path / "out").classes)}
    answers = [replace(o, answer=int(truth[int(o.row), at[o.label]])) for o in lines]
    write_lines(answers[::-1], tmp_path / "out" / "review.csv")
    one = _load(tmp_path / "out").findings["TN201"]
    np.testing.assert_array_equal(one.answers, truth[one.rows, one.candidates])
    page = (tmp_path / "out" / "review.html").read_text(encoding="utf-8")
    assert "missing?" in page


def _images(folder, n=80):
    """Write pictures of two colours and a table of their paths; one of them is missing."""
    pillow = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    for i in range(n):
        pixels = rng.integers(0, 60, (40, 60, 3)) + np.array([180, 0, 0] if y[i] else [0, 0, 180])
        pillow.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.png")
    (folder / "7.png").unlink()
    labels = np.where(y == 1, "red", "blue")
    labels[:4] = "blue"
    return write_table(pa.table({"file": [f"{i}.png" for i in range(n)], "y": labels.tolist()}), folder / "data.csv")


def test_pictures_are_in_the_page(tmp_path):
    """A row of an image table is judged by its picture, carried in the page; a missing one says why."""
    path = _images(tmp_path)
    trueneg.audit(path, label="y", image=["file"], positive="red").save(tmp_path / "out")
    done = trueneg.review(tmp_path / "out", n=60)
    block = _block(done.page)
    row = block["rows"][str(done.drawn.rows[0])]
    assert row["image"]["src"].startswith("data:image/")
    seen = [r["image"] for r in block["rows"].values()]
    assert all(image["src"] or "no such file" in image["alt"] for image in seen)


def _block(page: Path):
    return json.loads(page.read_text(encoding="utf-8").split('id="data">')[1].split("</script>")[0])


def test_every_row_drawn_has_its_nearest_rows(tmp_path, monkeypatch):
    """A large audit knows neighbours mostly of its suspects: rows without any would tell the judge which are not."""
    from trueneg.jobs.audit.context import Context

    monkeypatch.setattr(Context, "MAX_NEIGHBOR_QUERIES", 100)
    path = write_table(_table(n=600)[0], tmp_path / "data.csv")
    trueneg.audit(path, label="y", positive="yes").save(tmp_path / "out")
    known = AuditFolder.open(tmp_path / "out").neighbors
    done = trueneg.review(tmp_path / "out", n=60)
    assert (known[done.drawn.rows] < 0).all(axis=1).any()
    near = [[row for row, _ in cell["near"]] for cell in _block(done.page)["cells"]]
    assert {len(rows) for rows in near} == {5}
    monkeypatch.undo()
    whole = trueneg.audit(path, label="y", positive="yes").neighbors
    assert near == whole[done.drawn.rows, :5].tolist()


def test_columns_of_the_model_stay_out_of_the_page(tmp_path):
    """Given probabilities, costs and labels are no values of a row that a judge should see."""
    table, _ = _table()
    p = np.random.default_rng(1).random(len(table))
    table = table.append_column("p_yes", pa.array(p)).append_column("cost", pa.array(1 + p))
    path = write_table(table, tmp_path / "data.csv")
    trueneg.audit(path, label="y", positive="yes", proba=["p_yes"], cost_fn="cost").save(tmp_path / "out")
    done = trueneg.review(tmp_path / "out", n=20)
    shown = {tuple(name for name, _, _ in row["values"]) for row in _block(done.page)["rows"].values()}
    assert shown == {("x0", "x1", "x2")}


def test_the_next_command_is_exact(fresh, saved, tmp_path):
    """Whoever copies the command must audit the same table, into the same folder, with the same options."""
    done = trueneg.review(fresh, n=20)
    assert done.next == f"trueneg audit {fresh.parent / 'data.csv'} --label y --positive yes"
    path = saved[0] / "data.csv"
    options = {"label": "y", "positive": "yes", "features": ["x0", "x1"], "cost_fn": 2.5, "seed": 4}
    trueneg.audit(path, **options).save(tmp_path / "an other")
    done = trueneg.review(tmp_path / "an other", n=20)
    expected = f"--label y --positive yes --features x0,x1 --cost-fn 2.5 --out '{tmp_path / 'an other'}'"
    assert set(done.next.split(" --")) == set(f"trueneg audit {path} --seed 4 {expected}".split(" --"))


def test_what_cannot_be_reviewed_is_one_line(fresh, tmp_path, saved):
    """Each way of asking in vain names the remedy."""
    with pytest.raises(InputError, match="--finding may be TN201, TN202"):
        trueneg.review(fresh, finding="TN999")
    with pytest.raises(InputError, match="give one"):
        trueneg.review(fresh, n=5, width=0.1)
    with pytest.raises(InputError, match="at least one row"):
        trueneg.review(fresh, n=0)
    with pytest.raises(InputError, match="holds no audit"):
        trueneg.review(tmp_path)
    quick = trueneg.audit(saved[0] / "data.csv", label="y", quick=True)
    with pytest.raises(InputError, match="say where with out="):
        trueneg.review(quick)
    with pytest.raises(InputError, match="asked no model.*without --quick"):
        trueneg.review(quick, out=tmp_path / "quick")
    assert not (fresh / "review.json").exists()


def test_the_whole_population_can_be_judged(fresh, saved):
    """Asked for more rows than there are, all are drawn, and the number of errors is then known."""
    done = trueneg.review(fresh, n=10_000)
    _, truth = saved
    assert len(done.drawn.sample.rows) == done.forecast.population
    _answer(fresh, truth)
    total = _load(fresh).findings["TN201"].result().total
    wrong = truth[done.drawn.rows].sum()
    assert total.low == total.high == total.value == wrong
    assert trueneg.review(fresh, n=5).new == 0


def test_the_record_comes_back(fresh):
    """What was drawn is read back bit by bit, by a program that knows nothing but the folder."""
    done = trueneg.review(fresh, n=25)
    record = load_record(AuditFolder.open(fresh))
    np.testing.assert_array_equal(record.drawn["TN201"].sample.rows, done.drawn.sample.rows)
    np.testing.assert_array_equal(record.drawn["TN201"].sample.member, done.drawn.sample.member)
    assert record.drawn["TN201"].keys.tolist() == done.drawn.keys.tolist()
    assert [(r["n"], r["seed"]) for r in record.drawn["TN201"].rounds] == [(25, 0)]
