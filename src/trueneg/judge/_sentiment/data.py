"""Around the labels: the default head's training, the published table, counts, a split with its baseline."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, bootstrap, wilson
from trueneg.judge._sentiment.emotion import EMOTIONS, EmotionHead
from trueneg.judge._sentiment.text import text_key

__all__ = ["Baseline", "read_goemotions", "read_published", "split_with_baseline", "trained_head"]


def read_goemotions(part: str) -> tuple[list[str], list[str]]:
    """Return texts and emotions of GoEmotions' "train", "dev" or "test", mapped to seven; texts of several left out."""
    from trueneg.data.registry import file

    texts, labels = [], []
    for line in file(f"goemotions_ekman/{part}.tsv").read_text(encoding="utf-8").split("\n"):
        fields = line.rstrip("\r").split("\t")
        if len(fields) >= 2 and fields[1].isdigit():
            texts.append(fields[0])
            labels.append(EMOTIONS[int(fields[1])])
    return texts, labels


@lru_cache(maxsize=1)
def trained_head() -> EmotionHead:
    """Return the default emotion head, trained on GoEmotions (Apache-2.0) in about ten seconds; once a process."""
    return EmotionHead().fit(*read_goemotions("train"), trained_on="GoEmotions (Ekman)")


_ROLES = {
    "url": ("url", "link"),
    "title": ("title",),
    "description": ("description",),
    "date": ("date", "published"),
}
_KINDS = ("sentiment", "subjectivity", "emotion")


def read_published(path: str | Path) -> Any:
    """Read a table with the published columns, whatever their spelling, under the names used here.

    Parameters
    ----------
    path : path
        CSV, Parquet or JSONL with URL, title, description, date, and labels such as "Title Sentiment".

    Returns
    -------
    pyarrow.Table
        ``url, title, description, date`` and ``title_sentiment`` ... ``description_emotion`` where they are there;
        labels in small letters. Other columns stay as they are.

    Raises
    ------
    InputError
        Where no title and no description is found.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from trueneg.data.readers import one_line, read_table

    table = read_table(path).arrow
    renamed = published_names(table.column_names)
    if not {"title", "description"} & set(renamed.values()):
        msg = f"{one_line(path)}: no column is a title or a description; it has {', '.join(table.column_names[:12])}"
        raise InputError(msg)
    table = table.rename_columns([renamed.get(name, name) for name in table.column_names])
    for i, name in enumerate(table.column_names):
        if name.rpartition("_")[2] in _KINDS and name.partition("_")[0] in ("title", "description"):
            small = pc.utf8_lower(pc.utf8_trim_whitespace(table.column(i).cast(pa.string())))
            table = table.set_column(i, name, small)
    return table


def published_names(names: Sequence[str]) -> dict[str, str]:
    """Return which of these columns plays which published part."""
    found: dict[str, str] = {}
    for name in names:
        words = set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()))
        part = next((p for p in ("title", "description") if p in words), None)
        kind = next((k for k in _KINDS if k in words), None)
        role = f"{part}_{kind}" if part and kind else next((r for r, w in _ROLES.items() if words & set(w)), None)
        if role is not None and not (kind and not part) and role not in found.values():
            found[name] = role
    return found


@dataclass(frozen=True)
class Baseline:
    """A split of labelled texts, and what the simplest models reach on its test part.

    Attributes
    ----------
    part : (n,) of "train" and "test", "" where there is no label
    majority, model : Estimate
        Macro F1 of the most frequent class, and of words under a logistic regression.
    accuracy : Estimate
        Of the model.
    """

    part: NDArray[np.str_]
    majority: Estimate
    model: Estimate
    accuracy: Estimate


def split_with_baseline(
    texts: Sequence[str | None],
    labels: Sequence[str | None],
    *,
    date: Sequence[Any] | None = None,
    test: float = 0.2,
    random_state: int = 0,
) -> Baseline:
    """Split labelled texts into train and test, and measure a baseline.

    Parameters
    ----------
    texts, labels : sequences of shape (n,)
        Rows without either are in no part.
    date : sequence of shape (n,), optional
        The latest are tested on; without it the parts are drawn. Equal texts are on one side in both cases.
    test : float, default=0.2
        Share of the test part.
    random_state : int, default=0
        Of the draw and the bootstrap.

    Returns
    -------
    Baseline

    Notes
    -----
    Where the labels are automatic, a model learns the labeller, and its figures say how well it imitates it.
    """
    from sklearn.metrics import f1_score

    if not 0 < test < 1:
        msg = f"test={test!r}: give a share between 0 and 1, such as 0.2."
        raise InputError(msg)
    rows = np.array([i for i, (t, c) in enumerate(zip(texts, labels, strict=True)) if t and c], dtype=np.int64)
    y = np.array([str(labels[i]) for i in rows])
    if len(set(y)) < 2 or len(rows) < 20:
        msg = f"{len(rows)} labelled texts of {len(set(y))} classes: give 20 at least, of two classes."
        raise InputError(msg)
    keys = np.array([str(k) for k in text_key([texts[i] for i in rows])])
    first, group = np.unique(keys, return_index=True, return_inverse=True)[1:]
    rng = np.random.default_rng(random_state)
    order = rng.random(len(first)) if date is None else _rank([date[rows[i]] for i in first])
    late = np.argsort(np.argsort(order)) >= len(first) - max(1, round(test * len(first)))
    tested = late[group]
    chosen = [texts[i] for i in rows]
    head = EmotionHead(words=20_000, letters=1, C=1.0).fit(
        [str(t) for t, out in zip(chosen, tested, strict=True) if not out], y[~tested].tolist()
    )
    guess = np.array(head.label([str(t) for t, out in zip(chosen, tested, strict=True) if out]).label)
    often = Counter(y[~tested].tolist()).most_common(1)[0][0]
    truth = y[tested]

    def macro(true: Any, said: Any) -> float:
        return float(f1_score(true, said, average="macro", zero_division=0))

    seeds: dict[str, Any] = {"n_boot": 200, "random_state": random_state}
    scores = [bootstrap(macro, truth, said, **seeds) for said in (np.full(len(truth), often), guess)]
    part = np.full(len(texts), "", dtype="<U5")
    part[rows] = np.where(tested, "test", "train")
    return Baseline(part, scores[0], scores[1], wilson(int((guess == truth).sum()), len(truth)))


def _rank(dates: Sequence[Any]) -> NDArray[np.float64]:
    texts = ["" if d is None else str(d) for d in dates]
    return np.unique(texts, return_inverse=True)[1].astype(np.float64)


def count_by_source(sources: Sequence[str | None], dates: Sequence[Any] | None = None) -> Mapping[Any, int]:
    """Return posts by source, or by source and month where dates are given (ISO dates, or what prints like them)."""
    if dates is None:
        return Counter(s or "(none)" for s in sources)
    months = ["(none)" if d is None else str(d)[:7] for d in dates]
    return Counter((s or "(none)", m) for s, m in zip(sources, months, strict=True))
