"""Reading a review back: bound to the rows that were drawn and to the data, or refused with the line."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trueneg
from trueneg.core.errors import InputError
from trueneg.core.survey import agreement, estimate
from trueneg.data.spreadsheet import guard, unguard
from trueneg.data.writers import write_table
from trueneg.jobs.audit.folder import AuditFolder
from trueneg.jobs.review.answers import OtherDataError, load
from trueneg.jobs.review.draw import draw, sheet_lines
from trueneg.jobs.review.record import SHEET, load_record, save
from trueneg.jobs.review.sheet import COLUMNS, Line, read_lines, write_lines

ANSWER = {"accept": 1, "reject": 0, "unsure": -1, "": -2}


def _table(n=300, seed=0, ids=None):
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.arange(n) % 4 == 0)
    x = rng.normal(size=(n, 3)) + 2 * truth[:, None]
    given = truth.copy()
    given[np.flatnonzero(truth)[:12]] = False
    columns = {f"x{j}": x[:, j] for j in range(3)}
    labels = np.where(given, "yes", "no").tolist()
    return pa.table({"key": ids or [f"k{i}" for i in range(n)], **columns, "label": labels}), truth


class Drawn:
    """An audited table with a sample of forty rows and its sheet."""

    def __init__(self, folder: Path, ids=None, seed=0):
        table, self.truth = _table(ids=ids, seed=seed)
        path = write_table(table, folder / "data.parquet")
        trueneg.audit(path, label="label", positive="yes", id="key").save(folder / "data.trueneg")
        self.folder = AuditFolder.open(folder / "data.trueneg")
        self.table = self.folder.table()
        roles = self.folder.roles(self.table)
        self.keys = self.folder.keys(self.table, roles)
        self.record = draw(self.folder, None, "TN201", self.keys, n=40)
        save(self.record, self.folder.folder)
        self.lines = sheet_lines(self.record, roles, [])
        write_lines(self.lines, self.sheet)

    @property
    def sheet(self) -> Path:
        return self.folder.folder / SHEET

    def load(self, reviewed=None):
        return load(self.folder, self.table, self.keys, reviewed)

    def answer(self, words, path=None, reviewer=""):
        """Write a sheet with these answers."""
        lines = [replace(o, answer=ANSWER[w], reviewer=reviewer) for o, w in zip(self.lines, words, strict=False)]
        path = path or self.sheet
        write_lines(lines, path)
        return path


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Draw one sample for all tests."""
    return Drawn(tmp_path_factory.mktemp("answers"))


@pytest.fixture
def drawn(shared):
    """Give the sample with its sheet as new."""
    write_lines(shared.lines, shared.sheet)
    return shared


def test_answers_come_back_on_their_rows(drawn):
    """Whatever order a spreadsheet leaves the lines in, each answer must reach the row that was judged."""
    rows = drawn.record.drawn["TN201"].rows
    truth = drawn.truth[rows]
    lines = [
        replace(line, answer=int(t), note=f"n{i}") for i, (line, t) in enumerate(zip(drawn.lines, truth, strict=True))
    ]
    write_lines([lines[i] for i in np.random.default_rng(0).permutation(len(lines))], drawn.sheet)
    one = drawn.load().findings["TN201"]
    np.testing.assert_array_equal(one.rows, rows)
    np.testing.assert_array_equal(one.answers, truth.astype(int))
    assert one.remarks == tuple(f"n{i}" for i in range(len(rows)))
    direct = estimate(one.sample, truth.astype(int), drawn.folder.rankings["TN201"].probability)
    assert one.result().total == direct.total
    assert drawn.load().judged == 40


def test_nothing_drawn_is_none_and_an_open_sheet_is_open(drawn, tmp_path):
    """The next audit must tell "no review" from "a review that nobody has begun"."""
    path = write_table(_table()[0], tmp_path / "data.parquet")
    trueneg.audit(path, label="label", positive="yes", quick=True).save(tmp_path / "out")
    folder = AuditFolder.open(tmp_path / "out")
    assert load(folder, folder.table(), drawn.keys) is None
    with pytest.raises(InputError, match="run 'trueneg review' on it first"):
        load(folder, folder.table(), drawn.keys, drawn.sheet)
    answers = drawn.load()
    assert answers.judged == 0
    assert answers.reviewers == ()
    assert (answers.findings["TN201"].answers == -2).all()
    drawn.sheet.unlink()
    assert drawn.load().judged == 0


