"""Approximate indexes: filtered and scored again like the exact search, with a recall that is told."""

from __future__ import annotations

import numpy as np
import pytest

from trueneg.core.errors import InputError, MissingExtraError
from trueneg.mine import Dense, ann_index, ann_recall, hard_negatives

KINDS = ("hnsw", "ivf")


def _clusters(n, d=24, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(40, d)) * 2
    return (centres[rng.integers(0, 40, n)] + rng.normal(size=(n, d))).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", ["cosine", "inner", "euclidean"])
def test_hits_are_scored_exactly_and_misses_are_told(kind, metric):
    """What an index finds bears the exact score and stands in the exact order, and the recall told is that of it."""
    pytest.importorskip("faiss")
    x = _clusters(4_000)
    x *= np.linspace(0.5, 2, len(x), dtype=np.float32)[:, None] if metric == "cosine" else 1
    rough = Dense(x[:300], x, metric=metric, index=ann_index(x, kind, metric=metric))
    query = np.arange(300)
    scores, rows = rough.search(query, 20)
    want = Dense(x[:300], x, metric=metric).search(query, 20)
    recall = np.mean([np.isin(a, b).mean() for a, b in zip(want[1], rows, strict=True)])
    told = ann_recall(rough, 20, n=300)
    assert told.value == pytest.approx(recall)
    assert recall > 0.8
    hit = rows == want[1]
    np.testing.assert_array_equal(scores[hit], want[0][hit])
    assert (np.diff(scores, axis=1) <= 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_every_list_and_candidate_gives_the_exact_result(kind):
    """Where the index may look at everything it is the exact search, more neighbours than one list holds included."""
    pytest.importorskip("faiss")
    x = _clusters(1_500)
    index = ann_index(x.astype(np.float16), kind, depth=3_000, lists=30, probes=30)
    exact = Dense(x[:40], x.astype(np.float16)).search(np.arange(40), 100)
    found = Dense(x[:40], x.astype(np.float16), index=index).search(np.arange(40), 100)
    assert np.mean(found[1] == exact[1]) > 0.999


@pytest.mark.parametrize("kind", KINDS)
def test_built_twice_it_is_the_same(kind):
    """Two builds on the same documents must find the same, or a resumed run would differ."""
    pytest.importorskip("faiss")
    x = _clusters(3_000)
    one, two = (ann_index(x, kind)(x[:200], 10)[1] for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_mining_takes_an_index():
    """Known positives stay out, and few lists searched leave no query short: more are asked for."""
    pytest.importorskip("faiss")
    x = _clusters(2_000)
    source = Dense(x[:50], x, index=ann_index(x, "ivf", lists=40, probes=1))
    mined = hard_negatives(x[:50], x, np.arange(50), n=5, ranks=(0, 60), source=source)
    assert len(mined) == 250
    assert not (mined.query == mined.document).any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "annoy"}, "choose 'hnsw' or 'ivf'"),
        ({"metric": "hamming"}, "choose 'cosine'"),
        ({"documents": np.empty((0, 3))}, "one at least"),
        ({"documents": np.ones(3)}, "one at least"),
    ],
)
def test_bad_input(change, words):
    """Each wrong argument is refused in one line."""
    pytest.importorskip("faiss")
    how = {"documents": np.ones((5, 3)), "kind": "ivf", "metric": "cosine"} | change
    with pytest.raises(InputError, match=words):
        ann_index(how["documents"], how["kind"], metric=how["metric"])


def test_without_faiss_the_cure_is_named(monkeypatch):
    """One line says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'trueneg\[ann\]'"):
        ann_index(np.ones((5, 3)))
