"""The audit of a retrieval collection: checks on a folder with planted faults, the review, the repair, bad input."""

from __future__ import annotations

import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trueneg.cli import main
from trueneg.core.errors import InputError
from trueneg.data.retrieval import read_qrels
from trueneg.jobs.audit.checks.tn503_pooling import alone
from trueneg.jobs.audit.run import audit
from trueneg.jobs.diff import diff
from trueneg.jobs.repair import repair_to
from trueneg.jobs.review.run import review
from trueneg.mine import Dense

pytest.importorskip("bm25s", reason="needs the extra retrieval")

TOPICS, EACH = 30, 12


def texts(seed=0):
    """Documents by id, queries by id, and the truth: of the 12 documents of a topic the first 6 answer its query."""
    rng = np.random.default_rng(seed)
    documents, queries, truth = {}, {}, {}
    for t in range(TOPICS):
        own = [f"topic{t}word{w}" for w in range(8)]
        for i in range(EACH):
            mine = list(rng.choice(own, 6 if i < 6 else 2, replace=False))
            noise = [f"noise{rng.integers(400)}" for _ in range(8)]
            documents[f"d{t}-{i}"] = " ".join(rng.permutation(mine + noise))
        queries[f"q{t}"] = " ".join(rng.choice(own, 4, replace=False))
        truth[f"q{t}"] = [f"d{t}-{i}" for i in range(6)]
    return documents, queries, truth


