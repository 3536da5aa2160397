"""The reader of KEEL tables: numbers, nominal and missing cells, and a line for each thing that can be wrong."""

import zipfile

import numpy as np
import pytest

from trueneg.core.errors import InputError
from trueneg.data.keel import keel_names, read_keel


@pytest.fixture
def archive(tmp_path):
    """Write a zip of four small tables."""
    path = tmp_path / "keel.zip"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("small.dat", "M, 0.5, ?, negative\nF, 1e2, 3, positive\nM, -1, 4, negative\n")
        out.writestr("headed.dat", "@relation x\n@data\n1, positive\n2, negative\n")
        out.writestr("short.dat", "1, 2, positive\n1, negative\n")
        out.writestr("odd.dat", "1, 2, yes\n")
    return path


def test_cells_become_numbers_codes_and_nan(archive):
    """Nominal cells are positions of sorted values, a question mark is missing, positives are 1."""
    table = read_keel(archive, "small")
    np.testing.assert_array_equal(table.X, [[1, 0.5, np.nan], [0, 100, 3], [1, -1, 4]])
    assert table.y.tolist() == [0, 1, 0]
    assert table.nominal.tolist() == [True, False, False]


def test_a_header_is_skipped_and_names_are_sorted(archive):
    """KEEL's own files begin with @ lines; those of the wheel do not."""
    assert read_keel(archive, "headed").X.tolist() == [[1], [2]]
    assert keel_names(archive) == ["headed", "odd", "short", "small"]


@pytest.mark.parametrize(("name", "words"), [("none", "no table 'none'"), ("short", "row 2"), ("odd", "'yes'")])
def test_what_is_wrong_is_named(archive, name, words):
    """A reader of a broken table must learn the row."""
    with pytest.raises(InputError, match=words):
        read_keel(archive, name)
