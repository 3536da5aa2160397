"""A pool measured once gives what its array gives, to the bit, and says when the array is another by now."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueneg.core._neighbors import crew, plan, product, sides
from trueneg.core.errors import InputError
from trueneg.core.neighbors import Pool, top_k

METRICS = ("cosine", "euclidean", "inner")
WAYS = ("numpy", "numba", "torch", "half")


def forced(patch, way):
    """Make every search take one scan and one product."""
    patch.setattr(crew, "_NUMBA_CELLS", 10**18 if way == "numpy" else 0)
    if way != "numpy":
        pytest.importorskip("numba")
    if way in ("torch", "half"):
        torch = pytest.importorskip("torch")
        fine = product.TorchProduct(torch)
        rough = product.HalfProduct(torch) if way == "half" else fine
        patch.setattr(crew, "_ROUNDED", 0)
        patch.setattr(crew, "load", lambda *_: torch)
        patch.setattr(crew, "fastest", lambda torch, d, tile, *, half: (rough if half else fine, fine))


def same(got, want):
    """Same scores and rows, to the bit."""
    np.testing.assert_array_equal(got[0], want[0])
    np.testing.assert_array_equal(got[1], want[1])


@st.composite
def problems(draw):
    """A pool of any type and layout, with ties in half of the cases, and searches of it."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    m, d = int(rng.integers(1, 200)), int(rng.integers(1, 20))
    pool = rng.integers(-1, 2, (m, d)) if draw(st.booleans()) else rng.normal(size=(m, d)) * 8 + 3
    kind = draw(st.sampled_from(["float32", "float64", "float16", "int16", "columns"]))
    pool = np.asfortranarray(pool, dtype=np.float32) if kind == "columns" else pool.astype(kind)
    searches = []
    for metric in draw(st.lists(st.sampled_from(METRICS), min_size=1, max_size=4)):
        n = int(rng.integers(1, 60))
        queries = pool if draw(st.booleans()) else pool[rng.integers(0, m, n)]
        how = {"metric": metric}
        if draw(st.booleans()):
            how["exclude"] = rng.integers(-1, m, len(queries))
        if draw(st.booleans()):
            how |= {"query_groups": rng.integers(0, 3, len(queries)), "pool_groups": rng.integers(0, 3, m)}
        if draw(st.booleans()):
            how["memory"] = "20KB"
        searches.append((queries, int(rng.integers(1, 60)), how))
    return pool, searches


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=15, deadline=None)
@given(problem=problems(), tile=st.sampled_from([7, 64, 832]))
def test_pool_equals_its_array(way, problem, tile):
    """One search after the other, under any metric, rules, type, budget and product: what the array gives."""
    array, searches = problem
    pool = Pool(array)
    with pytest.MonkeyPatch.context() as patch:
        forced(patch, way)
        patch.setattr(plan, "_TILE", tile)
        for queries, k, how in searches:
            want = top_k(queries, array, k, **how)
            same(top_k(queries, pool, k, **how), want)
            same(top_k(queries, pool, k, **how), want)


def test_pool_of_all_sizes_of_work(monkeypatch):
    """A pool that small work measured by NumPy and large work by compiled passes scores each as its array is scored."""
    pytest.importorskip("numba")
    monkeypatch.setattr(crew, "_NUMBA_CELLS", 20_000)
    rng = np.random.default_rng(0)
    array = rng.normal(size=(900, 24)).astype(np.float32)
    pool = Pool(array)
    for n in (3, 200, 3, 200):
        queries = rng.normal(size=(n, 24)).astype(np.float32)
        for metric in METRICS:
            same(top_k(queries, pool, 9, metric=metric), top_k(queries, array, 9, metric=metric))


@pytest.mark.parametrize("metric", METRICS)
def test_pool_is_measured_once(metric, monkeypatch):
    """The second search passes over the pool for its product alone; the array itself is never copied."""
    passed = []
    rows = sides.Side.rows
    monkeypatch.setattr(
        sides.Side, "rows", lambda self, a, b: (passed.append(self.name == "pool" and b - a), rows(self, a, b))[1]
    )
    array = np.random.default_rng(0).normal(size=(50_000, 16)).astype(np.float32)
    tracemalloc.start()
    pool = Pool(array)
    read = []
    for _ in range(3):
        passed.clear()
        top_k(array[:4], pool, 5, metric=metric, memory="1MB")
        read.append(sum(passed))
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert read[0] > 1.9 * len(array)
    assert read[1] == read[2] < 1.1 * len(array)
    assert held < (16 if metric == "euclidean" else 8) * len(array) + 100_000


def test_searches_at_the_same_time():
    """Threads that share a pool, the first searches among them, each get what they would alone."""
    rng = np.random.default_rng(1)
    array = rng.normal(size=(3000, 12))
    asked = [rng.normal(size=(5, 12)) for _ in range(16)]
    pool = Pool(array)
    with ThreadPoolExecutor(4) as team:
        found = list(team.map(lambda i: top_k(asked[i], pool, 7, metric=METRICS[i % 3]), range(16)))
    for i, one in enumerate(found):
        same(one, top_k(asked[i], array, 7, metric=METRICS[i % 3]))


def test_a_pool_on_disk(tmp_path):
    """A memory map is read where it lies."""
    array = np.random.default_rng(2).normal(size=(2000, 8)).astype(np.float32)
    array.tofile(tmp_path / "pool")
    held = np.memmap(tmp_path / "pool", dtype=np.float32, mode="r", shape=array.shape)
    same(top_k(array[:9], Pool(held), 5), top_k(array[:9], array, 5))


def test_a_pool_whose_array_changed_is_refused():
    """An array that was filled anew is noticed, before and after the first search."""
    array = np.random.default_rng(3).normal(size=(500, 4))
    pool = Pool(array)
    top_k(array[:2], pool, 3)
    array *= 2.0
    with pytest.raises(InputError, match="has changed"):
        top_k(array[:2], pool, 3)
    array /= 2.0
    assert top_k(array[:2], pool, 3)[1].shape == (2, 3)


def test_a_bad_pool_is_refused():
    """No table of numbers is refused at once; a value that is not finite by the first search, and by the next."""
    with pytest.raises(InputError, match="columns"):
        Pool(np.ones(4))
    with pytest.raises(InputError, match="numbers are needed"):
        Pool(np.array([["a"]]))
    bad = np.ones((50, 3))
    bad[37, 2] = np.nan
    pool = Pool(bad)
    for _ in range(2):
        with pytest.raises(InputError, match="pool row 37, column 2"):
            top_k(np.ones((1, 3)), pool, 2)
    with pytest.raises(InputError, match="same features"):
        top_k(np.ones((1, 2)), Pool(np.ones((4, 3))), 1)


def test_an_empty_pool():
    """No rows are no answer, not an error."""
    pool = Pool(np.empty((0, 3)))
    assert len(pool) == 0
    assert repr(pool) == "Pool(0 x 3, float64)"
    assert (top_k(np.ones((2, 3)), pool, 4)[1] == -1).all()
