"""Labels of sentiment, subjectivity and emotion, and their audit."""

import json
import os
import sys
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueneg.cli import main
from trueneg.core.errors import InputError
from trueneg.judge._sentiment.vader import Vader, load
from trueneg.judge.sentiment import (
    EMOTIONS,
    DatasetCard,
    EmotionHead,
    EmotionModel,
    EmotionWriter,
    LabelPipeline,
    TextBlobSubjectivity,
    VaderLabeller,
    audit_labels,
    clean_published,
    count_by_source,
    read_published,
    sentences,
    source_of,
    split_with_baseline,
    trained_head,
)

DATA = os.environ.get("TRUENEG_DATA")
VADER, PEER = Vader(), load()[1]
_TEXT = (
    "good bad GOOD Great! kind of sort the shit bomb but BUT never so this without doubt least at very not isn't no or "
    "nor LOVE hate :) ??? ! 😀 a quite VERY barely bus stop yeah right kiss of death to die for it 1 ... n't"
)
WORDS = st.sampled_from(_TEXT.split())
POSTS = {
    "url": ["https://www.youtube.com/watch?v=1", "https://m.tiktok.com/@a", "", None],
    "title": ["Terrible news!", "I LOVE this :)", "Measles", None],
    "description": ["Hospitals are full and sad.", "", None, "Facts."],
    "date": ["2024-02-01", "2024-03-04", "2024-03-05", None],
}


@settings(max_examples=400, deadline=None)
@given(st.lists(WORDS, max_size=14).map(" ".join) | st.text(max_size=40))
def test_vader_scores_are_those_of_the_package(text):
    """Every rule (negation, boosters, capitals, idioms, contrast, punctuation, emoji) must give the peer's digits."""
    assert VADER.score([text])[0] == PEER.polarity_scores(text)["compound"]


@pytest.mark.skipif(DATA is None, reason="TRUENEG_DATA is not set")
def test_vader_scores_real_texts_as_the_package_does():
    """On texts that people wrote the scores must be the peer's, to the last digit."""
    with tarfile.open(Path(DATA) / "vader" / "hutto_ICWSM_2014.tar.gz") as archive:
        lines = [
            line
            for name in ("tweets", "nytEditorialSnippets")
            for line in archive.extractfile(f"hutto_ICWSM_2014/{name}_GroundTruth.txt").read().decode().splitlines()
        ]
    texts = [line.split("\t", 2)[2] for line in lines][::5]
    assert VADER.score(texts).tolist() == [PEER.polarity_scores(text)["compound"] for text in texts]


def test_a_long_text_is_the_mean_of_its_sentences():
    """A long description must not saturate: ten mild sentences are as mild as one, and short texts stay whole."""
    mild = "This is a good day."
    whole, by_sentence = VaderLabeller(long=None), VaderLabeller(long=100)
    assert whole.label([mild * 10]).score[0] > 0.9
    assert by_sentence.label([(mild + " ") * 10]).score[0] == pytest.approx(whole.label([mild]).score[0])
    assert by_sentence.label([mild, "Bad. " * 30, "x"]).label == ["positive", "negative", "neutral"]
    assert sentences('He said "no." Then\nleft!  ') == ['He said "no.', "Then", "left!"]


def test_thresholds_cut_where_they_say():
    """A class begins at its cut point: the documented thresholds are inclusive, and bands are the caller's."""
    score = VADER.score(["It is good."])[0]
    assert VaderLabeller(threshold=score).label(["It is good."]).label == ["positive"]
    assert VaderLabeller(threshold=score + 1e-9).label(["It is good."]).label == ["neutral"]
    value = TextBlobSubjectivity().label(["It is good."]).score[0]
    assert TextBlobSubjectivity(bands=(value, 0.99)).label(["It is good."]).label == ["neutral"]
    assert TextBlobSubjectivity(bands=(0.1, value)).label(["It is good."]).label == ["highly opinionated"]
    assert TextBlobSubjectivity(bands=(value + 0.01, 0.99)).label(["It is good."]).label == ["least opinionated"]


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, lambda d: pa.table(d)])
def test_frames_keep_their_type_and_missing_texts_get_no_label(frame):
    """A post without a description has no opinion there: None, never neutral; titles and descriptions stay apart."""
    out = LabelPipeline.preset().label(frame(POSTS), url="url")
    assert type(out) is type(frame(POSTS))
    columns = out.to_pydict() if isinstance(out, pa.Table) else {c: list(out[c]) for c in out.columns}
    none = [[v is None or v != v for v in columns[f"{t}_sentiment"]] for t in ("title", "description")]
    assert none == [[False, False, False, True], [False, True, True, False]]
    assert columns["title_sentiment"][:3] == ["negative", "positive", "neutral"]
    assert columns["description_sentiment"][0] == "negative"
    assert [s if isinstance(s, str) else None for s in columns["source"]] == ["youtube.com", "tiktok.com", None, None]
    assert "vaderSentiment" in columns["labelled_by"][0]
    assert columns["title_key"][0] != columns["description_key"][0]


