"""Text that people open in a spreadsheet."""

import csv

import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trueneg.data.spreadsheet import guard, guarded, unguard

FORMULAS = ["=cmd|' /C calc'!A0", "+1+1", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'=1", "''=x", "＝1", "＠x"]  # noqa: RUF001


@given(st.text())
@example("'=1")
@example("'")
@example("it's")
def test_every_text_comes_back(text):
    """A key or a label must survive the apostrophe, those with apostrophes of their own among them."""
    assert unguard(guard(text)) == text


@settings(deadline=None)  # the first call imports Arrow
@given(st.lists(st.one_of(st.none(), st.text(), st.sampled_from(FORMULAS)), max_size=20))
def test_the_table_is_guarded_as_its_cells_are(texts):
    """The vectorised form must know every beginning that the plain one knows, missing values left alone."""
    texts = [None if t is None else t.encode("utf-8", "replace").decode() for t in texts]
    table = pa.table({"=head": pa.array(texts, pa.string()), "n": pa.array([-1.5] * len(texts))})
    kept = guarded(table)
    assert kept.column_names == ["'=head", "n"]
    assert kept.column(0).to_pylist() == [None if t is None else guard(t) for t in texts]
    assert kept.column(1).equals(table.column(1))


def test_categories_are_guarded(tmp_path):
    """A class named like a formula stands in every line of the suspects."""
    from trueneg.data.writers import write_table

    column = pa.array(["=cmd()", "b", "=cmd()"]).dictionary_encode()
    write_table(guarded(pa.table({"given": column})), tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        assert [row[0] for row in csv.reader(file)] == ["given", "'=cmd()", "b", "'=cmd()"]
