"""What is fitted or labelled, of whatever form: a table's file, an array of embeddings, a folder of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueneg.core.errors import InputError
from trueneg.data.readers import Table, one_line, read_table

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["EMBEDDING", "FILE", "GROUP", "LABEL", "Source", "labelled", "open_source", "without_labels"]

EMBEDDING, FILE, LABEL, GROUP = "embedding", "file", "label", "group"
_IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".pgm", ".ppm")
_ROWS = 16_384
_FILES = 256


class Source:
    """Rows in batches, as often as asked.

    Attributes
    ----------
    path : Path
        The file or folder.
    names : list of str
        Columns.
    home : Path
        What paths of images are relative to.
    """

    def __init__(self, path: Path) -> None:
        from trueneg.data.streams import open_stream

        self.path, self.home = path, path.parent
        self._stream = open_stream(path)
        self.names = list(self._stream.names)

    @property
    def notes(self) -> list[str]:
        """What was decided in reading the last batches, in words."""
        return self._stream.notes if hasattr(self, "_stream") else []

    def type_of(self, column: str) -> pa.DataType:
        """Return the type of a column."""
        return self._stream.schema.field(self.names.index(column)).type

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the rows in order, in tables of these columns."""
        import pyarrow as pa

        for batch in self._stream.batches(columns):
            yield pa.table({name: batch.column(i) for i, name in enumerate(batch.schema.names)})


class ArraySource(Source):
    """An ``.npy`` file of shape (n, d): rows of numbers, read from disk as they are needed."""

    def __init__(self, path: Path) -> None:
        self.path, self.home, self.names = path, path.parent, [EMBEDDING]
        self.array = _array(path)
        if self.array.ndim != 2 or self.array.dtype.kind not in "fiub" or not self.array.shape[1]:
            msg = f"{one_line(path)}: an array of {self.array.dtype} and shape {self.array.shape}; give numbers (n, d)"
            raise InputError(msg)

    def type_of(self, column: str) -> pa.DataType:
        """Return the type of a column."""
        import pyarrow as pa

        return pa.list_(pa.from_numpy_dtype(self.array.dtype), self.array.shape[1])

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the rows in order, in tables of one column."""
        for start in range(0, len(self.array), _ROWS):
            yield _embedded(self.array[start : start + _ROWS])


class FolderSource(Source):
    """A folder of images: those of a class in a folder of its name, or all in one; sorted by their paths."""

    def __init__(self, path: Path) -> None:
        self.path, self.home, self.names = path, path, [FILE, LABEL]
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in _IMAGES and p.is_file())
        self.files = [p.relative_to(path).as_posix() for p in found]
        if not self.files:
            msg = f"{one_line(path)}: the folder holds no image; give a folder of images, one sub-folder a class"
            raise InputError(msg)
        self.labels = [Path(name).parts[0] if len(Path(name).parts) > 1 else None for name in self.files]

    def type_of(self, column: str) -> pa.DataType:
        """Return the type of a column."""
        import pyarrow as pa

        return pa.string()

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the files in order."""
        import pyarrow as pa

        for start in range(0, len(self.files), _FILES):
            part = slice(start, start + _FILES)
            yield pa.table({FILE: self.files[part], LABEL: pa.array(self.labels[part], pa.string())}).select(columns)


def open_source(path: Path) -> Source:
    """Open a file or folder for reading in batches."""
    if path.is_dir():
        return FolderSource(path)
    return ArraySource(path) if path.suffix.lower() == ".npy" else Source(path)


def without_labels(path: Path) -> Table:
    """Return a source whole, as a table, as if it had no labels; images may lie in one folder or in several."""
    import pyarrow as pa

    if path.is_dir():
        return Table(pa.concat_tables(FolderSource(path).batches([FILE])), "images", path)
    if path.suffix.lower() != ".npy":
        return read_table(path)
    return Table(_embedded(ArraySource(path).array), "npy", path)


def labelled(path: Path, label: str | None) -> tuple[Table, str | None]:
    """Return a source whole, as a table, and the column of its labels; images of deeper folders come with a group.

    Parameters
    ----------
    path : Path
        A table's file, a folder of class folders, or an ``.npy`` file.
    label : str or None
        A column; of an ``.npy`` file the file of its labels: ``.npy`` (n,), or text, one a line.
    """
    import pyarrow as pa

    if path.is_dir():
        source = FolderSource(path)
        if len({v for v in source.labels if v is not None}) == 0:
            msg = f"{one_line(path)}: the images lie in no sub-folders; put those of each class in a folder of its name"
            raise InputError(msg)
        whole = pa.concat_tables(source.batches([FILE, LABEL]))
        # Frames of one folder below a class are of one video: they go to the same side of every split.
        deep = any(name.count("/") > 1 for name in source.files)
        if deep:
            whole = whole.append_column(GROUP, pa.array([name.rpartition("/")[0] for name in source.files]))
        return Table(whole, "images", path), LABEL
    if path.suffix.lower() != ".npy":
        return read_table(path), label
    array = ArraySource(path).array
    if label is None:
        msg = f"{one_line(path)}: name the file of its labels, .npy or one a line: --label labels.npy"
        raise InputError(msg)
    values = _labels(Path(label))
    if len(values) != len(array):
        msg = f"{one_line(path)} has {len(array):,} rows and {one_line(label)} {len(values):,} labels: give one a row"
        raise InputError(msg)
    return Table(_embedded(array).append_column(LABEL, pa.array(values)), "npy", path), LABEL


def _labels(path: Path) -> Any:
    if path.suffix.lower() == ".npy":
        values = _array(path)
        if values.ndim != 1:
            msg = f"{one_line(path)} has shape {values.shape}: give one label a row"
            raise InputError(msg)
        return values.tolist()
    try:
        return [line if line else None for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{one_line(path)}: no file of labels ({type(error).__name__}); give .npy, or text with one label a line"
        raise InputError(msg) from error


def _array(path: Path) -> Any:
    import numpy as np

    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        objects = "Python objects" in str(error)
        cure = "save texts or numbers: numpy.save(path, y.astype(str))" if objects else "write it with numpy.save"
        msg = f"{one_line(path)}: no NumPy array ({str(error).splitlines()[0].rstrip('.')}); {cure}"
        raise InputError(msg) from error


def _embedded(rows: Any) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    plain = np.ascontiguousarray(rows)
    if plain.dtype.kind != "f":
        plain = plain.astype(np.float64)
    plain = plain.astype(plain.dtype.newbyteorder("="), copy=False)
    return pa.table({EMBEDDING: pa.FixedSizeListArray.from_arrays(pa.array(plain.reshape(-1)), plain.shape[1])})
