"""Columns of a table as dense numbers: embeddings, numbers and categories, texts, images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.data.readers import Table, known_column
from trueneg.jobs.fit.features import texts_of

if TYPE_CHECKING:
    from trueneg.reject.intrusion import FlowEncoder

__all__ = ["DenseFeatures"]

_AXES = 100  # of a text column
Progress = Callable[[str, int, int], None]


class DenseFeatures:
    """Dense features of a table, learned from training rows alone.

    Parameters
    ----------
    embedding : list of str
        Columns of numbers, or one column of lists: taken as they are.
    table : list of str
        Numbers, scaled, and categories, one column each; a missing number stands at the mean.
    text : list of str
        Columns of words: tf-idf of one- and two-word terms, then 100 axes of a truncated SVD.
    image : list of str
        Columns of image files: 1,280 numbers of EfficientNet-Lite0, frozen, from its package.
    terms : int, default=5000
        Terms of text to keep, the most frequent.
    side : int, default=224
        Images are resized to this.
    seed : int, default=0
        Of the SVD.
    stages : bool, default=False
        Images give the means at the end of six stages of the network as well: see ``widths``.
    """

    def __init__(
        self,
        embedding: list[str],
        table: list[str],
        text: list[str],
        image: list[str],
        *,
        terms: int = 5000,
        side: int = 224,
        seed: int = 0,
        stages: bool = False,
    ) -> None:
        self.embedding, self.table, self.text, self.image = list(embedding), list(table), list(text), list(image)
        self.terms, self.side, self.seed, self.stages = terms, side, seed, stages
        self.width = 0
        self.encoder: FlowEncoder | None = None
        self.words: dict[str, dict[str, Any]] = {}
        self._network: Any = None

    @property
    def columns(self) -> list[str]:
        """Columns that a table must have."""
        return [*self.embedding, *self.table, *self.text, *self.image]

    @property
    def widths(self) -> list[int]:
        """Numbers of each layer side by side, once learned: all that is no image, then each stage of each image."""
        own = [] if self._network is None else [*self._network.widths] * len(self.image)
        return [*([self.width - sum(own)] if self.width > sum(own) else []), *own]

    def learn(self, arrow: Any, home: Path, progress: Progress | None = None) -> NDArray[np.float32]:
        """Learn scales, categories, terms and axes from rows; return their features, (n, d)."""
        if self.table:
            from trueneg.reject.intrusion import FlowEncoder

            self.encoder = FlowEncoder(missing="mean").fit(arrow.select(self.table))
        for column in self.text:
            self.words[column] = self._learn_words(texts_of(arrow, column), column)
        rows = self.apply(arrow, home, progress)
        self.width = rows.shape[1]
        return rows

    def apply(self, arrow: Any, home: Path, progress: Progress | None = None) -> NDArray[np.float32]:
        """Return the features of rows, (n, d) float32; paths of images are relative to ``home``."""
        parts = []
        if self.embedding:
            from trueneg.data.sniff import Roles

            matrix = Roles(embedding=self.embedding).embedding_matrix(Table(arrow, "arrow", None))
            parts.append(np.asarray(matrix, dtype=np.float32))
        if self.encoder is not None:
            parts.append(self.encoder.transform(arrow.select(self.table)))
        parts += [_axes(self.words[column], texts_of(arrow, column)) for column in self.text]
        parts += [self._images(arrow, column, home, progress) for column in self.image]
        if not parts:
            raise InputError("no column to learn from was found: name some with --text, --features or --embedding.")
        rows = parts[0] if len(parts) == 1 else np.hstack(parts)
        if self.width and rows.shape[1] != self.width:
            msg = f"rows have {rows.shape[1]} numbers here, and {self.width} in the model: use one encoder."
            raise InputError(msg)
        return rows

    def check(self, names: list[str], where: str) -> None:
        """Refuse a table that lacks a column."""
        for column in self.columns:
            known_column(column, names, where)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; :meth:`arrays` has the rest."""
        return {
            "kind": "dense",
            "columns": {name: getattr(self, name) for name in ("embedding", "table", "text", "image")},
            "options": {name: getattr(self, name) for name in ("terms", "side", "seed", "stages")},
            "width": self.width,
            "encoder": None if self.encoder is None else self.encoder.to_dict(),
            "vocabulary": {column: found["terms"] for column, found in self.words.items()},
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return weights of terms and axes, by the number of the text column."""
        found = {}
        for i, column in enumerate(self.text):
            found[f"{i}/weight"], found[f"{i}/axes"] = self.words[column]["weight"], self.words[column]["axes"]
        return found

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> DenseFeatures:
        """Return the features that :meth:`to_dict` and :meth:`arrays` wrote."""
        found = cls(**stored["columns"], **stored["options"])
        found.width = stored["width"]
        if stored["encoder"] is not None:
            from trueneg.reject.intrusion import FlowEncoder

            found.encoder = FlowEncoder.from_dict(stored["encoder"])
        for i, column in enumerate(found.text):
            own = {name: arrays[f"{i}/{name}"] for name in ("weight", "axes")}
            found.words[column] = {"terms": stored["vocabulary"][column], **own}
        return found

    def _learn_words(self, texts: list[str], column: str) -> dict[str, Any]:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.utils.extmath import randomized_svd

        words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), max_features=self.terms, dtype=np.float32)
        try:
            counted = words.fit_transform(texts)
        except ValueError as error:  # an empty vocabulary
            msg = f"column {column!r} holds no words: name another --text."
            raise InputError(msg) from error
        size = max(1, min(_AXES, min(counted.shape) - 1))
        axes = randomized_svd(counted, size, random_state=self.seed)[2].T.astype(np.float32)
        terms = [str(term) for term in words.get_feature_names_out()]
        return {"terms": terms, "weight": words.idf_.astype(np.float32), "axes": np.ascontiguousarray(axes)}

    def _images(self, arrow: Any, column: str, home: Path, progress: Progress | None) -> NDArray[np.float32]:
        from trueneg.encoders import EfficientNetLite0
        from trueneg.jobs.fit.pixels import through

        if self._network is None:
            self._network = EfficientNetLite0(side=self.side, stages=self.stages)
        return through(arrow, column, home, self._network.encode, progress)


def _axes(words: Mapping[str, Any], texts: list[str]) -> NDArray[np.float32]:
    """Return texts on the axes of the training rows, (n, axes)."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.preprocessing import normalize

    counter = CountVectorizer(ngram_range=(1, 2), vocabulary=words["terms"], dtype=np.float32)
    counted = counter.transform(texts).tocsr()
    counted.data = (np.log(counted.data) + 1) * words["weight"][counted.indices]
    return np.asarray(normalize(counted) @ words["axes"], dtype=np.float32)
