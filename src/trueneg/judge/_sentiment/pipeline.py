"""Several labellers on several text columns, with provenance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.judge._sentiment.labellers import Labeller, TextBlobSubjectivity, VaderLabeller
from trueneg.judge._sentiment.text import clean_published, source_of, text_key

__all__ = ["PRESETS", "LabelPipeline"]

PRESETS = ("default", "measles-2024")


class LabelPipeline:
    """Labels text columns apart from each other.

    Parameters
    ----------
    labellers : sequence of Labeller
        Each fills a column of its name behind that of the text.
    clean : callable or None
        Applied to each text before it is labelled; None for raw texts, which lexicons need.

    Notes
    -----
    A missing or empty text gets no label (None), never "neutral": a post without a description has no opinion there.
    Equal texts of one call are labelled once.
    """

    def __init__(self, labellers: Sequence[Labeller], *, clean: Callable[[str], str] | None = None) -> None:
        names = [labeller.name for labeller in labellers]
        if not names or len(set(names)) != len(names):
            msg = f"labellers named {names}: give at least one, each with a name of its own."
            raise InputError(msg)
        self.labellers, self.clean = list(labellers), clean

    @classmethod
    def preset(cls, name: str = "default", *, emotion: Labeller | None = None) -> LabelPipeline:
        """Return a pipeline by name.

        Parameters
        ----------
        name : {"default", "measles-2024"}
            ``default``: raw texts, long ones by sentence. ``measles-2024``: the published three sentiments, three
            subjectivities and seven emotions of whole, cleaned texts (the subjectivity's cut points are not published;
            0.4 and 0.6 stand in).
        emotion : Labeller or None
            Labels emotions too, such as ``trained_head()``.
        """
        if name not in PRESETS:
            msg = f"preset {name!r}: choose from {', '.join(PRESETS)}."
            raise InputError(msg)
        published = name != "default"
        long = None if published else 500
        labellers: list[Labeller] = [VaderLabeller(long=long), TextBlobSubjectivity(long=long)]
        if emotion is not None:
            labellers.append(emotion)
        return cls(labellers, clean=clean_published if published else None)

    @property
    def about(self) -> str:
        """Provenance in a line."""
        done = "raw texts" if self.clean is None else f"texts through {getattr(self.clean, '__name__', 'a cleaning')}"
        return "; ".join([done, *(labeller.about for labeller in self.labellers)])

    def names(self, columns: Sequence[str], *, url: str | None = None) -> list[str]:
        """Return the names of the columns that labelling adds."""
        found = []
        for column in columns:
            for labeller in self.labellers:
                found += [f"{column}_{labeller.name}", f"{column}_{labeller.name}_score"]
            found.append(f"{column}_key")
        return [*found, *(["source"] if url is not None else []), "labelled_by"]

    def columns(self, texts: Mapping[str, Sequence[str | None]], *, urls: Sequence[str | None] | None = None) -> Any:
        """Label texts.

        Parameters
        ----------
        texts : mapping of str to sequence of str or None
            Texts by column, all of one length.
        urls : sequence of str or None
            Where the posts are; gives the column ``source``.

        Returns
        -------
        dict of str to list
            Columns as :meth:`names` lists them: labels (None where there is nothing to label), float scores (None
            there), keys of the texts, and the provenance.
        """
        if not texts:
            raise InputError("no text column is named; name one, such as title.")
        found: dict[str, list[Any]] = {}
        n = 0
        for column, values in texts.items():
            n = len(values)
            given = [i for i, text in enumerate(values) if isinstance(text, str) and text.strip()]
            unique = list(dict.fromkeys(str(values[i]) for i in given))
            place = {text: k for k, text in enumerate(unique)}
            ready = unique if self.clean is None else [self.clean(text) for text in unique]
            some = [k for k, text in enumerate(ready) if text.strip()]
            for labeller in self.labellers:
                labels, scores = self._apply(labeller, ready, some)
                found[f"{column}_{labeller.name}"] = _spread(labels, given, values, place, n)
                found[f"{column}_{labeller.name}_score"] = _spread(scores, given, values, place, n)
            found[f"{column}_key"] = text_key(values)
        if urls is not None:
            found["source"] = [source_of(url) for url in urls]
        found["labelled_by"] = [self.about] * n
        return found

    @staticmethod
    def _apply(labeller: Labeller, texts: list[str], some: list[int]) -> tuple[list[Any], list[Any]]:
        """Label the texts that something is left of; the others have None."""
        labels: list[Any] = [None] * len(texts)
        scores: list[Any] = [None] * len(texts)
        if some:
            result = labeller.label([texts[k] for k in some])
            for k, label, score in zip(some, result.label, result.score.tolist(), strict=True):
                labels[k], scores[k] = label, score if np.isfinite(score) else None
        return labels, scores

    def label(self, frame: Any, *, text: Sequence[str] = ("title", "description"), url: str | None = None) -> Any:
        """Return a frame with the label columns behind its own.

        Parameters
        ----------
        frame : pandas, polars or Arrow table
            One row a post.
        text : sequence of str, default=("title", "description")
            Columns to label, apart from each other.
        url : str or None
            The column that ``source`` is read from.

        Returns
        -------
        frame
            Of the same type and index.

        Raises
        ------
        InputError
            For a column that is not there, holds no text, or would be written over.
        """
        import narwhals as nw

        table = nw.from_native(frame, eager_only=True)
        self.check(table.columns, text, url)
        values = {name: _texts(table[name], name) for name in text}
        urls = None if url is None else _texts(table[url], url)
        space, index = nw.get_native_namespace(table), nw.maybe_get_index(table)
        new = self.columns(values, urls=urls)
        kinds = {name: nw.Float64 if name.endswith("_score") else nw.String for name in new}
        parts = [nw.new_series(name, new[name], kinds[name], backend=space) for name in new]
        if index is not None:
            parts = [nw.maybe_set_index(part, index=index) for part in parts]
        return nw.to_native(table.with_columns(*parts))

    def check(self, names: Sequence[str], text: Sequence[str], url: str | None) -> None:
        """Raise for a column that is not there, or one that labelling would write over."""
        if not text:
            raise InputError("no text column is named; name one, such as title.")
        for name in [*text, *([] if url is None else [url])]:
            if name not in names:
                msg = f"there is no column {name!r}; there are {', '.join(map(str, list(names)[:12]))}."
                raise InputError(msg)
        taken = [name for name in self.names(text, url=url) if name in names]
        if taken:
            msg = f"the column {taken[0]!r} is there already; rename it, or label the table as it was."
            raise InputError(msg)


def _spread(values: list[Any], given: list[int], texts: Sequence[Any], place: dict[str, int], n: int) -> list[Any]:
    found: list[Any] = [None] * n
    for i in given:
        found[i] = values[place[str(texts[i])]]
    return found


def _texts(series: Any, name: str) -> list[str | None]:
    values = series.to_list()
    for i, value in enumerate(values):
        if value is None or (isinstance(value, float) and value != value):
            values[i] = None
        elif not isinstance(value, str):
            msg = f"column {name!r}, row {i}: {type(value).__name__}, not text; name a text column."
            raise InputError(msg)
    return values
