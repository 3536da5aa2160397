"""trueneg mine from a folder to files, killed and gone on with, reviewed, and refused."""

import csv
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
from trueneg.jobs.mine import Options, candidates, mine, review_mined

WORDS = "wing flow heat slab drag cone jet layer shock plate tail speed load skin".split()  # noqa: SIM905


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of 30 queries and 300 documents; document i answers query i, and its copy is document 200 + i."""
    place = tmp_path_factory.mktemp("beir")
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, 9)) + f" number{i}" for i in range(300)]
    texts[200:230] = [text.upper() for text in texts[:30]]
    asked = [" ".join(rng.permutation(texts[i].split())[:5]) for i in range(30)]
    for name, rows in (("corpus", texts), ("queries", asked)):
        lines = [json.dumps({"_id": f"{name[0]}{i}", "text": text}) for i, text in enumerate(rows)]
        (place / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    (place / "qrels").mkdir()
    pairs = "".join(f"q{i}\tc{i}\t1\n" for i in range(30))
    (place / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\n" + pairs)
    vectors = rng.normal(size=(300, 16)).astype(np.float32)
    vectors[200:230] = vectors[:30]
    np.save(place / "q.npy", (vectors[:30] + 0.5 * rng.normal(size=(30, 16))).astype(np.float16))
    np.save(place / "d.npy", vectors)
    return place


def _options(folder, **more):
    return Options(embeddings=(folder / "q.npy", folder / "d.npy"), **more)


def test_from_a_folder_to_files(folder, tmp_path):
    """Ids go in and come out, no positive and no copy of one is written, every format holds the same pairs."""
    out = tmp_path / "out"
    forms = ("triples", "n-tuples.parquet", "labelled-pairs", "scored-lists", "tevatron")
    done = mine(folder, out, _options(folder, formats=forms, n=4))
    table = pq.read_table(out / "negatives.parquet").to_pydict()
    assert list(table) == ["query", "document", "score", "rank", "reason", "verdict"]
    pairs = set(zip(table["query"], table["document"], strict=True))
    assert len(pairs) == len(table["query"]) == len(done.negatives) == 120
    for q, d in pairs:
        assert int(d[1:]) % 200 != int(q[1:]) or int(d[1:]) >= 230
    texts = [json.loads(line)["text"] for line in (folder / "corpus.jsonl").open()]
    wanted = {(q, texts[int(d[1:])]) for q, d in pairs}
    asked = {json.loads(line)["text"]: json.loads(line)["_id"] for line in (folder / "queries.jsonl").open()}
    triples = [json.loads(line) for line in (out / "triples.jsonl").open()]
    assert {(asked[row["anchor"]], row["negative"]) for row in triples} == wanted
    assert all(row["positive"] == texts[int(asked[row["anchor"]][1:])] for row in triples)
    tuples = pq.read_table(out / "n-tuples.parquet").to_pylist()
    assert {(asked[row["anchor"]], row[f"negative_{i}"]) for row in tuples for i in range(1, 5)} == wanted
    lists = [json.loads(line) for line in (out / "tevatron.jsonl").open()]
    assert {(row["query_id"], p["docid"]) for row in lists for p in row["negative_passages"]} == pairs
    labelled = [json.loads(line) for line in (out / "labelled-pairs.jsonl").open()]
    assert sum(row["label"] for row in labelled) == 30
    page = (out / "report.html").read_text()
    assert "second opinion of BM25" in page
    assert "unknown" in page
    assert "http" not in page.split("</style>")[1]


def test_teachers_score_the_positives_too(folder, tmp_path):
    """Lists for distillation need a score of every document, on one scale: the mean of the teachers' z-scores."""
    out = tmp_path / "out"
    run = tmp_path / "rerank.trec"
    run.write_text("".join(f"q{i} Q0 c{i} 1 {9 - i / 10} r\nq{i} Q0 c{i + 100} 2 1.0 r\n" for i in range(30)))
    teachers = ("dense", "bm25", str(run))
    mine(folder, out, _options(folder, formats=("scored-lists", "scored-lists.parquet"), n=4, teachers=teachers))
    rows = [json.loads(line) for line in (out / "scored-lists.jsonl").open()]
    assert len(rows) == 30
    for row in rows:
        assert len(row["docs"]) == len(row["labels"]) == len(row["scores"]) == 5
        assert row["labels"][0] == 1
        assert row["scores"][0] == max(row["scores"])  # the run holds nothing else of the list
        assert abs(sum(row["scores"]) / 5) < 1
    assert pq.read_table(out / "scored-lists.parquet").to_pylist()[3]["scores"] == pytest.approx(rows[3]["scores"])
    mine(folder, tmp_path / "plain", _options(folder, formats=("scored-lists",), n=4))
    first = json.loads((tmp_path / "plain" / "scored-lists.jsonl").open().readline())
    assert first["scores"][0] is None
    assert None not in first["scores"][1:]


