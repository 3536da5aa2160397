"""Encoders on tasks of every kind: figures as scikit-learn's on repeated rows, Borda by hand, reading, refusals."""

import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueneg.cli import main
from trueneg.core.errors import ClaimNotRun, InputError
from trueneg.encoders import CallableEncoder, RandomEncoder, WordsEncoder, text_encoder, vector_cache
from trueneg.jobs.evaluate import Sizes, evaluate, evaluate_encoders, read_tasks
from trueneg.jobs.evaluate.borda import places, points
from trueneg.jobs.evaluate.figures import average_precision, macro_f1, mean, pearson, spearman, v_measure
from trueneg.testing import check_encoder

TOPICS = {
    "wing": "wing flow lift drag plate".split(),  # noqa: SIM905
    "heat": "heat slab cone burn skin".split(),  # noqa: SIM905
    "radio": "aerial wave valve noise band".split(),  # noqa: SIM905
}
WORDS = [word for words in TOPICS.values() for word in words]
SMALL = Sizes(limit=0, draws=3, shots=6)


def _lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _topics(n=90, seed=0):
    rng = np.random.default_rng(seed)
    names = list(TOPICS)
    return [
        {
            "text": " ".join([*rng.choice(TOPICS[names[i % 3]], 4), *rng.choice(WORDS, 2)]) + f" n{i}",
            "label": names[i % 3],
        }
        for i in range(n)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A set of tasks of every kind, which shared words solve."""
    place = tmp_path_factory.mktemp("tasks")
    rng = np.random.default_rng(0)
    _lines(place / "topics.jsonl", _topics())
    pairs, ranked = [], []
    for i in range(60):
        a = list(rng.permutation(WORDS)[:6])
        k = int(rng.integers(0, 7))
        pairs.append((" ".join(a) + f" x{i}", " ".join(a[:k] + list(rng.permutation(WORDS)[: 6 - k])) + f" y{i}", k))
    with (place / "pairs.csv").open("w", newline="") as out:
        csv.writer(out).writerows([("text1", "text2", "score"), *pairs])
    for i in range(25):
        a = list(rng.permutation(WORDS)[:6])
        others = [" ".join(rng.permutation(WORDS)[:6]) + f" {i} {j}" for j in range(6)]
        ranked.append({"query": " ".join(a[:4]) + f" q{i}", "positive": [" ".join(a) + f" p{i}"], "negative": others})
    _lines(place / "ranked.jsonl", ranked)
    beir = place / "found"
    (beir / "qrels").mkdir(parents=True)
    _lines(beir / "corpus.jsonl", [{"_id": f"d{i}", "text": row["positive"][0]} for i, row in enumerate(ranked)])
    _lines(beir / "queries.jsonl", [{"_id": f"q{i}", "text": row["query"]} for i, row in enumerate(ranked)])
    for split, rows in (("train", range(10)), ("test", range(10, 25))):
        text = "".join(f"q{i}\td{i}\t1\n" for i in rows)
        (beir / "qrels" / f"{split}.tsv").write_text("query-id\tcorpus-id\tscore\n" + text)
    return place


# ---------------------------------------------------------------------------------------------------------- figures
@given(st.integers(0, 10_000))
@settings(max_examples=12, deadline=None)
def test_a_figure_of_counts_is_that_of_repeated_rows(seed):
    """What the bootstrap sums must be what scikit-learn and scipy say of the rows written out, ties and all."""
    from scipy.stats import pearsonr, spearmanr
    from sklearn.metrics import accuracy_score, average_precision_score, f1_score, v_measure_score

    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 30))
    truth, said = rng.integers(0, 4, (2, n))
    score, gold = np.round(rng.normal(size=(2, n)), 1)
    counts = rng.multinomial(n, np.ones(n) / n, size=3).astype(float)
    for row, weights in enumerate(counts):
        at = np.repeat(np.arange(n), weights.astype(int))
        hits = (truth[at] == 1).astype(int)
        wanted = {
            mean(truth == said): accuracy_score(truth[at], said[at]),
            macro_f1(truth, said, 4): f1_score(truth[at], said[at], average="macro", zero_division=0),
            v_measure(truth, said): v_measure_score(truth[at], said[at]),
            average_precision(score, truth == 1): average_precision_score(hits, score[at]) if hits.any() else 0.0,
        }
        if np.ptp(score[at]) > 0 and np.ptp(gold[at]) > 0:
            wanted[spearman(score, gold)] = spearmanr(score[at], gold[at]).statistic
            wanted[pearson(score, gold)] = pearsonr(score[at], gold[at]).statistic
        for figure, value in wanted.items():
            assert figure(counts)[row] == pytest.approx(value, abs=1e-9)


def test_a_constant_side_correlates_with_nothing():
    """An encoder that gives every text the same vector must get 0, not an error or a lucky sign."""
    ones = np.ones((1, 5))
    assert spearman(np.ones(5), np.arange(5))(ones)[0] == 0
    assert pearson(np.full(5, 0.1) + 1e-17, np.arange(5))(ones)[0] == 0


def test_borda_by_hand():
    """Three tasks, three encoders: a beats b and c once, ties b once; counted on paper."""
    scores = np.array([[0.9, 0.8, 0.1], [0.5, 0.5, 0.4], [0.2, 0.3, 0.3]])
    assert points(scores).tolist() == [2 + 1.5 + 0, 1 + 1.5 + 1.5, 0 + 0 + 1.5]
    assert places(points(scores)).tolist() == [2, 1, 3]
    assert places(np.array([1.0, 1.0, 0.0])).tolist() == [1.5, 1.5, 3]


@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_borda_points_are_shared_out_whole(seed, encoders, tasks):
    """Whatever the ties, every duel gives one point in all; a monotone change of scores changes nothing."""
    scores = np.random.default_rng(seed).integers(0, 4, (3, tasks, encoders)) / 4
    got = points(scores)
    assert np.allclose(got.sum(axis=-1), tasks * encoders * (encoders - 1) / 2)
    assert np.array_equal(points(np.exp(3 * scores)), got)
    assert np.allclose(places(got).sum(axis=-1), encoders * (encoders + 1) / 2)


# ------------------------------------------------------------------------------------------------------------- runs
@pytest.fixture(scope="module")
def compared(folder, tmp_path_factory):
    """The set of tasks, by words, by chance, and by words once more under another name."""
    models = {"words": WordsEncoder(), "random": RandomEncoder(), "again": WordsEncoder()}
    place = tmp_path_factory.mktemp("cache")
    to = place / "figures.csv"
    return evaluate_encoders(folder, models, sizes=SMALL, cache=place / "v", to=to), to


def test_every_kind_is_found_and_chance_comes_last(compared):
    """Words solve each task and chance none: the order must show on each, and in Borda's count."""
    done, _ = compared
    assert [(task.name, task.kind) for task in done.tasks] == [
        ("found", "retrieval"),
        ("pairs", "similarity"),
        ("ranked", "reranking"),
        ("topics", "classification"),
        ("topics", "clustering"),
    ]
    for task in done.tasks:
        words, chance = (task.figures[name][task.main] for name in ("words", "random"))
        assert words.low > chance.high, task.name
        assert words.low <= words.value <= words.high
        assert task.differences["random"].high < 0
    assert list(done.place) == ["words", "again", "random"]
    assert done.place["random"].value == done.place["random"].low == 3
    assert done.borda["random"].value == 0


def test_equal_encoders_tie_everywhere(compared):
    """The same encoder under two names must share points and place, in every resample."""
    done, _ = compared
    assert done.borda["words"] == done.borda["again"]
    assert (done.borda["words"].value, done.borda["words"].low, done.borda["words"].high) == (7.5, 7.5, 7.5)
    assert done.place["words"].value == 1.5
    for task in done.tasks:
        assert task.differences["again"].low == task.differences["again"].high == 0


def test_the_table_holds_every_figure(compared):
    """One line a task, encoder and figure, and the count over tasks."""
    done, to = compared
    rows = list(csv.DictReader(to.open()))
    figures = sum(len(found) for task in done.tasks for found in task.figures.values())
    assert len(rows) == figures + 6
    first = done.tasks[0].figures["words"]["nDCG@10"]
    assert float(rows[0]["value"]) == first.value
    assert rows[-1]["figure"] == "place"


def test_a_paired_difference_knows_that_the_rows_are_the_same(folder, tmp_path):
    """An encoder that is nearly the other one differs by far less than the two intervals say."""
    rng = np.random.default_rng(0)
    words = WordsEncoder()

    def shaken(texts):
        vectors = words.encode(texts)
        return vectors + 0.01 * rng.normal(size=vectors.shape)

    models = {"words": words, "shaken": CallableEncoder(shaken, name="shaken")}
    done = evaluate_encoders(folder / "pairs.csv", models, sizes=SMALL, cache=tmp_path)
    alone, apart = done.tasks[0].figures["words"]["Spearman"], done.tasks[0].differences["shaken"]
    assert apart.high - apart.low < 0.4 * (alone.high - alone.low)


def test_retrieval_is_what_the_run_of_the_same_vectors_gets(folder, compared, tmp_path):
    """One evaluator, two doors: the nearest documents written as a run must get the same figures."""
    found = folder / "found"
    texts = {name: [json.loads(line) for line in (found / f"{name}.jsonl").open()] for name in ("queries", "corpus")}
    vectors = {name: WordsEncoder().encode([row["text"] for row in rows]) for name, rows in texts.items()}
    scores = vectors["queries"] @ vectors["corpus"].T
    run = "".join(f"q{q} Q0 d{d} 0 {scores[q, d]:.9f} x\n" for q in range(10, 25) for d in range(scores.shape[1]))
    (tmp_path / "run").write_text(run)
    other = evaluate(tmp_path / "run", found / "qrels" / "test.tsv", measures=["nDCG@10", "MRR@10", "R@25", "MAP@25"])
    ours = compared[0].tasks[0].figures["words"]
    for name, value in other.figures.items():
        assert ours[name].value == pytest.approx(value.value, abs=1e-6)


def test_classification_is_what_the_fits_by_hand_say(folder, tmp_path):
    """Accuracy is the mean over draws of logistic regression on a few examples of the training half."""
    from sklearn.linear_model import LogisticRegression

    (task,) = read_tasks(folder / "topics.jsonl", kinds=["classification"], sizes=SMALL)
    encoder = WordsEncoder()
    test, train = encoder.encode(task.test), encoder.encode(task.train)
    by_hand = [
        LogisticRegression(max_iter=300).fit(train[rows], task.taught[rows]).score(test, task.truth)
        for rows in task.draws
    ]
    done = evaluate_encoders(folder / "topics.jsonl", {"w": encoder}, sizes=SMALL, cache=tmp_path)
    assert done.tasks[0].figures["w"]["accuracy"].value == pytest.approx(np.mean(by_hand))
    assert not set(task.test) & set(task.train)
    assert all(np.bincount(task.taught[rows]).tolist() == [6, 6, 6] for rows in task.draws)
    assert not done.borda


def test_two_labels_get_the_precision_of_the_rarer_one(tmp_path):
    """Where one class is rare, accuracy hides it: its average precision is told, whatever the order of the labels."""
    rows = [{"text": row["text"], "label": "z" if row["label"] == "wing" else "a"} for row in _topics()]
    path = _lines(tmp_path / "two.jsonl", rows)
    figures = evaluate_encoders(path, {"w": WordsEncoder()}, sizes=SMALL, cache=tmp_path / "c").tasks[0].figures["w"]
    assert figures["AP of z"].value > 0.8


def test_rows_of_a_group_are_on_one_side_and_drawn_together(tmp_path):
    """Copies of a text by one author must not be learned from and tested on, nor make an interval narrow."""
    rows = [{**row, "group": i // 9} for i, row in enumerate(_topics())]
    path = _lines(tmp_path / "g.jsonl", rows)
    classify = read_tasks(path, sizes=SMALL)[0]
    place = {row["text"]: row["group"] for row in rows}
    assert not {place[t] for t in classify.test} & {place[t] for t in classify.train}
    assert len(np.unique(classify.unit)) == len({place[t] for t in classify.test}) == 5


def test_vectors_are_made_once(folder, tmp_path):
    """A second evaluation, and clustering after classification, must find the vectors in the cache."""
    asked = []

    def words(texts):
        asked.append(len(texts))
        return WordsEncoder().encode(texts)

    how = {"sizes": SMALL, "cache": tmp_path}
    first = evaluate_encoders(folder / "topics.jsonl", {"w": CallableEncoder(words, name="w")}, **how)
    assert len(asked) == 2  # the texts to test on, and those to learn from
    again = evaluate_encoders(folder / "topics.jsonl", {"w": CallableEncoder(words, name="w")}, **how)
    assert len(asked) == 2
    assert first.lines() == again.lines()


def test_vectors_go_to_the_users_cache_unless_told(folder, tmp_path, monkeypatch):
    """Nothing is written beside the tasks; a variable moves the cache, and so does that of the desktop."""
    monkeypatch.delenv("TRUENEG_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "desktop"))
    assert vector_cache() == tmp_path / "desktop" / "trueneg" / "vectors"
    monkeypatch.setenv("TRUENEG_CACHE", str(tmp_path / "mine"))
    before = sorted(folder.rglob("*"))
    evaluate_encoders(folder / "pairs.csv", ["words"], sizes=SMALL)
    assert len(list((tmp_path / "mine").glob("*.npy"))) == 2
    assert sorted(folder.rglob("*")) == before


# ---------------------------------------------------------------------------------------------------------- reading
def test_every_form_of_a_reranking_table_is_the_same_task(tmp_path):
    """Lists, one pair a row, numbered columns and labelled pairs are written by different tools."""
    whole = [("q one", ["yes a", "yes b"], ["no a", "no b"]), ("q two", ["yes c"], ["no c", "no d"])]
    forms = {
        "lists": [{"query": q, "positive": p, "negative": n} for q, p, n in whole],
        "rows": [{"anchor": q, "positive": a, "negative": b} for q, p, n in whole for a in p for b in n],
        "numbered": [
            {"anchor": q, "positive": a, "negative_1": n[0], "negative_2": n[1]} for q, p, n in whole for a in p
        ],
        "pairs": [{"query": q, "document": d, "label": int(d in p)} for q, p, n in whole for d in (*p, *n)],
        "scored": [{"query": q, "docs": [*p, *n], "labels": [1] * len(p) + [0] * len(n)} for q, p, n in whole],
    }
    for name, rows in forms.items():
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"{name}.parquet")
        (task,) = read_tasks(tmp_path / f"{name}.parquet")
        told = {
            (task.queries[q], task.documents[d], bool(r))
            for q, d, r in zip(task.query, task.document, task.relevant, strict=True)
        }
        assert told == {(q, d, d in p) for q, p, n in whole for d in (*p, *n)}, name


def test_what_is_left_out_is_told(tmp_path):
    """Blank cells, queries with one side only, and rows beyond the limit must be counted in plain words."""
    rows = [{"text1": "a b", "text2": f"c {i}", "score": i} for i in range(9)]
    rows += [{"text1": " ", "text2": "c", "score": 1}, {"text1": "x", "text2": None, "score": 1}]
    (task,) = read_tasks(_lines(tmp_path / "p.jsonl", rows), sizes=Sizes(limit=4))
    assert task.notes[:2] == ["2 rows with a blank cell are left out", "4 of 9 drawn"]
    assert "hang together" in task.notes[2]
    ranked = [{"query": f"q{i}", "positive": "p", "negative": "p" if i == 2 else "n"} for i in range(4)]
    (task,) = read_tasks(_lines(tmp_path / "r.jsonl", ranked))
    assert task.notes == ["1 queries without both a relevant and another document are left out"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"a": 1}, {"a": 2}], "similarity text1, text2 and score"),
        ([{"text": "a", "label": i} for i in range(5)], "holds 5 different labels in 5 rows"),
        ([{"text": "a", "label": "x"}] * 5, "holds 1 different labels"),
        ([{"text": "same", "label": i % 2} for i in range(8)], "cannot be split"),
        ([{"text": f"t{i}", "label": i % 2, "split": "train"} for i in range(8)], "train and test are needed"),
        ([{"text1": "a", "text2": "b"}] * 3, "has text1 and text2, and no score"),
        ([{"text1": "a", "text2": "b", "score": "high"}] * 3, "score of row 1 is 'high': a number is needed"),
        ([{"text1": "a", "text2": "b", "score": 1}] * 3, "a correlation needs two scores"),
        ([{"text1": None, "text2": "b", "score": 1}] * 3, "0 of 3 rows have text1, text2, score"),
        ([{"query": "q", "positive": "p"}] * 3, "reranking query, positive and negative"),
        ([{"query": "q", "positive": "p", "negative": "n"}] * 3, "1 queries have both"),
        ([{"query": "q", "docs": ["a"], "labels": [1, 0]}] * 2, "row 1: 1 documents and 2 labels"),
    ],
)
def test_a_table_that_is_no_task_is_one_clear_line(rows, words, tmp_path):
    """Each names the file and what it lacks."""
    path = _lines(tmp_path / "bad.jsonl", rows)
    with pytest.raises(InputError, match="bad.jsonl") as error:
        read_tasks(path)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_other_refusals_say_what_to_do(folder, tmp_path):
    """Paths, kinds, sizes and encoders that there are not."""
    for how, words in (
        ({"tasks": tmp_path / "none"}, "there is no such file or folder"),
        ({"tasks": tmp_path}, "neither tables nor folders"),
        ({"kinds": ["sorting"]}, "'sorting' is no kind of task"),
        ({"tasks": folder / "pairs.csv", "kinds": ["retrieval"]}, "is similarity, and only retrieval was asked for"),
        ({"tasks": [folder / "pairs.csv"] * 2}, "two tasks are called pairs"),
        ({"encoders": []}, "no encoder is given"),
        ({"encoders": ["words", "words"]}, "named twice"),
        ({"encoders": {"bad": CallableEncoder(lambda t: np.full((len(t), 2), np.nan), name="n")}}, "no number"),
    ):
        with pytest.raises(InputError, match=words):
            evaluate_encoders(**({"tasks": folder, "encoders": ["words"], "cache": tmp_path / "c"} | how))
    for bad in ({"limit": 1}, {"draws": 0}, {"shots": 0}):
        with pytest.raises(InputError, match=next(iter(bad))):
            Sizes(**bad)


