"""trueneg mine with an approximate index: what it finds of the exact lists is measured and told."""

from __future__ import annotations

import json

import numpy as np
import pytest

from trueneg.cli import main
from trueneg.core.errors import InputError
from trueneg.jobs.mine import Options, mine


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """40 queries over 2,000 documents of no words in common; document i answers query i."""
    place = tmp_path_factory.mktemp("beir")
    for name, count in (("corpus", 2_000), ("queries", 40)):
        lines = [json.dumps({"_id": f"{name[0]}{i}", "text": f"{name} word{i}"}) for i in range(count)]
        (place / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    (place / "qrels").mkdir()
    pairs = "".join(f"q{i}\tc{i}\t1\n" for i in range(40))
    (place / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\n" + pairs)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(2_000, 24)).astype(np.float32)
    np.save(place / "d.npy", vectors)
    np.save(place / "q.npy", vectors[:40] + 0.5 * rng.normal(size=(40, 24)).astype(np.float32))
    return place


def _mine(folder, out, **how):
    return mine(folder, out, Options(embeddings=(folder / "q.npy", folder / "d.npy"), rule="none", n=3, **how))


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_the_recall_of_the_index_is_told(folder, tmp_path, kind):
    """The recall printed is the share of the exact lists that the kept lists hold."""
    pytest.importorskip("faiss")
    exact, rough = _mine(folder, tmp_path / "e"), _mine(folder, tmp_path / "a", index=kind)
    assert exact.recall is None
    assert 0.5 < rough.recall.value <= 1
    said = [line for line in rough.lines() if "of the exact lists (40 queries searched both ways)" in line]
    assert said
    assert str(rough.recall) in said[0]
    same = set(zip(exact.negatives.query, exact.negatives.document, strict=True))
    kept = set(zip(rough.negatives.query, rough.negatives.document, strict=True))
    assert len(same & kept) >= 0.5 * len(same)
    again = _mine(folder, tmp_path / "a", index=kind)
    assert again.resumed == 40
    np.testing.assert_array_equal(again.negatives.document, rough.negatives.document)
    assert _mine(folder, tmp_path / "a").resumed == 0  # lists of an index do not pass for exact ones


def test_the_command_prints_it(folder, tmp_path, capsys):
    """The option reaches the search, within a fusion too."""
    pytest.importorskip("faiss")
    pytest.importorskip("bm25s")
    vectors = [str(folder / "q.npy"), str(folder / "d.npy")]
    asked = ["mine", str(folder), "--out", str(tmp_path / "o"), "--index", "ivf", "--from", "fusion"]
    with pytest.raises(SystemExit) as ended:
        main([*asked, "--embeddings", *vectors])
    assert not ended.value.code
    assert "of the exact lists" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"index": "annoy"}, "choose exact, hnsw, ivf"),
        ({"index": "hnsw", "source": "bm25"}, "is over vectors"),
        ({"index": "ivf", "engine": "ray"}, "leave out --engine ray"),
    ],
)
def test_what_does_not_fit_is_refused(folder, tmp_path, how, words):
    """One line, and nothing is written."""
    with pytest.raises(InputError, match=words):
        mine(folder, tmp_path / "o", Options(**how))
    assert not (tmp_path / "o").exists()