def test_an_index_survives_and_nothing_is_written_over():
    """Labels must sit on their own rows, and an existing column is never replaced in silence."""
    frame = pd.DataFrame(POSTS, index=[7, 3, 9, 1])
    out = LabelPipeline.preset().label(frame)
    assert out.index.tolist() == [7, 3, 9, 1]
    assert out.loc[3, "title_sentiment"] == "positive"
    with pytest.raises(InputError, match="'title_sentiment' is there already"):
        LabelPipeline.preset().label(out)
    with pytest.raises(InputError, match="no column 'body'"):
        LabelPipeline.preset().label(frame, text=["body"])
    with pytest.raises(InputError, match="row 0: int, not text"):
        LabelPipeline.preset().label(pd.DataFrame({"title": [1]}), text=["title"])


def test_the_published_cleaning_takes_negation_and_capitals():
    """The preset must do what was published, so that its cost is seen: links, tags, stop words, endings are gone."""
    assert clean_published("Not GOOD!! https://a.b #measles @who running 24") == "good run"
    pipeline = LabelPipeline.preset("measles-2024")
    assert pipeline.columns({"t": ["not good", "#a @b"]})["t_sentiment"] == ["positive", None]
    assert LabelPipeline.preset().columns({"t": ["not good"]})["t_sentiment"] == ["negative"]


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://youtu.be/x", "youtube.com"),
        ("www.BBC.co.uk/news", "bbc.co.uk"),
        ("https://m.facebook.com:443/x", "facebook.com"),
        ("nonsense", None),
        ("http://[::1", None),
        (None, None),
    ],
)
def test_source_is_the_site(url, source):
    """One site must be one source, whatever its URLs look like; what is no URL is none."""
    assert source_of(url) == source


def test_counts_by_source_and_month():
    """The counts must add up to the posts, those without source or date included."""
    counts = count_by_source(["a.com", "a.com", None], ["2024-01-02", "2024-01-09", None])
    assert counts == {("a.com", "2024-01"): 2, ("(none)", "(none)"): 1}


def _head():
    texts = [
        f"{word} {i}" for i in range(8) for word in ("happy joyful day", "angry furious rage", "scared afraid dark")
    ]
    return EmotionHead(words=200, letters=200).fit(texts, ["joy", "anger", "fear"] * 8)


def test_the_emotion_head_travels_without_pickle(tmp_path):
    """A saved head must say the same after it was read, and a broken folder is one line."""
    head = _head()
    texts = ["so happy", "full of rage", "afraid of the dark"]
    assert head.label(texts).label == ["joy", "anger", "fear"]
    head.save(tmp_path)
    again = EmotionHead.load(tmp_path)
    assert again.label(texts).label == head.label(texts).label
    np.testing.assert_allclose(again.label(texts).score, head.label(texts).score, rtol=1e-6)
    assert again.about == head.about
    (tmp_path / "emotion.json").write_text("{}")
    with pytest.raises(InputError, match="train it again"):
        EmotionHead.load(tmp_path)


def test_a_language_model_that_names_no_one_emotion_gives_no_label():
    """An answer that dodges, or names two emotions, must not be counted for either."""
    answers = iter(["Joy.", "anger or fear", "I cannot say", "SADNESS"])
    labeller = EmotionWriter(lambda prompts, n, seed: [[next(answers)] for _ in prompts], name="fake")
    assert labeller.classes == EMOTIONS
    assert labeller.label(["a", "b", "c", "d"]).label == ["joy", None, None, "sadness"]


