"""Top-k by shards: whatever the cuts and the order of the parts, to the bit what the whole pool gives."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueneg.core._neighbors import crew
from trueneg.core.errors import InputError
from trueneg.core.neighbors import TopK, merge_top_k, shard_top_k, top_k


def _by_shards(queries, pool, k, cuts, order, **how):
    edges = [0, *sorted(cuts), len(pool)]
    groups = how.pop("pool_groups", None)
    parts = []
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        own = {} if groups is None else {"pool_groups": groups[start:stop]}
        parts.append(shard_top_k(queries, pool[start:stop], k, start=start, n_pool=len(pool), **how, **own))
    order.shuffle(parts)
    return merge_top_k(parts).result()


@st.composite
def _problems(draw):
    n, d = draw(st.integers(1, 40)), draw(st.sampled_from([1, 3, 17]))
    seed = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pool = seed.normal(size=(n, d))
    if draw(st.booleans()):  # few values: ties within and across the shards
        pool = np.round(pool)
    pool = pool[seed.integers(0, n, n)].astype(draw(st.sampled_from(["f2", "f4", "f8"])))
    queries = pool[seed.integers(0, n, draw(st.integers(1, 6)))]
    cuts = draw(st.lists(st.integers(0, n), max_size=5))
    how = {"metric": draw(st.sampled_from(["cosine", "euclidean", "inner"]))}
    if draw(st.booleans()):
        how["exclude"] = seed.integers(-1, n, len(queries))
    if draw(st.booleans()):
        how |= {"query_groups": seed.integers(0, 3, len(queries)), "pool_groups": seed.integers(0, 3, n)}
    return queries, pool, draw(st.integers(1, 45)), cuts, seed, how


@given(_problems())
@settings(max_examples=60, deadline=None)
def test_shards_give_what_the_whole_gives(problem):
    """Scores and rows are equal to the bit under any cut, empty shards, ties, rules, types and orders of merging."""
    queries, pool, k, cuts, order, how = problem
    whole = top_k(queries, pool, k, **how)
    found = _by_shards(queries, pool, k, cuts, order, **dict(how))
    np.testing.assert_array_equal(found[0], whole[0])
    np.testing.assert_array_equal(found[1], whole[1])


@pytest.mark.parametrize("dtype", ["f4", "f2"])
def test_the_compiled_scan_is_taken_for_all_shards_or_none(dtype, monkeypatch):
    """A small shard of a large pool must be summed as its large neighbours are: twins across shards tie, by row."""
    monkeypatch.setattr(crew, "_NUMBA_CELLS", 30_000)
    rng = np.random.default_rng(0)
    pool = np.tile(rng.normal(size=(300, 48)), (4, 1)).astype(dtype)
    queries = pool[:100].astype("f4") + rng.normal(size=(100, 48)).astype("f4")
    whole = top_k(queries, pool, 30)
    found = _by_shards(queries, pool, 30, [7, 20, 300, 1190], rng)
    np.testing.assert_array_equal(found[0], whole[0])
    np.testing.assert_array_equal(found[1], whole[1])
    assert (np.diff(whole[1], axis=1)[whole[0][:, 1:] == whole[0][:, :-1]] > 0).all()


def test_what_float32_cannot_tell_apart_is_ordered_by_what_is_behind_it():
    """Merging the float32 scores of shards would order such rows by index, and drop the wrong one at the cut."""
    step = 2.0**-30
    pool = np.array([[1.0, step], [1.0, 3 * step], [1.0, 2 * step]])
    query = np.array([[1.0, 1.0]])
    scores, rows = top_k(query, pool, 2, metric="inner")
    assert scores[0, 0] == scores[0, 1]
    assert rows.tolist() == [[1, 2]]
    assert _by_shards(query, pool, 2, [1, 2], np.random.default_rng(0), metric="inner")[1].tolist() == [[1, 2]]


def test_parts_that_do_not_belong_together_are_refused():
    """A shard merged twice would push true neighbours out without a word."""
    rng = np.random.default_rng(0)
    queries, pool = rng.normal(size=(3, 4)), rng.normal(size=(10, 4))
    part = functools.partial(shard_top_k, queries, n_pool=10)
    one = part(pool[:5], 2, start=0)
    with pytest.raises(InputError, match="is in both parts: a shard was merged twice"):
        one.merge(one)
    with pytest.raises(InputError, match=r"shape \(3, 2\) and \(3, 3\) do not merge"):
        one.merge(part(pool[5:], 3, start=5))
    with pytest.raises(InputError, match="no part to merge"):
        merge_top_k([])
    with pytest.raises(InputError, match="rows 8 to 13 does not lie in a pool of 10 rows"):
        part(pool[:5], 2, start=8)
    with pytest.raises(InputError, match="pool has 3"):
        part(pool[:5, :3], 2, start=0)


def test_empty_parts_change_nothing():
    """A shard without a row, and one whose rows are all banned, are as if they were not there."""
    rng = np.random.default_rng(0)
    queries, pool = rng.normal(size=(3, 4)), rng.normal(size=(10, 4))
    whole = shard_top_k(queries, pool, 12, start=0, n_pool=10)
    none = shard_top_k(queries, pool[:0], 12, start=4, n_pool=10)
    both = none.merge(whole)
    np.testing.assert_array_equal(both.keys, whole.keys)
    np.testing.assert_array_equal(both.rows, whole.rows)
    assert (both.rows[:, 10:] == -1).all()
    assert isinstance(both, TopK)
