"""A fitted head or rejecter with what it reads, in a folder: ``model.json``, ``head.npz``, ``reader.npz``."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg import __version__
from trueneg.core.errors import InputError
from trueneg.data.writers import atomic_folder
from trueneg.jobs.fit.dense import DenseFeatures
from trueneg.jobs.fit.features import Features
from trueneg.jobs.fit.heads import head_of
from trueneg.jobs.fit.kinds.base import Answer, Kind
from trueneg.jobs.fit.pixels import Maps, Pixels

__all__ = ["SCHEMA", "Columns", "Model"]

SCHEMA = "trueneg/model/3"


class Columns:
    """The columns themselves, for what encodes them on its own."""

    def __init__(self, columns: list[str]) -> None:
        self.columns = list(columns)

    def check(self, names: list[str], where: str) -> None:
        """Refuse a table that lacks a column."""
        from trueneg.data.readers import known_column

        for column in self.columns:
            known_column(column, names, where)


Reader = Features | DenseFeatures | Pixels | Columns


@dataclass(eq=False)
class Model:
    """A head or rejecter, what it reads, and what was measured of it.

    Parameters
    ----------
    head : str
        Its name.
    fitted : Kind
        It.
    features : Features, DenseFeatures, Pixels or Columns
        From a table's columns.
    label : str
        The column it was taught.
    classes : list of str
        Class numbers stand for these.
    about : dict
        ``input``, ``rows``, ``held_out``, ``figures``, ``rules``, ``readability``, ``notes``: for the page.
    """

    head: str
    fitted: Kind
    features: Reader
    label: str
    classes: list[str]
    about: dict[str, Any] = field(default_factory=dict)

    def rows(self, arrow: Any, home: Path | None = None, progress: Any = None) -> Any:
        """Return the features of an Arrow table's rows; paths of images in it are relative to ``home``."""
        if isinstance(self.features, Columns):
            return arrow.select(self.features.columns)
        if isinstance(self.features, Features):
            return self.features.apply(arrow)
        return self.features.apply(arrow, Path() if home is None else home, progress)

    def answer(self, arrow: Any, home: Path | None = None) -> Answer:
        """Return what is said of an Arrow table's rows."""
        return replace(self.fitted.answer(self.rows(arrow, home), self.classes), gaps=self.gaps(arrow))

    def gaps(self, arrow: Any) -> dict[str, int]:
        """Return how many of an Arrow table's rows have no finite number in a column, by column with any."""
        of = self.features if isinstance(self.features, DenseFeatures) else self.fitted
        return {} if of.encoder is None else of.encoder.gaps(arrow.select(of.encoder.columns_))

    def predict(self, arrow: Any, home: Path | None = None) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Return labels, and margins of a head (the best class above the next) or scores of a rejecter."""
        found = self.answer(arrow, home)
        return found.labels, found.score

    def save(self, folder: str | Path) -> None:
        """Write all files, together or not at all."""
        folder = Path(folder)
        reader: dict[str, Any] = {"kind": "columns", "columns": self.features.columns}
        arrays: dict[str, NDArray[Any]] = {}
        if isinstance(self.features, DenseFeatures):
            reader, arrays = self.features.to_dict(), self.features.arrays()
        elif isinstance(self.features, Features):
            reader = {"kind": "binary", **self.features.to_dict()}
        elif isinstance(self.features, Pixels):
            reader = self.features.to_dict()
        stored = {
            "schema": SCHEMA,
            "version": __version__,
            "head": self.head,
            "label": self.label,
            "classes": self.classes,
            "features": reader,
            "about": self.about,
        }
        with atomic_folder(folder) as new:
            self.fitted.save(new)
            if arrays:
                np.savez_compressed(new / "reader.npz", **arrays)  # type: ignore[arg-type]
            text = json.dumps(stored, ensure_ascii=False, indent=1, allow_nan=False)
            (new / "model.json").write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Model:
        """Read a folder that :meth:`save` wrote; InputError where it is none."""
        folder = Path(folder)
        stored = described(folder)
        try:
            fitted = head_of(stored["head"]).load().load(folder)
            reader = _reader(stored["features"], folder)
            return cls(stored["head"], fitted, reader, stored["label"], stored["classes"], stored["about"])
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, OSError, zipfile.BadZipFile) as error:
            msg = f"{folder / 'model.json'} is damaged ({type(error).__name__}): fit the model again."
            raise InputError(msg) from error


def described(folder: Path) -> dict[str, Any]:
    """Return a model's JSON."""
    path = folder / "model.json"
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"{folder} holds no model.json that can be read; name a folder that 'trueneg fit' wrote"
        raise InputError(msg) from error
    except ValueError as error:
        msg = f"{path} is damaged: fit the model again"
        raise InputError(msg) from error
    if not isinstance(stored, dict) or stored.get("schema") != SCHEMA:
        msg = f"{path} is no model of this version ({SCHEMA}); fit the model again"
        raise InputError(msg)
    kinds = {"head": str, "features": dict, "label": str, "classes": list, "about": dict}
    lacking = [name for name, kind in kinds.items() if not isinstance(stored.get(name), kind)]
    if lacking:
        msg = f"{path} is damaged (no {lacking[0]}): fit the model again."
        raise InputError(msg)
    return stored


def _reader(stored: dict[str, Any], folder: Path) -> Reader:
    if stored["kind"] == "columns":
        return Columns(stored["columns"])
    if stored["kind"] in ("pixels", "maps"):
        return (Maps if stored["kind"] == "maps" else Pixels).from_dict(stored)
    if stored["kind"] == "binary":
        return Features.from_dict(stored)
    if not stored["vocabulary"]:
        return DenseFeatures.from_dict(stored, {})
    with np.load(folder / "reader.npz", allow_pickle=False) as arrays:
        return DenseFeatures.from_dict(stored, {name: arrays[name] for name in arrays.files})
