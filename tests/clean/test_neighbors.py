"""The neighbour cleaner against brute force, and the promises of its documentation."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin

from trueneg.clean._neighbors import search
from trueneg.clean.neighbors import NeighborNegativeCleaner, characterise, random_removal
from trueneg.core.errors import InputError
from trueneg.data import redocred


def similarity(a, b, metric):
    """Pairwise scores, larger = nearer, by definition."""
    if metric == "euclidean":
        return -np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))
    norm = lambda m: m / np.linalg.norm(m, axis=1, keepdims=True)  # noqa: E731
    return norm(a) @ norm(b).T


@pytest.fixture(autouse=True)
def brute_force(monkeypatch):
    """Put the neighbour search on a brute force, so that this file tests the cleaner alone."""

    def top_k(queries, pool, k, *, metric):
        scores = similarity(queries, pool, metric)
        order = np.argsort(-scores, axis=1, kind="stable")[:, : min(k, len(pool))]
        return np.take_along_axis(scores, order, axis=1).astype(np.float32), order

    monkeypatch.setattr(search, "top_k", top_k)


def hidden_positives(seed=0, n=240, share=0.4):
    """Three blobs, class 0 negative; a share of the positives is filed as negative."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 3, n)
    points = np.array([[5.0, 0, 0], [0, 5, 0], [0, 0, 5]])[true] + rng.normal(size=(n, 3))
    given = np.where((true > 0) & (rng.random(n) < share), 0, true)
    return points, given, true


def proba(codes, k):
    """Certain probabilities of the given codes."""
    return np.eye(k)[codes]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_intrinsic_suspects_are_the_union_of_the_queries_neighbours(metric):
    """The suspects are exactly the negatives among the k nearest of some missed positive."""
    x, y, _ = hidden_positives()
    rng = np.random.default_rng(1)
    predicted = np.where(rng.random(len(y)) < 0.3, 0, y)
    found = NeighborNegativeCleaner(n_neighbors=4, metric=metric, max_removed_fraction=1.0, random_state=0)
    found.fit(x, y, pred_proba=proba(predicted, 3))
    pool = np.flatnonzero(y == 0)
    expected, nearest = set(), {}
    for q in np.flatnonzero((y != 0) & (predicted == 0)):
        scores = similarity(x[[q]], x[pool], metric)[0]
        for j in np.argsort(-scores)[:4]:
            expected.add(pool[j])
            if pool[j] not in nearest or scores[j] > nearest[pool[j]][0]:
                nearest[pool[j]] = (scores[j], y[q], q)
    assert set(found.suspects_) == expected
    for row, label, witness in zip(*(found.neighbors_[c] for c in ("row", "proposed", "nearest")), strict=True):
        assert (label, witness) == nearest[row][1:]
    assert (np.diff(found.neighbors_["score"]) <= 0).all()


@pytest.mark.parametrize("positive_side", [False, True])
def test_extrinsic_suspects_follow_the_votes(positive_side):
    """A row is suspect if and only if enough trusted neighbours contradict its label."""
    x, y, true = hidden_positives(2)
    trusted = np.arange(len(y)) < 80
    y = np.where(trusted, true, y)
    y[100:110] = 1  # some wrong positives too
    found = NeighborNegativeCleaner(
        strategy="extrinsic", n_neighbors=5, min_votes=3, positive_side=positive_side, max_removed_fraction=1.0
    ).fit(x, y, trusted=trusted)
    expected = {}
    for i in np.flatnonzero(~trusted):
        votes = y[:80][np.argsort(-similarity(x[[i]], x[:80], "cosine")[0])[:5]]
        against = votes[votes != y[i]]
        top = np.bincount(against, minlength=3).max()
        if (y[i] == 0 and len(against) >= 3) or (positive_side and y[i] != 0 and top >= 3):
            expected[i] = np.flatnonzero(np.bincount(against, minlength=3) == top)
    assert set(found.suspects_) == set(expected)
    for row, label in zip(found.suspects_, found.neighbors_["proposed"], strict=True):
        assert label in expected[row]


