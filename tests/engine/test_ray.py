"""Ray for real, two workers on this machine: the same results as in-process, also when a worker is killed."""

import contextlib
import functools
import gc
import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from trueneg.core.class_stats import ClassStats
from trueneg.core.errors import InputError, TruenegError
from trueneg.core.neighbors import top_k
from trueneg.encoders import CachedEncoder, CallableEncoder
from trueneg.engine import InProcess, RayEngine, Resources, encode_shards, sharded_top_k
from trueneg.testing import check_engine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def engine():
    """One Ray for all tests of this file."""
    pytest.importorskip("ray", reason="needs the extra ray")
    with RayEngine(workers=2, memory="200MB") as started:
        yield started.start()


@pytest.fixture(autouse=True)
def _finalizers():
    """Collect Ray's cycles here: their finalizers import modules, which Python's parser does not bear within itself.

    pytest parses what it imports, and the collector may come at any time (https://github.com/python/cpython/issues/106905).
    """
    yield
    gc.collect()


def _rows(found, name):
    held = list(found)
    order = np.argsort(np.concatenate([batch["row"] for batch in held]), kind="stable")
    return np.concatenate([batch[name] for batch in held])[order]


def _batches(n=8, size=40, d=6):
    rng = np.random.default_rng(0)
    for i in range(n):
        x = rng.normal(size=(size, d)).astype(np.float32)
        yield {"row": np.arange(i * size, (i + 1) * size), "x": x, "y": rng.integers(0, 5, size)}


def test_conforms(engine):
    """What trueneg brings must keep to the shape that it asks of others."""
    check_engine(engine)


def test_actors_conform(engine):
    """Objects kept in actors, as for GPUs, behave as those in tasks do."""

    class Actors:
        shared_files = True

        def map_batches(self, *given, **how):
            return engine.map_batches(*given, **how, resources=Resources(workers=2, actors=True))

    check_engine(Actors())


def test_two_processes_work_side_by_side(engine, tmp_path):
    """Both workers are in the function at once, and neither is this process."""

    def meet(batch):
        (tmp_path / str(os.getpid())).touch()
        end = time.monotonic() + 60
        while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        return {"row": batch["row"], "pid": np.full(len(batch["row"]), os.getpid())}

    pids = set(_rows(engine.map_batches(meet, _batches(2)), "pid").tolist())
    assert len(pids) == 2
    assert os.getpid() not in pids


class _Killed:
    """Doubles x. The process that gets row 120 is killed from outside in the middle of its work, once."""

    def __init__(self, place):
        self.place = Path(place)

    def __call__(self, batch):
        target = self.place / "pid"
        if 120 in batch["row"].tolist() and not target.exists():
            (self.place / "partial").write_text(str(os.getpid()))
            (self.place / "partial").replace(target)
            time.sleep(120)  # the signal comes meanwhile
        return {"row": batch["row"], "x": batch["x"] * 2, "pid": np.full(len(batch["row"]), os.getpid())}


@pytest.mark.parametrize("actors", [False, True], ids=["tasks", "actors"])
def test_a_killed_worker_is_survived(engine, tmp_path, actors):
    """SIGKILL in the middle of a batch: another worker does it again, and every row is there once."""
    killer = (
        "import os, pathlib, signal, sys, time\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "while not path.exists():\n    time.sleep(0.05)\n"
        "time.sleep(0.3)\n"
        f"os.kill(int(path.read_text()), {int(signal.SIGKILL)})\n"
    )
    other = subprocess.Popen([sys.executable, "-c", killer, str(tmp_path / "pid")])
    work = functools.partial(_Killed, tmp_path)
    start = time.monotonic()
    found = list(engine.map_batches(work, _batches(), resources=Resources(workers=2, actors=actors)))
    assert other.wait(timeout=30) == 0
    assert time.monotonic() - start < 110, "nobody was killed: the worker slept to its end"
    want = list(InProcess().map_batches(lambda batch: dict(batch) | {"x": batch["x"] * 2}, _batches()))
    np.testing.assert_array_equal(_rows(found, "row"), np.arange(320))
    np.testing.assert_array_equal(_rows(found, "x"), _rows(want, "x"))
    victim = int((tmp_path / "pid").read_text())
    assert victim not in _rows(found, "pid")[120:160]


