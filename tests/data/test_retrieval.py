"""Folders with a corpus, queries and judgments, in every layout, and the line of every mistake."""

import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trueneg.core.errors import InputError
from trueneg.data import registry
from trueneg.data.retrieval import (
    is_collection,
    read_collection,
    read_cranfield,
    read_qrels,
    read_run,
    read_splits,
    read_vaswani,
    rewrite_qrels,
)

CORPUS = [{"_id": "d1", "title": "On", "text": "lifts"}, {"_id": "d2", "text": "wings"}, {"_id": "07", "text": "drag"}]
QUERIES = [{"_id": "q1", "text": "what lifts"}, {"_id": "q2", "text": "what drags"}, {"_id": "q3", "text": "unused"}]
QRELS = [("q1", "d1", 2), ("q2", "07", 1), ("q2", "d2", 0)]


def _jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def beir(tmp_path):
    """A folder of three documents, three queries and one split."""
    _jsonl(tmp_path / "corpus.jsonl", CORPUS)
    _jsonl(tmp_path / "queries.jsonl", QUERIES)
    (tmp_path / "qrels").mkdir()
    lines = "".join(f"{q}\t{d}\t{g}\n" for q, d, g in QRELS)
    (tmp_path / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\n" + lines)
    return tmp_path


def _same(found):
    assert found.documents == ["On lifts", "wings", "drag"]
    assert found.document_ids.tolist() == ["d1", "d2", "07"]
    assert found.query_ids.tolist() == ["q1", "q2"]
    assert found.unused == 1
    pairs = found.qrels.to_qrels()
    got = zip(pairs["query"], pairs["document"], pairs["relevance"], strict=True)
    assert {(q, d, int(g)) for q, d, g in got} == set(QRELS)


def test_every_layout_gives_the_same_collection(beir, tmp_path_factory):
    """BEIR, packed JSONL, Parquet, Arrow shards and TREC must give one collection, ids and grades as they were."""
    _same(read_collection(beir))
    other = tmp_path_factory.mktemp("parquet")
    columns = dict(zip(("query_id", "doc_id", "relevance"), map(list, zip(*QRELS, strict=True)), strict=True))
    for name, rows in (("corpus", CORPUS), ("queries", QUERIES)):
        pq.write_table(
            pa.Table.from_pylist(rows, pa.schema([(k, pa.string()) for k in rows[0]])), other / f"{name}.parquet"
        )
    pq.write_table(pa.table(columns), other / "qrels.parquet")
    _same(read_collection(other))
    disk = tmp_path_factory.mktemp("disk")
    tables = {"corpus": pa.Table.from_pylist(CORPUS, pa.schema([(k, pa.string()) for k in CORPUS[0]]))}
    tables |= {"queries": pa.Table.from_pylist(QUERIES), "qrels/train": pa.table(columns)}
    for name, table in tables.items():
        (disk / name).mkdir(parents=True)
        for shard, part in enumerate((table.slice(0, 1), table.slice(1))):
            with pa.ipc.new_stream(disk / name / f"data-{shard:05d}-of-00002.arrow", table.schema) as out:
                out.write_table(part)
    _same(read_collection(disk))
    trec = tmp_path_factory.mktemp("trec")
    (trec / "corpus.trec").write_text(
        "<DOC>\n<DOCNO> d1 </DOCNO>\n<TITLE>On</TITLE>\nlifts\n</DOC>\n<DOC>\n<DOCNO>d2</DOCNO>\nwings\n</DOC>\n"
        "<DOC>\n<DOCNO>07</DOCNO>\n<TEXT>\ndrag\n</TEXT>\n</DOC>\n"
    )
    (trec / "queries.tsv").write_text("".join(f"{q['_id']}\t{q['text']}\n" for q in QUERIES))
    (trec / "qrels").write_text("".join(f"{q} 0 {d} {g}\n" for q, d, g in QRELS))
    _same(read_collection(trec))
    with gzip.open(beir / "corpus.jsonl.gz", "wt") as out:
        out.write((beir / "corpus.jsonl").read_text())
    (beir / "corpus.jsonl").unlink()
    _same(read_collection(beir))


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        (
            "corpus.jsonl",
            '{"_id": "d1", "text": "a"}\n{"_id": "d2"}\n',
            r"l, line 2: document d2 has no text",
        ),
        (
            "corpus.jsonl",
            '{"_id": "d1", "text": "a"}\n{"_id": "d2", "te',
            r"l, line 2: the line is cut short",
        ),
        (
            "corpus.jsonl",
            '{"_id": "d1", "text": "a"}\n\n{"_id": "d1", "text": "b"}\n',
            r"line 3: .*first on line 1",
        ),
        ("corpus.jsonl", '{"text": "a"}\n', r"line 1: no id"),
        ("queries.jsonl", "[1]\n", r"queries\.jsonl, line 1: an object"),
        ("queries.jsonl", "", r"holds no queries"),
        (
            "qrels/train.tsv",
            "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td9\t1\n",
            r"\.tsv, line 3: the document d9",
        ),
        ("qrels/train.tsv", "q9 0 d1 1\n", r"train\.tsv, line 1: the query q9 is not in the queries"),
        ("qrels/train.tsv", "q1 0 d1 1\nq2 0 d1 0\n", r"train\.tsv, line 2: the query q2 has no positive"),
        ("qrels/train.tsv", "q1 0 d1 1\nq1 0 d1 0\n", r"train\.tsv, line 2: .*second time \(first on line 1\)"),
        ("qrels/train.tsv", "q1 0 d1 good\n", r"line 1: 'good' is no number"),
        ("qrels/train.tsv", "q1 d1\n", r"line 1: 2 columns"),
    ],
)
def test_a_mistake_is_named_with_file_and_line(beir, file, text, said):
    """Whoever has a million lines must be led to the one that is wrong."""
    (beir / file).write_text(text)
    with pytest.raises(InputError, match=said):
        read_collection(beir)


