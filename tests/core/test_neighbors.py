"""Exact top-k against a float64 brute force, whatever the blocks, the kernel and the rules."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueneg.core import neighbors
from trueneg.core._neighbors import crew, plan, product, scans
from trueneg.core.errors import InputError
from trueneg.core.neighbors import parse_memory, top_k

METRICS = ("cosine", "euclidean", "inner")
PATHS = ("numba", "numpy")


@pytest.fixture
def path(request, monkeypatch):
    """Force the compiled scan, or the one without numba."""
    if request.param == "numba":
        pytest.importorskip("numba")
    monkeypatch.setattr(crew, "_NUMBA_CELLS", 0 if request.param == "numba" else 10**18)
    return request.param


def brute(queries, pool, metric):
    """All scores in float64 by the textbook formula, equal to 11 digits being equal."""
    q, p = np.asarray(queries, dtype=np.float64), np.asarray(pool, dtype=np.float64)
    if metric == "euclidean":
        return np.round(-np.sqrt(((q[:, None] - p) ** 2).sum(-1)), 11)
    dot = (q[:, None] * p).sum(-1)
    if metric == "cosine":
        size = np.linalg.norm(q, axis=1)[:, None] * np.linalg.norm(p, axis=1)
        dot = np.where(size > 0, dot / np.where(size > 0, size, 1), 0)
    return np.round(dot, 11)


def expected(scores, k, banned=None):
    """The k best by score, then index; -inf and -1 where there are fewer."""
    scores = scores.copy()
    if banned is not None:
        scores[banned] = -np.inf
    scores = np.pad(scores, ((0, 0), (0, max(0, k - scores.shape[1]))), constant_values=-np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(scores, order, axis=1)
    return best.astype(np.float32), np.where(np.isneginf(best), -1, order)


def check(got, want):
    """Same rows, and scores equal to the last bits of float32."""
    np.testing.assert_array_equal(got[1], want[1])
    np.testing.assert_allclose(got[0], want[0], rtol=2e-7, atol=1e-10)
    assert got[0].dtype == np.float32
    assert got[1].dtype == np.int64


@st.composite
def problem(draw):
    """Two arrays, with ties and duplicates in half of the cases."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, m, d = draw(st.integers(1, 25)), draw(st.integers(1, 40)), draw(st.integers(1, 19))
    dtype = draw(st.sampled_from([np.float32, np.float64, np.int64]))
    if draw(st.booleans()):  # few distinct whole numbers: ties, duplicates and zero rows
        make = lambda size: rng.integers(-1, 2, size).astype(dtype)  # noqa: E731
    else:
        make = lambda size: (rng.normal(size=size) * 8 + 3).astype(dtype)  # noqa: E731
    pool = make((m, d))
    pool = pool[rng.integers(0, m, m)] if draw(st.booleans()) else pool
    return make((n, d)), pool, draw(st.integers(1, 45)), draw(st.sampled_from(METRICS)), rng


@pytest.mark.parametrize("way", PATHS)
@settings(max_examples=60, deadline=None)
@given(case=problem(), tile=st.sampled_from([1, 2, 7, 1024]), ruled=st.booleans())
def test_equals_brute_force(way, case, tile, ruled):
    """Ties, duplicates, integers, k beyond the pool, bans and any tile size: the float64 answer every time."""
    queries, pool, k, metric, rng = case
    if way == "numba":
        pytest.importorskip("numba")
    rules, banned = {}, None
    if ruled:
        exclude = rng.integers(-1, len(pool), len(queries))
        one, two = rng.integers(0, 3, len(queries)), rng.integers(0, 3, len(pool))
        banned = (one[:, None] == two) | (exclude[:, None] == np.arange(len(pool)))
        rules = {"exclude": exclude, "query_groups": one, "pool_groups": two}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crew, "_NUMBA_CELLS", 0 if way == "numba" else 10**18)
        patch.setattr(plan, "_TILE", tile)
        got = top_k(queries, pool, k, metric=metric, **rules)
    check(got, expected(brute(queries, pool, metric), k, banned))


@pytest.mark.parametrize("path", PATHS, indirect=True)
@pytest.mark.parametrize("metric", METRICS)
def test_never_itself_on_one_array(path, metric, monkeypatch):
    """The shortcut for queries-are-pool, which scans each tile twice, finds what two arrays would."""
    monkeypatch.setattr(plan, "_TILE", 64)
    x = np.random.default_rng(0).normal(size=(301, 33)).astype(np.float32)
    x[100:150] = x[:50]
    own = np.arange(len(x))
    got = top_k(x, x, 9, metric=metric, exclude=own)
    check(got, expected(brute(x, x, metric), 9, np.eye(len(x), dtype=bool)))
    assert not (got[1] == own[:, None]).any()
    check(top_k(x, x.copy(), 9, metric=metric, exclude=own), got)