def write(folder, documents, queries, qrels):
    """Write BEIR's layout; ``qrels`` holds (query, document, grade) by split."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("corpus", documents), ("queries", queries)):
        lines = [json.dumps({"_id": key, "text": text}) for key, text in rows.items()]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "qrels").mkdir(exist_ok=True)
    for split, pairs in qrels.items():
        lines = "".join(f"{q}\t{d}\t{g}\n" for q, d, g in pairs)
        (folder / "qrels" / f"{split}.tsv").write_text("query-id\tcorpus-id\tscore\n" + lines)
    return folder


def hidden(truth, keep=2):
    """Label the first few of the six documents that answer a query."""
    return [(q, d, 1) for q, known in truth.items() for d in known[:keep]]


@pytest.fixture
def plain(tmp_path):
    """A folder without planted faults, a third of the relevant pairs labelled."""
    documents, queries, truth = texts()
    return write(tmp_path / "c", documents, queries, {"train": hidden(truth)})


@pytest.fixture
def faulty(tmp_path):
    """Two splits; a copy of a positive, a query asked twice, one without a positive, a leak with the same positive."""
    documents, queries, truth = texts()
    documents["copy"] = documents["d0-0"].upper()
    documents["near"] = documents["d1-0"] + " extra"
    queries["again"] = " ".join(reversed(queries["q2"].split()))
    queries["none"], queries["leak"], queries["unused"] = "noise1 noise2", queries["q3"].upper(), "noise3"
    train = hidden({q: d for q, d in truth.items() if int(q[1:]) < 25})
    train += [("again", "d2-4", 2), ("none", "d5-7", 0), ("q0", "copy", 0)]
    test = hidden({q: d for q, d in truth.items() if int(q[1:]) >= 25}) + [("leak", "d3-0", 1), ("q4", "d4-5", 1)]
    return write(tmp_path / "f", documents, queries, {"train": train, "test": test})


def by_code(result):
    """Return the findings by code."""
    return {f.code: f for f in result.findings}


def answer(folder, truth):
    """Answer the sample of a review as the truth has it."""
    path = folder / "review.csv"
    with path.open(encoding="utf-8-sig", newline="") as source:
        rows = list(csv.DictReader(source))
    for row in rows:
        query, document = json.loads(row["key"])
        row["answer"] = "accept" if document in truth[query] else "reject"
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return rows


def test_hidden_positives_are_suspects_and_never_a_number(plain):
    """What two retrievers agree on is mostly what was hidden; how many is unknown, whatever the labels say."""
    result = audit(plain)
    found = by_code(result)
    assert sorted(found) == [f"TN50{i}" for i in range(1, 8)]
    assert result.report["input"]["kind"] == "retrieval"
    assert result.report["input"]["counts"] == {"documents": 360, "judged queries": 30, "judged pairs": 60}
    suspects = result.suspects.to_pylist()
    truth = texts()[2]
    right = np.mean([one["document"] in truth[one["query"]] for one in suspects[:60]])
    assert right > 0.8
    assert {one["given"] for one in suspects} == {"unjudged"}
    assert all(1 <= one["rank, BM25"] <= 10 and 1 <= one["rank, LSA"] <= 10 for one in suspects)
    told = found["TN502"]
    assert (told.status, told.estimate) == ("advice", None)
    assert "unknown before a review" in told.message
    top = found["TN501"]
    assert top.estimate.value > 0.7
    table = top.details["by retriever"]["BM25"]
    figures = [float(table[f"nDCG@10, {how}"].split()[0]) for how in ("as usual", "condensed lists")]
    assert figures[0] < figures[1]
    for code in ("TN504", "TN505", "TN506"):
        assert found[code].status == "passed"
    assert found["TN507"].status == "not applicable"


def test_tops_are_counted_as_by_hand(plain):
    """The share of unjudged documents is that of the lists, by a plain count over the queries."""
    from trueneg.mine import Bm25

    documents, queries, truth = texts()
    result = audit(plain, select=["TN501"])
    order = Bm25(list(queries.values()), list(documents.values())).search(np.arange(30), 10)[1]
    ids, known = list(documents), {(q, d) for q, d, _ in hidden(truth)}
    shares = [np.mean([(q, ids[d]) not in known for d in order[i]]) for i, q in enumerate(queries)]
    table = by_code(result)["TN501"].details["by retriever"]["BM25"]
    assert float(table["unjudged of the first ten"].split()[0]) == pytest.approx(np.mean(shares), abs=0.005)


def test_planted_faults_are_found_each_by_its_check(faulty):
    """A copy, a query asked twice, a query without a positive and a leak are named with what would mend them."""
    result = audit(faulty)
    found = by_code(result)
    rows = {}
    for one in result.suspects.to_pylist():
        rows.setdefault(one["finding"], []).append((one["query"], one["document"], one["given"], one["proposed"]))
    assert set(rows["TN504"]) == {("q0", "copy", "0", "1"), ("q1", "near", "unjudged", "1")}
    assert ("q2", "d2-4", "unjudged", "2") in rows["TN505"]
    assert ("again", "d2-0", "unjudged", "1") in rows["TN505"]
    assert rows["TN506"] == [("none", "d5-7", "0", "remove")]
    assert {one[0] for one in rows["TN507"]} == {"q3", "q4"}
    assert "1 of them are judged not relevant" in found["TN504"].message
    assert "1 queries are named by no judgment" in found["TN506"].message
    assert found["TN507"].details["by two splits"] == {
        "test in train": {"queries": 2, "of": 7, "with the same positive": 1}
    }
    assert found["TN507"].severity == "high"
    assert result.fails_on("high")
    # Several files of judgments: the repair writes a folder.
    assert found["TN504"].command.endswith(f"--finding TN504 --to {faulty}.repaired")


def test_a_leak_is_taken_out_of_the_training_side(faulty, tmp_path):
    """The repair of the training split leaves out the leaked queries, and the next audit finds no leak."""
    folder = audit(faulty, split="train", quick=True, select=["TN507"]).save()
    done = repair_to(folder, tmp_path / "train.tsv", action="eliminate", top=1000, findings=["TN507"])
    assert done.total("removed") == 4
    (faulty / "qrels" / "train.tsv").write_text((tmp_path / "train.tsv").read_text())
    assert by_code(audit(faulty, quick=True, select=["TN507"]))["TN507"].status == "passed"


def test_a_review_tells_precision_and_total(plain, tmp_path):
    """With answers the share of the suspects and the number in all hold the truth, and the repair writes the pairs."""
    truth = texts()[2]
    folder = audit(plain).save()
    told = review(folder, n=90)
    assert "no probability" in " ".join(told.lines())
    page = (folder / "review.html").read_text()
    assert "Is this document relevant to the query?" in page
    assert "rank" not in json.dumps(json.loads((folder / "review.json").read_text())["classes"])
    rows = answer(folder, truth)
    result = audit(plain)
    found = by_code(result)["TN502"]
    doubted = int(found.details["pairs among the first ten that are not labelled relevant"])
    table = pq.read_table(folder / ".stages" / "pairs.parquet").to_pylist()
    right = sum(one["document_id"] in truth[one["query_id"]] for one in table)
    assert len(table) == doubted
    assert found.estimate.low * doubted <= right <= found.estimate.high * doubted
    assert found.status == "finding"
    assert "between" in found.message
    for name, told in found.details["precision of the first ten"].items():
        first = [one for one in result.suspects.to_pylist() if one[f"rank, {name}"]]
        assert first
        low, high = (float(v) for v in told["by the answers"].split("[")[1].rstrip("]").split(","))
        assert float(told["as labelled"]) < low
        assert low <= _precision(name) <= high
    assert result.report["next"].startswith("trueneg repair")
    listed = {(one["query"], one["document"]) for one in result.suspects.to_pylist()}
    rejected = {tuple(json.loads(row["key"])) for row in rows if row["answer"] == "reject"}
    assert not listed & rejected
    result.save()
    target = tmp_path / "new.tsv"
    done = repair_to(folder, target, action="reannotate", decisions=folder / "review.csv")
    accepted = {tuple(json.loads(row["key"])) for row in rows if row["answer"] == "accept"}
    assert done.total("added") == len(accepted) > 0
    old, new = (plain / "qrels" / "train.tsv").read_text(), target.read_text()
    assert new.startswith(old)
    now = read_qrels(target)
    assert accepted <= set(zip(now.query.tolist(), now.document.tolist(), strict=True))
    record = json.loads(target.with_name("new.tsv.repair.json").read_text())
    assert record["pairs"]["columns"][:3] == ["query", "document", "finding"]
    assert {tuple(row[:2]) for row in record["pairs"]["rows"]} == accepted
    again = target.read_bytes()
    repair_to(folder, target, action="reannotate", decisions=folder / "review.csv")
    assert target.read_bytes() == again
    (plain / "qrels" / "train.tsv").write_text(new)
    with pytest.raises(InputError, match="is not as it was audited"):
        repair_to(folder, target, action="reannotate", decisions=folder / "review.csv")


def _precision(name):
    """Share of the first ten that is truly relevant, by a plain count."""
    from trueneg.jobs.audit._retrieval.lists import latent
    from trueneg.mine import Bm25

    documents, queries, truth = texts()
    sides = list(queries.values()), list(documents.values())
    source = Bm25(*sides) if name == "BM25" else Dense(*latent(*sides, seed=0))
    top = source.search(np.arange(30), 10)[1]
    ids = list(documents)
    return np.mean([[ids[d] in truth[q] for d in row] for q, row in zip(queries, top, strict=True)])


def test_the_lists_are_kept_and_the_report_is_the_same(plain):
    """A second audit asks no retriever again and finds the same; the review of it stays bound to its pairs."""
    folder = plain.with_name("c.trueneg")
    first = audit(plain, cache=folder / ".stages")
    first.save()
    kept = {p.name: p.stat().st_mtime_ns for p in (folder / ".stages").glob("lists-*")}
    assert len(kept) == 2
    second = audit(plain, cache=folder / ".stages")
    assert {p.name: p.stat().st_mtime_ns for p in (folder / ".stages").glob("lists-*")} == kept
    assert second.suspects.equals(first.suspects)
    assert first.report["input"]["data"] == second.report["input"]["data"]
    assert diff(folder, second.save(plain.with_name("other"))) is not None


@pytest.mark.parametrize("form", ["parquet", "arrow", "trec", "jsonl"])
def test_every_layout_is_audited_and_repaired_in_its_own_form(form, tmp_path):
    """Parquet, shards on disk, TREC and JSONL give the findings of BEIR, and judgments of their own form."""
    documents, queries, truth = texts()
    documents["copy"] = documents["d0-0"]
    pairs = hidden(truth)
    folder = write(tmp_path / "c", documents, queries, {"train": pairs})
    plain = audit(folder, quick=True)
    (folder / "qrels" / "train.tsv").unlink()
    columns = {"query_id": [q for q, _, _ in pairs], "doc_id": [d for _, d, _ in pairs], "score": [1] * len(pairs)}
    table = pa.table(columns)
    if form == "parquet":
        pq.write_table(table, folder / "qrels" / "train.parquet")
    elif form == "arrow":
        (folder / "qrels" / "train").mkdir()
        with pa.ipc.new_stream(folder / "qrels" / "train" / "data-00000-of-00001.arrow", table.schema) as out:
            out.write_table(table)
    elif form == "trec":
        (folder / "qrels").rmdir()
        (folder / "qrels").write_text("".join(f"{q} 0 {d} 1\r\n" for q, d, _ in pairs), newline="")
    else:
        (folder / "qrels" / "train.jsonl").write_text("".join(json.dumps(one) + "\n" for one in table.to_pylist()))
    result = audit(folder, kind="retrieval", quick=True)
    names = ["finding", "query", "document", "proposed"]
    assert result.suspects.select(names).equals(plain.suspects.select(names))
    out = result.save()
    command = by_code(result)["TN504"].command.split()
    target = tmp_path / command[-1]
    done = repair_to(out, target, action="reannotate", top=5, findings=["TN504"])
    counts = {"kept": 60, "changed": 0, "removed": 0, "added": 1, "unresolved": 0}
    assert list(done.counts.values()) == [counts]
    found = read_qrels(target)
    assert (found.query[-1], found.document[-1], found.value[-1]) == ("q0", "copy", 1.0)
    if form == "trec":
        assert target.read_bytes().count(b"\r\n") == 61


def test_a_grade_is_changed_in_its_line_and_a_copy_keeps_the_rest(faulty, tmp_path):
    """A judged copy gets the grade of its twin where it stands; removing it makes the pair unjudged."""
    folder = audit(faulty, split="train", select=["TN504"]).save()
    target = tmp_path / "t.tsv"
    done = repair_to(folder, target, action="reannotate", top=10, findings=["TN504"])
    assert (done.total("changed"), done.total("added")) == (1, 1)
    lines = target.read_text().splitlines()
    assert "q0\tcopy\t1" in lines
    assert lines.index("q0\tcopy\t1") == (faulty / "qrels" / "train.tsv").read_text().splitlines().index("q0\tcopy\t0")
    done = repair_to(folder, target, action="eliminate", top=10, findings=["TN504"])
    assert (done.total("removed"), done.total("unresolved")) == (1, 1)
    done = repair_to(folder, target, action="flag", top=2, findings=["TN504"])
    assert target.read_bytes() == (faulty / "qrels" / "train.tsv").read_bytes()


def test_what_each_lists_alone_is_counted_as_by_hand():
    """The share is that of a plain loop, and the other way round it is the complement with the growth turned."""
    rng = np.random.default_rng(0)
    query = np.repeat(np.arange(40), 6)
    first, second = (np.minimum(rng.geometric(p, 240), 101) for p in (0.03, 0.02))
    first[rng.random(240) < 0.3], second[rng.random(240) < 0.3] = 101, 101
    found, turned = alone(query, first, second), alone(query, second, first)
    pairs = list(zip(first.tolist(), second.tolist(), strict=True))
    mine, theirs = (sum(a <= 100 < b for a, b in side) for side in (pairs, [(b, a) for a, b in pairs]))
    assert found.n == mine + theirs
    assert found.share.value == pytest.approx(mine / (mine + theirs))
    assert turned.share.value == pytest.approx(1 - found.share.value)
    assert turned.growth.value == pytest.approx(-found.growth.value)
    assert found.share.low < found.share.value < found.share.high
    assert alone(query[:30], first[:30], second[:30]) is None
    assert alone(query[:0], first[:0], second[:0]) is None


@pytest.mark.parametrize("how", ["pool", "random"])
def test_a_pool_of_bm25_is_told_from_labels_of_nobodys_list(how, tmp_path):
    """Labels from BM25's first forty are a finding that names the other retriever; labels of both lists are none."""
    from trueneg.mine import Bm25

    rng = np.random.default_rng(0)
    words = [f"term{i}" for i in range(300)]
    documents = {f"d{i}": " ".join(rng.choice(words, 12)) for i in range(1500)}
    queries = {f"q{i}": " ".join(rng.choice(words, 6, replace=False)) for i in range(30)}
    vectors = [rng.normal(size=(n, 12)).astype(np.float32) for n in (30, 1500)]
    files = [str(tmp_path / name) for name in ("q.npy", "d.npy")]
    for file, array in zip(files, vectors, strict=True):
        np.save(file, array)
    mine = Bm25(list(queries.values()), list(documents.values())).search(np.arange(30), 100)[1]
    other = Dense(*vectors).search(np.arange(30), 100)[1]
    pairs = set()
    for q in range(30):
        for rank in (1, 3, 8, 20, 40, 60, 80):
            pairs.add((f"q{q}", f"d{mine[q, rank]}", 1))
            if how == "random" or rank < 4:
                pairs.add((f"q{q}", f"d{other[q, rank]}", 1))
    folder = write(tmp_path / "c", documents, queries, {"train": sorted(pairs)})
    found = by_code(audit(folder, embeddings=files, select=["TN503"]))["TN503"]
    assert found.status == ("finding" if how == "pool" else "passed")
    assert ("used up" in found.message) == (how == "pool")
    if how == "pool":
        assert found.estimate.low > 0.5
        assert found.command.startswith("trueneg audit")  # TN502, left out here, is what a review is drawn from