def test_an_encoder_is_asked_as_it_was_taught(folder, tmp_path, monkeypatch):
    """The task and its examples stand before queries and before no document, and no query sees its own answer."""
    seen = []

    class Encoder:
        fingerprint, max_length = "made", 60

        def count(self, texts):
            return [len(text.split()) for text in texts]

        def encode(self, texts):
            seen.extend(texts)
            return np.array([[text.count(word) for word in WORDS] for text in texts], dtype=np.float32) + 0.1

    monkeypatch.setattr("trueneg.encoders.text._named", lambda name: Encoder())
    mine(folder, tmp_path / "out", Options(instruction="Find it", worked_examples=2, n=2))
    answers = [json.loads(line)["text"] for line in (folder / "corpus.jsonl").open()]
    asked = {text.rpartition("Query: ")[2]: text for text in seen if text.startswith("Instruct: Find it")}
    assert len(asked) == 30
    assert set(answers) <= set(seen)
    for line in (folder / "queries.jsonl").open():
        row = json.loads(line)
        prompt = asked[row["text"]]
        assert prompt.count("Document: ") == 2
        assert answers[int(row["_id"][1:])] not in prompt
    monkeypatch.delattr(Encoder, "count")
    with pytest.raises(InputError, match="counts its tokens"):
        mine(folder, tmp_path / "other", Options(instruction="Find it", worked_examples=2, n=2))


def test_vectors_by_id_mine_what_rows_in_order_do(folder, tmp_path):
    """Vectors in another order, found by their ids, must give the same negatives; a lost one is named."""
    place = tmp_path / "vectors"
    place.mkdir()
    rng = np.random.default_rng(1)
    for name, source in (("queries", "q"), ("corpus", "d")):
        rows = np.load(folder / f"{source}.npy")
        order = rng.permutation(len(rows))
        np.save(place / f"{name}.npy", rows[order])
        (place / f"{name}.ids").write_text("".join(f"{name[0]}{i}\n" for i in order))
    by_id = mine(folder, tmp_path / "a", Options(encoder=f"numpy:{place}", rule="none"))
    mine(folder, tmp_path / "b", _options(folder, rule="none"))
    assert len(by_id.negatives)
    a, b = (pq.read_table(tmp_path / name / "negatives.parquet") for name in "ab")
    assert a.equals(b)
    ids = (place / "corpus.ids").read_text().split("\n")
    (place / "corpus.ids").write_text("\n".join(["elsewhere", *ids[1:]]))
    with pytest.raises(InputError, match=f"1 of 300 ids have no vector, the first is '{ids[0]}'"):
        mine(folder, tmp_path / "c", Options(encoder=f"numpy:{place}", rule="none"))
    assert not list(tmp_path.glob("c/negatives*"))


def test_an_encoder_is_chosen_by_name(folder, tmp_path):
    """A static model's folder goes in place of the default; a name that leads nowhere is one line."""
    model2vec = pytest.importorskip("model2vec", reason="needs the extra model2vec")
    tokenizers = pytest.importorskip("tokenizers")
    words = {word: i for i, word in enumerate(["[UNK]", *WORDS])}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    table = np.random.default_rng(0).normal(size=(len(words), 8)).astype(np.float32)
    model2vec.StaticModel(table, made, normalize=True).save_pretrained(tmp_path / "m")
    done = mine(folder, tmp_path / "out", Options(encoder=f"model2vec:{tmp_path / 'm'}", rule="none", n=3))
    assert len(done.negatives) == 90
    with pytest.raises(InputError, match=r"there is no model\.onnx"):
        mine(folder, tmp_path / "none", Options(encoder=f"onnx:{tmp_path}"))


