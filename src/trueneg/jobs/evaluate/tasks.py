"""Tasks of files and folders: the columns of a table say which kind it is, a corpus with judgments is retrieval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.data.readers import one_line, read_table
from trueneg.data.retrieval import is_collection, read_collection
from trueneg.jobs.evaluate.kinds import (
    KINDS,
    Classification,
    Clustering,
    Reranking,
    Retrieval,
    Similarity,
    Task,
)

__all__ = ["Sizes", "read_tasks"]

Rows = NDArray[np.int64]
Columns = dict[str, list[Any]]
_TEXT = ("text", "sentence", "content", "body", "document", "comment", "review", "post", "tweet")
_LABEL = ("label", "labels", "class", "category", "target", "topic", "intent")
_PAIRS = (("text1", "text2"), ("sentence1", "sentence2"), ("text_a", "text_b"), ("sentence_a", "sentence_b"))
_SCORE = ("score", "similarity", "relatedness", "label")
_QUERY = ("query", "anchor", "question")
_POSITIVE, _NEGATIVE = ("positive", "positives", "pos"), ("negative", "negatives", "neg")
_LISTED = (("document", "label"), ("docs", "labels"), ("document", "relevance"), ("passage", "label"))
_NEEDED = (
    "classification and clustering need text and label; similarity text1, text2 and score; reranking query, positive "
    "and negative, or query, document and label"
)


@dataclass(frozen=True)
class Sizes:
    """How large tasks are made of tables.

    Attributes
    ----------
    limit : int
        Texts, pairs or queries to test on, drawn from larger tables; 0 takes all. A corpus is never cut.
    draws : int
        Few-shot classifiers, and starts of k-means.
    shots : int
        Examples a label that each classifier learns from.
    """

    limit: int = 2048
    draws: int = 10
    shots: int = 8

    def __post_init__(self) -> None:
        """Refuse numbers that leave nothing."""
        if self.limit < 0 or self.limit == 1:
            msg = f"limit={self.limit}: give 2 or more, or 0 for all"
            raise InputError(msg)
        for name in ("draws", "shots"):
            if getattr(self, name) < 1:
                msg = f"{name}={getattr(self, name)}: give 1 or more"
                raise InputError(msg)


def read_tasks(
    path: str | Path, *, kinds: Sequence[str] = KINDS, sizes: Sizes | None = None, random_state: int = 0
) -> list[Task]:
    """Read the tasks of a file or folder.

    Parameters
    ----------
    path : str or Path
        A table (CSV, TSV, JSONL, Parquet, Arrow): ``text, label`` is classification and clustering (``split`` with
        train and test is kept; rows of one ``group`` are on one side and resampled together); ``text1, text2, score``
        is similarity; ``query, positive, negative`` (lists, or one a row, or negative_1 and so on) or ``query,
        document, label`` is reranking. A folder with a corpus, queries and judgments is retrieval; any other folder is
        a set of tasks.
    kinds : sequence of str, default=all
    sizes : Sizes, optional
    random_state : int, default=0
        Seed of what is drawn.

    Returns
    -------
    list of Task

    Raises
    ------
    InputError
        Naming the file and what it lacks.
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds:
        msg = f"{one_line(unknown[0], 30)!r} is no kind of task: " if unknown else "no kind of task is given: "
        raise InputError(f"{msg}choose of {', '.join(KINDS)}")
    path, sizes = Path(path), sizes or Sizes()
    if not path.exists():
        msg = f"{one_line(path)}: there is no such file or folder"
        raise InputError(msg)
    places = [path] if path.is_file() or is_collection(path) else _within(path)
    found = [task for place in places for task in _tasks(place, sizes, random_state)]
    kept = [task for task in found if task.kind in kinds]
    if not kept:
        msg = f"{one_line(path)} is {', '.join(task.kind for task in found)}, and only {', '.join(kinds)} was asked for"
        raise InputError(msg)
    return kept


