"""The audited table, as a file that is read in batches or as a frame: held to the audit, and looked up."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.data.content import ContentHash
from trueneg.data.readers import format_of, one_line, read_frame
from trueneg.data.repairs import lines_of, members
from trueneg.data.sniff import keys_of_rows, known_labels
from trueneg.data.streams import Stream, line_blocks, open_stream, spelt_stream

if TYPE_CHECKING:
    import pyarrow as pa

    from trueneg.jobs.audit.folder import AuditFolder


@dataclass(frozen=True)
class Layout:
    """Which columns hold the label and the id.

    Attributes
    ----------
    labels : list of str
        The label's column, or one a label.
    label_sep : str or None
        What separates the labels in one column of several.
    unlabeled, id : str or None
        The value that means unjudged; the id's column.
    multilabel : bool
        Whether a row may carry several labels.
    """

    labels: list[str]
    label_sep: str | None
    unlabeled: str | None
    id: str | None
    multilabel: bool

    @property
    def one_column(self) -> bool:
        """Whether one column holds several labels."""
        return self.multilabel and len(self.labels) == 1


class Source:
    """The audited table.

    Parameters
    ----------
    folder : AuditFolder
        The audit.
    frame : frame, optional
        The table, where a frame was audited.
    kind : str, optional
        Format of the file to be written, where one is: it decides in which form values are looked up.
    """

    def __init__(self, folder: AuditFolder, frame: Any = None, kind: str | None = None) -> None:
        self.folder, self.frame = folder, frame
        self.stream: Stream | None = None
        self.form = "frame"
        if frame is not None:
            self._arrow = read_frame(frame).arrow
            self.schema = self._arrow.schema
        else:
            self.stream = _stream(folder)
            self.schema = self.stream.schema
            delimited = kind in ("csv", "tsv")
            same = kind == self.stream.format
            self.form = "spelt" if same and delimited else "json" if same and kind == "jsonl" else "typed"
        self.layout = self._layout()

    @property
    def path(self) -> Path | None:
        """The file; None for a frame."""
        return None if self.stream is None else self.stream.path

    @property
    def where(self) -> str:
        """What to call it in a message."""
        return "the frame" if self.stream is None else one_line(self.stream.path)

    def batches(self, columns: list[str] | None = None) -> Iterable[pa.RecordBatch]:
        """Return the rows in order, as a whole read gives them."""
        if self.stream is None:
            return self._arrow.to_batches(max_chunksize=65_536)
        if columns is None:
            return (self.stream.tidy(batch) for batch in self.stream.batches())
        return self.stream.batches(columns)

    def _layout(self) -> Layout:
        kept = self.folder.layout
        multilabel = self.folder.report["input"]["kind"] == "multilabel"
        if not kept:  # an audit of an older version: read the whole to see
            roles = self.folder.roles(self.folder.table(self.frame))
            kept = {name: getattr(roles, name) for name in ("labels", "label_sep", "unlabeled", "id")}
        return Layout(kept["labels"], kept["label_sep"], kept["unlabeled"], kept["id"], multilabel)

    def values_at(self, column: str, rows: list[int]) -> list[Any]:
        """Return a column's values in some rows (ascending) in the form in which they are written again."""
        if self.frame is not None:
            return _frame_values(self.frame, column, rows)
        stream = self.stream
        if stream is None or not rows:
            return []
        if self.form == "json":
            return _json_values(stream, column, rows)
        return (spelt_stream(stream) if self.form == "spelt" else stream).values_at(column, rows)

    def keys(self, rows: np.ndarray) -> np.ndarray:
        """Return the keys of some rows (ascending)."""
        return keys_of_rows(self.batches, rows, self.layout.id, exclude=self.layout.labels)


def _stream(folder: AuditFolder) -> Stream:
    import pyarrow as pa

    path = folder.path
    if path is None:
        where = one_line(folder.folder) if folder.folder else "this"
        msg = f"{where} is the audit of a frame: pass the frame, or audit a file"
        raise InputError(msg)
    if not path.exists():
        msg = f"the audited table {one_line(path)} is not there any more; put it back, or audit it where it is"
        raise InputError(msg)
    kept = folder.layout.get("schema")
    schema = None if kept is None else pa.ipc.read_schema(pa.py_buffer(base64.b64decode(kept)))
    format_of(path)
    try:
        return open_stream(path, schema, folder.layout.get("encoding"))
    except (pa.ArrowException, OSError) as error:
        raise changed(folder) from error


def changed(folder: AuditFolder) -> InputError:
    """Return the error for a table that is not the audited one any more."""
    what = "the frame" if folder.path is None else one_line(folder.path)
    audit = one_line(folder.folder) if folder.folder else "this"
    return InputError(
        f"{what} is not the table that {audit} is the audit of (its content has changed); run 'trueneg audit' again"
    )


@dataclass
class Seen:
    """What one look at all rows found: for each label column and value asked for, the first row that has it."""

    first: dict[tuple[str, str], int] = field(default_factory=dict)


def look(source: Source, wanted: dict[str, list[str]], progress: Callable[[int], None] | None = None) -> Seen:
    """Read all rows once: hold them to the audit's hash, and find rows that show how a value is written.

    Parameters
    ----------
    source : Source
        The table.
    wanted : dict of str to list of str
        By label column, the values (as the audit names them) whose first row is needed.
    progress : callable, optional
        Called with the number of rows done.

    Raises
    ------
    InputError
        Where the table is not the audited one.
    """
    import pyarrow as pa

    folder, seen = source.folder, Seen()
    content: ContentHash | None = None
    start = 0
    try:
        for batch in source.batches():
            content = content or ContentHash(batch.schema)
            content.update(batch)
            for column, values in wanted.items():
                left = [value for value in values if (column, value) not in seen.first]
                if left:
                    found = known_labels(batch.column(column), left, source.layout.unlabeled)
                    seen.first |= {(column, value): start + row for value, row in found.items()}
            start += batch.num_rows
            if progress is not None:
                progress(start)
    except (pa.ArrowException, KeyError) as error:
        raise changed(folder) from error
    if content is None or content.hexdigest() != folder.data_hash:
        raise changed(folder)
    return seen


def _json_values(stream: Stream, column: str, rows: list[int]) -> list[Any]:
    """Return the JSON of one key in some rows; None where the key is missing."""
    found: list[Any] = []
    start = 0
    for block in line_blocks(stream.path, stream.compression, stream.encoding):
        lines = lines_of(block)
        while len(found) < len(rows) and rows[len(found)] < start + len(lines):
            line = lines[rows[len(found)] - start].as_py()
            found.append(next((line[a:b] for key, _, (a, b) in members(line) if key == column), None))
        start += len(lines)
        if len(found) == len(rows):
            break
    return found


def _frame_values(frame: Any, column: str, rows: list[int]) -> list[Any]:
    import narwhals as nw
    import pyarrow as pa

    if isinstance(frame, dict):
        return read_frame(frame).arrow[column].take(pa.array(rows, pa.int64())).to_pylist()
    if isinstance(frame, pa.Table | pa.RecordBatch):
        return frame.column(column).take(pa.array(rows, pa.int64())).to_pylist()
    own = nw.from_native(frame)
    eager = own.collect() if isinstance(own, nw.LazyFrame) else own
    return eager[column][rows].to_list()