def test_the_rules_are_side_by_side_at_equal_hardness(folder, tmp_path):
    """Each rule must tell its yield, its hardness, and the plain shift of ranks that is as easy."""
    done = mine(folder, tmp_path / "out", _options(folder, rule="percent", n=3))
    rules = {rule.name: rule for rule in done.rules}
    assert list(rules) == ["none", "second-opinion", "percent", "absolute", "relative", "spread"]
    assert done.chosen.name == "percent"
    second = rules["second-opinion"]
    assert second.hardness.value < rules["none"].hardness.value
    assert second.shift is not None
    assert second.shift > 0
    assert len(second.mined) == 90


def test_a_review_turns_unknown_into_a_rate(folder, tmp_path):
    """Without answers the word is unknown; with them the rate is that of the answers; the next run still knows it."""
    out = tmp_path / "out"
    mine(folder, out, _options(folder))
    done = review_mined(out, n=40)
    assert done.rate is None
    assert "unknown" in " ".join(done.lines())
    rows = list(csv.DictReader((out / "review.csv").open()))
    assert len({row["pair"] for row in rows}) == 40
    for i, row in enumerate(rows):
        row["answer"] = "relevant" if i < 8 else "Not relevant" if i < 38 else "unsure"
    _write(out / "review.csv", rows)
    done = review_mined(out, n=40)
    assert (done.answered, done.unsure) == (38, 2)
    assert done.rate.value == pytest.approx(8 / 38)
    assert done.lowest == pytest.approx(8 / 40)
    assert "of 38 judged pairs" in " ".join(mine(folder, out, _options(folder)).lines())
    more = review_mined(out, n=60)
    assert (more.drawn, more.answered) == (60, 38)
    rows[3]["answer"] = "perhaps"
    _write(out / "review.csv", rows)
    with pytest.raises(InputError, match="line 5: 'perhaps' is no answer"):
        review_mined(out)
    rows[3]["answer"] = ""
    _write(out / "review.csv", rows)
    mine(folder, out, _options(folder, n=2))
    with pytest.raises(InputError, match="line 2: this pair belongs to another mined list"):
        review_mined(out)


def _write(path, rows):
    with path.open("w", newline="") as out:
        writer = csv.DictWriter(out, rows[0])
        writer.writeheader()
        writer.writerows(rows)


CHILD = """
import sys, time
from pathlib import Path
from trueneg.jobs.mine import candidates, mine, Options
candidates._BLOCK = 4
slow = candidates.Dense.search
def search(self, query, k):
    time.sleep(0.15)
    return slow(self, query, k)
candidates.Dense.search = search
f, out = Path(sys.argv[1]), sys.argv[2]
mine(f, out, Options(embeddings=(f / "q.npy", f / "d.npy"), sampling="random", formats=("triples",)))
"""


