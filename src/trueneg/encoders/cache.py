"""Vectors of texts are kept on disk: made once a text and model, and not lost when a run is killed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.core.shapes import Engine

__all__ = ["CachedEncoder", "TextEncoder", "vector_cache"]

Progress = Callable[[str, int, int], None]
Floats = NDArray[np.float32]
_SHARD = 512  # texts between two entries of the cache's journal, and two signs of progress: some 15 s on one core


class TextEncoder(Protocol):
    """What turns texts into vectors."""

    @property
    def fingerprint(self) -> str:
        """What its vectors depend on beside the text: model and parameters."""
        ...

    def encode(self, texts: Sequence[str]) -> Floats:
        """Return one row a text."""
        ...


class CachedEncoder:
    """An encoder whose vectors are kept on disk by content, model and parameters.

    A file holds the vectors of one list of texts and is memory-mapped; a journal beside it names the shards that are
    done, so that a run that was killed goes on with the others.

    Parameters
    ----------
    encoder : TextEncoder
    folder : str or Path
        Made where it is missing, once there are vectors to keep.
    engine : Engine, optional
        Of :mod:`trueneg.engine`: encodes shards of texts on its workers. By default they are encoded here, one after
        the other.
    """

    def __init__(self, encoder: TextEncoder, folder: str | Path, *, engine: Engine | None = None) -> None:
        self.encoder, self.folder, self.engine = encoder, Path(folder), engine

    @property
    def fingerprint(self) -> str:
        """That of the encoder."""
        return self.encoder.fingerprint

    def encode(self, texts: Sequence[str], *, progress: Progress | None = None, what: str = "encoding") -> Floats:
        """Return the vectors as a read-only memory map.

        Parameters
        ----------
        texts : sequence of str
        progress : callable, optional
            Called with `what`, texts done, and their number.
        what : str, default="encoding"
        """
        if not len(texts):
            return self.encoder.encode(texts)
        path = self.folder / f"{self.key(texts)}.npy"
        tell = progress or (lambda *_: None)
        if not path.exists():
            self._fill(path, texts, tell, what)
        tell(what, len(texts), len(texts))
        return _kept(path, len(texts))

    def key(self, texts: Sequence[str]) -> str:
        """Return the name under which the vectors of these texts are kept."""
        mark = hashlib.blake2b(self.encoder.fingerprint.encode(), digest_size=16)
        for text in texts:
            raw = text.encode("utf-8", "surrogatepass")
            mark.update(len(raw).to_bytes(8, "little"))
            mark.update(raw)
        return mark.hexdigest()

    def _fill(self, path: Path, texts: Sequence[str], tell: Progress, what: str) -> None:
        unfinished, journal = path.with_suffix(".partial"), path.with_suffix(".journal")
        order = np.argsort([-len(text) for text in texts], kind="stable")
        left = {start: min(_SHARD, len(texts) - start) for start in range(0, len(texts), _SHARD)}
        store: Any = None
        if unfinished.exists():
            for start in _journal(journal) & left.keys():
                del left[start]
            if len(left) * _SHARD < len(texts):
                store = np.lib.format.open_memmap(unfinished, mode="r+")
        tell(what, len(texts) - sum(left.values()), len(texts))
        for batch in self._encoded(texts, order, list(left)):
            rows, value = batch["row"], batch["vector"]
            if not np.isfinite(value).all():
                bad = int(rows[~np.isfinite(value).all(axis=1)][0])
                msg = f"the encoder gave a value that is no number for text {bad}: {texts[bad][:40]!r}"
                raise InputError(msg)
            if store is None:
                # Not before: a model that cannot be loaded leaves nothing.
                self.folder.mkdir(parents=True, exist_ok=True)
                journal.unlink(missing_ok=True)
                shape = (len(texts), value.shape[1])
                store = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.float32, shape=shape)
            store[rows] = value
            store.flush()
            for start, count in zip(*np.unique(batch["shard"], return_counts=True), strict=True):
                left[int(start)] -= int(count)
                if not left[int(start)]:
                    with journal.open("a", encoding="utf-8") as out:
                        out.write(f"{start} {_SHARD}\n")
            tell(what, len(texts) - sum(left.values()), len(texts))
        del store
        unfinished.replace(path)
        journal.unlink(missing_ok=True)

    def _encoded(self, texts: Sequence[str], order: NDArray[np.int64], starts: list[int]) -> Iterator[dict[str, Any]]:
        """Yield shards with their vectors, in whatever order they are done."""

        def shards() -> Iterable[dict[str, Any]]:
            for start in starts:
                rows = order[start : start + _SHARD]
                given = np.empty(len(rows), dtype=object)
                given[:] = [texts[i] for i in rows.tolist()]
                yield {"shard": np.full(len(rows), start), "row": rows, "text": given}

        if self.engine is None:
            yield from map(_Encode(self.encoder), shards())
        else:
            yield from self.engine.map_batches(partial(_Encode, self.encoder), shards())


class _Encode:
    """What a worker does with a shard of texts."""

    def __init__(self, encoder: TextEncoder) -> None:
        self.encoder = encoder

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        value = self.encoder.encode(batch["text"].tolist())
        return {"shard": batch["shard"], "row": batch["row"], "vector": value}


def _kept(path: Path, n: int) -> Floats:
    """Map the vectors of a file of the cache, and refuse one that is cut short or of another list."""
    try:
        found: Floats = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        msg = f"{path}: the kept vectors cannot be read ({error.__class__.__name__}); remove this file and run again"
        raise InputError(msg) from error
    if found.ndim != 2 or len(found) != n:
        msg = f"{path}: the kept vectors have shape {found.shape} for {n:,} texts; remove this file and run again"
        raise InputError(msg)
    return found


def _journal(path: Path) -> set[int]:
    """Return the shards that are safely there; a last line that was cut by a kill does not count."""
    if not path.exists():
        return set()
    lines = [line.split(" ") for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    return {int(words[0]) for words in lines if len(words) == 2 and words[0].isdigit() and words[1] == str(_SHARD)}


def vector_cache() -> Path:
    """Return the folder of vectors that belong to no folder of results.

    ``TRUENEG_CACHE`` names it; otherwise it is ``trueneg/vectors`` in the user's cache (``XDG_CACHE_HOME``, by default
    ``~/.cache``). What is in it can be deleted at any time.
    """
    given = os.environ.get("TRUENEG_CACHE")
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return (Path(given) if given else home / "trueneg" / "vectors").expanduser()