def test_a_folder_that_lacks_a_part_says_which(beir):
    """A missing corpus or split must be named with what is there."""
    with pytest.raises(InputError, match="no split 'test', only train"):
        read_collection(beir, split="test")
    (beir / "corpus.jsonl").unlink()
    with pytest.raises(InputError, match="holds no corpus"):
        read_collection(beir)


def test_a_run_keeps_its_scores(tmp_path):
    """A TREC run must keep ids, scores and lines; a file of judgments is no run."""
    path = tmp_path / "run.txt"
    path.write_text("q1 Q0 d1 1 3.5 bm25\nq1 Q0 d2 2 -1e-3 bm25\n")
    found = read_run(path)
    assert found.document.tolist() == ["d1", "d2"]
    np.testing.assert_array_equal(found.value, [3.5, -1e-3])
    with pytest.raises(InputError, match="line 1: 6 columns; a line of qrels"):
        read_qrels(path)


def test_judgments_are_written_again_line_by_line(tmp_path):
    """A changed pair stays in its place, a removed one goes, a new one comes last; all else is as it was."""
    old, new = tmp_path / "a.tsv.gz", tmp_path / "b.tsv.gz"
    with gzip.open(old, "wt", newline="") as out:
        out.write("query-id\tcorpus-id\tscore\tby\r\nq1\td1\t2\tann\r\nq1\td2\t0\tbob\r\nq2\td1\t1\tann")
    count = rewrite_qrels(old, new, {("q1", "d2"): 1.5, ("q2", "d1"): None, ("q3", "d9"): 1.0, ("q4", "d1"): None})
    assert count == {"kept": 1, "changed": 1, "removed": 1, "added": 1}
    with gzip.open(new, "rt", newline="") as found:
        text = found.read()
    assert text == "query-id\tcorpus-id\tscore\tby\r\nq1\td1\t2\tann\r\nq1\td2\t1.5\tbob\r\nq3\td9\t1\t\r\n"
    assert read_qrels(new).value.tolist() == [2, 1.5, 1]
    first = new.read_bytes()
    rewrite_qrels(old, new, {("q1", "d2"): 1.5, ("q2", "d1"): None, ("q3", "d9"): 1.0})
    assert new.read_bytes() == first
    with pytest.raises(InputError, match=r"end the name in the ending of a\.tsv\.gz"):
        rewrite_qrels(old, tmp_path / "b.jsonl", {})


def test_all_splits_are_read_as_they_are(beir):
    """A query without a positive is no error there, and a folder is known by the names of its files."""
    (beir / "qrels" / "test.tsv").write_text("q3 0 d2 0\nq1 0 07 1\n")
    found = read_splits(beir)
    assert list(found.files) == ["test", "train"]
    names = list(found.files)
    pairs = {
        (names[s], found.query_ids[q], found.document_ids[d], g)
        for s, q, d, g in zip(found.split, found.query, found.document, found.grade, strict=True)
    }
    assert pairs == {("train", *one) for one in QRELS} | {("test", "q3", "d2", 0), ("test", "q1", "07", 1)}
    assert is_collection(beir)
    assert not is_collection(beir / "qrels")
    (beir / "qrels" / "test.tsv").write_text("q3 0 nowhere 0\n")
    with pytest.raises(InputError, match=r"test\.tsv, line 1: the document nowhere"):
        read_splits(beir)


@pytest.mark.parametrize(
    ("name", "read", "sizes"),
    [("vaswani", read_vaswani, (11_429, 93, 2_083, 0)), ("cranfield", read_cranfield, (1_398, 225, 1_611, 225))],
)
def test_the_two_real_collections(name, read, sizes):
    """Every document, query and judgment of the registry's two collections must be found."""
    if registry.state(name) != "here":
        pytest.skip(registry.how_to_get(name))
    found = read(registry.folder(name))
    verdict = found.qrels.verdict
    assert (len(found.documents), len(found.queries), (verdict == 1).sum(), (verdict == 0).sum()) == sizes


def test_a_path_that_is_no_folder_is_told_apart(tmp_path):
    """A file given in place of its folder is the likeliest mistake, and is named as one."""
    (tmp_path / "corpus.jsonl").write_text("{}")
    for read in (read_collection, read_splits):
        with pytest.raises(InputError, match="is a file; name the folder that holds corpus, queries and qrels"):
            read(tmp_path / "corpus.jsonl")
        with pytest.raises(InputError, match="there is no such folder; check the path"):
            read(tmp_path / "corpus")