def _simulated(rng, n, classes=("negative", "neutral", "positive")):
    truth = rng.choice(3, n, p=[0.35, 0.4, 0.25])
    confusion = np.array([[0.45, 0.4, 0.15], [0.05, 0.85, 0.1], [0.02, 0.18, 0.8]])
    said = np.array([rng.choice(3, p=confusion[t]) for t in truth])
    return np.array(classes)[truth], np.array(classes)[said]


@pytest.mark.slow
def test_corrected_shares_cover_the_truth():
    """Intervals of the corrected shares must hold the true ones, and be nearer than the labels' own."""
    rng = np.random.default_rng(3)
    covered, naive, corrected = 0, [], []
    for _ in range(60):
        truth, said = _simulated(rng, 2000)
        human = np.full(2000, None, dtype=object)
        rows = rng.permutation(2000)[:300]
        human[rows] = truth[rows]
        found = audit_labels(said, human)["negative"]
        share = float((truth == "negative").mean())
        covered += found.corrected.low <= share <= found.corrected.high
        naive.append(abs(found.naive.value - share))
        corrected.append(abs(found.corrected.value - share))
    assert covered >= 54
    assert np.mean(corrected) < 0.25 * np.mean(naive)


def test_an_audit_says_what_it_cannot_use():
    """Too few human labels, a class nobody knows, and a judge that judges itself must be refused with the reason."""
    said = ["a", "b"] * 20
    with pytest.raises(InputError, match="2 human labels"):
        audit_labels(said, ["a", "b"] + [None] * 38)
    with pytest.raises(InputError, match="'c' is no class"):
        audit_labels(said, ["c"] + ["a"] * 39, classes=["a", "b"])
    with pytest.raises(InputError, match="agreement with itself"):
        audit_labels(said, said, human_by="gpt", labelled_by="gpt")
    found = audit_labels([None] * 20 + ["a", "b"] * 10, ["a", "b"] * 20)
    assert found.confusion.tolist() == [[10, 0, 10], [0, 10, 10]]
    assert found["a"].recall.value == 0.5


def test_a_labeller_no_better_than_chance_falls_back_on_the_people():
    """Labels that tell nothing of a class must not be corrected by: the human share stands, and the note says so."""
    rng = np.random.default_rng(0)
    human = rng.choice(["a", "b"], 400)
    found = audit_labels(np.where(human == "a", "b", "a"), human)
    assert "by the human labels alone" in found["a"].note
    assert found["a"].corrected.value == pytest.approx((human == "a").mean())


def test_published_columns_are_read_whatever_their_spelling(tmp_path):
    """A table as published must come under the names used here, with labels in small letters."""
    path = tmp_path / "measles.csv"
    path.write_text(
        "URL,Video Title,Video Description,Publication Date,Sentiment (Title),SubjectivityOfDescription,Note\n"
        "http://a.com,T,D,2024-01-01,Positive,Highly Opinionated ,x\n"
    )
    table = read_published(path)
    names = ["url", "title", "description", "date", "title_sentiment", "description_subjectivity", "Note"]
    assert table.column_names == names
    assert table.column("title_sentiment").to_pylist() == ["positive"]
    assert table.column("description_subjectivity").to_pylist() == ["highly opinionated"]
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="no column is a title"):
        read_published(path)


def test_a_split_keeps_equal_texts_together_and_the_latest_for_the_test():
    """A twin on both sides would inflate the baseline, and a date must order the parts."""
    texts = [f"{'good' if i % 2 else 'bad'} thing {i // 4}" for i in range(200)]
    labels = ["p" if i % 2 else "n" for i in range(200)]
    found = split_with_baseline([*texts, None], [*labels, "p"], random_state=1)
    sides = {}
    for text, part in zip(texts, found.part, strict=False):
        sides.setdefault(text, set()).add(part)
    assert all(len(parts) == 1 for parts in sides.values())
    assert found.part[-1] == ""
    assert found.model.value > 0.95 > 0.5 > found.majority.value
    dated = split_with_baseline(texts, labels, date=[f"2024-{1 + i // 20:02d}" for i in range(200)])
    assert set(dated.part[:160]) == {"train"}
    assert set(dated.part[160:]) == {"test"}