def test_a_killed_run_goes_on_and_writes_the_same(folder, tmp_path, monkeypatch):
    """SIGKILL in the middle of the search: no half-written file, nothing searched twice, the same list."""
    monkeypatch.setattr(candidates, "_BLOCK", 4)
    options = _options(folder, sampling="random", formats=("triples",))
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    mine(folder, whole, options)
    command = [sys.executable, "-c", CHILD, str(folder), str(cut)]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    limit = time.monotonic() + 60
    while len(list(cut.glob(".stages/candidates-*.npz"))) < 3 and time.monotonic() < limit:
        time.sleep(0.02)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert not (cut / "negatives.parquet").exists()
    kept = len(list(cut.glob(".stages/candidates-*.npz")))
    assert 3 <= kept < 8
    assert mine(folder, cut, options).resumed == 4 * kept
    for name in ("negatives.parquet", "triples.jsonl"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize("source", ["bm25", "fusion", "run"])
def test_candidates_come_from_where_they_are_asked(source, folder, tmp_path):
    """Words, a fusion and a run of somebody else must each give a list; a run gives no more than it holds."""
    pytest.importorskip("bm25s")
    if source == "run":
        source = tmp_path / "run.txt"
        source.write_text("".join(f"q{i} Q0 c{(i * 7 + j) % 300} 0 {9 - j} x\n" for i in range(30) for j in range(9)))
    done = mine(folder, tmp_path / "out", _options(folder, source=str(source), rule="none"))
    assert len(done.negatives) > 100
    assert done.negatives.query_ids[0] == "q0"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rule": "best"}, "--rule best: choose auto"),
        ({"formats": ("pairs",)}, "--format pairs: choose triples"),
        ({"source": "nowhere"}, "--from nowhere: there is no such run"),
        ({"source": "bm25", "rule": "second-opinion", "embeddings": None}, "needs a retriever that is independent"),
        ({"teachers": ("dense",)}, "scored-lists too"),
        ({"teachers": ("lost.trec",), "formats": ("scored-lists",)}, "--teacher lost.trec"),
        ({"instruction": "find it"}, "leave out --embeddings"),
        ({"worked_examples": 2}, "--instruction"),
        ({"embeddings": "short"}, r"has shape \(29, 16\), and there are 30 queries"),
        ({"embeddings": "nan"}, "row 4, column 2 is nan"),
        ({"embeddings": "wide"}, "queries have 16 columns and documents 17"),
    ],
)
def test_refusals_write_nothing(change, said, folder, tmp_path):
    """Bad options and embeddings must be one line that names the remedy, and leave no result behind."""
    if isinstance(kind := change.get("embeddings"), str):
        queries, documents = np.load(folder / "q.npy").astype(np.float32), np.load(folder / "d.npy")
        queries = queries[:29] if kind == "short" else queries
        documents = np.pad(documents, ((0, 0), (0, 1))) if kind == "wide" else documents
        if kind == "nan":
            queries[4, 2] = np.nan
        for name, array in (("q", queries), ("d", documents)):
            np.save(tmp_path / f"{name}.npy", array)
        change = {"embeddings": (tmp_path / "q.npy", tmp_path / "d.npy")}
    with pytest.raises(InputError, match=said):
        mine(folder, tmp_path / "out", Options(**{"embeddings": (folder / "q.npy", folder / "d.npy")} | change))
    assert not list(tmp_path.glob("out/*"))


def test_the_commands_say_what_they_did(folder, tmp_path, capsys):
    """The command line must end with what is unknown, what was written, and the next command."""
    out = str(tmp_path / "out")
    vectors = [str(folder / "q.npy"), str(folder / "d.npy")]
    with pytest.raises(SystemExit) as ended:
        main(["mine", str(folder), "--out", out, "--embeddings", *vectors, "--ranks", "2", "60", "--format", "triples"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert "false negatives: unknown" in told
    assert told.rstrip().endswith(f"Next: trueneg review {out}")
    with pytest.raises(SystemExit):
        main(["review", out])
    assert "60 to judge" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["mine", str(tmp_path / "none"), "--out", out])
    assert ended.value.code == 2


@pytest.mark.slow
def test_the_trainer_of_sentence_transformers_takes_the_files(folder, tmp_path):
    """What is written must train as it is: triples and n-tuples with the ranking loss, labelled pairs with another."""
    peer = pytest.importorskip("sentence_transformers")
    datasets = pytest.importorskip("datasets")
    from sentence_transformers import losses, models

    mine(folder, tmp_path / "out", _options(folder, formats=("triples", "n-tuples", "labelled-pairs"), n=2))
    words = models.BoW(vocab=WORDS)
    dense = models.Dense(words.get_sentence_embedding_dimension(), 8)
    made = {"triples": losses.MultipleNegativesRankingLoss, "n-tuples": losses.MultipleNegativesRankingLoss}
    for name, loss in {**made, "labelled-pairs": losses.ContrastiveLoss}.items():
        model = peer.SentenceTransformer(modules=[words, dense], device="cpu")
        data = datasets.load_dataset("json", data_files=str(tmp_path / "out" / f"{name}.jsonl"), split="train")
        how = peer.SentenceTransformerTrainingArguments(
            output_dir=str(tmp_path / name), max_steps=2, report_to="none", save_strategy="no", use_cpu=True
        )
        peer.SentenceTransformerTrainer(model=model, args=how, train_dataset=data, loss=loss(model)).train()
