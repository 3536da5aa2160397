"""trueneg mine: an encoder that is killed, a cache of another model, a mistake in the folder, an opinion used up."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import pytest

from trueneg.cli import main
from trueneg.core.errors import InputError
from trueneg.encoders import CachedEncoder, CallableEncoder
from trueneg.jobs.mine import Options, mine
from trueneg.jobs.mine.independence import used_up
from trueneg.mine import Bm25, Dense, Positives

WORDS = "wing flow heat slab drag cone jet layer shock plate tail speed load skin".split()  # noqa: SIM905


@pytest.fixture
def folder(tmp_path):
    """A folder of 12 queries and 60 documents; document i answers query i."""
    place = tmp_path / "beir"
    (place / "qrels").mkdir(parents=True)
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, 9)) + f" number{i}" for i in range(60)]
    asked = [" ".join(rng.permutation(texts[i].split())[:5]) for i in range(12)]
    for name, rows in (("corpus", texts), ("queries", asked)):
        lines = [json.dumps({"_id": f"{name[0]}{i}", "text": text}) for i, text in enumerate(rows)]
        (place / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    pairs = "".join(f"q{i}\tc{i}\t1\n" for i in range(12))
    (place / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\n" + pairs)
    return place


CHILD = """
import sys, time
from pathlib import Path
import numpy as np
from trueneg.encoders import CallableEncoder, cache
from trueneg.jobs.mine import Options, candidates, mine

folder, out, log, pause = sys.argv[1:]
cache._SHARD = 4

def encode(texts):
    with open(log, "a") as told:
        told.writelines(t + "\\n" for t in texts)
    time.sleep(float(pause))
    return np.array([np.bincount([ord(c) % 16 for c in t], minlength=16) for t in texts], dtype=np.float32)