def test_several_splits_are_written_into_a_folder(faulty, tmp_path):
    """Each split that changes gets a file of its form; a reviewed pair goes to the split that judges its query."""
    folder = audit(faulty).save()
    review(folder, n=60)
    truth = texts()[2]
    rows = answer(folder, {**truth, "again": [], "none": [], "leak": []})
    target = tmp_path / "new"
    done = repair_to(folder, target, action="reannotate", decisions=folder / "review.csv", findings=["TN502"])
    accepted = [json.loads(row["key"]) for row in rows if row["answer"] == "accept"]
    assert {path.name for path in target.glob("*.tsv")} == {"train.tsv", "test.tsv"}
    for split, path in done.targets.items():
        mine = {(q, d) for q, d in accepted if (q == "q4" or int(q[1:]) >= 25) == (split == "test")}
        now = read_qrels(path)
        assert mine <= set(zip(now.query.tolist(), now.document.tolist(), strict=True))
        assert done.counts[split]["added"] == len(mine)
        assert path.with_name(f"{split}.tsv.repair.json").exists()
    done = repair_to(folder, target, action="eliminate", top=1000, findings=["TN507"])
    assert list(done.targets) == ["train"]
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="2 splits were audited; name a folder"):
        repair_to(folder, tmp_path / "file", action="flag", top=1)