def _within(folder: Path) -> list[Path]:
    ends = (".csv", ".tsv", ".jsonl", ".parquet", ".arrow", ".gz", ".zst")
    found = [
        place
        for place in sorted(folder.iterdir())
        if (place.is_dir() and is_collection(place)) or (place.is_file() and place.suffix in ends)
    ]
    if not found:
        msg = f"{one_line(folder)} holds neither tables nor folders with a corpus: {_NEEDED}; retrieval a corpus"
        raise InputError(msg)
    return found


def _tasks(path: Path, sizes: Sizes, seed: int) -> list[Task]:
    name = path.name.split(".")[0] if path.is_file() else path.absolute().name
    rng = np.random.default_rng([seed, *name.encode()])
    if path.is_dir():
        tests = path / "qrels"
        split = "test" if tests.is_dir() and any(p.name.split(".")[0] == "test" for p in tests.iterdir()) else None
        data = read_collection(path, split=split)
        return [Retrieval(name, data, np.arange(len(data.queries)))]
    table = read_table(path)
    columns = {n.lower(): table.arrow.column(n).to_pylist() for n in table.arrow.column_names}
    where = one_line(path)
    pair = next((p for p in _PAIRS if all(n in columns for n in p)), None)
    if pair is not None:
        return [_similarity(name, columns, pair, where, sizes, rng)]
    query = next((n for n in _QUERY if n in columns), None)
    if query is not None:
        return [_reranking(name, columns, query, where, sizes, rng)]
    text = next((n for n in _TEXT if n in columns), None)
    label = next((n for n in _LABEL if n in columns), None)
    if text is None or label is None:
        msg = f"{where} has the columns {one_line(', '.join(columns), 100)}: {_NEEDED}"
        raise InputError(msg)
    return list(_labelled(name, columns, (text, label), where, sizes, rng))


# ------------------------------------------------------------------------------------- classification, clustering
def _labelled(
    name: str, columns: Columns, roles: tuple[str, str], where: str, sizes: Sizes, rng: np.random.Generator
) -> tuple[Task, Task]:
    """Split a table of labelled texts, and draw the few examples."""
    keep, notes = _complete(columns, roles, where)
    text = [str(columns[roles[0]][i]) for i in keep]
    label, code = _labels([str(columns[roles[1]][i]) for i in keep])
    if not 2 <= len(label) <= len(keep) / 2:
        msg = (
            f"{where}: {roles[1]} holds {len(label):,} different labels in {len(keep):,} rows; two or more are needed, "
            "with two rows or more each on average"
        )
        raise InputError(msg)
    unit = _units(columns, text, keep)
    test, train = _split(columns, keep, unit, where, rng)
    lost = sorted(set(code[test].tolist()) - set(code[train].tolist()))
    if lost:
        notes.append(f"{len(lost):,} labels have no row to learn from, {one_line(label[lost[0]], 30)!r} the first")
    if len(np.unique(code[train])) < 2:
        msg = f"{where}: the rows to learn from hold one label only; two are needed"
        raise InputError(msg)
    test = _cut(test, sizes, rng, notes)
    draws = _few(code[train], sizes, rng)
    used = np.unique(np.concatenate(draws))
    short = np.bincount(code[train])
    if (short[short > 0] < sizes.shots).any():
        notes.append(f"a label has {int(short[short > 0].min())} rows to learn from, fewer than {sizes.shots}")
    tested = [text[i] for i in test]
    learned = train[used]
    classify = Classification(
        name,
        tested,
        code[test],
        [text[i] for i in learned],
        code[learned],
        [np.searchsorted(used, rows) for rows in draws],
        label,
        unit[test],
        notes=notes,
    )
    seen = np.unique(code[test], return_inverse=True)[1]
    return classify, Clustering(name, tested, seen, sizes.draws, unit[test], notes=list(notes))


def _labels(values: list[str]) -> tuple[list[str], Rows]:
    """Return the labels in order, and the code of every row."""
    label = sorted(set(values))
    place = {one: i for i, one in enumerate(label)}
    return label, np.array([place[one] for one in values], dtype=np.int64)


def _units(columns: Columns, text: list[str], keep: list[int]) -> Rows:
    """Number what belongs together: rows of one group, or else of one text."""
    told = [str(columns["group"][i]) for i in keep] if "group" in columns else text
    return _codes(told)


