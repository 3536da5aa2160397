"""The engine that is always there: this process, in order, with threads where they are asked for."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

from trueneg.engine.batches import Batch, Resources, as_batch, made, regrouped

__all__ = ["InProcess"]


class InProcess:
    """Work in this process.

    Parameters
    ----------
    workers : int, default=1
        Threads: NumPy, numba and torch release the lock while they compute, and most use several cores by themselves.

    Attributes
    ----------
    shared_files : bool
        True: a worker sees the files that the caller sees.
    """

    name = "in-process"
    shared_files = True

    def __init__(self, *, workers: int = 1) -> None:
        self.workers = Resources(workers=workers).workers or 1

    def map_batches(
        self,
        fn_or_class: Callable[..., Any],
        batches: Iterable[Mapping[str, Any]],
        *,
        batch_size: int | None = None,
        resources: Resources | None = None,
    ) -> Iterator[Batch]:
        """Call a function for each batch, one after the other as they are asked for.

        Parameters
        ----------
        fn_or_class : callable
            A function of a batch that returns a batch; or a class, or a partial of one, whose objects are such
            functions. One is made for each thread.
        batches : iterable of dict of str to array
            Columns of one length each; read as far as they are worked on.
        batch_size : int, optional
            Rows of a call; by default batches are left as they are.
        resources : Resources, optional
            ``workers`` overrides that of the engine.

        Yields
        ------
        dict of str to array
            In the order of the batches.
        """
        workers = (resources.workers if resources is not None else None) or self.workers
        parts = regrouped(batches, batch_size)
        if workers == 1:
            work = made(fn_or_class)
            yield from (as_batch(work(part)) for part in parts)
            return
        own = threading.local()

        def call(part: Batch) -> Batch:
            if not hasattr(own, "work"):
                own.work = made(fn_or_class)
            return as_batch(own.work(part))

        with ThreadPoolExecutor(workers) as team:
            ahead: deque[Future[Batch]] = deque()
            try:
                for part in parts:
                    ahead.append(team.submit(call, part))
                    if len(ahead) > workers:  # bounded: finished batches that nobody took yet are held in memory
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                for future in ahead:
                    future.cancel()

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""

    def __enter__(self) -> InProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