def test_conflict_takes_the_nearest_and_ties_go_to_votes():
    """A negative claimed by two labels goes to the nearer query; equal distance to more hits; both are kept."""
    x = np.array([[0.0, 0], [1, 0], [-2, 0], [-2, 0], [10, 0], [11, 0], [9, 0], [9, 0]])
    y = np.array([0, 1, 2, 2, 0, 1, 2, 2])
    found = NeighborNegativeCleaner(n_neighbors=1, metric="euclidean", max_removed_fraction=1.0)
    found.fit(x, y, pred_proba=proba(np.zeros(8, dtype=int), 3))
    table = {int(r): i for i, r in enumerate(found.neighbors_["row"])}
    near, tie = table[0], table[4]
    assert found.neighbors_["proposed"][near] == 1
    assert found.neighbors_["proposed_by_votes"][near] == 2
    assert found.neighbors_["conflict"][near]
    assert found.neighbors_["hits"][near] == 3
    assert found.neighbors_["proposed"][tie] == 2


def test_trusted_rows_are_never_suspects_and_always_kept():
    """Whatever the strategy, a trusted row stays in training with its label."""
    x, y, true = hidden_positives(3)
    trusted = np.zeros(len(y), dtype=bool)
    trusted[::4] = True
    y = np.where(trusted, true, y)
    for strategy in ("intrinsic", "extrinsic"):
        for action in ("eliminate", "reannotate"):
            c = NeighborNegativeCleaner(strategy=strategy, action=action, random_state=0, max_removed_fraction=1.0)
            _, y_new = c.fit_resample(x, y, trusted=np.flatnonzero(trusted))
            assert not trusted[c.suspects_].any()
            assert np.isin(np.flatnonzero(trusted), c.sample_indices_).all()
            assert (y_new[trusted[c.sample_indices_]] == y[trusted]).all()


def test_flagged_set_beats_random_removal_on_hidden_positives():
    """On separable data with hidden positives the extrinsic set is mostly false negatives, a random one is not."""
    x, y, true = hidden_positives(4)
    trusted = np.arange(len(y)) < 60
    y = np.where(trusted, true, y)
    c = NeighborNegativeCleaner(strategy="extrinsic", max_removed_fraction=1.0).fit(x, y, trusted=trusted)
    drawn = random_removal(y, len(c.suspects_), negative_label=0, trusted=trusted, random_state=0)
    assert (true[c.suspects_] != 0).mean() > 0.9 > (true[drawn] != 0).mean() + 0.2
    assert len(np.unique(drawn)) == len(c.suspects_)
    assert (y[drawn] == 0).all()


class Memory(ClassifierMixin, BaseEstimator):
    """Remembers groups it was trained on (its X) and fails if asked about one of them."""

    def fit(self, X, y):  # noqa: N803, D102
        self.seen_ = set(X[:, 0])
        return self

    def predict(self, X):  # noqa: N803, D102
        assert not self.seen_ & set(X[:, 0])
        return np.zeros(len(X), dtype=int)


@pytest.mark.parametrize("rare", [False, True])
def test_no_group_is_predicted_by_a_model_that_saw_it(rare):
    """Pairs of one document share a fold, with rare classes as well."""
    groups = np.repeat(np.arange(20), 6)
    y = np.tile([0, 0, 0, 1, 1, 2], 20)
    if rare:
        y[y == 2] = 0
        y[0] = 2
    c = NeighborNegativeCleaner(Memory(), cv=4, random_state=0)
    c.fit(groups[:, None].astype(float) + 1, y, groups=groups)
    assert (c.pred_codes_ == 0).all()


def test_guard_keeps_the_most_suspicious_and_counts_the_rest():
    """The guard cuts the tail of the same ranking and says how many it held back."""
    x, y, _ = hidden_positives(5)
    blind = proba(np.zeros(len(y), dtype=int), 3)
    full = NeighborNegativeCleaner(max_removed_fraction=1.0).fit(x, y, pred_proba=blind)
    cut = NeighborNegativeCleaner(max_removed_fraction=0.1).fit(x, y, pred_proba=blind)
    m = int(0.1 * (y == 0).sum())
    assert cut.suspects_.tolist() == full.suspects_[:m].tolist()
    assert cut.report_["held_back_by_guard"] == len(full.suspects_) - m


