"""Columns of a table as binary features: words and pairs of words, cuts of numbers, categories."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.data.readers import known_column

__all__ = ["Features"]

_SEVERAL = 2  # a term that stands in one training row alone tells nothing of others


class Features:
    """Binary features of a table, learned from training rows alone.

    Parameters
    ----------
    text : list of str
        Columns of words: one- and two-word terms, present or not, the ``terms`` that chi2 prefers over all columns.
    table : list of str
        Columns of numbers and categories, through :class:`trueneg.heads.Binarizer`.
    terms : int, default=5000
        How many terms to keep.
    """

    def __init__(self, text: list[str], table: list[str], *, terms: int = 5000) -> None:
        self.text, self.table, self.terms = list(text), list(table), terms
        self.vocabulary: dict[str, list[str]] = {}
        self.binarizer: Any = None

    @property
    def columns(self) -> list[str]:
        """Columns that a table must have."""
        return [*self.text, *self.table]

    def learn(self, arrow: Any, y: NDArray[np.int64]) -> sp.csr_matrix:
        """Choose terms and cuts from rows and their class numbers; return their features, (n, n_features)."""
        from sklearn.feature_extraction.text import CountVectorizer
        from sklearn.feature_selection import chi2

        counted, names = [], []
        for column in self.text:
            words = CountVectorizer(binary=True, ngram_range=(1, 2), min_df=_SEVERAL, dtype=np.float32)
            try:
                counted.append(words.fit_transform(texts_of(arrow, column)))
            except ValueError as error:  # an empty vocabulary
                msg = f"column {column!r} has no term that stands in {_SEVERAL} training rows: name another --text."
                raise InputError(msg) from error
            names.append(words.get_feature_names_out())
        if counted:
            scores = np.concatenate([np.nan_to_num(chi2(part, y)[0]) for part in counted])
            keep = np.sort(np.argsort(-scores, kind="stable")[: self.terms])
            starts = np.cumsum([0, *(len(own) for own in names)])
            for column, own, start in zip(self.text, names, starts[:-1], strict=True):
                here = keep[(keep >= start) & (keep < start + len(own))] - start
                self.vocabulary[column] = [str(term) for term in own[here]]
        if self.table:
            from trueneg.heads import Binarizer

            self.binarizer = Binarizer().fit(arrow.select(self.table))
        return self.apply(arrow)

    def apply(self, arrow: Any) -> sp.csr_matrix:
        """Return the features of rows, (n, n_features)."""
        from sklearn.feature_extraction.text import CountVectorizer

        parts = []
        for column in self.text:
            terms = self.vocabulary[column]
            if terms:
                words = CountVectorizer(binary=True, ngram_range=(1, 2), vocabulary=terms, dtype=np.float32)
                parts.append(words.transform(texts_of(arrow, column)))
        if self.table:
            parts.append(sp.csr_matrix(self.binarizer.transform(arrow.select(self.table)), dtype=np.float32))
        if not parts:
            raise InputError("no term or column is left to learn from: name columns with --text or --features.")
        return sp.hstack(parts, format="csr")

    def names(self) -> list[str]:
        """Return what each feature says; of several text columns with the column before the term."""
        found = []
        for column in self.text:
            lead = "" if len(self.text) == 1 else f"{column}: "
            found += [lead + term for term in self.vocabulary[column]]
        return found + ([] if self.binarizer is None else [str(n) for n in self.binarizer.get_feature_names_out()])

    def check(self, names: list[str], where: str) -> None:
        """Refuse a table that lacks a column."""
        for column in self.columns:
            known_column(column, names, where)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        tool = self.binarizer
        table = None
        if tool is not None:
            table = {
                "cuts": [None if c is None else [float(v) for v in c] for c in tool.cuts_],
                "categories": tool.categories_,
                "gaps": [bool(g) for g in tool.gaps_],
            }
        return {"text": self.text, "table": self.table, "vocabulary": self.vocabulary, "binarizer": table}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Features:
        """Return the features that :meth:`to_dict` wrote."""
        found = cls(stored["text"], stored["table"])
        found.vocabulary = stored["vocabulary"]
        if stored["binarizer"] is not None:
            from trueneg.heads import Binarizer

            tool = Binarizer()
            tool.columns_, tool.n_features_in_ = list(found.table), len(found.table)
            tool.feature_names_in_ = np.array(found.table, dtype=object)
            tool.cuts_ = [None if c is None else np.array(c) for c in stored["binarizer"]["cuts"]]
            tool.categories_ = stored["binarizer"]["categories"]
            tool.gaps_ = np.array(stored["binarizer"]["gaps"], dtype=bool)
            found.binarizer = tool
        return found


def texts_of(arrow: Any, column: str) -> list[str]:
    """Return the texts of a column; a missing one is empty."""
    return ["" if value is None else str(value) for value in arrow.column(column).to_pylist()]