def _data(tmp_path):
    rng = np.random.default_rng(1)
    pool = rng.normal(size=(20_000, 48)).astype(np.float32)
    pool[15_000:16_000] = pool[:1000]  # ties across shards
    np.save(tmp_path / "pool.npy", pool)
    queries = pool[rng.integers(0, 20_000, 300)] + 0.3 * rng.normal(size=(300, 48)).astype(np.float32)
    return np.concatenate([queries, pool[:50]]), pool


@pytest.mark.parametrize("kind", ["map", "array"])
def test_top_k_is_that_of_one_process(engine, tmp_path, kind):
    """Scores and ids of seven shards on two workers are, to the bit, those of one search in this process."""
    queries, pool = _data(tmp_path)
    given = np.load(tmp_path / "pool.npy", mmap_mode="r") if kind == "map" else pool
    whole = top_k(queries, pool, 50)
    told = []
    found = sharded_top_k(
        queries, given, 50, engine=engine, shard_rows=3000, progress=lambda *one: told.append(one[1:])
    )
    np.testing.assert_array_equal(found[0], whole[0])
    np.testing.assert_array_equal(found[1], whole[1])
    assert told == [(i, 7) for i in range(1, 8)]


class _Statistics:
    """The statistics of a batch as columns: what a worker hands back is small, whatever it saw."""

    def __call__(self, batch):
        stats = ClassStats(spread="full").update(batch["x"], batch["y"])
        return {
            "label": stats.classes,
            "count": stats.counts,
            "mean": stats.means,
            "scatter": stats.scatter,
        }


def _merged(found):
    total = ClassStats(spread="full")
    for batch in found:
        part = ClassStats(spread="full").expect(batch["label"], batch["mean"].shape[1])
        part.counts, part.means, part.scatter = batch["count"], batch["mean"], batch["scatter"]
        total.merge(part)
    return total


