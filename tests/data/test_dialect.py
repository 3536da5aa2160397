"""Delimited files as spreadsheets write them: semicolons, tabs and bars in a .csv, fractions with a comma."""

import csv
import io

import pytest

from trueneg.core.errors import InputError
from trueneg.data._streams import read as stream_reading
from trueneg.data.readers import read_table
from trueneg.data.streams import manner_of, open_sink, open_stream, spelt_stream

CALLED = {";": "a semicolon", "\t": "a tab", "|": "a bar"}
ROWS = [
    ["id", "size", "note", "made", "label"],
    *(
        [f"k{i}", f"{i / 8:.3f}", f"a, b; c\td|e {i}" if i % 3 else "", f"2024-01-{i % 28 + 1:02d}", "ja"]
        for i in range(40)
    ),
]


def _written(delimiter, decimal=".", encoding="utf-8", newline="\r\n"):
    text = io.StringIO()
    rows = [[field.replace(".", decimal) if j == 1 else field for j, field in enumerate(row)] for row in ROWS]
    csv.writer(text, delimiter=delimiter, lineterminator=newline).writerows(rows)
    return text.getvalue().encode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(("delimiter", "decimal"), [(";", "."), (";", ","), ("\t", "."), ("\t", ","), ("|", ".")])
def test_another_delimiter_gives_the_same_table(delimiter, decimal, encoding, tmp_path):
    """Values and types are those of the comma, and what was decided is told."""
    (tmp_path / "a.csv").write_bytes(_written(","))
    (tmp_path / "b.csv").write_bytes(_written(delimiter, decimal, encoding))
    plain, other = read_table(tmp_path / "a.csv"), read_table(tmp_path / "b.csv")
    assert other.arrow.equals(plain.arrow)
    assert plain.notes == []
    assert f"fields are separated by {CALLED[delimiter]}" in other.notes
    assert ("fractions are read with a decimal comma" in other.notes) == (decimal == ",")


@pytest.mark.parametrize("whole", [True, False])
def test_a_stream_reads_and_writes_it_again_byte_for_byte(whole, tmp_path, monkeypatch):
    """A repaired file is one that its writer's spreadsheet still opens."""
    if not whole:
        monkeypatch.setattr(stream_reading, "WHOLE_BYTES", 0)
    (tmp_path / "a.csv").write_bytes(_written(";", ",", newline="\n").replace(b'""', b""))
    stream = open_stream(tmp_path / "a.csv")
    assert stream.schema.equals(read_table(tmp_path / "a.csv").arrow.schema)
    for source in (stream, spelt_stream(stream)):
        with open_sink(tmp_path / "b.csv", tmp_path / "b.csv", source.schema, manner_of(stream, "csv", None)) as sink:
            for batch in source.batches():
                sink.write(batch)
        again, first = read_table(tmp_path / "b.csv"), read_table(tmp_path / "a.csv")
        assert again.arrow.equals(first.arrow)
        assert again.notes == first.notes
    assert (tmp_path / "b.csv").read_bytes() == (tmp_path / "a.csv").read_bytes()


@pytest.mark.parametrize(
    "text",
    [
        "text\n" + "one; two\n" * 9,  # one column of texts
        "text,label\n" + '"a;b;c",x\n' * 9,
        "a;b,label\n" + "1;2,x\n" * 9,  # both split every line alike: the name decides
        "id,label\n1,x\n",
    ],
)
def test_a_comma_stays_where_it_splits(text, tmp_path):
    """Semicolons within texts are no delimiter."""
    (tmp_path / "a.csv").write_text(text)
    assert read_table(tmp_path / "a.csv").notes == []
    assert read_table(tmp_path / "a.csv").arrow.column_names == text.split("\n")[0].split(",")


def test_dates_and_thousands_are_no_fractions(tmp_path):
    """A point in any number keeps the point: 1.5 is never fifteen."""
    (tmp_path / "a.csv").write_text("day;x;y\n" + "01.02.2024;1,5;1.5\n" * 9)
    assert read_table(tmp_path / "a.csv").arrow.to_pydict()["y"] == [1.5] * 9


def test_a_short_line_is_named_with_its_delimiter(tmp_path):
    """The remedy speaks of the semicolon, and the line is right, behind what the head shows."""
    (tmp_path / "a.csv").write_text("a;b;c\n" + "1;2;3\n" * 20_000 + "1;2\n")
    with pytest.raises(InputError, match=r"line 20,002: 2 fields where the header has 3; .* a semicolon in quotes"):
        read_table(tmp_path / "a.csv")
