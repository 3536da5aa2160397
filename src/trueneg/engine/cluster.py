"""Ray as the engine: batches go to worker processes, here or on a cluster, and a worker that dies is replaced."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import socket
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any

import numpy as np

from trueneg.core.errors import InputError, TruenegError, missing_extra
from trueneg.core.neighbors import parse_memory
from trueneg.engine.batches import Batch, Resources, as_batch, is_class, made, regrouped

__all__ = ["RayEngine"]

_LOCAL = {
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray tells its makers nothing
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # off: all of Ray's servers listen on the loopback address only
}
_NEAR = ("127.0.0.1", "localhost", "::1")  # Ray would look for these under the machine's address in its network
# Of a batch whose worker died: without end, as is Ray Data's way, a batch that kills each would hang all. They are set
# by arguments that Ray takes until 2.64, hence the bound in the extra.
_RETRIES = 4
_ANSWER_S = 5.0  # seconds to wait for the first answer of a cluster: Ray itself would try for minutes


class RayEngine:
    """Work on Ray's workers, through Ray Data (extra ``ray``).

    Without an address Ray is started in this machine: on the loopback address, without dashboard and usage statistics,
    whatever ``RAY_ADDRESS`` says, and ended by ``close()``. Where this program has connected to Ray already, that
    connection is used and left open.

    Parameters
    ----------
    address : str, optional
        Of a running cluster, ``HOST:PORT``, ``ray://HOST:PORT`` or ``auto``; nothing is contacted without it. Its nodes
        need the same versions of Python, Ray and trueneg.
    workers : int, optional
        Batches worked on at a time; by default one for each processor of the machine or cluster.
    memory : int or str, default="200MB"
        Shared memory in which a Ray that is started here keeps batches on their way; what is more goes to disk.
    shared_files : bool, optional
        Whether workers see this machine's files under the same paths, so that a memory-mapped array is sent as its
        path. By default they do where Ray is started here, and arrays are sent whole to a cluster.

    Raises
    ------
    MissingExtraError
        Without Ray.
    InputError
        Where nothing answers at the address.
    """

    name = "ray"

    def __init__(
        self,
        address: str | None = None,
        *,
        workers: int | None = None,
        memory: int | str = "200MB",
        shared_files: bool | None = None,
    ) -> None:
        self.address, self.memory = address, parse_memory(memory)
        self.workers = Resources(workers=workers).workers
        self.shared_files = address is None if shared_files is None else shared_files
        self._ray: Any = None
        self._started = False

    def start(self) -> RayEngine:
        """Start Ray or connect to it; :meth:`map_batches` does it where it was not done."""
        if self._ray is not None:
            return self
        if self.address is not None:
            _reachable(self.address)
        near = self.address is None or _host(self.address) in _NEAR
        with _environment(_LOCAL if near else {}):
            try:
                import ray
                import ray.data
            except ImportError:
                missing_extra("ray[data]", "ray")
            if ray.is_initialized():
                self._fits(ray.get_runtime_context().gcs_address)
            else:
                with _loopback() if near else contextlib.nullcontext():
                    self._connect(ray)
                self._started = True
        self._ray = ray
        if self.workers is None:
            self.workers = max(1, int(ray.cluster_resources().get("CPU", 1)))
        return self

    def _fits(self, connected: str) -> None:
        """Refuse to work on another cluster than the one that was named."""
        if self.address not in (None, "auto", connected):
            msg = f"this program is connected to Ray at {connected}: end that with ray.shutdown(), or give no address"
            raise InputError(msg)

    def _connect(self, ray: Any) -> None:
        """Start Ray, three times if need be: it gives up after half a minute, which a busy machine may take."""
        how: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if self.address is None:
            # The address "local" overrides RAY_ADDRESS.
            how |= {"address": "local", "num_cpus": self.workers, "include_dashboard": False}
            how |= {"object_store_memory": max(self.memory, 80_000_000)}  # Ray's own least is 75 MiB
        else:
            how["address"] = self.address
        for left in (2, 1, 0):
            try:
                ray.init(**how)
            except Exception as error:  # Ray raises a bare Exception
                ray.shutdown()
                if left and self.address is None:
                    continue
                cure = "try again when the machine is less busy" if self.address is None else _cure(error)
                msg = f"Ray does not start or answer ({_first_line(error)}): {cure}"
                raise InputError(msg) from error
            return

    def map_batches(
        self,
        fn_or_class: Callable[..., Any],
        batches: Iterable[Mapping[str, Any]],
        *,
        batch_size: int | None = None,
        resources: Resources | None = None,
    ) -> Iterator[Batch]:
        """Call a function for each batch on a worker.

        Parameters
        ----------
        fn_or_class : callable
            A function of a batch that returns a batch; or a class, or a partial of one, whose objects are such
            functions. One is made for each worker process. What it holds is sent once to each machine.
        batches : iterable of dict of str to array
            Columns of one length each. All are read and put into Ray's memory, or on its disk, before the work begins:
            give paths and row numbers of what is large.
        batch_size : int, optional
            Rows of a call; by default batches are left as they are.
        resources : Resources, optional
            Of a worker.

        Yields
        ------
        dict of str to array
            As soon as they are done, in any order; rows of one call stay together and in order. A column that numbers
            the rows tells where they belong.

        Raises
        ------
        TruenegError
            What a worker raised. A worker that dies, by a signal or for lack of memory, is replaced, and its batch done
            again.
        """
        how = resources or Resources()
        parts: list[Any] = []
        texts: tuple[str, ...] = ()
        for part in regrouped(batches, batch_size):
            texts = tuple(name for name, value in part.items() if value.dtype == object)
            parts.append(_table(part))
        if not parts:
            return
        self.start()
        held = self._ray.put(fn_or_class)  # kept alive until the last batch is back
        with _context(self._ray):
            data = self._ray.data.from_arrow(parts)
            call, options = self._call(fn_or_class, held, texts, how, len(parts))
            del parts
            found = data.map_batches(call, batch_size=None, **options).iter_batches(batch_size=None, prefetch_batches=0)
        yield from self._taken(found)

    def _call(
        self, fn_or_class: Any, held: Any, texts: tuple[str, ...], how: Resources, count: int
    ) -> tuple[Any, dict[str, Any]]:
        """Return what Ray Data is to call, and the options of its tasks or actors."""
        workers = min(how.workers or self.workers or 1, count)
        given = {"num_cpus": how.cpus, "num_gpus": how.gpus or None, "memory": how.memory}
        options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        kept = how.actors if how.actors is not None else how.gpus > 0
        if kept and is_class(fn_or_class):
            options |= {"compute": self._ray.data.ActorPoolStrategy(size=workers), "max_restarts": _RETRIES}
            return _Actor, options | {"max_task_retries": _RETRIES, "fn_constructor_args": ([held], texts)}
        options |= {"compute": self._ray.data.TaskPoolStrategy(size=workers), "max_retries": _RETRIES}
        return _Task([held], texts), options

    def _taken(self, found: Iterable[Mapping[str, Any]]) -> Iterator[Batch]:
        from ray.exceptions import ActorDiedError, OutOfMemoryError, RayError, WorkerCrashedError

        try:
            with _quiet():
                for batch in found:
                    yield as_batch(batch)
        except RayError as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, TruenegError):  # one line, to which Ray adds some of its own
                raise type(cause)(str(cause).split("\n", 1)[0]) from None
            msg = f"a worker failed: {_first_line(cause if cause is not None else error)}"
            if isinstance(error, WorkerCrashedError | ActorDiedError | OutOfMemoryError):
                msg = (
                    f"a batch ended its worker {_RETRIES + 1} times ({type(error).__name__}): is there memory for it? "
                    "give smaller batches or fewer workers"
                )
            raise TruenegError(msg) from error

    def close(self) -> None:
        """End a Ray that was started here, or leave the cluster that was connected to."""
        if self._started:
            self._ray.shutdown()
        self._ray, self._started = None, False

    def __enter__(self) -> RayEngine:
        return self  # Ray is started by the first work: where everything is kept from an earlier run, there is none

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class _Task:
    """A task's side: the function is fetched from Ray's memory, an object of a class once in a worker process."""

    def __init__(self, held: list[Any], texts: tuple[str, ...]) -> None:
        self.held, self.texts = held, texts

    def __call__(self, batch: Batch) -> Batch:
        return as_batch(_made(self.held[0])(_decoded(batch, self.texts)))


class _Actor:
    """An actor's side: the object lives as long as the actor."""

    def __init__(self, held: list[Any], texts: tuple[str, ...]) -> None:
        self.work, self.texts = _fetched(held[0]), texts

    def __call__(self, batch: Batch) -> Batch:
        return as_batch(self.work(_decoded(batch, self.texts)))