@pytest.mark.parametrize("path", PATHS, indirect=True)
@pytest.mark.parametrize("metric", METRICS)
def test_block_size_changes_nothing(path, metric, monkeypatch):
    """Bit for bit the same result under any budget and tile, on data where a third of the cells tie."""
    rng = np.random.default_rng(1)
    pool = rng.integers(0, 2, (150, 10)).astype(np.float32) * np.float32(0.1)
    queries = pool[rng.integers(0, 150, 40)] * np.float32(3)
    want = top_k(queries, pool, 20, metric=metric)
    for tile, memory in ((1024, "20KB"), (1024, 1), (32, "1MB"), (17, "30KB")):
        monkeypatch.setattr(plan, "_TILE", tile)
        got = top_k(queries, pool, 20, metric=metric, memory=memory)
        np.testing.assert_array_equal(got[0], want[0])
        np.testing.assert_array_equal(got[1], want[1])


@pytest.mark.parametrize("path", PATHS, indirect=True)
def test_near_ties_beyond_float32(path):
    """Rows that float32 products cannot tell apart, far from the origin, are still ordered by true distance."""
    step = np.random.default_rng(2).permutation(400)
    pool = np.full((400, 8), 1e4)
    pool[:, 3] += step * 1e-7
    scores, rows = top_k(np.full((1, 8), 1e4), pool, 50, metric="euclidean")
    np.testing.assert_array_equal(step[rows[0]], np.arange(50))
    np.testing.assert_allclose(scores[0], -np.arange(50) * 1e-7, rtol=1e-3)


@pytest.mark.parametrize("path", PATHS, indirect=True)
@pytest.mark.parametrize("scale", [1e-15, 1e15])
def test_extreme_scales(path, scale):
    """Tiny and huge features, even side by side, neither overflow nor vanish in the float32 stage."""
    x = np.random.default_rng(3).normal(size=(60, 5)) * scale
    x[::7] *= 1e-6
    for metric in METRICS:
        q = x / scale
        want = expected(brute(q, q, metric), 5)[1]
        np.testing.assert_array_equal(top_k(x, x.copy(), 5, metric=metric)[1], want)


def test_memmap_is_streamed_within_the_budget(tmp_path):
    """A pool on disk gives the same rows, and the search allocates no more than its budget."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(30_000, 64)).astype(np.float32)
    file = tmp_path / "pool.f32"
    x.tofile(file)
    pool = np.memmap(file, dtype=np.float32, mode="r", shape=x.shape)
    import tracemalloc

    tracemalloc.start()
    got = top_k(x[:100], pool, 5, memory="4MB")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    want = top_k(x[:100], x, 5)
    np.testing.assert_array_equal(got[1], want[1])
    assert peak < 4e6 + 16 * len(x) + 16 * 100 * 5


def test_groups_take_any_labels():
    """Text groups ban their own members, and a query whose group is the whole pool gets nothing."""
    x = np.random.default_rng(5).normal(size=(40, 4))
    names = np.array(["a", "b"])[np.arange(40) % 2]
    rows = top_k(x, x, 3, query_groups=names, pool_groups=names)[1]
    assert (names[rows] != names[:, None]).all()
    scores, rows = top_k(x, x, 3, query_groups=np.zeros(40), pool_groups=np.zeros(40))
    assert (rows == -1).all()
    assert np.isneginf(scores).all()


def test_zero_vector_scores_zero():
    """Under cosine a zero row is neither near nor far, on either side."""
    scores, rows = top_k(np.array([[0.0, 0], [1, 0]]), np.array([[-1.0, 0], [0, 0], [2, 0]]), 3)
    np.testing.assert_array_equal(scores, [[0, 0, 0], [1, 0, -1]])
    np.testing.assert_array_equal(rows, [[0, 1, 2], [2, 1, 0]])


@pytest.mark.parametrize("metric", METRICS)
def test_foreign_index_is_filtered_and_rescored(metric):
    """Any index that finds the right rows, in whatever order and score, gives exactly the exact result."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=(120, 6)).astype(np.float32)
    group = np.arange(120) // 30
    asked = []

    def index(queries, k):
        asked.append(k)
        ids = np.argsort(-brute(queries, x, metric), axis=1)[:, :k]
        return np.zeros(ids.shape), ids[:, ::-1]

    rules = {"metric": metric, "exclude": np.arange(120), "query_groups": group, "pool_groups": group}
    check(top_k(x, x, 8, index=index, **rules), top_k(x, x, 8, **rules))
    assert max(asked) > 9  # the groups left too few at first
    with pytest.raises(InputError, match="another pool"):
        top_k(x, x[:50], 8, index=index)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite_is_refused_by_row(value):
    """A bad value stops the search with its row and column, rather than poisoning neighbours."""
    x = np.ones((50, 3), dtype=np.float32)
    bad = x.copy()
    bad[37, 2] = value
    with pytest.raises(InputError, match="pool row 37, column 2"):
        top_k(x, bad, 2)
    with pytest.raises(InputError, match="queries row 37, column 2"):
        top_k(bad, x, 2, metric="euclidean")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"k": 0}, "at least 1"),
        ({"k": 2.5}, "whole number"),
        ({"metric": "manhattan"}, "choose one of"),
        ({"memory": "much"}, "not a size"),
        ({"memory": 0}, "no room"),
        ({"exclude": np.arange(3)}, "one pool row a query"),
        ({"query_groups": np.arange(4)}, "both or neither"),
        ({"query_groups": np.arange(4), "pool_groups": np.arange(5)}, "one group a row"),
        ({"pool": np.ones((4, 3))}, "same features"),
        ({"pool": np.ones(4)}, "columns"),
        ({"pool": np.array([["a", "b"]])}, "numbers are needed"),
        ({"pool": np.full((4, 2), 1e30)}, "rescale"),
    ],
)
def test_bad_input(change, words):
    """Each wrong argument is refused with what is wrong and what to do."""
    options = {"queries": np.ones((4, 2)), "pool": np.ones((4, 2)), "k": 1} | change
    with pytest.raises(InputError, match=words):
        top_k(options.pop("queries"), options.pop("pool"), options.pop("k"), **options)