def test_two_reviewers_are_joined_and_compared(drawn, tmp_path):
    """Where two disagree the row must count for neither, and their agreement must be that of the survey."""
    a = ["accept", "reject", "accept", "unsure", "", "unsure", ""] + ["reject"] * 20
    b = ["accept", "accept", "unsure", "reject", "accept", "unsure", ""] + ["reject"] * 20
    files = [drawn.answer(a, tmp_path / "ann.csv"), drawn.answer(b, tmp_path / "x.csv", reviewer="Bo")]
    answers = drawn.load(files)
    one = answers.findings["TN201"]
    assert answers.reviewers == ("ann", "Bo")
    assert one.answers[:8].tolist() == [1, -1, 1, 0, 1, -1, -2, 0]
    assert one.notes == ("1 rows that the reviewers judged differently count as unsure",)
    assert one.agreement["ann", "Bo"] == agreement(a[:27] + [""] * 13, b[:27] + [""] * 13)
    both = tmp_path / "both.csv"
    write_lines([line for path in files for line in read_lines(path)], both)
    again = drawn.load(both).findings["TN201"]  # in one file: a blank name is the file's
    np.testing.assert_array_equal(again.answers, one.answers)


def test_a_folder_of_exports_is_read(drawn, tmp_path):
    """Reviewers who send their files in are joined as they lie there, also where two browsers gave one name."""
    for name, word in (("a", "accept"), ("b", "reject")):
        (tmp_path / name).mkdir()
        drawn.answer([word] * 3, tmp_path / name / "review-answers.csv")
    both = [tmp_path / name / "review-answers.csv" for name in "ab"]
    one = drawn.load(both).findings["TN201"]
    assert len(one.by_reviewer) == 2
    assert one.answers[:3].tolist() == [-1, -1, -1]
    drawn.answer(["accept"] * 3, tmp_path / "a" / "review-bo.csv")
    assert drawn.load(tmp_path / "a").reviewers == ("review-answers", "review-bo")
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="there is no .csv in this folder"):
        drawn.load(tmp_path / "none")


def test_three_reviewers_decide_by_majority(drawn, tmp_path):
    """A third judge settles a dispute instead of adding to it."""
    said = (["accept", "reject"], ["accept", "accept"], ["reject", "reject"])
    files = [drawn.answer(words, tmp_path / f"r{i}.csv") for i, words in enumerate(said)]
    one = drawn.load(files).findings["TN201"]
    assert one.answers[:2].tolist() == [1, 0]
    assert len(one.agreement) == 3
    assert one.notes == ("2 rows that the reviewers judged differently count as the majority says",)


def test_the_same_answers_exported_twice_count_once(drawn, tmp_path):
    """A reviewer who exports half way and again at the end gives no row twice."""
    half = drawn.answer(["accept", "reject", ""], tmp_path / "half.csv", reviewer="Ann")
    full = drawn.answer(["accept", "reject", "unsure"], tmp_path / "full.csv", reviewer="Ann")
    for files in ([half, full], [full, half]):
        one = drawn.load(files).findings["TN201"]
        assert one.answers[:3].tolist() == [1, 0, -1]
        assert list(one.by_reviewer) == ["Ann"]
    changed = drawn.answer(["reject"], tmp_path / "changed.csv", reviewer="Ann")
    with pytest.raises(
        InputError, match=r"changed.csv, line 2: reviewer 'Ann' answered .* otherwise in half.csv, line 2"
    ):
        drawn.load([half, changed])


def _edit(drawn, change):
    """Change the sheet as a person would: ``change`` gets and returns its rows, the header first."""
    text = drawn.sheet.read_text(encoding="utf-8-sig")
    rows = change(list(csv.reader(io.StringIO(text))))
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    drawn.sheet.write_text(out.getvalue(), encoding="utf-8", newline="")


