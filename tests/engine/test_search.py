"""Top-k and encoding over shards: the same as in one go, whatever the engine, the shards and where the rows lie."""

import numpy as np
import pytest

from trueneg.core.errors import InputError
from trueneg.core.neighbors import top_k
from trueneg.encoders import CallableEncoder
from trueneg.engine import InProcess, encode_shards, sharded_top_k
from trueneg.engine import search as module


class _Backwards(InProcess):
    """Hands on batches in the worst order and in pieces, as an engine may; sees only what it is sent."""

    shared_files = False

    def map_batches(self, fn_or_class, batches, *, batch_size=None, resources=None):
        found = list(super().map_batches(fn_or_class, batches, batch_size=batch_size))
        rows = [(batch, i) for batch in found for i in range(len(next(iter(batch.values()))))]
        for batch, i in rows[::-1]:
            yield {name: value[i : i + 1] for name, value in batch.items()}


ENGINES = [InProcess(), InProcess(workers=2), _Backwards()]


def _data(tmp_path, dtype="f4"):
    rng = np.random.default_rng(0)
    pool = np.round(rng.normal(size=(53, 6)), 1).astype(dtype)
    pool[30:40] = pool[:10]
    np.save(tmp_path / "pool.npy", pool)
    return rng.normal(size=(9, 6)).astype("f4"), pool


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("metric", ["cosine", "inner", "euclidean"])
@pytest.mark.parametrize("kind", ["array", "memmap", "slice", "files", "list"])
def test_equals_one_search(tmp_path, monkeypatch, engine, metric, kind):
    """Scores and rows are those of one search over everything, to the bit: arrays, maps and files, ties included."""
    monkeypatch.setattr(module, "_QUERIES", 4)
    monkeypatch.setattr(module, "_SMALL", 0)
    queries, pool = _data(tmp_path)
    if kind == "memmap":
        given = np.load(tmp_path / "pool.npy", mmap_mode="r")
    elif kind == "slice":  # a slice of a map does not know where in the file it begins
        given, pool = np.load(tmp_path / "pool.npy", mmap_mode="r")[5:], pool[5:]
    elif kind == "files":
        given = [tmp_path / "a.npy", str(tmp_path / "b.npy")]
        np.save(given[0], pool[:20])
        np.save(given[1], pool[20:])
    else:
        given = pool if kind == "array" else pool.tolist()
    seen = []
    whole = top_k(queries, np.asarray(given) if kind == "list" else pool, 7, metric=metric)
    how = {"engine": engine, "shard_rows": 11, "metric": metric, "progress": lambda *told: seen.append(told)}
    found = sharded_top_k(queries, given, 7, **how)
    np.testing.assert_array_equal(found[0], whole[0])
    np.testing.assert_array_equal(found[1], whole[1])
    assert seen[-1][1] == seen[-1][2] == len(seen)


def test_more_neighbours_than_a_shard_has(tmp_path):
    """A shard of three rows gives its three, and the places that no row fills stay empty."""
    queries, pool = _data(tmp_path)
    whole = top_k(queries, pool, 60)
    found = sharded_top_k(queries, pool, 60, engine=InProcess(), shard_rows=3)
    np.testing.assert_array_equal(found[0], whole[0])
    np.testing.assert_array_equal(found[1], whole[1])
    assert sharded_top_k(queries[:0], pool, 5, engine=InProcess())[0].shape == (0, 5)


def test_a_memory_map_is_sent_as_its_path(tmp_path):
    """A worker opens its own part of the file; only where it does not see the file are the rows sent."""
    queries, pool = _data(tmp_path)
    given = np.load(tmp_path / "pool.npy", mmap_mode="r")
    sent = {}

    class Watches(InProcess):
        def map_batches(self, fn_or_class, batches, **how):
            held = list(batches)
            sent[self.shared_files] = [sorted(batch) for batch in held]
            return super().map_batches(fn_or_class, held, **how)

    for shared in (True, False):
        engine = Watches()
        engine.shared_files = shared
        found = sharded_top_k(queries, given, 5, engine=engine, shard_rows=20)
        np.testing.assert_array_equal(found[1], top_k(queries, pool, 5)[1])
    assert sent[True] == [["count", "dtype", "offset", "path", "start", "width"]] * 3
    assert sent[False] == [["number", "vector"]] * 3
    given = np.load(tmp_path / "pool.npy", mmap_mode="r")
    (tmp_path / "pool.npy").unlink()
    with pytest.raises(InputError, match="put it on storage that all machines mount, or leave --shared-files out"):
        sharded_top_k(queries, given, 5, engine=InProcess())


