"""Mining held to a plain loop, to sentence-transformers on the same embeddings, and to its own promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueneg.core.cells import Cells
from trueneg.core.errors import InputError
from trueneg.mine import (
    AtMost,
    BelowPositive,
    Bm25,
    Dense,
    Duplicates,
    Fusion,
    JudgeScore,
    Listed,
    Positives,
    SecondOpinion,
    ann_recall,
    hard_negatives,
)

RULES = {
    "absolute": lambda s, p, m, c: s <= np.float32(p - m),
    "relative": lambda s, p, m, c: s <= np.float32(p - abs(p) * m),
    "percent": lambda s, p, m, c: s <= np.float32(p - abs(p) * (1 - m / 100)),
    "spread": lambda s, p, m, c: s <= np.float32(p - m * np.std(c.astype(np.float64))),
}


def _draw(seed, n_queries=6, n_documents=25, d=3):
    rng = np.random.default_rng(seed)
    queries = rng.normal(size=(n_queries, d)).astype(np.float32)
    documents = rng.normal(size=(n_documents, d)).astype(np.float32)
    documents[1::7] = documents[0]  # ties
    positives = [rng.permutation(n_documents)[: rng.integers(1, 9)] for _ in range(n_queries)]
    return queries, documents, positives


def _plain(queries, documents, positives, *, n, ranks, keep):
    """The same, one query and one document at a time."""
    source = Dense(queries, documents)
    out = []
    every = np.arange(len(documents))
    for q, known in enumerate(positives):
        score = source.score(np.full(len(every), q), every)
        order = [d for d in np.lexsort((every, -score)) if d not in set(known.tolist())][slice(*ranks)]
        left = [(r, d) for r, d in enumerate(order, ranks[0] + 1) if keep(score[d], score[known], score[order])]
        out += [(q, d, r) for r, d in left[:n]]
    return out


@given(
    st.integers(0, 10_000),
    st.sampled_from(sorted(RULES)),
    st.sampled_from(["min", "max", "mean"]),
    st.sampled_from([(0, 9), (2, 12), (0, 40)]),
)
@settings(max_examples=60, deadline=None)
def test_every_rule_is_the_plain_loop(seed, rule, which, ranks):
    """Rules, several positives, ties, negative scores and windows must be what their sentences say."""
    queries, documents, positives = _draw(seed)
    margin = 90 if rule == "percent" else 0.2
    stand = {"min": min, "max": max, "mean": np.mean}[which]
    kept = hard_negatives(
        queries, documents, positives, n=4, ranks=ranks, filters=BelowPositive(margin, rule=rule, positive=which)
    )
    wanted = _plain(
        queries,
        documents,
        positives,
        n=4,
        ranks=ranks,
        keep=lambda s, p, c: RULES[rule](s, float(stand(p.astype(np.float64))), margin, c),
    )
    got = list(zip(kept.query.tolist(), kept.document.tolist(), kept.rank.tolist(), strict=True))
    assert got == wanted


@given(st.integers(0, 10_000), st.sampled_from(["top", "random", "cyclic"]))
@settings(max_examples=40, deadline=None)
def test_promises_that_hold_for_every_sampling(seed, sampling):
    """No known positive, no pair twice, no more than asked, everything counted, and no block changes the draw."""
    queries, documents, positives = _draw(seed)
    n = np.random.default_rng(seed).integers(0, 6, len(queries))
    n[0] = 3
    rule = AtMost(0.9) & BelowPositive(0.1, rule="relative")
    kept = hard_negatives(queries, documents, positives, n=n, filters=rule, sampling=sampling, random_state=seed)
    pairs = list(zip(kept.query.tolist(), kept.document.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    assert not any(d in positives[q] for q, d in pairs)
    got = np.bincount(kept.query, minlength=len(queries))
    assert (got <= n).all()
    np.testing.assert_array_equal(kept.short, np.flatnonzero(got < n))
    assert kept.candidates + kept.known == len(queries) * len(documents)
    everything = hard_negatives(queries, documents, positives, n=25, filters=rule, ranks=(0, 25))
    assert kept.candidates - sum(kept.removed.values()) == len(everything)
    assert set(pairs) <= set(zip(everything.query.tolist(), everything.document.tolist(), strict=True))
    source = Dense(queries, documents, memory=4096)
    again = hard_negatives(
        queries, documents, positives, n=n, filters=rule, sampling=sampling, random_state=seed, source=source
    )
    np.testing.assert_array_equal(again.document, kept.document)


def test_sampling_is_what_it_says():
    """Cyclic goes down the list in equal steps; random draws each candidate equally often, and by its seed."""
    documents = np.stack([np.ones(21), np.arange(21) / 10], axis=1)
    documents[0] = [1, 0]
    queries, positives = np.array([[1.0, 0.0]]), [[0]]
    kept = hard_negatives(queries, documents, positives, n=4, ranks=(0, 20), sampling="cyclic")
    assert kept.rank.tolist() == [1, 6, 11, 16]
    drawn = np.zeros(20)
    for seed in range(400):
        got = hard_negatives(queries, documents, positives, n=5, ranks=(0, 20), sampling="random", random_state=seed)
        drawn[got.rank - 1] += 1
    assert (np.abs(drawn - 100) < 5 * np.sqrt(100 * 0.75)).all()


@pytest.mark.slow
@pytest.mark.parametrize("rule", [None, "absolute", "relative"])
def test_the_peer_finds_the_same_negatives(rule):
    """sentence-transformers must mine the same documents from the same embeddings, or we explain less than it does."""
    peer = pytest.importorskip("sentence_transformers.util")
    datasets = pytest.importorskip("datasets")
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(30, 16)).astype(np.float32)
    documents = rng.normal(size=(200, 16)).astype(np.float32)
    positive = rng.permutation(200)[:30]
    documents[positive] = queries + 0.8 * documents[positive]
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (queries, documents)]

    class Given:
        """A model that looks its embeddings up."""

        similarity_fn_name = "cosine"
        device = "cpu"

        def encode(self, texts, **_):
            return np.stack([unit[t[0] == "d"][int(t[1:])] for t in texts])

        encode_query = encode_document = encode

        def similarity(self, a, b):
            import torch

            return torch.as_tensor(a) @ torch.as_tensor(b).T

        def similarity_pairwise(self, a, b):
            import torch

            return (torch.as_tensor(a) * torch.as_tensor(b)).sum(1)

    given_pairs = datasets.Dataset.from_dict(
        {"anchor": [f"q{i}" for i in range(30)], "positive": [f"d{i}" for i in positive]}
    )
    margin = {} if rule is None else {f"{rule}_margin": 0.15}
    theirs = peer.mine_hard_negatives(
        given_pairs, Given(), corpus=[f"d{i}" for i in range(200)], range_max=20, num_negatives=5,
        sampling_strategy="top", output_format="n-tuple", verbose=False, **margin,
    )  # fmt: skip
    filters = None if rule is None else BelowPositive(0.15, rule=rule)
    ours = hard_negatives(queries, documents, positive, n=5, ranks=(0, 20), filters=filters)
    full = ~np.isin(ours.query, ours.short)
    mine = ours.document[full].reshape(-1, 5)
    rows = [[int(row[f"negative_{j}"][1:]) for j in range(1, 6)] for row in theirs]
    np.testing.assert_array_equal(mine, rows)


def test_texts_that_are_copies_do_not_enter():
    """A copy of a positive is no negative, and of two copies the better one stays; near copies are found too."""
    base = "the flow over a swept wing at high speed with a laminar boundary layer near the leading edge of it"
    texts = [base, base.upper() + "!", base.replace("near", "at"), "heat in slabs", "Heat in  slabs.", "drag of a cone"]
    queries = np.array([[1.0, 0.0]])
    documents = np.array([[1, 0], [1, 0.1], [1, 0.2], [1, 0.3], [1, 0.4], [1, 0.5]])
    kept = hard_negatives(queries, documents, [[0]], n=5, filters=Duplicates(texts))
    assert kept.document.tolist() == [3, 5]
    assert list(kept.removed.values()) == [3]
    kept = hard_negatives(queries, documents, [[0]], n=5, filters=Duplicates(texts, near=1))
    assert kept.document.tolist() == [2, 3, 5]


def test_near_copies_in_a_large_set_are_all_found():
    """Bands must find the pairs that a full comparison finds, and join no texts of different words."""
    rng = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(400)])
    texts = [" ".join(rng.permutation(words)[:40]) for _ in range(300)]
    for i in range(0, 60, 2):
        changed = texts[i].split()
        changed[3] = "other"
        texts[i + 1] = " ".join(rng.permutation(changed))
    group = Duplicates(texts).group
    assert (group[0:60:2] == group[1:60:2]).all()
    assert len(np.unique(group)) == 270


def test_a_second_opinion_drops_what_the_other_likes():
    """The share dropped must be the second's best, ties at the cut kept, and a permuted opinion another one."""
    queries, documents, positives = _draw(3, n_documents=40)
    other = np.random.default_rng(0).normal(size=(6, 40))
    rule = SecondOpinion(lambda q, d: other[q, d], drop=0.25)
    everything = hard_negatives(queries, documents, positives, n=20, ranks=(0, 20))
    kept = hard_negatives(queries, documents, positives, n=20, ranks=(0, 20), filters=rule)
    for q in range(6):
        seen = everything.document[everything.query == q]
        left = set(kept.document[kept.query == q].tolist())
        best = seen[np.argsort(-other[q, seen], kind="stable")[:5]]
        assert left == set(seen.tolist()) - set(best.tolist())
    flat = SecondOpinion(lambda q, d: np.zeros(len(q)), drop=0.5)
    assert len(hard_negatives(queries, documents, positives, n=20, ranks=(0, 20), filters=flat)) == len(everything)