def _put(line, column, value):
    def change(rows):
        rows[line - 1][COLUMNS.index(column)] = value
        return rows

    return change


FAULTS = {
    "word": (_put(5, "answer", "yep"), r"review.csv, line 5: the answer 'yep' is none of accept, reject and unsure"),
    "unknown key": (_put(4, "key", "k9999"), r"line 4: no row of the table has the key 'k9999'"),
    "not drawn": (lambda rows: _put(4, "key", _undrawn(rows))(rows), r"line 4: the row 'k\d+' was not drawn for TN201"),
    "finding": (_put(3, "finding", "TN999"), r"line 3: no row was drawn for the finding 'TN999', only for TN201"),
    "twice": (lambda rows: [*rows, rows[2]], r"line 42: the key 'k\d+' is there a second time .*first on line 3"),
    "other data": (_put(7, "data", "blake2b:" + "0" * 32), r"line 7: this answer belongs to other data \(00000000\)"),
    "no data": (_put(7, "data", ""), r"line 7: the column 'data' is empty"),
    "short": (lambda rows: [*rows[:5], rows[5][:4], *rows[6:]], r"line 6: 4 fields where the header has 10"),
    "no column": (lambda rows: [row[:1] + row[2:-1] for row in rows], r"line 1: the column 'data' is missing"),
    "header twice": (lambda rows: [[*row, row[6]] for row in rows], r"line 1: the column 'answer' occurs twice"),
    "headless": (lambda rows: rows[1:], r"holds no answers .its first line must name the columns"),
    "cut": (lambda _: [], r"holds no answers"),
}


def _undrawn(rows):
    """A key of the table that no line has."""
    drawn = {row[0] for row in rows}
    labels = _table()[0]
    return next(k for k, y in zip(labels["key"].to_pylist(), labels["label"].to_pylist(), strict=True)
                if y == "no" and k not in drawn)  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line_with_its_number(drawn, fault):
    """A reviewer must learn which line to mend, and no answer may be guessed."""
    change, message = FAULTS[fault]
    _edit(drawn, change)
    with pytest.raises(InputError, match=message) as caught:
        drawn.load()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x00\x01\x02\xff", "this is not text"),
        (b"", "holds no answers"),
        (b'key,finding,answer,data\n"k1,TN201,accept,x\n', "line 2: it cannot be read .*check the quotes"),
    ],
)
def test_what_is_no_sheet_is_refused(drawn, content, message):
    """A wrong or half-saved file gets one line, not a traceback."""
    drawn.sheet.write_bytes(content)
    with pytest.raises(InputError, match=message):
        drawn.load()
    with pytest.raises(InputError, match="there is no such file"):
        drawn.load(Path("nothere.csv"))


def test_the_line_number_counts_the_lines_of_notes(drawn):
    """A note of several lines must not shift the line that a message names."""
    lines = [replace(drawn.lines[0], note="two\nlines"), *drawn.lines[1:]]
    write_lines(lines, drawn.sheet)
    text = drawn.sheet.read_text(encoding="utf-8-sig")
    where = text.split("\n").index(next(row for row in text.split("\n") if row.startswith(lines[2].key + ",")))
    text = text.replace(f"\n{lines[2].key},", "\nnokey,")
    drawn.sheet.write_text(text, encoding="utf-8", newline="")
    with pytest.raises(InputError, match=rf"line {where + 1}: no row of the table has the key 'nokey'"):
        drawn.load()


def test_another_tables_answers_are_refused(drawn, tmp_path):
    """Answers of another audit, or of this one before its data changed, say nothing about these rows."""
    other = Drawn(tmp_path, seed=1)
    with pytest.raises(OtherDataError, match="line 2: this answer belongs to other data"):
        drawn.load(other.sheet)
    with pytest.raises(OtherDataError, match="was drawn from other data"):
        load(drawn.folder, other.table, drawn.keys)
    with pytest.raises(OtherDataError, match="other keys than in this table"):
        load(drawn.folder, drawn.table, drawn.keys[::-1])
    with pytest.raises(OtherDataError, match=r"--positive yes and the audit now has --label label --positive no"):
        load(drawn.folder, drawn.table, drawn.keys, options={"label": "label", "positive": "no", "seed": 3})


