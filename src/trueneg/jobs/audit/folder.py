"""The folder of an audit: all that the commands after it need, so that they ask for nothing but the folder."""

from __future__ import annotations

import base64
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.data.readers import one_line, read_frame, read_table
from trueneg.data.sniff import roles as sniff_roles
from trueneg.data.sniff import row_keys
from trueneg.data.streams import TEXT
from trueneg.data.writers import atomic
from trueneg.jobs.audit.stages import data_hash

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trueneg.data.readers import Table
    from trueneg.data.sniff import Roles

RANKINGS = Path(".stages") / "rankings.npz"
PAIRS = Path(".stages") / "pairs.parquet"
_COLUMNS = ("row", "candidate", "verdict", "probability", "proposed")
# Options that say what to compute, not which column plays which part.
_NOT_COLUMNS = ("quick", "thorough", "seed", "select", "ignore", "miss_rate", "false_alarm_rate", "reviewed")


@dataclass(frozen=True, eq=False)
class Ranking:
    """Every cell that one direction of error can touch, suspected or not.

    Attributes
    ----------
    code : str
        The finding, such as ``TN201``.
    row : (m,) int64
        Rows of the table, ascending.
    candidate : (m,) int64
        The class that the row carries; of a multi-label table the label's column.
    verdict : (m,) int8
        What is given and doubted: 0 where a positive may have been missed, 1 where a label may be wrong.
    probability : (m,) float64
        That the given verdict is wrong; model-based.
    proposed : (m,) int64
        The class proposed instead, -1 where none is; of a multi-label table the label's column.
    recalibrated : (m,) float64 or None
        The probability after a review: 1 where a reviewer says wrong, 0 where right. None without one. ``probability``
        never changes by answers, so that a further round of a review adds to the earlier ones.
    """

    code: str
    row: np.ndarray
    candidate: np.ndarray
    verdict: np.ndarray
    probability: np.ndarray
    proposed: np.ndarray
    recalibrated: np.ndarray | None = None


def save_rankings(folder: Path, rankings: Mapping[str, Ranking], neighbors: np.ndarray | None) -> None:
    """Keep the rankings, and the nearest rows (n, k) where they were looked up, in the folder."""
    arrays = {f"{code}.{name}": getattr(r, name) for code, r in rankings.items() for name in _COLUMNS}
    arrays |= {f"{code}.recalibrated": r.recalibrated for code, r in rankings.items() if r.recalibrated is not None}
    if neighbors is not None:
        arrays["neighbors"] = neighbors
    path = folder / RANKINGS
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as file, file.open("wb") as stream:
        np.savez(stream, **arrays)


def layout_of(table: Table, roles: Roles) -> dict[str, Any]:
    """Return what reading the table again in pieces needs to know: its columns' parts, and a text file's types."""
    layout: dict[str, Any] = {name: getattr(roles, name) for name in ("labels", "label_sep", "unlabeled", "id")}
    if table.format in TEXT:
        layout["schema"] = base64.b64encode(table.arrow.schema.serialize().to_pybytes()).decode("ascii")
        layout["encoding"] = "latin-1" if "read as LATIN-1" in table.notes else None
    return layout


def source_of(path: str, folder: Path) -> str | None:
    """Return the way from the folder to the input, so that both can be moved together; None for a frame."""
    return os.path.relpath(path, folder) if Path(path).exists() else None