made = lambda name, *, folder, **more: cache.CachedEncoder(CallableEncoder(encode, name="slow"), folder)
candidates.text_encoder = made
mine(folder, out, Options(rule="none", n=2))
"""


@pytest.mark.slow
def test_a_kill_while_encoding_loses_nothing(folder, tmp_path):
    """SIGKILL between two shards of an encoder: the next run encodes what is left and no more, to the same list."""

    def command(name, pause):
        return [sys.executable, "-c", CHILD, str(folder), str(tmp_path / name), str(tmp_path / f"{name}.log"), pause]

    subprocess.run(command("whole", "0"), check=True, capture_output=True)
    running = subprocess.Popen(command("cut", "0.2"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log, limit = tmp_path / "cut.log", time.monotonic() + 60
    while (not log.exists() or log.read_text().count("\n") < 30) and time.monotonic() < limit:
        time.sleep(0.02)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert not (tmp_path / "cut" / "negatives.parquet").exists()
    before = log.read_text().splitlines()
    assert 30 <= len(before) < 72
    subprocess.run(command("cut", "0"), check=True, capture_output=True)
    after = log.read_text().splitlines()[len(before) :]
    again = set(before) & set(after)
    assert set(before) | set(after) == set((tmp_path / "whole.log").read_text().splitlines())
    assert len(again) <= 4  # the shard that was under way
    assert len(after) <= 72 - len(before) + 4
    whole, cut = (pq.read_table(tmp_path / name / "negatives.parquet") for name in ("whole", "cut"))
    assert cut.equals(whole)


def test_a_cache_of_another_model_is_never_used(folder, tmp_path, monkeypatch):
    """Two models in one folder give what each gives in a folder of its own, and a cut cache is encoded again."""

    def model(name):
        rng = np.random.default_rng(len(name))
        turn = rng.normal(size=(16, 16)).astype(np.float32)

        def encode(texts):
            counts = [np.bincount([ord(c) % 16 for c in t], minlength=16) for t in texts]
            return np.array(counts, dtype=np.float32) @ turn

        return CallableEncoder(encode, name=name)

    monkeypatch.setattr(
        "trueneg.jobs.mine.candidates.text_encoder", lambda name, *, folder, **_: CachedEncoder(model(name), folder)
    )
    for name in ("one", "three"):
        mine(folder, tmp_path / name, Options(encoder=name, rule="none"))
        mine(folder, tmp_path / "both", Options(encoder=name, rule="none"))
        own, both = (pq.read_table(tmp_path / place / "negatives.parquet") for place in (name, "both"))
        assert both.equals(own)
    assert not pq.read_table(tmp_path / "one" / "negatives.parquet").equals(own)
    for damage, said in ((b"\x93NUMPY", "cannot be read"), (None, r"have shape \(5, 7\) for 12 texts")):
        kept = min((tmp_path / "one" / ".stages" / "embeddings").glob("*.npy"), key=lambda path: path.stat().st_size)
        np.save(kept, np.zeros((5, 7), np.float32)) if damage is None else kept.write_bytes(damage)
        with pytest.raises(InputError, match=said):
            mine(folder, tmp_path / "one", Options(encoder="one", rule="none"))


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        (
            "corpus.jsonl",
            '{"_id": "c0", "text": "wing"}\n{"_id": "c1"}\n',
            "corpus.jsonl, line 2: document c1 has no text",
        ),
        (
            "corpus.jsonl",
            '{"_id": "c0", "text": "wing"}\n{"_id": "c1", "te',
            "corpus.jsonl, line 2: the line is cut short",
        ),
        ("qrels/train.tsv", "q0 0 c0 1\nq1 0 c99 1\n", "train.tsv, line 2: the document c99 is not in the corpus"),
        ("qrels/train.tsv", "q0 0 c0 1\nq99 0 c1 1\n", "train.tsv, line 2: the query q99 is not in the queries"),
        ("qrels/train.tsv", "q0 0 c0 1\nq1 0 c1 0\n", "train.tsv, line 2: the query q1 has no positive"),
    ],
)
def test_a_mistake_in_the_folder_is_one_line_and_nothing_is_written(folder, tmp_path, capsys, file, text, said):
    """The command ends with 2, names file and line once, and leaves no folder behind."""
    (folder / file).write_text(text)
    vectors = [str(tmp_path / name) for name in ("q.npy", "d.npy")]
    with pytest.raises(SystemExit) as ended:
        main(["mine", str(folder), "--out", str(tmp_path / "out"), "--embeddings", *vectors])
    assert ended.value.code == 2
    assert said in "".join(capsys.readouterr().err.splitlines())
    assert not (tmp_path / "out").exists()


def test_documents_of_stop_words_are_refused(folder):
    """BM25 has nothing to index there, and says so."""
    pytest.importorskip("bm25s")
    with pytest.raises(InputError, match="no word beside stop words"):
        Bm25(["wing"], ["the of and", "and the"])


def _pooled(how, seed=0):
    """Ranks of labelled positives as they are where BM25's list was the pool, or where nobody's was."""
    pytest.importorskip("bm25s")
    rng = np.random.default_rng(seed)
    n, size = 40, 3000
    words = [f"term{i}" for i in range(300)]
    texts = [" ".join(rng.choice(words, 12)) for _ in range(size)]
    asked = [" ".join(rng.choice(words, 6, replace=False)) for _ in range(n)]
    words_source = Bm25(asked, texts)
    dense = Dense(rng.normal(size=(n, 12)).astype(np.float32), rng.normal(size=(size, 12)).astype(np.float32))
    lists = [source.search(np.arange(n), 100)[1] for source in (words_source, dense)]
    pairs = []
    for q in range(n):
        for rank in (1, 2, 4, 7, 20, 40, 60, 80):
            pairs.append((q, lists[0][q, rank]))
            if how == "random" or rank < 5:  # the other's finds deep down were never judged
                pairs.append((q, lists[1][q, rank]))
    return Positives.of(np.array(pairs), n, size), dense, words_source


def test_an_opinion_that_is_used_up_is_told():
    """Where only BM25's finds are labelled deep down, the command warns; where both retrievers' are, it does not."""
    positives, dense, words = _pooled("pool")
    told = used_up(positives, dense, words)
    assert told.startswith("warning: the labels look as if BM25 had chosen them")
    assert "--from bm25" in told
    assert used_up(positives, dense, None) == ""
    assert used_up(positives, words, dense) == ""
    assert used_up(*_pooled("random")) == ""


def test_candidates_of_bm25_get_the_opinion_of_given_embeddings(folder, tmp_path):
    """BM25 cannot judge its own list; embeddings can, and are the default where they are given."""
    pytest.importorskip("bm25s")
    rng = np.random.default_rng(0)
    for name, n in (("q", 12), ("d", 60)):
        np.save(tmp_path / f"{name}.npy", rng.normal(size=(n, 8)).astype(np.float32))
    vectors = (tmp_path / "q.npy", tmp_path / "d.npy")
    done = mine(folder, tmp_path / "out", Options(source="bm25", embeddings=vectors, n=3, ranks=(0, 20)))
    assert done.chosen.name == "second-opinion"
    assert "dense" in done.chosen.words
    alone = mine(folder, tmp_path / "alone", Options(source="bm25", n=3, ranks=(0, 20)))
    assert alone.chosen.name == "none"