def _decoded(batch: Batch, texts: tuple[str, ...]) -> Batch:
    """Turn the columns of texts, which travel as bytes, into texts again."""
    for name in texts:
        batch[name] = np.array([bytes(one).decode("utf-8", "surrogatepass") for one in batch[name]], dtype=object)
    return batch


@functools.lru_cache(maxsize=1)
def _made(held: Any) -> Callable[[Batch], Any]:
    return _fetched(held)


def _fetched(held: Any) -> Callable[[Batch], Any]:
    """Get the function out of Ray's memory; an error of Ray's own here would be retried as if a worker had died."""
    import ray

    try:
        given = ray.get(held)
    except ray.exceptions.RaySystemError as error:
        lines = [line for line in str(error).splitlines() if "Error" in line]
        msg = f"a worker cannot load the function ({lines[-1].strip()[:120]}): its module must be installed there"
        raise InputError(msg) from None
    return made(given)


def _table(batch: Batch) -> Any:
    """Return a batch as Arrow, which is how Ray Data keeps it."""
    import pyarrow as pa

    columns = {}
    for name, value in batch.items():
        if value.dtype == object:
            if not all(isinstance(one, str) for one in value.flat):
                msg = f"the column {name!r} holds other objects than texts: workers take numbers and texts"
                raise InputError(msg)
            # Bytes: a lone surrogate, as a broken file holds them, is no text to Arrow.
            columns[name] = pa.array(
                [one.encode("utf-8", "surrogatepass") for one in value.tolist()], pa.large_binary()
            )
        elif value.ndim == 1:
            columns[name] = pa.array(value)
        else:
            columns[name] = pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(value))
    return pa.table(columns)


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables for what Ray starts, unless the user has set them, and take them back."""
    fresh = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(fresh)
    try:
        yield
    finally:
        for name in fresh:
            os.environ.pop(name, None)


@contextlib.contextmanager
def _loopback() -> Iterator[None]:
    """Make up for a Ray that was imported before the variables were set, and has read them."""
    from ray._private import ray_constants

    before = getattr(ray_constants, "ENABLE_RAY_CLUSTER", None)
    if before:
        ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        if before:
            ray_constants.ENABLE_RAY_CLUSTER = before


@contextlib.contextmanager
def _context(ray: Any) -> Iterator[None]:
    """Let Ray Data draw no bars and hand on what a worker raised; the user's own settings are put back."""
    settings = ray.data.DataContext.get_current()
    ours = {"enable_progress_bars": False, "print_on_execution_start": False, "raise_original_map_exception": True}
    before = {name: getattr(settings, name) for name in ours}
    for name, value in ours.items():
        setattr(settings, name, value)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")
            yield
    finally:
        for name, value in before.items():
            setattr(settings, name, value)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Ray Data's log off the terminal: what fails is raised."""
    log = logging.getLogger("ray.data")
    before = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(before)


def _cure(error: BaseException | None) -> str:
    """Say what helps where a cluster was reached and refused."""
    while error is not None:
        if "token" in str(error).lower():
            return "it wants a token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH"
        error = error.__cause__
    return "`ray status` there says more"


def _host(address: str) -> str:
    return address.removeprefix("ray://").rpartition(":")[0].strip("[]")


def _reachable(address: str) -> None:
    """Ask once whether anything answers; an address without a port is left to Ray."""
    host, port = _host(address), address.rpartition(":")[2]
    if not host or not port.isdigit():
        if address != "auto":
            msg = f"--engine-address {address}: give HOST:PORT, ray://HOST:PORT or auto"
            raise InputError(msg)
        return
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWER_S).close()
    except (OSError, OverflowError) as error:
        msg = f"no Ray cluster answers at {address} ({_first_line(error)}); `ray start --head` there prints its address"
        raise InputError(msg) from error


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:160]}" if lines else type(error).__name__