def test_a_judge_is_asked_once_and_only_about_what_is_left():
    """A judge costs money: what cheaper filters removed must not reach it; a low positive follows the rule."""
    queries, documents, positives = _draw(5)
    asked = []

    def judge(q, d):
        asked.append(len(q))
        return np.where(np.isin(d, np.concatenate(positives)), 0.05, 0.5)

    cheap = AtMost(0.3)
    left = hard_negatives(queries, documents, positives, n=20, filters=cheap, ranks=(0, 20))
    rule = JudgeScore(judge, below_positive=0.1)
    assert len(hard_negatives(queries, documents, positives, n=20, filters=cheap & rule, ranks=(0, 20))) == 0
    assert asked == [len(left), sum(map(len, positives))]
    rule = JudgeScore(judge, below_positive=0.1, on_low_positive="keep_hardest")
    kept = hard_negatives(queries, documents, positives, n=20, filters=cheap & rule, ranks=(0, 20))
    assert set(kept.query.tolist()) == set(left.query.tolist())
    assert len(hard_negatives(queries, documents, positives, n=9, filters=JudgeScore(judge, maximum=0.1))) > 0


def test_ids_go_in_and_come_out():
    """Cells bring their ids, and what somebody judged not relevant says so."""
    cells = Cells.from_qrels(
        ["q", "q", "r"], ["a", "b", "c"], [1, 0, 2], queries=["r", "q"], documents=["a", "b", "c", "z"]
    )
    kept = hard_negatives(np.eye(2), np.array([[1, 1], [1, 2], [2, 1], [0, 1]]), cells, n=3)
    columns = kept.to_dict()
    rows = set(zip(columns["query"], columns["document"], columns["verdict"].tolist(), strict=True))
    assert rows == {("r", "a", -1), ("r", "b", -1), ("r", "z", -1), ("q", "b", 0), ("q", "c", -1), ("q", "z", -1)}
    assert set(columns["reason"]) == {"top, unjudged", "top, judged not relevant"}


