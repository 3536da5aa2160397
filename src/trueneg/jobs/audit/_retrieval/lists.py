"""The first documents of two retrievers: BM25, and one that looks at the texts in another way."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError, MissingExtraError
from trueneg.data.readers import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from trueneg.jobs.audit.stages import Stages

DEPTH = 100
LATENT = "LSA"
_DIMENSIONS, _LEARN, _WORDS = 128, 20_000, 50_000


@dataclass(frozen=True, eq=False)
class Lists:
    """The first documents of one retriever for some queries.

    Attributes
    ----------
    name : str
    document : (m, depth) int64
        Rows of the documents, the best first; -1 where there is no more.
    score : (m, depth) float32
        Larger is better.
    """

    name: str
    document: np.ndarray
    score: np.ndarray

    def ranks(self, place: np.ndarray, document: np.ndarray) -> np.ndarray:
        """Return the ranks of pairs from 1, one more than the depth where they are not listed."""
        return ranks_in(self.document, place, document)


def ranks_in(listed: np.ndarray, place: np.ndarray, document: np.ndarray) -> np.ndarray:
    """Return the ranks of pairs (n,) in lists (m, depth), from 1; one more than the depth where they are not listed."""
    out = np.full(len(place), listed.shape[1] + 1, dtype=np.int64)
    for start in range(0, len(place), 65_536):
        part = slice(start, start + 65_536)
        hit = listed[place[part]] == document[part, None]
        found = hit.any(axis=1)
        out[part][found] = hit.argmax(axis=1)[found] + 1
    return out


def lists_of(
    texts: tuple[list[str], list[str]],
    asked: np.ndarray,
    *,
    encoder: str | None,
    embeddings: tuple[str, str] | None,
    quick: bool,
    seed: int,
    stages: Stages,
    progress: Callable[[str], None],
) -> tuple[list[Lists], list[str]]:
    """Ask BM25, and a second retriever unless ``quick``.

    Parameters
    ----------
    texts : (queries, documents)
    asked : (m,) int64
        Rows of the queries to ask.
    encoder : str or None
        The second retriever, by the names of :func:`trueneg.encoders.text.text_encoder`; None is latent semantic
        analysis of these documents, ready in seconds.
    embeddings : (str, str) or None
        Files of vectors of all queries and documents, in place of an encoder.
    quick : bool
        Ask BM25 alone.
    seed : int
        Of the latent analysis.
    stages : Stages
        Where the lists are kept.

    Returns
    -------
    lists : list of Lists
        BM25 first where its extra is installed.
    notes : list of str
    """
    queries, documents = texts
    depth = min(DEPTH, len(documents))
    out, notes = [], []

    def bm25() -> Any:
        from trueneg.mine import Bm25

        progress("indexing the words")
        return Bm25([queries[q] for q in asked.tolist()], documents)

    def second() -> Any:
        from trueneg.mine import Dense

        made = _vectors(texts, asked, encoder, embeddings, seed, stages.folder, progress)
        return None if made is None else Dense(*made)

    name = "given vectors" if embeddings else encoder or LATENT
    wanted = [("BM25", "words", bm25)] + ([] if quick else [(name, f"second-{_mark(name, embeddings)}", second)])
    for told, stage, make in wanted:
        try:
            found = _searched(stages, f"lists-{stage}", make, len(asked), depth, lambda t=told: progress(f"asking {t}"))
        except (MissingExtraError, InputError) as error:
            if told != "BM25":
                raise
            notes.append(f"BM25 was not asked: {error}")
            continue
        if found is not None:
            out.append(Lists(told, *found))
    return out, notes


def _searched(stages: Stages, stage: str, make: Any, n: int, depth: int, tell: Any) -> Any:
    def run() -> dict[str, np.ndarray]:
        source = make()
        if source is None:
            return {"document": np.empty((0, 0), np.int64), "score": np.empty((0, 0), np.float32)}
        tell()
        score, document = source.search(np.arange(n), depth)
        # A document without a common word is no find of BM25's: it lies anywhere among its equals.
        document = np.where(score > 0, document, -1) if stage == "lists-words" else document
        return {"document": document.astype(np.int64), "score": score.astype(np.float32)}

    kept = stages.get(stage, run)
    return None if n and not kept["document"].size else (kept["document"], kept["score"])


def _mark(name: str, embeddings: tuple[str, str] | None) -> str:
    """Tell the files of vectors apart by their content."""
    mark = hashlib.blake2b(name.encode(), digest_size=6)
    for path in embeddings or ():
        with _file(path).open("rb") as source:
            mark.update(hashlib.file_digest(source, "blake2b").digest())
    return mark.hexdigest()


def _file(path: str) -> Path:
    if not Path(path).is_file():
        msg = f"--embeddings {one_line(path)}: there is no such file; give two .npy files, of queries and of documents"
        raise InputError(msg)
    return Path(path)


def _vectors(
    texts: tuple[list[str], list[str]],
    asked: np.ndarray,
    encoder: str | None,
    embeddings: tuple[str, str] | None,
    seed: int,
    folder: Path | None,
    progress: Callable[[str], None],
) -> tuple[np.ndarray, np.ndarray] | None:
    queries, documents = texts
    if embeddings is not None:
        given = [_array(path, n, what) for path, n, what in zip(embeddings, map(len, texts), _WHAT, strict=True)]
        return given[0][asked], given[1]
    some = [queries[q] for q in asked.tolist()]
    if encoder is None:
        progress("latent analysis of the documents")
        return latent(some, documents, seed=seed)
    from tempfile import TemporaryDirectory

    from trueneg.encoders.text import text_encoder

    with TemporaryDirectory() as temporary:
        model = text_encoder(encoder, folder=Path(temporary) if folder is None else folder / "embeddings")
        tell = {"progress": lambda what, done, n: progress(f"{what}: {done:,} of {n:,}")}
        made = [
            model.encode(side, what=f"encoding the {what}", **tell)
            for side, what in zip((some, documents), _WHAT, strict=True)
        ]
        return np.array(made[0]), np.array(made[1]) if folder is None else made[1]


_WHAT = ("queries", "documents")


def _array(path: str, n: int, what: str) -> np.ndarray:
    try:
        array: np.ndarray = np.load(_file(path), mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        msg = f"{one_line(path)} is no .npy file of numbers ({one_line(error, 60)}); write it with numpy.save"
        raise InputError(msg) from error
    if array.ndim != 2 or len(array) != n:
        msg = f"{one_line(path)} has shape {array.shape}, and there are {n:,} {what}: give one row each, in their order"
        raise InputError(msg)
    return array


def latent(queries: list[str], documents: list[str], *, seed: int = 0) -> tuple[np.ndarray, np.ndarray] | None:
    """Return vectors of 128 latent dimensions of tf-idf; None where the documents hold too few words.

    The dimensions are learnt from 20,000 random documents at most.

    References
    ----------
    Deerwester et al. (1990), "Indexing by latent semantic analysis".
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    rng = np.random.default_rng(seed)
    learn = np.sort(rng.permutation(len(documents))[:_LEARN])
    how: dict[str, Any] = {"sublinear_tf": True, "stop_words": "english", "max_features": _WORDS, "dtype": np.float32}
    words = TfidfVectorizer(min_df=2 if len(learn) > 100 else 1, **how)
    try:
        counts = words.fit_transform([documents[i] for i in learn.tolist()])
    except ValueError:  # stop words alone
        return None
    size = min(_DIMENSIONS, counts.shape[1] - 1, len(learn) - 1)
    if size < 2:
        return None
    reduce = TruncatedSVD(size, n_iter=3, random_state=seed).fit(counts)
    sides = []
    for texts in (queries, documents):
        out = np.empty((len(texts), size), dtype=np.float32)
        for start in range(0, len(texts), _LEARN):
            out[start : start + _LEARN] = reduce.transform(words.transform(texts[start : start + _LEARN]))
        sides.append(out)
    return sides[0], sides[1]
