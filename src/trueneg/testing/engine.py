"""Conformance checks of the Engine shape: every batch done once, its rows together, errors handed on.

Every check raises ``AssertionError`` with a sentence that says what is broken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.testing._checking import require

__all__ = ["check_engine", "engine_checks"]

_SIZES = (3, 1, 0, 5, 2)


class _Adder:
    """Adds a number, and counts what it was called for."""

    def __init__(self, number: int) -> None:
        self.number, self.calls = number, 0

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        self.calls += 1
        n = len(batch["row"])
        return dict(batch) | {
            "sum": batch["row"] + self.number,
            "size": np.full(n, n),
            "call": np.full(n, self.calls),
        }


def _refuse(batch: Mapping[str, Any]) -> dict[str, Any]:
    if 4 in batch["row"].tolist():
        msg = "row 4 cannot be used: leave it out"
        raise InputError(msg)
    return dict(batch)


def _batches() -> Iterator[dict[str, Any]]:
    start = 0
    for n in _SIZES:
        row = np.arange(start, start + n)
        text = np.array([("é" * i) + "\n" for i in row.tolist()], dtype=object)
        yield {"row": row, "text": text, "image": np.repeat(row[:, None, None], 4, axis=1).astype(np.uint8) * 2}
        start += n


def _together(found: Iterator[dict[str, Any]]) -> dict[str, Any]:
    held = list(found)
    whole = {name: np.concatenate([batch[name] for batch in held]) for name in held[0]}
    order = np.argsort(whole["row"], kind="stable")
    return {name: value[order] for name, value in whole.items()}


def check_every_row_once(engine: Any) -> None:
    """Every row comes back once, with columns of the types and shapes that were given."""
    given = _together(_batches())
    found = _together(engine.map_batches(partial(_Adder, 7), _batches()))
    require(np.array_equal(found["row"], np.arange(sum(_SIZES))), f"the rows that came back are {found['row']}")
    require(np.array_equal(found["sum"], found["row"] + 7), "the object of the class was not called, or not as made")
    for name in ("text", "image"):
        require(found[name].tolist() == given[name].tolist(), f"the column {name!r} came back changed")
    require(found["image"].dtype == np.uint8, f"uint8 came back as {found['image'].dtype}")


def check_batches_are_left_whole(engine: Any) -> None:
    """Without a size, a call gets a batch as it was given; with one, that many rows."""
    found = _together(engine.map_batches(_Adder(0), _batches()))
    want = np.repeat(_SIZES, _SIZES)
    require(np.array_equal(found["size"], want), f"calls got {found['size']} rows, not {want}")
    found = _together(engine.map_batches(_Adder(0), _batches(), batch_size=4))
    want = np.repeat([4, 4, 3], [4, 4, 3])
    require(np.array_equal(found["size"], want), f"calls of size 4 got {found['size']} rows")


def check_an_object_is_kept(engine: Any) -> None:
    """An object of a class is made once a worker, not once a batch: a model must not be loaded again and again."""
    many = ({"row": np.arange(i, i + 1)} for i in range(60))
    calls = np.concatenate([batch["call"] for batch in engine.map_batches(partial(_Adder, 0), many)])
    require(calls.max() > 1, "an object was made for each batch")


def check_errors_are_handed_on(engine: Any) -> None:
    """What a worker refuses reaches the caller as it was raised."""
    try:
        list(engine.map_batches(_refuse, _batches()))
    except InputError as error:
        require(str(error) == "row 4 cannot be used: leave it out", f"the message became {error}")
        return
    require(condition=False, message="an error on a worker was swallowed")


def check_nothing_to_do(engine: Any) -> None:
    """No batch gives none, and so does a batch without a row."""
    require(list(engine.map_batches(_Adder(0), [])) == [], "no batch gave one")
    require(list(engine.map_batches(_Adder(0), [{"row": np.empty(0, int)}])) == [], "no row gave a batch")


def check_bad_batches(engine: Any) -> None:
    """Columns of different lengths, and batches of different columns, are refused."""
    for bad in (
        [{"row": np.arange(3), "x": np.arange(2)}],
        [{"row": np.arange(3)}, {"other": np.arange(3)}],
        [{"row": np.arange(3), "x": np.float64(1)}],
    ):
        try:
            list(engine.map_batches(_refuse, bad))
        except InputError:
            continue
        require(condition=False, message=f"{bad} was taken")


_CHECKS: Sequence[Callable[[Any], None]] = (
    check_every_row_once,
    check_batches_are_left_whole,
    check_an_object_is_kept,
    check_errors_are_handed_on,
    check_nothing_to_do,
    check_bad_batches,
)


def engine_checks() -> Iterator[Callable[[Any], None]]:
    """Yield the checks of an Engine one by one; each takes the engine."""
    yield from _CHECKS


def check_engine(engine: Any) -> None:
    """Run every check of the Engine shape.

    Parameters
    ----------
    engine : Engine
        ``map_batches(fn_or_class, batches, *, batch_size, resources)``.

    Raises
    ------
    AssertionError
        At the first check that fails.
    """
    for check in _CHECKS:
        check(engine)