def test_quick_asks_one_retriever_and_vectors_replace_the_second(plain, tmp_path):
    """--quick needs no second opinion and says so; given vectors are the second opinion, of the documents' order."""
    quick = audit(plain, quick=True)
    found = by_code(quick)
    assert quick.report["next"] == f"trueneg audit {plain}"  # a sample needs the second opinion
    assert (found["TN502"].status, found["TN503"].status) == ("skipped", "skipped")
    assert list(found["TN501"].details["by retriever"]) == ["BM25"]
    rng = np.random.default_rng(0)
    files = [tmp_path / "q.npy", tmp_path / "d.npy"]
    for file, n in zip(files, (30, 360), strict=True):
        np.save(file, rng.normal(size=(n, 8)).astype(np.float16))
    result = audit(plain, embeddings=[str(file) for file in files])
    assert "given vectors" in by_code(result)["TN501"].details["by retriever"]
    assert f"--embeddings {files[0]} {files[1]}" in review(result.save()).next
    np.save(files[0], np.zeros((29, 8)))
    with pytest.raises(InputError, match=r"q.npy has shape \(29, 8\), and there are 30 queries"):
        audit(plain, embeddings=[str(file) for file in files])


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        (
            "qrels/train.tsv",
            "q0 0 d0-0 1\nq0 0 nowhere 1\n",
            "train.tsv, line 2: the document nowhere is not in the corpus",
        ),
        ("qrels/train.tsv", "q99 0 d0-0 1\n", "train.tsv, line 1: the query q99 is not in the queries"),
        ("corpus.jsonl", '{"_id": "a"}\n', "corpus.jsonl, line 1: document a has no text"),
        ("queries.jsonl", '{"_id": "a", "te', "queries.jsonl, line 1: the line is cut short"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(plain, file, text, said, capsys):
    """The reader's message reaches the terminal, with file and line, exit code 2, and no folder appears."""
    (plain / file).write_text(text)
    with pytest.raises(SystemExit) as ended:
        main(["audit", str(plain)])
    assert ended.value.code == 2
    assert said in "".join(capsys.readouterr().err.split("\n"))
    assert not plain.with_name("c.trueneg").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"label": "x"}, "takes no --label"),
        ({"split": "dev"}, "holds no split 'dev', only train"),
        ({"encoder": "minilm", "embeddings": ["a", "b"]}, "give one of the two"),
        ({"embeddings": ["a.npy"]}, "takes two .npy files"),
        ({"embeddings": ["a.npy", "b.npy"]}, "a.npy: there is no such file"),
        ({"encoder": "onnx:/nowhere"}, "onnx"),
    ],
)
def test_options_that_do_not_fit_are_refused(plain, options, said):
    """What belongs to a table, or names nothing, is one line with the remedy."""
    with pytest.raises(InputError, match=said):
        audit(plain, **options)