def test_class_statistics_merge(engine):
    """Sums of shards, merged in whatever order they come, are those of all rows, and those of the other engine."""
    rows = list(_batches())
    x, y = (np.concatenate([batch[name] for batch in rows]) for name in "xy")
    whole = ClassStats(spread="full").update(x, y)
    for one in (engine, InProcess()):
        found = _merged(one.map_batches(_Statistics, rows))
        np.testing.assert_array_equal(found.classes, whole.classes)
        np.testing.assert_array_equal(found.counts, whole.counts)
        np.testing.assert_allclose(found.means, whole.means, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(found.covariance(), whole.covariance(), rtol=1e-10, atol=1e-12)


def _counts(texts):
    return np.array([[len(text), text.count("a"), 1] for text in texts], dtype=np.float32)


def test_encoding_is_that_of_one_process(engine, tmp_path):
    """The cache that workers fill is the one that this process fills, file for file."""
    texts = ["a" * (i * 7 % 31) + "é" * (i % 3) for i in range(5000)]
    told = []
    encoder = CallableEncoder(_counts, name="x")
    found = CachedEncoder(encoder, tmp_path / "ray", engine=engine).encode(
        texts, progress=lambda *one: told.append(one)
    )
    want = CachedEncoder(encoder, tmp_path / "here").encode(texts)
    np.testing.assert_array_equal(found, want)
    here, there = (sorted(p.name for p in (tmp_path / name).iterdir()) for name in ("here", "ray"))
    assert here == there
    assert told[-1] == ("encoding", 5000, 5000)
    assert len({done for _, done, _ in told}) >= 3


def _lines(path):
    return Path(path).read_text(encoding="utf-8").split("\n")


def test_files_are_encoded_where_the_workers_are(engine, tmp_path):
    """Paths go out and paths come back; a shard that is there is not made again."""
    shards = [tmp_path / f"{i}.txt" for i in range(4)]
    for i, path in enumerate(shards):
        path.write_text("\n".join("ab"[: 1 + j % 2] * (i + 1) for j in range(5)))
    encoder = CallableEncoder(_counts, name="x")
    made = encode_shards(encoder, shards, tmp_path / "v", engine=engine, read=_lines)
    want = np.concatenate([_counts(_lines(path)) for path in shards])
    np.testing.assert_array_equal(np.concatenate([np.load(path) for path in made]), want)
    times = [path.stat().st_mtime_ns for path in made]
    assert encode_shards(encoder, shards, tmp_path / "v", engine=engine, read=_lines) == made
    assert [path.stat().st_mtime_ns for path in made] == times


def test_what_a_worker_raises_is_one_line(engine):
    """An error of ours comes as it is; any other is named with its text, and never as a page of Ray's own frames."""

    def divides(batch):
        return {"row": batch["row"] + 1 // int(batch["row"][0] * 0)}

    with pytest.raises(TruenegError, match=r"^a worker failed: ZeroDivisionError: .*by zero") as caught:
        list(engine.map_batches(divides, [{"row": np.array([3])}]))
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="other objects than texts"):
        list(engine.map_batches(dict, [{"row": np.array([{}], dtype=object)}]))


def test_a_batch_that_kills_every_worker_ends(engine):
    """Without a bound such a batch would be tried for ever, and the program hang."""

    def dies(batch):
        if 40 in batch["row"].tolist():
            os.kill(os.getpid(), signal.SIGKILL)
        return batch

    with pytest.raises(TruenegError, match="a batch ended its worker 5 times .*smaller batches or fewer workers"):
        list(engine.map_batches(dies, _batches(3)))


def test_a_function_that_workers_cannot_load_is_told(engine, tmp_path, monkeypatch):
    """A module that is only here is a mistake of every beginner with clusters: one line, not a hang."""
    (tmp_path / "only_here.py").write_text("def same(batch):\n    return batch\n")
    monkeypatch.syspath_prepend(tmp_path)
    only_here = importlib.import_module("only_here")
    with pytest.raises(InputError, match="cannot load the function .*only_here.*must be installed there"):
        list(engine.map_batches(only_here.same, _batches(2)))


_CLUSTER = """
import sys
from trueneg.engine import RayEngine
engine = RayEngine(workers=2).start()
import ray
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
engine.close()
"""
_CLIENT = """
import sys
import numpy as np
from trueneg.core.neighbors import top_k
from trueneg.engine import RayEngine, sharded_top_k
pool = np.load(sys.argv[2], mmap_mode="r")
for turn in range(2):  # the second time the cluster must still be there
    with RayEngine(sys.argv[1]) as engine:
        assert not engine.shared_files
        found = sharded_top_k(pool[:50], pool, 5, engine=engine, shard_rows=300)
        assert engine.workers == 2
assert all(np.array_equal(one, other) for one, other in zip(found, top_k(pool[:50], pool, 5), strict=True))
print("same")
"""


def test_a_cluster_is_used_by_its_address_and_left_running(engine, tmp_path):
    """Two programs on one cluster, as users of one have it: rows are sent, results are the same, nobody ends it."""
    np.save(tmp_path / "pool.npy", np.random.default_rng(0).normal(size=(1000, 16)).astype(np.float32))
    command, token = [sys.executable, "-c", _CLUSTER], {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789" * 4}
    how = {"stdout": subprocess.PIPE, "text": True, "env": os.environ | token}
    with subprocess.Popen(command, stdin=subprocess.PIPE, **how) as cluster:
        address = cluster.stdout.readline().strip()
        with pytest.raises(InputError, match="is connected to Ray at .*: end that with ray.shutdown"):
            RayEngine(address).start()
        command = [sys.executable, "-c", _CLIENT, address, str(tmp_path / "pool.npy")]
        done = subprocess.run(command, stderr=subprocess.PIPE, check=False, **how)
        assert done.stdout == "same\n", done.stderr
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
        assert "it wants a token: set RAY_AUTH_MODE=token" in done.stderr
        cluster.stdin.close()
        assert cluster.wait(timeout=120) == 0


def test_nothing_listens_to_the_network(engine):
    """Every port that Ray opened is of the loopback address: nobody outside can send it work."""
    import psutil
    import ray

    ports = []
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            found = process.net_connections("inet")
            ports += [(process.name(), one.laddr.ip) for one in found if one.status == psutil.CONN_LISTEN]
    assert {"raylet", "gcs_server"} <= {name for name, _ in ports}
    assert {address.removeprefix("::ffff:") for _, address in ports} <= {"127.0.0.1", "::1"}, ports
    assert ray.get_runtime_context().gcs_address.startswith("127.0.0.1:")