def test_the_command_streams_and_the_audit_corrects(tmp_path, capsys):
    """label, then human labels on a few rows, then audit: the corrected shares must be in the report."""
    rng = np.random.default_rng(0)
    good, bad = ["What a good film.", "I love it."], ["I left halfway through it.", "What a terrible film."]
    rows = [(bad if rng.random() < 0.4 else good)[rng.integers(2)] for _ in range(400)]
    path, out, card = tmp_path / "posts.jsonl", tmp_path / "labels.parquet", tmp_path / "card.md"
    posts = [{"title": f"{t} {i}", "date": "2024-01-01"} for i, t in enumerate(rows)]
    path.write_text("".join(json.dumps(post) + "\n" for post in posts))
    command = ["label", str(path), "--text", "title", "--to", str(out), "--emotion", "none", "--card", str(card)]
    with pytest.raises(SystemExit) as ended:
        main([*command, "--date", "date"])
    assert ended.value.code == 0
    text = card.read_text()
    assert "400 rows" in text
    assert "## Open questions" in text
    frame = pd.read_parquet(out)
    human = pd.Series(["negative" if t in bad else "positive" for t in rows], dtype=object)
    human[rng.permutation(400)[:300]] = None
    frame["title_sentiment_human"] = human
    labelled = tmp_path / "human.csv"
    frame.to_csv(labelled, index=False)
    with pytest.raises(SystemExit):
        main(["audit", str(labelled), "--label", "title_sentiment", "--quick", "--out", str(tmp_path / "a")])
    told = json.loads((tmp_path / "a" / "audit.json").read_text())
    finding = next(f for f in told["findings"] if f["code"] == "TN650")
    classes = finding["details"]["title_sentiment"]["classes"]
    share = np.mean([t in bad for t in rows])
    assert classes["negative"]["corrected"]["low"] <= share <= classes["negative"]["corrected"]["high"]
    assert classes["negative"]["as labelled"]["value"] < share - 0.1
    assert finding["status"] == "finding"


@pytest.mark.parametrize(
    ("human", "by", "told"),
    [
        (["negative", "positive"] * 20, "hub/GPT-9", "row 1: title_sentiment_human is by hub/GPT-9"),
        (["negative", "positive", *[None] * 38], "Ann", "2 human labels: label ten rows at least"),
    ],
)
def test_human_labels_that_cannot_be_used_are_told(tmp_path, capsys, human, by, told):
    """Gold by the labeller itself and too few labels must be told where they are read, not skipped in silence."""
    about = "raw texts; vaderSentiment 3.3.2, threshold 0.05; language model gpt-9 @ http://host, seed 0"
    frame = pd.DataFrame({"title": [f"text {i}" for i in range(40)], "title_sentiment": ["negative", "positive"] * 20})
    frame["title_sentiment_human"], frame["human_by"], frame["labelled_by"] = human, by, about
    frame.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(SystemExit):
        main(["audit", str(tmp_path / "a.csv"), "--label", "title_sentiment", "--quick"])
    said = " ".join(capsys.readouterr().out.split())
    assert told in said
    assert "TN650" in said


@pytest.mark.slow
def test_a_model_of_the_hub_labels_and_cuts_long_texts(tmp_path, monkeypatch):
    """A classifier in a folder must label by its own class names, and a text beyond its length must not break it."""
    transformers = pytest.importorskip("transformers")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "day"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    names = dict(enumerate(["joy", "anger", "fear"]))
    config = transformers.BertConfig(vocab_size=8, id2label=names, label2id={v: k for k, v in names.items()}, **sizes)
    transformers.BertForSequenceClassification(config).save_pretrained(tmp_path)
    model = EmotionModel(str(tmp_path))
    assert model.classes == ("anger", "fear", "joy")
    found = model.label(["good day", "bad " * 600])
    assert set(found.label) <= set(model.classes)
    assert (found.score > 1 / 3).all()
    with pytest.raises(InputError, match="cannot be loaded"):
        EmotionModel(str(tmp_path / "none"))


def test_without_goemotions_the_default_emotions_say_how_to_go_on(tmp_path, monkeypatch, capsys):
    """A first user has no data folder: one line must say how to get the set, and how to do without."""
    monkeypatch.delenv("TRUENEG_DATA", raising=False)
    trained_head.cache_clear()
    path = tmp_path / "posts.csv"
    path.write_text("title\ngood\n")
    with pytest.raises(SystemExit) as ended:
        main(["label", str(path), "--text", "title", "--to", str(tmp_path / "o.csv")])
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert "trueneg data get goemotions_ekman" in error
    assert "or none" in error
    assert error.count("\n") == 1


