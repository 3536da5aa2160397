"""Expensive stages kept in the audit's folder, so that a rerun after a review or a changed option is instant."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import trueneg
from trueneg.data.content import content_hash
from trueneg.data.writers import atomic

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pyarrow as pa


def data_hash(arrow: pa.Table) -> str:
    """Return a hash of names, types and values; the same for the same content, however it was chunked.

    A command that reads a large file batch by batch gets the same from :class:`trueneg.data.content.ContentHash`.
    """
    return content_hash(arrow)


@dataclass(frozen=True)
class Stages:
    """A folder of arrays, each under the hash of everything that it depends on.

    Parameters
    ----------
    folder : Path or None
        Where to keep them; None keeps nothing.
    key : dict
        What every stage depends on: the data's hash, the columns' roles, the seed.
    """

    folder: Path | None
    key: dict[str, Any]

    def get(self, name: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Return the arrays of a stage, from the folder or made now.

        A file that cannot be read (cut short, another version) is made again, never trusted.
        """
        if self.folder is None:
            return make()
        whole = json.dumps({**self.key, "stage": name, "version": trueneg.__version__}, sort_keys=True, default=str)
        path = self.folder / f"{name}-{hashlib.blake2b(whole.encode(), digest_size=12).hexdigest()}.npz"
        if path.exists():
            try:
                with np.load(path, allow_pickle=False) as kept:
                    return {k: kept[k] for k in kept.files}
            except (OSError, ValueError, zipfile.BadZipFile, EOFError, KeyError):
                pass
        made = make()
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic(path) as file, file.open("wb") as stream:
            np.savez(stream, **made)  # type: ignore[arg-type]
        return made