def test_sources_answer_alike():
    """A source's list and its scores of pairs must be of one mind, for words, runs, sums of ranks and embeddings."""
    pytest.importorskip("bm25s")
    rng = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(60)])
    texts = [" ".join(rng.choice(words, 12)) for _ in range(80)]
    asked = [" ".join(rng.choice(words, 4)) for _ in range(10)]
    dense = Dense(rng.normal(size=(10, 5)), rng.normal(size=(80, 5)).astype(np.float16))
    bm25 = Bm25(asked, texts)
    score, rows = dense.search(np.arange(10), 30)
    listed = Listed(
        np.repeat(np.arange(10), 30), rows.ravel(), score.ravel(), n_queries=10, n_documents=80
    )  # fmt: skip
    for source in (dense, bm25, listed, Fusion(dense, bm25)):
        query = np.array([2, 7, 4])
        score, rows = source.search(query, 12)
        at = np.nonzero(rows >= 0)
        np.testing.assert_allclose(source.score(query[at[0]], rows[at]), score[at], rtol=1e-5)
        assert (np.diff(score, axis=1) <= 0).all()
        every = source.score(np.full(80, 7), np.arange(80))
        np.testing.assert_allclose(np.sort(every)[::-1][:12], score[1], rtol=1e-5)


def test_bm25_is_the_same_in_every_process(monkeypatch):
    """bm25s numbers the words as a set gives them, another way in each process: no score may depend on it."""
    import bm25s

    rng = np.random.default_rng(0)
    words = [f"word{c}" for c in "abcdefghijklmnop"]
    texts = [" ".join(rng.choice(words, 9)) for _ in range(300)]
    asked = [" ".join(rng.choice(words, 7)) for _ in range(20)]
    first = Bm25(asked, texts)
    real = bm25s.tokenize

    def renumbered(*given, **how):
        found = real(*given, **how)
        if isinstance(found, list):
            return found
        turn = dict(zip(found.vocab.values(), rng.permutation(list(found.vocab.values())).tolist(), strict=True))
        vocab = {word: turn[i] for word, i in found.vocab.items()}
        return type(found)(ids=[[turn[i] for i in one] for one in found.ids], vocab=vocab)

    monkeypatch.setattr(bm25s, "tokenize", renumbered)
    second = Bm25(asked, texts)
    pairs = np.repeat(np.arange(20), 300), np.tile(np.arange(300), 20)
    np.testing.assert_array_equal(first.score(*pairs), second.score(*pairs))
    for one, other in zip(first.search(np.arange(20), 50), second.search(np.arange(20), 50), strict=True):
        np.testing.assert_array_equal(one, other)