def test_what_spreadsheets_do_is_read(drawn):
    """Semicolons, UTF-16, CP1252, other case, blank lines and lost columns are a spreadsheet's doing, not a fault."""
    words = ["accept", "Reject ", "UNSURE", ""]
    ends = [[o.key, str(o.row), o.finding, w, "blake2b:" + o.data] for o, w in zip(drawn.lines, words, strict=False)]
    rows = [["Data", "KEY", "finding", "answer"], *([e[4], e[0], e[2], e[3]] for e in ends), ["", "", "", ""]]
    for delimiter in ",;\t":
        text = "\r\n".join(delimiter.join(row) for row in rows) + "\r\n\r\n"
        for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
            drawn.sheet.write_bytes(text.encode(encoding))
            assert drawn.load().findings["TN201"].answers[:4].tolist() == [1, 0, -1, -2]


@pytest.mark.parametrize(("make", "spoil"), [
    (lambda i: f"{i:05d}", lambda key: str(int(key))),
    (lambda i: str(9_007_199_254_740_000 + i), lambda key: f"{float(key):.5E}"),
    (lambda i: f"{i}e2", lambda key: str(int(float(key)))),
])  # fmt: skip
def test_keys_of_digits_survive_a_spreadsheet(tmp_path, make, spoil):
    """A spreadsheet turns 00042 into 42 and long ids into 9.00720E+15; the row's number still tells which it was."""
    drawn = Drawn(tmp_path, ids=[make(i) for i in range(300)])
    at = COLUMNS.index("key")
    _edit(drawn, lambda rows: [rows[0], *([*row[:at], spoil(row[at]), *row[at + 1 :]] for row in rows[1:])])
    _edit(drawn, _put(3, "answer", "accept"))
    assert np.flatnonzero(drawn.load().findings["TN201"].answers == 1).tolist() == [1]
    _edit(drawn, _put(3, "row", "299999"))
    with pytest.raises(InputError, match="line 3: no row of the table has the key"):
        drawn.load()


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_a_guarded_text_comes_back(text):
    """No text may be run by a spreadsheet, and none may be changed by being kept from it."""
    assert unguard(guard(text)) == text
    assert guard(text)[:1] not in {"=", "+", "-", "@", "\t", "\r", "\n"} or not text


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20), min_size=5, max_size=5
    )
)
def test_a_sheet_comes_back_whole(tmp_path_factory, texts):
    """Line breaks, quotes, formulas and foreign letters in any cell are the same after writing and reading."""
    key, label, given_, note, reviewer = texts
    line = Line("s.csv", 2, key or "k", "3", "TN201", label, given_, "=1+1", 1, note, reviewer.strip(), "ab")
    path = tmp_path_factory.mktemp("sheet") / "s.csv"
    write_lines([line], path)
    assert read_lines(path) == [line]


@pytest.mark.parametrize("damage", ["json", "sample", "npz", "schema"])
def test_a_damaged_record_is_one_line(drawn, tmp_path, damage):
    """A sample that cannot be rebuilt must not give figures."""
    here = Drawn(tmp_path)
    record, kept = here.folder.folder / "review.json", here.folder.folder / ".stages" / "review-TN201.npz"
    text = record.read_text(encoding="utf-8")
    if damage == "json":
        record.write_text(text[:100], encoding="utf-8")
    elif damage == "schema":
        record.write_text(text.replace("trueneg/review/1", "trueneg/review/9"), encoding="utf-8")
    elif damage == "sample":
        record.write_text(text.replace('"design": "', '"design": "x'), encoding="utf-8")
    else:
        kept.write_bytes(kept.read_bytes()[:50])
    with pytest.raises(InputError, match=r"review.json cannot be used .*move it away to draw a new sample"):
        load_record(here.folder)