def test_actions_do_what_they_say():
    """Eliminate drops, reannotate relabels, flag and downweight leave the data as it is; input is untouched."""
    x, y, _ = hidden_positives(6)
    before = y.copy()
    for action in ("eliminate", "reannotate", "flag", "downweight"):
        c = NeighborNegativeCleaner(action=action, random_state=0)
        x_new, y_new = c.fit_resample(sparse.csr_matrix(x), y)
        assert x_new.shape[0] == len(y_new) == len(c.sample_indices_)
        if action == "eliminate":
            assert not np.isin(c.suspects_, c.sample_indices_).any()
            assert len(y_new) == len(y) - len(c.suspects_)
        elif action == "reannotate":
            assert (y_new[c.suspects_] != 0).all()
        else:
            assert (y_new == y).all()
        changed = np.flatnonzero(c.sample_weight_ != 1)
        assert len(changed) == (len(c.suspects_) if action in ("eliminate", "downweight") else 0)
        assert (y == before).all()
        rank = c.label_quality_[c.suspects_]
        assert (np.diff(rank) >= 0).all()
        assert rank.max() < 1


def test_row_order_and_label_names_do_not_matter():
    """Shuffled rows, and strings for numbers, give the same suspects."""
    x, y, true = hidden_positives(7)
    trusted = np.arange(len(y)) < 60
    y = np.where(trusted, true, y)
    order = np.random.default_rng(0).permutation(len(y))
    options = {"strategy": "extrinsic", "max_removed_fraction": 1.0}
    one = NeighborNegativeCleaner(**options).fit(x, y, trusted=trusted)
    names = np.array(["no_relation", "P1", "P2"])[y]
    two = NeighborNegativeCleaner(**options).fit(x[order], names[order], trusted=trusted[order])
    assert set(one.suspects_) == set(order[two.suspects_])


def test_nothing_to_clean_gives_no_suspects():
    """A model that agrees with every positive leaves the data alone, and k may exceed the pool."""
    x, y, _ = hidden_positives(8, n=30)
    c = NeighborNegativeCleaner(n_neighbors=500)
    _, y_new = c.fit_resample(x, y, pred_proba=proba(y, 3))
    assert len(c.suspects_) == 0
    assert (y_new == y).all()
    c.fit(x, y, pred_proba=proba(np.zeros(30, dtype=int), 3))
    assert c.report_["suspects"] == int(0.2 * (y == 0).sum())


@pytest.mark.parametrize(
    ("options", "data", "word"),
    [
        ({"strategy": "extrinsic"}, {}, "trusted"),
        ({"negative_label": 9}, {}, "negative_label"),
        ({"positive_side": True}, {}, "positive_side"),
        ({"action": "drop"}, {}, "action"),
        ({}, {"embeddings": np.full((240, 2), np.nan)}, "NaN"),
        ({}, {"embeddings": np.ones((3, 2))}, "rows"),
        ({}, {"pred_proba": np.ones((240, 2))}, "pred_proba"),
        ({"cv": 500}, {}, "cv"),
    ],
)
def test_bad_input_is_named(options, data, word):
    """Every refusal is an InputError that names the argument at fault."""
    x, y, _ = hidden_positives()
    with pytest.raises(InputError, match=word):
        NeighborNegativeCleaner(**options).fit(x, y, **data)


def test_characterise_splits_the_errors_and_finds_agreement():
    """The three kinds of error add up to all errors, and shared wrong answers are counted once."""
    rng = np.random.default_rng(0)
    y, a, b = rng.integers(0, 4, (3, 500))
    out = characterise(y, {"a": a, "b": b}, 0)
    for name, p in (("a", a), ("b", b)):
        m = out["models"][name]
        kinds = [m[k] for k in ("positive_to_negative", "negative_to_positive", "positive_to_other_positive")]
        assert sum(kinds) == m["errors"] == (y != p).sum()
        assert kinds[0] == sum(1 for t, q in zip(y, p, strict=True) if t != 0 and q == 0)
    assert out["pairs"]["a", "b"]["same_wrong"] == sum(1 for t, p, q in zip(y, a, b, strict=True) if p == q and p != t)


