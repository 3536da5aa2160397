"""Kept stages: right when the data is the same, never used when it is not, never trusted when broken."""

import numpy as np
import pyarrow as pa
import pytest

import trueneg
from trueneg.jobs.audit.stages import Stages, data_hash


def test_a_stage_is_made_once_and_made_again_for_other_data(tmp_path):
    """Another hash of the data must never meet an old result."""
    calls = []

    def make():
        calls.append(1)
        return {"a": np.arange(3)}

    for key in ("one", "one", "two"):
        out = Stages(tmp_path, {"data": key}).get("s", make)
        assert out["a"].tolist() == [0, 1, 2]
    assert len(calls) == 2


def test_a_broken_file_is_made_again(tmp_path):
    """A file cut by a kill or a full disk is not an answer."""
    stages = Stages(tmp_path, {})
    stages.get("s", lambda: {"a": np.arange(3)})
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:20])
    assert stages.get("s", lambda: {"a": np.arange(4)})["a"].size == 4


@pytest.mark.parametrize("change", ["value", "name", "type"])
def test_the_hash_sees_every_change_and_no_chunking(change):
    """Equal content hashes equally; a changed value, name or type does not."""
    base = pa.table({"x": [1.0, 2.0, 3.0], "y": ["a", "b", None]})
    chunked = pa.concat_tables([base.slice(0, 2), base.slice(2)])
    assert data_hash(base) == data_hash(pa.table(base.to_pydict()))
    assert data_hash(chunked) == data_hash(pa.concat_tables([base.slice(0, 1), base.slice(1)]))
    other = {
        "value": pa.table({"x": [1.0, 2.0, 4.0], "y": ["a", "b", None]}),
        "name": base.rename_columns(["z", "y"]),
        "type": base.set_column(0, "x", base["x"].cast("float32")),
    }[change]
    assert data_hash(base) != data_hash(other)


def test_a_cached_audit_is_the_same_audit(tmp_path):
    """The second run reads the kept stages and says the same."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    table = pa.table({"x": x, "z": rng.normal(size=300), "y": (x + rng.normal(size=300) > 1).astype(int)})
    reports = []
    for cache in (None, tmp_path, tmp_path):
        report = trueneg.audit(table, label="y", positive="1", cache=cache).report
        report.pop("generated")
        reports.append(report)
    assert reports[0] == reports[1] == reports[2]
    assert {p.name.split("-")[0] for p in tmp_path.iterdir()} == {"out", "neighbors", "familiar"}