def _split(columns: Columns, keep: list[int], unit: Rows, where: str, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Return the rows to test on and to learn from: as the column says, or half of the units each."""
    if "split" in columns:
        said = np.array([str(columns["split"][i]).lower() for i in keep])
        test, train = np.flatnonzero(np.isin(said, ("test", "validation", "dev"))), np.flatnonzero(said == "train")
        if (said == "test").any():
            test = np.flatnonzero(said == "test")
        if not len(test) or not len(train):
            msg = f"{where}: split holds {one_line(', '.join(np.unique(said)), 60)}; train and test are needed"
            raise InputError(msg)
        return test, train
    side = rng.permutation(int(unit.max()) + 1) % 2 == 0
    test, train = np.flatnonzero(side[unit]), np.flatnonzero(~side[unit])
    if len(np.unique(unit[test])) < 2 or not len(train):
        msg = f"{where}: {int(unit.max()) + 1} different texts or groups cannot be split; give more"
        raise InputError(msg)
    return test, train


def _few(code: Rows, sizes: Sizes, rng: np.random.Generator) -> list[Rows]:
    """Draw the same number of rows of each label, several times."""
    rows = [np.flatnonzero(code == c) for c in np.unique(code)]
    return [np.sort(np.concatenate([rng.permutation(one)[: sizes.shots] for one in rows])) for _ in range(sizes.draws)]


# ------------------------------------------------------------------------------------------------------ similarity
def _similarity(
    name: str, columns: Columns, pair: tuple[str, str], where: str, sizes: Sizes, rng: np.random.Generator
) -> Task:
    score = next((n for n in _SCORE if n in columns), None)
    if score is None:
        msg = f"{where} has {pair[0]} and {pair[1]}, and no score: add a column score, larger for what is more alike"
        raise InputError(msg)
    keep, notes = _complete(columns, (*pair, score), where)
    value = _numbers(columns[score], keep, f"{where}: {score}")
    rows = _cut(np.arange(len(keep)), sizes, rng, notes)
    first, second = ([str(columns[side][keep[i]]) for i in rows] for side in pair)
    if len(np.unique(value[rows])) < 2:
        msg = f"{where}: every pair has the score {value[0]:g}; a correlation needs two scores or more"
        raise InputError(msg)
    return Similarity(name, first, second, value[rows], _linked(first, second, notes), notes=notes)


def _linked(first: list[str], second: list[str], notes: list[str]) -> Rows:
    """Number the pairs that hang together by a text: they are not independent."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    code = _codes([*first, *second])
    a, b = code[: len(first)], code[len(first) :]
    n = int(code.max()) + 1
    unit = connected_components(coo_array((np.ones(len(a)), (a, b)), shape=(n, n)), directed=False)[1][a]
    if len(unit) < 2 or np.bincount(unit).max() > len(unit) / 2:
        notes.append("most pairs hang together by shared texts: the intervals take pairs as independent")
        return np.arange(len(first))
    return np.asarray(unit, dtype=np.int64)


# ------------------------------------------------------------------------------------------------------- reranking
def _reranking(name: str, columns: Columns, query: str, where: str, sizes: Sizes, rng: np.random.Generator) -> Task:
    """Gather the documents of each query, once each; a document that is on both sides counts as relevant."""
    lists, notes = _listed(columns, query, where)
    whole = {q: docs for q, docs in lists.items() if len(set(docs.values())) == 2}
    if len(whole) < len(lists):
        notes.append(f"{len(lists) - len(whole):,} queries without both a relevant and another document are left out")
    if len(whole) < 2:
        msg = f"{where}: {len(whole)} queries have both a relevant and another document; two or more are needed"
        raise InputError(msg)
    every = list(whole)
    queries = [every[i] for i in _cut(np.arange(len(every)), sizes, rng, notes)]
    place: dict[str, int] = {}
    asked, answer, relevant = [], [], []
    for q, text in enumerate(queries):
        for document, good in whole[text].items():
            asked.append(q)
            answer.append(place.setdefault(document, len(place)))
            relevant.append(good)
    pairs = np.array(asked, dtype=np.int64), np.array(answer, dtype=np.int64)
    return Reranking(
        name, queries, list(place), *pairs, np.array(relevant, dtype=bool), np.arange(len(queries)), notes=notes
    )


def _listed(columns: Columns, query: str, where: str) -> tuple[dict[str, dict[str, bool]], list[str]]:
    """Return for every query its documents, and whether each is relevant."""
    yes = next((n for n in _POSITIVE if n in columns), None)
    no = [n for n in columns if n in _NEGATIVE or n.startswith("negative_")]
    flat = next((p for p in _LISTED if all(n in columns for n in p)), None)
    if (yes is None or not no) and flat is None:
        msg = f"{where} has the columns {one_line(', '.join(columns), 100)}: {_NEEDED}"
        raise InputError(msg)
    roles = (query, yes, *no) if yes is not None and no else (query, *flat)  # type: ignore[misc]
    keep, notes = _complete(columns, roles[:2], where)
    out: dict[str, dict[str, bool]] = {}
    for i in keep:
        docs = out.setdefault(str(columns[query][i]), {})
        if yes is not None and no:
            given = [(text, True) for text in _several(columns[yes][i])]
            given += [(text, False) for n in no for text in _several(columns[n][i])]
        else:
            texts, marks = _several(columns[roles[1]][i]), _marks(columns[roles[2]][i], where, i)
            if len(texts) != len(marks):
                msg = f"{where}, row {i + 1:,}: {len(texts)} documents and {len(marks)} labels; give one each"
                raise InputError(msg)
            given = list(zip(texts, marks, strict=True))
        for text, good in given:
            docs[text] = docs.get(text, False) or good
    return out, notes


def _several(value: Any) -> list[str]:
    """Return the texts of a cell that holds one, or a list of them."""
    found = value if isinstance(value, list) else [value]
    return [str(text) for text in found if text is not None and str(text).strip()]


def _marks(value: Any, where: str, row: int) -> list[bool]:
    found = value if isinstance(value, list) else [value]
    return [bool(mark >= 1) for mark in _numbers(found, range(len(found)), f"{where}, row {row + 1:,}: label")]


# ---------------------------------------------------------------------------------------------------------- common
def _complete(columns: Columns, roles: Sequence[str], where: str) -> tuple[list[int], list[str]]:
    """Return the rows where none of the cells is missing or blank, and a note on the others."""
    n = len(columns[roles[0]])
    keep = [i for i in range(n) if all(_there(columns[name][i]) for name in roles)]
    if len(keep) < 2:
        msg = f"{where}: {len(keep)} of {n:,} rows have {', '.join(roles)}; two or more are needed"
        raise InputError(msg)
    return keep, [f"{n - len(keep):,} rows with a blank cell are left out"] if len(keep) < n else []


def _codes(texts: Sequence[str]) -> Rows:
    """Number texts as they first come; an array of texts would hold each at the width of the longest."""
    known: dict[str, int] = {}
    return np.fromiter((known.setdefault(text, len(known)) for text in texts), dtype=np.int64, count=len(texts))


def _there(value: Any) -> bool:
    return value is not None and value == value and (not isinstance(value, str) or bool(value.strip()))  # noqa: PLR0124 - NaN


def _numbers(values: Sequence[Any], keep: Sequence[int], where: str) -> NDArray[np.float64]:
    out = np.empty(len(keep))
    for place, i in enumerate(keep):
        try:
            out[place] = float(values[i])
        except (TypeError, ValueError):
            out[place] = np.nan
        if not np.isfinite(out[place]):
            msg = f"{where} of row {i + 1:,} is {one_line(values[i], 30)!r}: a number is needed"
            raise InputError(msg)
    return out


def _cut(rows: Rows, sizes: Sizes, rng: np.random.Generator, notes: list[str]) -> Rows:
    if not sizes.limit or len(rows) <= sizes.limit:
        return rows
    notes.append(f"{sizes.limit:,} of {len(rows):,} drawn")
    return np.sort(rng.permutation(rows)[: sizes.limit])
