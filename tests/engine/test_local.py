"""The in-process engine: conforms, is lazy and in order, and its threads are as many as asked for."""

import contextlib
import socket
import sys
import threading
import types

import numpy as np
import pytest

from trueneg.core.errors import InputError, MissingExtraError
from trueneg.engine import InProcess, RayEngine, Resources, engine_of
from trueneg.engine import cluster as module
from trueneg.testing import check_engine


def _same(batch):
    return batch


@pytest.mark.parametrize("workers", [1, 3])
def test_conforms(workers):
    """What trueneg brings must keep to the shape that it asks of others."""
    with InProcess(workers=workers) as engine:
        check_engine(engine)


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_are_read_as_they_are_needed(workers):
    """A corpus that does not fit into memory must not be read ahead of the work."""
    read = []

    def batches():
        for i in range(20):
            read.append(i)
            yield {"row": np.array([i])}

    found = InProcess(workers=workers).map_batches(_same, batches())
    assert next(found)["row"].tolist() == [0]
    assert len(read) <= workers + 1
    assert [batch["row"][0] for batch in found] == list(range(1, 20))


def test_threads_work_side_by_side():
    """Two workers are in the function at once; one would wait for the other forever."""
    both = threading.Barrier(2, timeout=20)

    def meet(batch):
        both.wait()
        return batch

    batches = [{"row": np.array([i])} for i in range(4)]
    assert len(list(InProcess().map_batches(meet, batches, resources=Resources(workers=2)))) == 4


class _Broken:
    shared_files = True

    def map_batches(self, fn_or_class, batches, *, batch_size=None, resources=None):
        yield from getattr(self, self.how)(fn_or_class, batches, batch_size)

    def __init__(self, how):
        self.how = how

    def drops(self, work, batches, size):
        found = list(InProcess().map_batches(work, batches, batch_size=size))
        return found[:-1] or found

    def regroups(self, work, batches, size):
        return InProcess().map_batches(work, batches, batch_size=size or 2)

    def makes_anew(self, work, batches, size):
        for batch in batches:
            yield from InProcess().map_batches(work, [batch], batch_size=size)

    def swallows(self, work, batches, size):
        try:
            yield from InProcess().map_batches(work, batches, batch_size=size)
        except InputError:
            return

    def wraps(self, work, batches, size):
        try:
            yield from InProcess().map_batches(work, batches, batch_size=size)
        except InputError as error:
            raise InputError(f"worker 3: {error}") from error

    def widens(self, work, batches, size):
        for batch in InProcess().map_batches(work, batches, batch_size=size):
            yield {name: value.astype(float) if name == "image" else value for name, value in batch.items()}


@pytest.mark.parametrize("how", ["drops", "regroups", "makes_anew", "swallows", "wraps", "widens"])
def test_the_checks_catch_each_defect(how):
    """An engine that differs from a sound one in one way does not pass."""
    with pytest.raises((AssertionError, InputError)):
        check_engine(_Broken(how))


def test_bad_options_are_one_line(monkeypatch):
    """What nobody can mean is refused before anything is started, and nothing is contacted for it."""
    monkeypatch.setattr(module.socket, "create_connection", lambda *_, **__: pytest.fail("contacted"))
    for call, words in (
        (lambda: engine_of("spark"), "choose in-process or ray"),
        (lambda: engine_of(address="127.0.0.1:1"), "belong to --engine ray"),
        (lambda: engine_of("ray", workers=0), "one worker or more"),
        (lambda: InProcess(workers=0), "one worker or more"),
        (lambda: list(InProcess().map_batches(_same, [], batch_size=0)), "batch_size=0"),
        (lambda: RayEngine("cluster").start(), "give HOST:PORT, ray://HOST:PORT or auto"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_an_address_that_nobody_is_at_is_told_at_once():
    """Ray itself would try for minutes."""
    with pytest.raises(InputError, match=r"no Ray cluster answers at 127\.0\.0\.1:1 \(ConnectionRefusedError"):
        RayEngine("127.0.0.1:1").start()


def test_a_missing_extra_is_one_line_with_the_cure(monkeypatch):
    """Whoever lacks Ray reads what to install; no work that needs none is refused."""
    monkeypatch.setitem(sys.modules, "ray", None)
    engine = engine_of("ray")
    assert list(engine.map_batches(dict, [])) == []
    with pytest.raises(MissingExtraError, match=r"ray\[data\] is needed .* pip install 'trueneg\[ray\]'"):
        list(engine.map_batches(_same, [{"row": np.arange(2)}]))


@pytest.mark.parametrize(("failures", "address"), [(2, None), (3, None), (1, "127.0.0.1:{port}")])
def test_a_start_that_fails_is_tried_again(monkeypatch, failures, address):
    """Ray gives up after half a minute, which a busy machine may take; a cluster that refuses is told at once."""
    tried = []

    def init(**how):
        tried.append(how)
        if len(tried) <= failures:
            raise Exception("The current node timed out during startup.\nMore of it.")  # noqa: TRY002 - as Ray does

    fake = types.SimpleNamespace(
        init=init, shutdown=lambda: None, is_initialized=lambda: False, cluster_resources=lambda: {"CPU": 2.0}
    )
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setitem(sys.modules, "ray.data", fake)
    fake.data = fake
    monkeypatch.setattr(module, "_loopback", contextlib.nullcontext)
    with socket.create_server(("127.0.0.1", 0)) as server:
        engine = RayEngine(address and address.format(port=server.getsockname()[1]))
        if failures == 2:
            assert engine.start().workers == 2
            assert {how["address"] for how in tried} == {"local"}
            assert not any(how["include_dashboard"] for how in tried)
            assert len(tried) == 3
            return
        with pytest.raises(InputError, match="does not start or answer .*timed out during startup") as caught:
            engine.start()
    assert "\n" not in str(caught.value)
    assert len(tried) == (3 if address is None else 1)
