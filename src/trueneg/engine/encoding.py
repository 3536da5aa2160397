"""Files of texts become files of vectors, a file a worker at a time: nothing but paths passes through the caller."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.engine.batches import Batch, Engine, Resources

__all__ = ["encode_shards"]

Progress = Callable[[str, int, int], None]
Reader = Callable[[str], Sequence[str]]


class Encoder(Protocol):
    """What turns texts into vectors, and says by which model and parameters."""

    @property
    def fingerprint(self) -> str:
        """Model and parameters."""
        ...

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one row a text."""
        ...


def encode_shards(
    encoder: Encoder,
    shards: Sequence[str | Path],
    out: str | Path,
    *,
    engine: Engine,
    read: Reader,
    resources: Resources | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Encode files of texts, each into a .npy file of its own, on the engine's workers.

    Parameters
    ----------
    encoder : Encoder
        Sent to the workers without its model where it can load it there.
    shards : sequence of paths
        Files of texts, which every worker sees under the same path: 100,000 texts each are a good size.
    out : str or Path
        A folder that every worker sees. A file is named by its texts, the model and its parameters, and one that is
        there is not made again: a run that was killed goes on.
    engine : Engine
    read : callable
        ``read(path) -> texts``, called on the worker.
    resources : Resources, optional
        ``Resources(gpus=1)`` gives each worker a GPU.
    progress : callable, optional
        Called with a text, files done, and their number.

    Returns
    -------
    list of Path
        One .npy file a shard, float32 of shape (texts, d), in the order of the shards: the pool of
        :func:`trueneg.engine.sharded_top_k`.

    Raises
    ------
    InputError
        For a shard without a text, or a value that is no number.
    """
    paths = [str(Path(path).absolute()) for path in shards]
    work = partial(_Encode, encoder, read, str(Path(out).absolute()))
    batches = ({"shard": np.array([i]), "path": np.array([path], dtype=object)} for i, path in enumerate(paths))
    made: dict[int, Path] = {}
    for batch in engine.map_batches(work, batches, batch_size=None, resources=resources):
        made |= {int(i): Path(str(path)) for i, path in zip(batch["shard"], batch["path"], strict=True)}
        if progress is not None:
            progress("encoding", len(made), len(paths))
    return [made[i] for i in range(len(paths))]


@dataclass
class _Encode:
    """What a worker does: read a shard, encode it unless that was done, and write its vectors at once."""

    encoder: Encoder
    read: Reader
    out: str

    def __call__(self, batch: Batch) -> dict[str, Any]:
        made = [str(self._one(str(path))) for path in batch["path"]]
        return {"shard": batch["shard"], "path": np.array(made, dtype=object)}

    def _one(self, path: str) -> Path:
        texts = list(self.read(path))
        if not texts:
            msg = f"{path} holds no text: leave it out"
            raise InputError(msg)
        mark = hashlib.blake2b(self.encoder.fingerprint.encode(), digest_size=16)
        for text in texts:
            raw = text.encode("utf-8", "surrogatepass")
            mark.update(len(raw).to_bytes(8, "little"))
            mark.update(raw)
        target = Path(self.out) / f"{mark.hexdigest()}.npy"
        if target.exists():
            return target
        value = np.asarray(self.encoder.encode(texts), dtype=np.float32)
        if not np.isfinite(value).all():
            bad = int(np.flatnonzero(~np.isfinite(value).all(axis=1))[0])
            msg = f"{path}: the encoder gave a value that is no number for text {bad}: {texts[bad][:40]!r}"
            raise InputError(msg)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Two workers may do the same shard, when one seemed dead: each writes its own file, and the last one stays.
        temporary = target.with_suffix(f".{os.getpid()}.partial")
        try:
            with temporary.open("wb") as file:
                np.save(file, value)
            temporary.replace(target)
        finally:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()
        return target