def test_empty_sides():
    """No queries or no pool is an empty answer, not an error."""
    assert top_k(np.empty((0, 3)), np.ones((2, 3)), 4)[1].shape == (0, 4)
    assert (top_k(np.ones((2, 3)), np.empty((0, 3)), 4)[1] == -1).all()


def test_memory_sizes():
    """Sizes are read as people write them."""
    assert parse_memory("512MB") == 512_000_000
    assert parse_memory("1.5 gib") == 3 * 2**29
    assert parse_memory(123) == 123


def test_numba_is_not_loaded_for_small_work():
    """A small search starts at once: numba, scipy and scikit-learn stay unloaded."""
    code = (
        "import sys, numpy as np; from trueneg.core.neighbors import top_k; "
        "top_k(np.ones((5, 2)), np.ones((5, 2)), 2); "
        "sys.exit(any(m in sys.modules for m in ('numba', 'scipy', 'sklearn')))"
    )
    source = str(Path(neighbors.__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": source}, check=False)
    assert done.returncode == 0


def test_missing_numba_is_said_once(monkeypatch):
    """A large search without numba names the cure, once, and its result is the same."""
    x = np.random.default_rng(2).normal(size=(60, 5)).astype(np.float32)
    want = top_k(x, x, 3)
    for name in ("_NUMBA_CELLS", "_SLOW_CELLS"):
        monkeypatch.setattr(crew, name, 0)
    monkeypatch.setattr(crew, "_kernels", lambda: (None, None))
    crew._say_slow.cache_clear()
    with pytest.warns(UserWarning, match=r"pip install 'trueneg\[fast\]'") as said:
        got = [top_k(x, x, 3) for _ in range(2)]
    check(got[0], want)
    assert len(said) == 1
    assert Path(said[0].filename) == Path(__file__)


@pytest.mark.parametrize("way", PATHS)
@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["float32", "float64", "float16", "int16", "columns"]),
    k=st.sampled_from([1, 3, 15, 70]),
    metric=st.sampled_from(METRICS),
    tile=st.sampled_from([3, 64, 130]),
    grouped=st.booleans(),
)
def test_one_array_equals_brute_force(way, seed, kind, k, metric, tile, grouped):
    """Queries that are the pool, of any type and layout, with ties and groups: the float64 answer every time."""
    if way == "numba":
        pytest.importorskip("numba")
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(2, min(220, 20 * tile))), int(rng.integers(1, 9))
    x = rng.integers(-1, 2, (n, d)) if seed % 2 else rng.normal(size=(n, d)) * 8
    x = np.asfortranarray(x, dtype=np.float32) if kind == "columns" else x.astype(kind)
    group = np.sort(rng.integers(0, 4, n))
    own = np.arange(n)
    rules = {"query_groups": group, "pool_groups": group} if grouped else {"exclude": own}
    banned = group[:, None] == group if grouped else np.eye(n, dtype=bool)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crew, "_NUMBA_CELLS", 0 if way == "numba" else 10**18)
        patch.setattr(plan, "_TILE", tile)
        got = top_k(x, x, k, metric=metric, **rules)
    check(got, expected(brute(x, x, metric), k, banned))


