"""An approximate index in place of the exact search, and how much of the exact lists it finds."""

from __future__ import annotations

from collections.abc import Callable

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate
from trueneg.data.readers import one_line
from trueneg.mine import Dense, Fusion, ann_index, ann_recall
from trueneg.mine.mining import Source

__all__ = ["INDEXES", "check_index", "indexed"]

INDEXES = ("exact", "hnsw", "ivf")
_TRIED = 200  # queries that are searched exactly too


def check_index(kind: str, source: str, engine: str) -> None:
    """Refuse an index that does not fit, before anything is read.

    Parameters
    ----------
    kind, source, engine : str

    Raises
    ------
    InputError
    """
    if kind not in INDEXES:
        msg = f"--index {one_line(kind, 30)}: choose {', '.join(INDEXES)}"
        raise InputError(msg)
    if kind != "exact" and source not in ("dense", "fusion"):
        msg = f"--index {kind} is over vectors, and --from {one_line(source, 30)} has none: leave it out"
        raise InputError(msg)
    if kind != "exact" and engine != "in-process":
        msg = f"--index {kind} is searched in this process: leave out --engine {one_line(engine, 30)}, or the index"
        raise InputError(msg)


def indexed(
    source: Source, kind: str, depth: int, seed: int, tell: Callable[[str, int, int], None]
) -> tuple[Source, str, Estimate | None]:
    """Put an index into a source of vectors.

    Parameters
    ----------
    source : Source
        ``Dense``, or a fusion that begins with it.
    kind : {"exact", "hnsw", "ivf"}
    depth : int
        Documents sought a query.
    seed : int
    tell : callable

    Returns
    -------
    source : Source
    words : str
        What candidates depend on besides; empty for the exact search.
    recall : Estimate or None
        Share of the exact lists that the index finds, on a sample of the queries.
    """
    if kind == "exact":
        return source, "", None
    if isinstance(source, Fusion):
        first, *others = source.sources
        inner, words, recall = indexed(first, kind, source.depth, seed, tell)
        return Fusion(inner, *others, constant=source.constant, depth=source.depth), words, recall
    if not isinstance(source, Dense):
        msg = f"--index {kind} is over vectors, and there are none"
        raise InputError(msg)
    tell(f"building the index ({kind})", 0, 1)
    index = ann_index(source.documents, kind, metric=source.metric, random_state=seed)  # type: ignore[arg-type]
    rough = Dense(source.queries, source.documents, metric=source.metric, memory=source.memory, index=index)
    tell("comparing the index with the exact search", 0, 1)
    return rough, f" by {kind} {seed}", ann_recall(rough, depth, n=_TRIED, random_state=seed)