@pytest.fixture
def document(tmp_path):
    """One document: a person, a town and a year in sentence 0, a country alone in sentence 1."""
    mention = lambda name, kind, at, sent: [{"name": name, "type": kind, "pos": at, "sent_id": sent}]  # noqa: E731
    doc = {
        "title": "x",
        "vertexSet": [
            mention("Ada Byron", "PER", [0, 2], 0),
            mention("London", "LOC", [4, 5], 0),
            mention("1815", "TIME", [6, 7], 0),
            mention("England", "LOC", [0, 1], 1),
        ],
        "labels": [
            {"r": "P19", "h": 0, "t": 1, "evidence": [0]},
            {"r": "P569", "h": 0, "t": 2, "evidence": []},
            {"r": "P17", "h": 1, "t": 3, "evidence": [0, 1]},
        ],
        "sents": [["Ada", "Byron", "born", "in", "London", "in", "1815", "."], ["England", "."]],
    }
    path = tmp_path / "docs.json"
    path.write_text(json.dumps([doc]))
    return path


def test_pairs_reads_hidden_triples_as_false_negatives(document):
    """Only same-sentence ordered pairs; a triple without evidence is no_relation in the noisy column alone."""
    table = {r["id"]: r for r in redocred.pairs(document, relations=["P19", "P569"]).to_pylist()}
    assert len(table) == 6
    assert (table["0#h0#t1"]["relation"], table["0#h0#t1"]["true_relation"]) == ("P19", "P19")
    assert (table["0#h0#t2"]["relation"], table["0#h0#t2"]["true_relation"]) == ("no_relation", "P569")
    assert table["0#h1#t0"]["true_relation"] == "no_relation"
    assert "b=born" in table["0#h0#t1"]["text"].split()
    assert "h=byron" in table["0#h0#t1"]["text"].split()
    assert "[PER>LOC:fwd]" in table["0#h0#t1"]["text"]
    assert "[LOC>PER:bwd]" in table["0#h1#t0"]["text"]
    assert redocred.commonest_relations(document) == ["P17", "P19"]
    assert redocred.hashed_features([r["text"] for r in table.values()], n_features=64).shape == (6, 64)


def test_read_tacred_reads_a_users_copy_and_a_patch(tmp_path):
    """Inclusive ends are honoured; a patch adds labels and drops the ids it leaves out."""
    row = {"id": "a", "docid": "d", "relation": "no_relation", "token": ["Ada", "Byron", "of", "London"]}
    row |= {"subj_start": 0, "subj_end": 1, "obj_start": 3, "obj_end": 3, "subj_type": "PERSON", "obj_type": "CITY"}
    (tmp_path / "t.json").write_text(json.dumps([row, row | {"id": "b"}]))
    (tmp_path / "p.json").write_text(json.dumps({"a": "per:city_of_birth"}))
    assert redocred.read_tacred(tmp_path / "t.json").num_rows == 2
    got = redocred.read_tacred(tmp_path / "t.json", patch=tmp_path / "p.json").to_pylist()
    assert [(g["id"], g["true_relation"]) for g in got] == [("a", "per:city_of_birth")]
    assert "h=byron" in got[0]["text"].split()
    assert "b=of" in got[0]["text"].split()
    (tmp_path / "bad.json").write_text(json.dumps([{"id": "a"}]))
    with pytest.raises(InputError, match="token"):
        redocred.read_tacred(tmp_path / "bad.json")


def test_the_shared_search_gives_the_same_suspects(monkeypatch):
    """With the library's own exact search the suspects are those of brute force."""
    x, y, _ = hidden_positives(9)
    blind = proba(np.zeros(len(y), dtype=int), 3)
    one = NeighborNegativeCleaner(max_removed_fraction=1.0).fit(x, y, pred_proba=blind)
    monkeypatch.undo()
    two = NeighborNegativeCleaner(max_removed_fraction=1.0).fit(x, y, pred_proba=blind)
    assert set(one.suspects_) == set(two.suspects_)