def test_repairs_that_cannot_be_are_one_line(faulty, tmp_path):
    """Several splits, weights, probabilities, nothing to do: each says what to do instead, and nothing is written."""
    one = audit(faulty, split="train").save(tmp_path / "one")
    target = tmp_path / "new.tsv"
    for folder, how, said in (
        (one, {"action": "downweight", "top": 3}, "judgments hold no weight"),
        (one, {"action": "flag", "min_probability": 0.5}, "no probability: use --top or --decisions"),
        (one, {"action": "flag"}, "say which suspects: --top N or --decisions"),
        (one, {"action": "eliminate", "top": 3, "findings": ["TN502"]}, "unjudged already; use reannotate"),
        (one, {"action": "reannotate", "top": 3, "findings": ["TN503"]}, "no suspect is chosen"),
    ):
        with pytest.raises(InputError, match=said):
            repair_to(folder, target, **how)
    with pytest.raises(InputError, match=r"end the name in the ending of train\.tsv"):
        repair_to(one, tmp_path / "new.parquet", action="flag", top=3)
    assert not list(tmp_path.glob("new*"))


@pytest.mark.parametrize("kind", ["one", "stop words", "all judged", "duplicated", "grades", "nothing positive"])
def test_small_and_strange_collections_pass_through(kind, tmp_path):
    """One document, stop words, everything judged, every text the same, no positive at all: no check crashes."""
    documents, queries = {f"d{i}": f"alpha beta word{i}" for i in range(12)}, {f"q{i}": f"word{i}" for i in range(4)}
    qrels = {"train": [(q, f"d{i}", 1) for i, q in enumerate(queries)]}
    if kind == "one":
        documents, queries, qrels = {"d0": "alpha"}, {"q0": "alpha"}, {"train": [("q0", "d0", 1)]}
    elif kind == "stop words":
        documents = dict.fromkeys(documents, "the of and")
    elif kind == "all judged":
        qrels = {"train": [(q, d, int(q[1:] == d[1:])) for q in queries for d in documents]}
    elif kind == "duplicated":
        documents, queries = dict.fromkeys(documents, "alpha beta"), dict.fromkeys(queries, "beta")
    elif kind == "grades":
        qrels = {"train": [("q0", "d0", -1), ("q0", "d1", 0.5), ("q1", "d1", 3)]}
    else:
        qrels = {"train": [("q0", "d0", 0)]}
    result = audit(write(tmp_path / "c", documents, queries, qrels))
    assert not result.crashed, [f.message for f in result.findings if f.status == "error"]
    result.save()
    found = by_code(result)
    if kind == "all judged":
        assert found["TN501"].status == "passed"
    if kind == "duplicated":
        assert found["TN504"].status == found["TN505"].status == "finding"
    if kind == "nothing positive":
        assert found["TN506"].estimate.value == 1


def test_the_command_gates_and_leads_on(faulty, capsys):
    """Select, ignore and fail-on work as for tables; the run ends with one next command."""
    with pytest.raises(SystemExit) as ended:
        main(["audit", str(faulty), "--select", "TN50", "--ignore", "TN502,TN501", "--fail-on", "high"])
    assert ended.value.code == 1
    told = capsys.readouterr().out
    assert "362 documents, 33 judged queries" in " ".join(told.split())
    assert "Next: trueneg repair" in told
    with pytest.raises(SystemExit) as ended:
        main(["audit", str(faulty), "--select", "TN504", "--fail-on", "high", "--quick"])
    assert ended.value.code == 0
    with pytest.raises(SystemExit) as ended:
        main(["compare", str(faulty.with_name("f.trueneg"))])
    assert ended.value.code == 2