def test_scan_compiles_where_nothing_can_be_cached(monkeypatch):
    """An install that nobody may write to, without a home, still gets its compiled scan."""
    numba = pytest.importorskip("numba")
    from trueneg.core.compiled import compiled

    def njit(*, cache=False, **options):
        if cache:
            message = "cannot cache function: no locator available for file"
            raise RuntimeError(message)
        return numba.jit(nopython=True, **options)

    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "numba", SimpleNamespace(njit=njit))
        add = compiled()(lambda a, b: a + b)
    assert add(2, 3) == 5


@pytest.mark.parametrize("path", PATHS, indirect=True)
def test_threads_change_nothing(path, monkeypatch):
    """Tiles scanned side by side, on one array and on two, give bit for bit what one thread gives."""
    from threadpoolctl import threadpool_limits

    monkeypatch.setattr(plan, "_TILE", 64)
    monkeypatch.setattr(crew, "_NUMBA_CELLS", 0)
    if path == "numpy":
        monkeypatch.setattr(crew, "_kernels", lambda: (None, None))
    x = np.random.default_rng(7).integers(-2, 3, (900, 6)).astype(np.float32)
    own = np.arange(len(x))
    for pool in (x, x[::-1].copy()):
        got = []
        for threads in (1, 4):
            with threadpool_limits(limits=threads, user_api="blas"):
                got.append(top_k(x, pool, 7, exclude=own))
        np.testing.assert_array_equal(got[0][0], got[1][0])
        np.testing.assert_array_equal(got[0][1], got[1][1])


@pytest.fixture(params=["torch", "half"])
def by(request, monkeypatch):
    """Force a product of torch, whatever the size of the work and the speed of this processor."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("numba")
    fine = product.TorchProduct(torch)
    rough = product.HalfProduct(torch) if request.param == "half" else fine
    monkeypatch.setattr(crew, "_NUMBA_CELLS", 0)
    monkeypatch.setattr(crew, "_ROUNDED", 0)
    monkeypatch.setattr(crew, "load", lambda *_: torch)
    monkeypatch.setattr(crew, "fastest", lambda torch, d, tile, *, half: (rough if half else fine, fine))
    return request.param


@pytest.mark.parametrize("seed", range(24))
def test_no_product_changes_the_result(by, seed, monkeypatch):
    """Torch's scores, and those of half the bits, lead to the float64 answer: ties, bans, one array and two."""
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(plan, "_TILE", [7, 64, 130, 1024][seed % 4])
    n, m, d = rng.integers(1, 60), rng.integers(1, 500), rng.integers(1, 40)
    make = (lambda size: rng.integers(-1, 2, size)) if seed % 3 == 0 else (lambda size: rng.normal(size=size) + 0.5)
    pool = make((m, d)).astype(np.float32 if seed % 5 else np.float64)
    queries = pool if seed % 2 else make((n, d)).astype(pool.dtype)
    banned = rng.integers(-1, m, len(queries))
    for metric in METRICS:
        k = int(rng.integers(1, 90))
        got = top_k(queries, pool, k, metric=metric, exclude=banned)
        check(got, expected(brute(queries, pool, metric), k, banned[:, None] == np.arange(m)))


def test_scores_too_close_for_half_the_bits(by, monkeypatch):
    """Rows that bfloat16 cannot tell apart at all: the search notices, goes on in float32, and is right."""
    used = []
    into = product.TorchProduct.into
    monkeypatch.setattr(product.TorchProduct, "into", lambda self, *rest: (used.append(type(self)), into(self, *rest)))
    monkeypatch.setattr(plan, "_TILE", 64)
    rng = np.random.default_rng(8)
    pool = (np.ones(16) + 3e-3 * rng.normal(size=(20_000, 16))).astype(np.float32)
    queries = pool[:40] + np.float32(1e-3)
    for metric in ("cosine", "inner"):
        used.clear()
        got = top_k(queries, pool, 3, metric=metric)
        np.testing.assert_array_equal(got[1], expected(brute(queries, pool, metric), 3)[1])
        assert (product.HalfProduct in used) == (by == "half")
        assert product.TorchProduct in used


