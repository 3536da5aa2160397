"""What engines agree on: batches as columns, what a worker may use, and how rows are regrouped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.core.shapes import Engine

__all__ = ["Batch", "Engine", "Resources", "as_batch", "made", "regrouped"]

Batch = dict[str, NDArray[Any]]
Work = Callable[[Batch], Mapping[str, Any]]


@dataclass(frozen=True)
class Resources:
    """What the work may use.

    Attributes
    ----------
    workers : int or None, default=None
        Batches worked on at a time; None is what the engine has.
    cpus, gpus : float, default=1, 0
        Of each worker, as Ray counts them; the in-process engine leaves threads to the libraries.
    memory : int or None, default=None
        Bytes that Ray sets aside for a worker, so that it starts no more than fit.
    actors : bool or None, default=None
        Whether Ray keeps an object of a class in an actor. A plain task keeps it in the memory of its worker process,
        starts ten times sooner, and is what None means unless a worker has a GPU, whose process ends with each task.
    """

    workers: int | None = None
    cpus: float = 1
    gpus: float = 0
    memory: int | None = None
    actors: bool | None = None

    def __post_init__(self) -> None:
        if (self.workers is not None and self.workers < 1) or self.cpus < 0 or self.gpus < 0:
            msg = f"workers={self.workers}, cpus={self.cpus}, gpus={self.gpus}: give one worker or more, and no debts"
            raise InputError(msg)


def as_batch(batch: Mapping[str, Any]) -> Batch:
    """Check a batch: columns of one length each. Texts become a column of objects, as they come back from a worker.

    Raises
    ------
    InputError
        For no column, or columns of different lengths.
    """
    if not isinstance(batch, Mapping) or not batch:
        msg = f"a batch is {type(batch).__name__}: give columns of one length each, {{name: array}}"
        raise InputError(msg)
    columns = {name: np.asarray(value) for name, value in batch.items()}
    columns = {name: value.astype(object) if value.dtype.kind == "U" else value for name, value in columns.items()}
    sizes = {name: value.shape[0] if value.ndim else None for name, value in columns.items()}
    if None in sizes.values() or len(set(sizes.values())) > 1:
        msg = f"the columns of a batch have {sizes} rows: give one length"
        raise InputError(msg)
    return columns


def rows_of(batch: Batch) -> int:
    """Return the number of rows of a batch."""
    return len(next(iter(batch.values())))


def regrouped(batches: Iterable[Mapping[str, Any]], batch_size: int | None) -> Iterator[Batch]:
    """Yield batches of `batch_size` rows, the last one shorter, or as they come for None; none without a row.

    Raises
    ------
    InputError
        For columns that differ from one batch to the next, or a size below 1.
    """
    if batch_size is not None and batch_size < 1:
        msg = f"batch_size={batch_size}: give 1 or more, or None for batches as they come"
        raise InputError(msg)
    held: list[Batch] = []
    count = 0
    names: list[str] | None = None
    for given in batches:
        batch = as_batch(given)
        names = names or sorted(batch)
        if sorted(batch) != names:
            msg = f"a batch has the columns {', '.join(sorted(batch))}, and the first had {', '.join(names)}"
            raise InputError(msg)
        if batch_size is None:
            if rows_of(batch):
                yield batch
            continue
        held.append(batch)
        count += rows_of(batch)
        while count >= batch_size:
            whole = _joined(held)
            yield {name: value[:batch_size] for name, value in whole.items()}
            held, count = [{name: value[batch_size:] for name, value in whole.items()}], count - batch_size
    if count:
        yield _joined(held)


def _joined(batches: list[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def is_class(fn_or_class: Any) -> bool:
    """Tell a class, or a partial of one, from a function."""
    while isinstance(fn_or_class, partial):
        fn_or_class = fn_or_class.func
    return isinstance(fn_or_class, type)


def made(fn_or_class: Any) -> Work:
    """Return the function to call: the one given, or an object of the class given."""
    work: Work = fn_or_class() if is_class(fn_or_class) else fn_or_class
    return work