def test_bad_pools_are_one_line(tmp_path):
    """What cannot be searched is named with what to do."""
    queries, pool = _data(tmp_path)
    np.save(tmp_path / "narrow.npy", pool[:, :2])
    (tmp_path / "text.npy").write_text("no numbers")
    for given, words in (
        ([tmp_path / "pool.npy", tmp_path / "narrow.npy"], r"narrow\.npy has shape \(53, 2\): give files of one width"),
        ([tmp_path / "text.npy"], "is no .npy file of numbers"),
        ([tmp_path / "none.npy"], "is no .npy file of numbers"),
        (pool[:0], "the pool has no row"),
        (pool[0], r"pool has shape \(6,\)"),
        (pool[:, :2], "queries have 6 columns and pool has 2"),
        (np.where(np.arange(53)[:, None] == 50, np.nan, pool), "row 6, column 0 is nan"),
    ):
        with pytest.raises(InputError, match=words):
            sharded_top_k(queries, given, 5, engine=InProcess(), shard_rows=11)


def _lines(path):
    with open(path, encoding="utf-8") as source:
        return source.read().splitlines()


@pytest.mark.parametrize("engine", ENGINES)
def test_files_of_texts_become_files_of_vectors(tmp_path, engine):
    """One .npy a shard in the order given, made once by texts and model; the files are a pool for the search."""
    asked = []

    def counts(texts):
        asked.append(len(texts))
        return [[len(text), text.count("a"), 1] for text in texts]

    shards = [tmp_path / "0.txt", tmp_path / "1.txt", tmp_path / "2.txt"]
    texts = [["a", "bbb"], ["aa"], ["b", "ab", "aab"]]
    for path, lines in zip(shards, texts, strict=True):
        path.write_text("\n".join(lines))
    how = {"engine": engine, "read": _lines}
    made = encode_shards(CallableEncoder(counts, name="1"), shards, tmp_path / "v", **how)
    for path, lines in zip(made, texts, strict=True):
        np.testing.assert_array_equal(np.load(path), [[len(text), text.count("a"), 1] for text in lines])
    assert sorted(asked) == [1, 2, 3]
    made[1].unlink()  # as if the run had been killed before it
    again = encode_shards(CallableEncoder(counts, name="1"), shards, tmp_path / "v", **how)
    assert again == made
    assert asked[3:] == [1]
    shards[2].write_text("other")
    other = encode_shards(CallableEncoder(counts, name="1"), shards, tmp_path / "v", **how)
    assert other[:2] == made[:2]
    assert other[2] != made[2], "a shard with other texts took the old vectors"
    assert not set(encode_shards(CallableEncoder(counts, name="2"), shards, tmp_path / "v", **how)) & {*made, *other}
    pool = np.concatenate([np.load(path) for path in made])
    np.testing.assert_array_equal(sharded_top_k(pool, made, 2, engine=engine)[1], top_k(pool, pool, 2)[1])
    assert not list((tmp_path / "v").glob("*.partial"))


def test_bad_shards_are_named(tmp_path):
    """A file without texts, or a model that gives no number, is told with the file, and no vectors are written."""
    (tmp_path / "0.txt").write_text("")
    bad = CallableEncoder(lambda texts: [[np.nan] for _ in texts], name="x")
    with pytest.raises(InputError, match=r"0\.txt holds no text: leave it out"):
        encode_shards(bad, [tmp_path / "0.txt"], tmp_path / "v", engine=InProcess(), read=_lines)
    (tmp_path / "0.txt").write_text("a\nb")
    with pytest.raises(InputError, match=r"0\.txt: the encoder gave a value that is no number for text 0: 'a'"):
        encode_shards(bad, [tmp_path / "0.txt"], tmp_path / "v", engine=InProcess(), read=_lines)
    assert not (tmp_path / "v").exists()
