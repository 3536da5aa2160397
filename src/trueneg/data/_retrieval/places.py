"""Where a collection keeps its documents, queries and judgments."""

from __future__ import annotations

from pathlib import Path

from trueneg.core.errors import InputError
from trueneg.data.readers import one_line

_STEMS = {"corpus": ("corpus", "documents", "doc-text"), "queries": ("queries", "topics", "query-text")}
_ENDS = (".jsonl", ".jsonl.gz", ".parquet", ".tsv", ".trec", "")
_QRELS = (".tsv", ".txt", ".parquet", ".jsonl", ".trec", "")


def is_collection(folder: str | Path) -> bool:
    """Tell whether a folder looks like a collection: two of documents, queries and judgments, under known names."""
    folder = Path(folder)
    if not folder.is_dir():
        return False
    if (folder / "cran.all.1400").is_file():
        return True
    found = [_found(folder, name) is not None for name in _STEMS]
    return sum([*found, bool(_qrels_of(folder))]) >= 2


def part(folder: Path, name: str) -> Path:
    """Find the corpus or the queries under the names that they may have."""
    found = _found(folder, name)
    if found is not None:
        return found
    msg = (
        f"{one_line(folder)} holds no {name}: {name}.jsonl, {name}.parquet, {name}.tsv, {name}.trec or a folder "
        f"{name}/ of Arrow shards is needed"
    )
    raise InputError(msg)


def _found(folder: Path, name: str) -> Path | None:
    for path, end in ((folder / f"{stem}{end}", end) for stem in _STEMS[name] for end in _ENDS):
        if end and path.is_file():
            return path
        if not end and path.is_dir():
            shards = sorted(path.rglob("*.arrow"))
            if shards:
                return shards[0].parent
            tables = sorted(path.glob("*.parquet"))
            if len(tables) == 1:
                return tables[0]
    return None


def qrels_files(folder: Path) -> dict[str, Path]:
    """Return the files (or folders of shards) of the judgments by the name of their split.

    Raises
    ------
    InputError
        Where there are none.
    """
    found = _qrels_of(folder)
    if not found:
        msg = f"{one_line(folder)} holds no judgments: qrels/train.tsv, qrels.tsv or qrels is needed"
        raise InputError(msg)
    return found


def _qrels_of(folder: Path) -> dict[str, Path]:
    place = folder / "qrels"
    if not place.is_dir():
        files = [folder / f"qrels{end}" for end in _QRELS]
        return next(({"qrels": path} for path in files if path.is_file()), {})
    if any(place.glob("*.arrow")):
        return {"qrels": place}
    return {
        path.name.split(".")[0]: path
        for path in sorted(place.iterdir())
        if path.suffix in (".tsv", ".parquet", ".jsonl", ".gz", ".txt", ".qrels") or any(path.glob("*.arrow"))
    }


def qrels_file(folder: Path, split: str | None) -> Path:
    """Return the judgments of a split; by default ``train``, or the only ones that there are.

    Raises
    ------
    InputError
        No judgments, no such split, or several and none is named.
    """
    found, place = qrels_files(folder), folder / "qrels"
    if split is None:
        split = "train" if "train" in found else next(iter(found))
        if split != "train" and len(found) > 1:
            msg = f"{one_line(place)} holds {', '.join(found)}; name one with --split"
            raise InputError(msg)
    if split not in found:
        msg = f"{one_line(place)} holds no split {one_line(split, 40)!r}, only {', '.join(found)}"
        raise InputError(msg)
    return found[split]
