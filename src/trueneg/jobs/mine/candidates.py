"""Candidates of a folder: embedded or scored once, kept block by block, so that a kill loses nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.data.readers import one_line
from trueneg.data.retrieval import Collection, read_run
from trueneg.data.writers import atomic
from trueneg.encoders import GivenVectors
from trueneg.encoders.cache import CachedEncoder
from trueneg.encoders.text import text_encoder
from trueneg.engine import Engine
from trueneg.mine import Bm25, Dense, Fusion, Listed
from trueneg.mine.mining import Source

Progress = Callable[[str, int, int], None]
Rows = NDArray[np.int64]
_BLOCK = 8192  # queries searched between two files of the stages: each search measures all documents anew
SOURCES = ("dense", "bm25", "fusion")


def source_of(
    data: Collection,
    name: str,
    encoder: str,
    embeddings: tuple[Path, Path] | None,
    stages: Path,
    tell: Progress,
    engine: Engine | None = None,
    asked: Callable[[Any], list[str]] | None = None,
) -> tuple[Source, str]:
    """Build the source that a name (or a run's path) asks for; and what its candidates depend on, in words.

    `asked` makes, for an encoder, the texts that it is given in place of the queries.

    Those do not depend on the engine: what one has done another need not do again.
    """
    if name == "bm25":
        tell("indexing the words", 0, 1)
        return Bm25(data.queries, data.documents), "bm25"
    if name not in SOURCES:
        return _run(data, Path(name)), f"run {_content(Path(name))}"
    dense, words = _dense(data, encoder, embeddings, stages, tell, engine, asked)
    if name == "dense":
        return dense, words
    tell("indexing the words", 0, 1)
    return Fusion(dense, Bm25(data.queries, data.documents)), f"fusion of {words} and bm25"


def _dense(
    data: Collection,
    encoder: str,
    embeddings: tuple[Path, Path] | None,
    stages: Path,
    tell: Progress,
    engine: Engine | None,
    asked: Callable[[Any], list[str]] | None,
) -> tuple[Dense, str]:
    if embeddings is None and encoder.startswith("numpy:"):
        return _by_id(data, Path(encoder.removeprefix("numpy:")), stages, tell, engine)
    if embeddings is None:
        model = text_encoder(encoder, folder=stages / "embeddings", engine=engine)
        given = data.queries if asked is None else asked(model.encoder)
        queries = model.encode(given, progress=tell, what="encoding the queries")
        documents = model.encode(data.documents, progress=tell, what="encoding the documents")
        mark = "" if asked is None else f" asked {model.key(given)}"
        return Dense(queries, documents, engine=engine), f"dense {model.fingerprint}{mark}"
    arrays = []
    for path, texts, what in zip(embeddings, (data.queries, data.documents), ("queries", "documents"), strict=True):
        array = _vectors(path)
        if array.ndim != 2 or len(array) != len(texts):
            more = f" (after {data.unused:,} that no judgment names were left out)" if what == "queries" else ""
            msg = (
                f"{one_line(path)} has shape {array.shape}, and there are {len(texts):,} {what}{more}: give one row "
                "each, in the order of the file"
            )
            raise InputError(msg)
        arrays.append(array)
    return Dense(*arrays, engine=engine), f"given {_content(embeddings[0])} {_content(embeddings[1])}"


def _by_id(data: Collection, folder: Path, stages: Path, tell: Progress, engine: Engine | None) -> tuple[Dense, str]:
    """Take the vectors of queries.npy and corpus.npy, whatever their order, by the ids beside them."""
    arrays, marks = [], []
    for name, ids, what in (("queries", data.query_ids, "queries"), ("corpus", data.document_ids, "documents")):
        model = CachedEncoder(GivenVectors.load(folder / name), stages / "embeddings")
        marks.append(model.fingerprint)
        arrays.append(model.encode([str(key) for key in ids], progress=tell, what=f"collecting the {what}"))
    return Dense(*arrays, engine=engine), f"given {' '.join(marks)}"


def _vectors(path: Path) -> NDArray[Any]:
    if not path.is_file():
        msg = f"{one_line(path)}: there is no such file"
        raise InputError(msg)
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        msg = f"{one_line(path)} is no .npy file of numbers ({one_line(error, 60)}); write it with numpy.save"
        raise InputError(msg) from error
    return array


def _run(data: Collection, path: Path) -> Listed:
    if not path.is_file():
        msg = f"--from {one_line(path)}: there is no such run; give a file, or dense, bm25 or fusion"
        raise InputError(msg)
    found = read_run(path)
    codes = []
    for ids, known, what in (
        (found.query, data.query_ids, "query"),
        (found.document, data.document_ids, "document"),
    ):
        place = {key: i for i, key in enumerate(known.tolist())}
        codes.append(np.array([place.get(key, -1) for key in ids.tolist()], dtype=np.int64))
        if what == "document" and (codes[-1] < 0).any():
            bad = int((codes[-1] < 0).argmax())
            msg = (
                f"{one_line(path)}, line {found.line[bad]:,}: the document {one_line(ids[bad], 40)} is not in the "
                "corpus; give the run of this corpus"
            )
            raise InputError(msg)
    keep = codes[0] >= 0
    if not keep.any():
        msg = f"{one_line(path)} has no list for any judged query; give the run of these queries"
        raise InputError(msg)
    size = {"n_queries": len(data.queries), "n_documents": len(data.documents)}
    return Listed(codes[0][keep], codes[1][keep], found.value[keep], **size)


def _content(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "blake2b").hexdigest()[:16]


class Kept:
    """The lists of a source, searched once and kept on disk; pairs are scored by the source itself.

    Parameters
    ----------
    source : Source
    depth : int
        Length of the lists.
    key : str
        What they depend on.
    stages : Path
    tell : callable
    """

    def __init__(self, source: Source, depth: int, key: str, stages: Path, tell: Progress) -> None:
        self.name, self.score = source.name, source.score
        self.n_queries, self.n_documents = source.n_queries, source.n_documents
        self.memory = getattr(source, "memory", "512MB")
        name = hashlib.blake2b(json.dumps([key, depth, self.n_queries, _BLOCK]).encode(), digest_size=12).hexdigest()
        self.resumed = 0
        scores, rows = [], []
        for start in range(0, self.n_queries, _BLOCK):
            path = stages / f"candidates-{name}-{start}.npz"
            tell("searching", start, self.n_queries)
            if path.exists():
                self.resumed += min(_BLOCK, self.n_queries - start)
            else:
                found = source.search(np.arange(start, min(start + _BLOCK, self.n_queries)), depth)
                stages.mkdir(parents=True, exist_ok=True)
                with atomic(path) as temporary, temporary.open("wb") as out:
                    np.savez(out, score=found[0], document=found[1])
            with np.load(path, allow_pickle=False) as saved:
                scores.append(saved["score"])
                rows.append(saved["document"])
        tell("searching", self.n_queries, self.n_queries)
        self._score, self._rows = np.concatenate(scores), np.concatenate(rows)

    def search(self, query: Rows, k: int) -> tuple[NDArray[np.float32], Rows]:
        """Cut the kept lists."""
        return self._score[query, :k], self._rows[query, :k]
