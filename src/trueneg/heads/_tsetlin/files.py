"""A machine on disk: one npz with its arrays and a JSON header, written whole or not at all; nothing is unpickled."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.heads._tsetlin.machine import Machine
from trueneg.heads._tsetlin.rows import Shape

__all__ = ["VERSION", "read_machine", "write_machine"]

VERSION = 1
_ARRAYS = ("include", "lower", "weight")


def write_machine(path: Path, machine: Machine, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write a machine, what its estimator knows besides, and further arrays."""
    own = {
        "format": "trueneg.tsetlin",
        "version": VERSION,
        "bits": machine.bits,
        "features": machine.shape.features,
        "negation": machine.shape.negation,
        "pool": machine.pool,
        "passes": machine.passes,
    }
    text = json.dumps({**header, **own}, allow_nan=False)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            np.savez_compressed(
                file,
                allow_pickle=False,
                header=np.frombuffer(text.encode(), dtype=np.uint8),
                **{name: getattr(machine, name) for name in _ARRAYS},
                **arrays,  # type: ignore[arg-type]
            )
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_machine(path: Path) -> tuple[Machine, dict[str, Any], dict[str, np.ndarray]]:
    """Read what :func:`write_machine` wrote.

    Raises
    ------
    InputError
        Where the file is missing, is none of ours, is damaged, or comes from a later version.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        header = json.loads(arrays.pop("header").tobytes())
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        msg = f"{path} is no saved Tsetlin machine ({type(error).__name__}); name a file that save() wrote."
        raise InputError(msg) from error
    if not isinstance(header, dict) or header.get("format") != "trueneg.tsetlin":
        msg = f"{path} is no saved Tsetlin machine; name a file that save() wrote."
        raise InputError(msg)
    if header["version"] > VERSION:
        msg = f"{path} was written by a later version of trueneg (format {header['version']}): update trueneg."
        raise InputError(msg)
    shape = Shape(int(header["features"]), bool(header["negation"]))
    own = {name: np.ascontiguousarray(arrays.pop(name)) for name in _ARRAYS if name in arrays}
    if len(own) < len(_ARRAYS) or not _fits(own, shape, int(header["bits"])):
        msg = f"{path} is damaged: its arrays do not fit each other; save the machine again."
        raise InputError(msg)
    machine = Machine(shape, int(header["bits"]), **own, pool=bool(header["pool"]), passes=int(header["passes"]))
    return machine, header, arrays


def _fits(own: dict[str, np.ndarray], shape: Shape, bits: int) -> bool:
    include, lower, weight = (own[name] for name in _ARRAYS)
    return (
        include.ndim == 3
        and include.dtype == lower.dtype == np.uint64
        and weight.dtype == np.int32
        and include.shape[2] == shape.words
        and lower.shape == (*include.shape[:2], shape.words // 8, bits - 1, 8)
        and weight.ndim == 2
        and weight.shape[1] == include.shape[1]
    )