def test_the_command_line(folder, tmp_path, capsys):
    """The door: tasks with --encoder, a run without; options of one are refused with the other."""
    args = ["--encoder", "words", "--encoder", "random", "--draws", "2", "--kinds", "similarity,classification"]
    with pytest.raises(SystemExit) as done:
        main(["evaluate", str(folder), *args, "--cache", str(tmp_path / "c")])
    told = capsys.readouterr()
    assert done.value.code == 0, told.err
    assert "pairs, similarity: 60 pairs" in told.out
    assert "Borda's count over 2 tasks, a point for each encoder beaten, of 2:" in told.out
    assert "clustering" not in told.out
    for args, words in (
        ([str(folder)], "1 path and no encoder"),
        ([str(folder), "--encoder", "words", "--unjudged", "condensed"], "--unjudged and --positive-from are of a run"),
    ):
        with pytest.raises(SystemExit) as done:
            main(["evaluate", *args])
        assert done.value.code == 2
        assert words in capsys.readouterr().err


@pytest.mark.parametrize("encoder", [WordsEncoder(), RandomEncoder()], ids=["words", "random"])
def test_the_encoders_to_hold_others_to_are_encoders(encoder):
    """They keep the shape of every encoder; a text without words is a row of zeros, and equal texts are equal."""
    check_encoder(encoder)
    assert not WordsEncoder().encode(["the of"]).any()
    assert WordsEncoder().encode(["wing wing drag"])[0] @ WordsEncoder().encode(["drag wing"])[0] > 0.9


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_chance_is_last_on_real_tasks(tmp_path):
    """News groups, paraphrases and Cranfield: a sentence encoder before latent words, chance behind all."""
    pytest.importorskip("sentence_transformers", reason="needs the extra text")
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    from trueneg.data import registry

    try:
        news, mrpc, cranfield = (
            registry.file("20newsgroups.parquet"),
            registry.folder("mrpc"),
            registry.folder("cranfield"),
        )
    except ClaimNotRun as error:
        pytest.skip(str(error))
    with (mrpc / "msr_paraphrase_test.txt").open(encoding="utf-8-sig", newline="") as source:
        rows = [(row[3], row[4], row[0]) for row in list(csv.reader(source, delimiter="\t"))[1:]]
    with (tmp_path / "mrpc.csv").open("w", newline="") as out:
        csv.writer(out).writerows([("text1", "text2", "score"), *rows])
    words = make_pipeline(TfidfVectorizer(sublinear_tf=True, min_df=2), TruncatedSVD(128, random_state=0))
    words.fit([*pq.read_table(news)["text"].to_pylist()[::5], *(text for row in rows for text in row[:2])])
    models = {
        "minilm": text_encoder(folder=vector_cache()).encoder,
        "latent words": CallableEncoder(words.transform, name="latent words"),
        "words": WordsEncoder(),
        "random": RandomEncoder(),
    }
    sizes = Sizes(limit=200, draws=2, shots=4)
    done = evaluate_encoders([news, tmp_path / "mrpc.csv", cranfield], models, sizes=sizes)
    assert [task.kind for task in done.tasks] == ["classification", "clustering", "similarity", "retrieval"]
    assert list(done.place)[-1] == "random"
    assert done.place["random"].low > 3.4
    assert next(iter(done.place)) == "minilm"


def test_one_long_text_does_not_widen_all_others(tmp_path):
    """A text of 400,000 letters among short ones must cost its own length, not that length a row."""
    import tracemalloc

    rows = _topics(300)
    rows[7]["text"] += "x" * 400_000
    path = _lines(tmp_path / "long.jsonl", rows)
    read_tasks(path)
    tracemalloc.start()
    read_tasks(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50_000_000