@dataclass(frozen=True, eq=False)
class AuditFolder:
    """A saved audit.

    Attributes
    ----------
    folder : Path
        Where it lies.
    report : dict
        The content of ``audit.json``.
    rankings : dict of str to Ranking
        By finding code; empty where no model was asked.
    neighbors : (n, k) int array or None
        The nearest labelled rows of each row, -1 where not looked up.
    """

    folder: Path
    report: dict[str, Any]
    rankings: dict[str, Ranking]
    neighbors: np.ndarray | None

    @classmethod
    def open(cls, folder: str | Path, *, neighbors: bool = True) -> AuditFolder:
        """Read an audit's folder.

        Parameters
        ----------
        folder : path
            The folder.
        neighbors : bool, default True
            Read the nearest rows as well; of a table of many rows they take the most memory.

        Raises
        ------
        InputError
            Where the folder is none that an audit of this version wrote.
        """
        from trueneg.report.schema import validate

        folder = Path(folder)
        where = one_line(folder)
        if folder.is_file():
            msg = f"{where} is a file; name the folder that 'trueneg audit' wrote (by default NAME.trueneg)"
            raise InputError(msg)
        try:
            report = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
            validate(report)
        except (OSError, ValueError, InputError) as error:
            missing = "there is no audit.json in it" if folder.is_dir() else "there is no such folder"
            why = missing if isinstance(error, FileNotFoundError) else one_line(error, 200)
            msg = f"{where} holds no audit ({why}); run 'trueneg audit PATH' first"
            raise InputError(msg) from error
        try:
            with np.load(folder / RANKINGS, allow_pickle=False) as kept:
                arrays = {name: kept[name] for name in kept.files if neighbors or name != "neighbors"}
        except FileNotFoundError:
            arrays = {}
        except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
            msg = f"{where}: {RANKINGS} cannot be read; run 'trueneg audit' again"
            raise InputError(msg) from error
        codes = dict.fromkeys(name.split(".")[0] for name in arrays if "." in name)
        rankings = {
            c: Ranking(
                c, **{name: arrays[f"{c}.{name}"] for name in _COLUMNS}, recalibrated=arrays.get(f"{c}.recalibrated")
            )
            for c in codes
        }
        return cls(folder, report, rankings, arrays.get("neighbors"))

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments of the audit."""
        return dict(self.report["options"])

    @property
    def kind(self) -> str:
        """What was audited: ``table``, ``multilabel``, ``attempts`` or ``retrieval``."""
        return str(self.report["input"]["kind"])

    @property
    def data_hash(self) -> str:
        """Hash of the table's content."""
        return str(self.report["input"].get("data", ""))

    @property
    def layout(self) -> dict[str, Any]:
        """What :func:`layout_of` noted; empty where an older version wrote the audit."""
        return dict(self.report["input"].get("layout") or {})

    @property
    def classes(self) -> list[str]:
        """Names of the classes, or of the labels, in the order of their codes."""
        return [str(entry["name"]) for entry in self.report["input"]["classes"]]

    @property
    def path(self) -> Path | None:
        """The table's file; None where a frame was audited."""
        source = self.report["input"].get("source")
        return None if source is None else Path(os.path.normpath((self.folder or Path()) / source))

    def table(self, frame: Any = None) -> Table:
        """Read the table again, and refuse it where it is not the one that was audited.

        Parameters
        ----------
        frame : frame, optional
            The frame, where one was audited.
        """
        if frame is not None:
            table = read_frame(frame)
        elif self.path is None:
            msg = f"{one_line(self.folder)} is the audit of a frame: pass the frame, or audit a file"
            raise InputError(msg)
        elif not self.path.exists():
            msg = f"the audited table {one_line(self.path)} is not there any more; put it back, or audit it where it is"
            raise InputError(msg)
        elif self.kind == "retrieval":
            from trueneg.jobs.audit.retrieval import kept_pairs

            table = kept_pairs(self.folder, self.path)
        else:
            table = read_table(self.path)
        if data_hash(table.arrow) != self.data_hash:
            msg = (
                f"{one_line(self.path or 'the frame')} is not the table that {one_line(self.folder)} is the audit of "
                "(its content has changed); run 'trueneg audit' again"
            )
            raise InputError(msg)
        return table

    def roles(self, table: Table) -> Roles:
        """Return which column plays which part, as in the audit."""
        if self.kind == "retrieval":
            from trueneg.jobs.audit.retrieval import pairs_roles

            return pairs_roles()
        return sniff_roles(table, **{k: v for k, v in self.options.items() if k not in _NOT_COLUMNS})

    def keys(self, table: Table, roles: Roles) -> np.ndarray:
        """Return the rows' keys (n,): the id, else a hash of all but the label, which a repair may change."""
        return row_keys(table, roles.id, exclude=roles.labels)
