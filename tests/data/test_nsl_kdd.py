"""NSL-KDD: the files as published, and lines that are none."""

import pytest

from trueneg.core.errors import ClaimNotRun, InputError
from trueneg.data.nsl_kdd import FAMILIES, read_nsl_kdd


def test_the_protocol_of_the_published_files():
    """Protects the claims: flows, attacks, and 18 types of attack that the training file does not have."""
    from trueneg.data.registry import folder

    try:
        place = folder("nsl_kdd")
    except ClaimNotRun as error:
        pytest.skip(str(error))
    train, test, hard = (read_nsl_kdd(place, part) for part in ("train", "test", "test-21"))
    assert [flows.X.num_rows for flows in (train, test, hard)] == [25_192, 22_544, 11_850]
    new = set(test.kind) - set(train.kind)
    assert len(new) == 18
    assert sum(kind in new for kind in test.kind) == 3752
    assert (test.kind != "normal").sum() == 12_833
    assert train.X.num_columns == 41
    assert "difficulty" not in train.X.column_names
    assert set(test.family) == {"normal", "dos", "probe", "r2l", "u2r"}


def test_other_files_are_refused(tmp_path):
    """Protects users: a wrong path, layout or attack is one line."""
    path = tmp_path / "x.txt"
    with pytest.raises(InputError, match="no file of NSL-KDD"):
        read_nsl_kdd(path)
    path.write_text("1,2,3\n")
    with pytest.raises(InputError, match="43 cells"):
        read_nsl_kdd(path)
    line = ["0", "tcp", "http", "SF", *["0"] * 37, "sharknado", "21"]
    path.write_text(",".join(line) + "\n")
    with pytest.raises(InputError, match="sharknado"):
        read_nsl_kdd(path)
    path.write_text(",".join([*line[:41], "neptune", "21"]) + "\n")
    assert read_nsl_kdd(path).family.tolist() == [FAMILIES["neptune"]]
    with pytest.raises(InputError, match="part='dev'"):
        read_nsl_kdd(tmp_path, "dev")