def test_half_the_bits_suffice_where_scores_differ(by, monkeypatch):
    """On rows in all directions nothing is done twice: few cells are scored again, and none in float32."""
    used, spent = set(), []
    into, finish = product.TorchProduct.into, scans.Scan.finish
    monkeypatch.setattr(product.TorchProduct, "into", lambda self, *rest: (used.add(type(self)), into(self, *rest)))
    monkeypatch.setattr(scans.Scan, "finish", lambda self, start: (finish(self, start), spent.append(self.spent)))
    x = np.random.default_rng(9).normal(size=(12_000, 64)).astype(np.float32)
    top_k(x[:50], x, 20)
    assert used == {product.HalfProduct if by == "half" else product.TorchProduct}
    assert spent[-1].mean() < 60


@pytest.mark.parametrize("scale", [1e-15, 1e15])
def test_half_the_bits_at_extreme_scales(by, scale):
    """Tiny and huge rows side by side neither overflow nor vanish in bfloat16."""
    x = np.random.default_rng(3).normal(size=(60, 5)) * scale
    x[::7] *= 1e-6
    for metric in ("cosine", "inner"):
        want = expected(brute(x / scale, x / scale, metric), 5)[1]
        np.testing.assert_array_equal(top_k(x, x.copy(), 5, metric=metric)[1], want)


def test_a_product_that_gives_up_digits_is_not_taken():
    """Where torch was told to multiply float32 in fewer digits, its scores miss their bound and NumPy's are taken."""
    torch = pytest.importorskip("torch")

    class Careless(product.TorchProduct):
        def into(self, query, pool, out):
            out[:] = (query.astype(np.float16) @ pool.T.astype(np.float16)).astype(np.float32)

    rows = np.random.default_rng(0).normal(size=(2, 64, 128)).astype(np.float32)
    rows = tuple(rows / np.linalg.norm(rows, axis=2, keepdims=True))
    assert product._time(Careless(torch), rows) == np.inf
    assert product._time(product.TorchProduct(torch), rows) < np.inf
    assert product._time(product.HalfProduct(torch), rows) < np.inf


def test_torch_keeps_its_threads(by):
    """A search leaves torch's number of threads as it was, in this thread and in threads to come."""
    import threading

    import torch

    before = torch.get_num_threads()
    x = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    top_k(x, x[:200], 3)
    seen = []
    other = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert [torch.get_num_threads(), *seen] == [before, before]


def test_torch_is_loaded_for_large_work_alone():
    """Work of a few seconds does not wait for torch to load; where it is installed, large work does."""
    assert product.load(384, 10**6) is None
    code = (
        "import sys, numpy as np; from trueneg.core.neighbors import top_k; "
        "x = np.ones((3000, 4), np.float32); top_k(x, x.copy(), 2); sys.exit('torch' in sys.modules)"
    )
    source = str(Path(neighbors.__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": source}, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("scale", [1e-28, 1e-12, 1.0, 1e17])
def test_few_queries_meet_the_rows_as_they_are(by, scale, monkeypatch):
    """Few queries meet float32 rows unscaled, unless these are too short, or torch may not read them: one answer."""
    taken = []
    embed = plan.Plan.embed
    monkeypatch.setattr(
        plan.Plan, "embed", lambda self, side, *a, **how: (taken.append(side.name), embed(self, side, *a, **how))[1]
    )
    if by == "half":  # here: NumPy's
        monkeypatch.setattr(crew, "fastest", lambda *_, half: (product.Product(), product.Product()))
    rng = np.random.default_rng(4)
    pool = (rng.normal(size=(2000, 24)) * scale).astype(np.float32)
    pool[::9] *= np.float32(1e-4)
    pool[7] = 0
    queries = pool[:6] * rng.choice([1e-9, 1.0], 6).astype(np.float32)[:, None]
    for metric in ("cosine", "inner"):
        want = top_k(queries.astype(np.float64), pool.astype(np.float64), 20, metric=metric)
        for writeable in (True, False):
            pool.flags.writeable = writeable
            taken.clear()
            check(top_k(queries, pool, 20, metric=metric), want)
            assert ("pool" in taken) != (scale >= 1.0 and (writeable or by == "half"))
        pool.flags.writeable = True