def test_a_language_model_labels_over_http_once(tmp_path, capsys):
    """MODEL@URL must label emotions, and a second run must ask nothing: the answers lie beside the output."""
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    asked = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked.append(body["messages"][-1]["content"])
            choice = {"message": {"content": "Joy" if "LOVE" in asked[-1] else "Fear, or sadness"}}
            data = json.dumps({"choices": [choice]}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    path, out = tmp_path / "posts.csv", tmp_path / "out.csv"
    pd.DataFrame(POSTS).to_csv(path, index=False)
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        model = f"tiny@http://127.0.0.1:{server.server_address[1]}/v1"
        for _ in range(2):
            with pytest.raises(SystemExit) as ended:
                main(["label", str(path), "--text", "title", "--to", str(out), "--emotion", model])
            assert ended.value.code == 0, capsys.readouterr().err
        server.shutdown()
    frame = pd.read_csv(out)
    assert frame["title_emotion"].fillna("").tolist() == ["", "joy", "", ""]
    assert len(asked) == 3
    assert "tiny @ http" in frame["labelled_by"][0]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["missing.csv"], "there is no such file"),
        (["POSTS", "--text", "body"], "no column 'body'"),
        (["POSTS", "--text", ","], "names no column"),
        (["POSTS", "--text", "n"], "not text"),
        (["POSTS", "--preset", "x"], "choose from default, measles-2024"),
        (["POSTS", "--to", "POSTS"], "never written over"),
    ],
)
def test_bad_input_of_label_is_one_line(tmp_path, capsys, arguments, told):
    """Whatever is wrong with the command must be one line and code 2, and nothing is written."""
    path = tmp_path / "posts.csv"
    path.write_text("title,n\ngood,1\n")
    words = [str(path) if a == "POSTS" else a for a in arguments]
    words += [] if "--to" in words else ["--to", str(tmp_path / "o.csv")]
    words += [] if "--text" in words else ["--text", "title"]
    with pytest.raises(SystemExit) as ended:
        main(["label", *words, "--emotion", "none"])
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert told in error
    assert error.count("\n") == 1
    assert not (tmp_path / "o.csv").exists()


def test_labels_go_beside_the_input_once(tmp_path, capsys):
    """Without --to the labels stand beside the posts, and a second run does not write over what people filled in."""
    path = tmp_path / "posts.csv"
    path.write_text("title\ngood\n")
    for code in (0, 2):
        with pytest.raises(SystemExit) as ended:
            main(["label", str(path), "--text", "title", "--emotion", "none"])
        assert ended.value.code == code
    assert pd.read_csv(tmp_path / "posts_labelled.csv")["title_sentiment"].tolist() == ["positive"]
    told = capsys.readouterr().err
    assert "is there already" in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("package", ["vaderSentiment", "textblob"])
def test_a_missing_labeller_tells_the_cure(tmp_path, capsys, monkeypatch, package):
    """Without the extra the command must be one line that can be pasted, and no file."""
    for name in (package, f"{package}.en"):
        monkeypatch.setitem(sys.modules, name, None)
    load.cache_clear()
    path = tmp_path / "posts.csv"
    path.write_text("title\ngood\n")
    with pytest.raises(SystemExit) as ended:
        main(["label", str(path), "--text", "title", "--emotion", "none"])
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert f"{package} is needed here and is not installed: pip install 'trueneg[label]'" in told
    assert told.count("\n") == 1
    assert not (tmp_path / "posts_labelled.csv").exists()


def test_the_card_asks_what_the_data_raise():
    """A column that is nearly all one label, texts that are missing, and columns that disagree must be asked about."""
    card = DatasetCard(["a", "b"], ["sentiment"])
    n = 40
    columns = {"a_sentiment": ["neutral"] * n, "b_sentiment": [None] * 20 + ["positive", "negative"] * 10}
    spanish = "Los casos de sarampión aumentan mucho este año"
    card.add({**columns, "labelled_by": ["x"] * n}, texts={"a": [spanish, "Los casos", "Measles is on the rise again"]})
    told = " ".join(card.questions())
    assert "Nearly all of a_sentiment is 'neutral'" in told
    assert "20 of 40 rows have no b_sentiment" in told
    assert "agree little (kappa 0.00)" in told
    assert "1 texts of six words or more have no common English word" in told