def test_bm25_is_that_of_its_library():
    """The list of bm25s itself, on the same tokens."""
    bm25s = pytest.importorskip("bm25s")
    rng = np.random.default_rng(1)
    words = np.array([f"term{i}x" for i in range(90)])
    texts = [" ".join(rng.choice(words, 15)) for _ in range(120)]
    asked = [" ".join(rng.choice(words, 5, replace=False)) for _ in range(8)]
    model = bm25s.BM25()
    model.index(bm25s.tokenize(texts, show_progress=False), show_progress=False)
    theirs = model.retrieve(bm25s.tokenize(asked, show_progress=False), k=10, show_progress=False)
    score, _ = Bm25(asked, texts).search(np.arange(8), 10)
    np.testing.assert_allclose(score, theirs.scores, rtol=1e-4)


def test_an_approximate_index_tells_its_recall():
    """An index that misses half must be told to, with an interval; the exact search is told as such."""
    rng = np.random.default_rng(0)
    queries, documents = rng.normal(size=(40, 8)).astype(np.float32), rng.normal(size=(300, 8)).astype(np.float32)
    even = np.arange(0, 300, 2)
    half = Dense(queries, documents[even])

    def index(asked, k):
        score, rows = Dense(asked, half.documents).search(np.arange(len(asked)), min(k, len(even)))
        return score, even[rows]

    got = ann_recall(Dense(queries, documents, index=index), 20)
    assert got.low < 0.5 < got.high
    assert ann_recall(half).method == "exact search"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n": 0}, "whole number above 0"),
        ({"n": 50}, "do not fit into a window"),
        ({"ranks": (5, 5)}, "two whole numbers"),
        ({"sampling": "best"}, "choose 'top'"),
        ({"positives": [[0]] * 5}, "5 lists for 6 queries"),
        ({"positives": [[0]] * 5 + [[]]}, "query 5 has no positive"),
        ({"positives": [[0]] * 5 + [[99]]}, "name the document 99"),
        ({"documents": np.ones((4, 2))}, "queries have 3 columns and documents 2"),
        ({"documents": np.full((4, 3), np.nan)}, "row 0, column 0 is nan"),
        ({"filters": BelowPositive(0.1)}, None),
    ],
)
def test_bad_input_is_one_clear_line(change, said):
    """What cannot be used must be named with the remedy."""
    queries, documents, _ = _draw(0)
    given = {"queries": queries, "documents": documents, "positives": np.zeros(6, dtype=int), "ranks": (0, 20)} | change
    if said is None:
        assert len(hard_negatives(**given)) <= 30
        return
    with pytest.raises(InputError, match=said):
        hard_negatives(**given)


def test_many_positives_of_one_query_leave_the_others_cheap():
    """One query with a thousand positives must not make a thousand more be fetched for every other."""
    rng = np.random.default_rng(0)
    asked = []

    class Watched(Dense):
        def search(self, query, k):
            asked.append((len(query), k))
            return super().search(query, k)

    queries, documents = rng.normal(size=(50, 4)), rng.normal(size=(2000, 4))
    positives = [np.arange(1000)] + [[i] for i in range(49)]
    kept = hard_negatives(queries, documents, positives, source=Watched(queries, documents))
    assert sorted(asked) == [(1, 1100), (49, 101)]
    assert len(kept) == 250
    assert not Positives.of(positives, 50, 2000).known(kept.query, kept.document).any()
