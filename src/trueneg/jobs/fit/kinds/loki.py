"""Loki: naive Bayes on dense features, its answer the label at the smallest expected squared distance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, bootstrap
from trueneg.data.readers import one_line, read_table
from trueneg.jobs.fit.kinds.base import Answer, Kind, Progress, Setting, applied, stats_from, stats_of
from trueneg.jobs.fit.kinds.naive_bayes import bayes_from

__all__ = ["Loki"]

_PAIR = 2


class Loki(Kind):
    """Labels with distances: of a tree, of vectors, or of the class means where none are given."""

    def __init__(self, setting: Setting) -> None:
        from trueneg.heads import GeometryAwareClassifier

        super().__init__(setting)
        applied(GeometryAwareClassifier(), setting.params)
        self.space_of: dict[str, NDArray[Any]] = {} if setting.space is None else read_space(setting.space)

    def learn(self, X: Any, y: NDArray[np.int64], classes: list[str], progress: Progress | None) -> None:
        """Learn from dense rows."""
        from trueneg.heads import GaussianNaiveBayes, GeometryAwareClassifier

        names = np.asarray(classes, dtype=str)
        space = _space(self.space_of) if self.space_of else None
        estimator = GaussianNaiveBayes(var_smoothing=1e-3)
        self.model = GeometryAwareClassifier(estimator, space).set_params(**self.setting.params).fit(X, names[y])

    def answer(self, X: Any, classes: list[str]) -> Answer:
        """Return labels, of those never seen too, and how much nearer the best is than the next (log odds)."""
        best, gap = self.model.predict_ahead(X)
        return Answer(np.asarray(best, dtype=object), gap)

    def measured(self, X: Any, said: NDArray[Any], truth: NDArray[Any]) -> dict[str, Estimate]:
        """Return the mean squared distance to the true label, which Loki is for, beside the most probable label's."""
        if len(truth) < _PAIR:  # no interval can be drawn
            return {}
        estimator = self.model.estimator_
        plain = estimator.classes_[np.argmax(estimator.predict_proba(X), axis=1)]
        ours, theirs = (
            np.square(self.model.space_.distances(labels.astype(str), truth.astype(str))) for labels in (said, plain)
        )
        return {
            "squared distance to the true label": _mean(ours),
            "squared distance, the most probable label": _mean(theirs),
            "squared distance, difference (below 0: Loki is nearer)": _mean(ours - theirs),
        }

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the statistics of the naive Bayes inside, and what the space was made of."""
        inner = self.model.estimator_
        about, arrays = stats_of(inner.stats_)
        arrays |= {f"space/{name}": value for name, value in self.space_of.items()}
        stored: dict[str, Any] = {"params": self.setting.params, "bayes": inner.get_params(deep=False), "stats": about}
        if not self.space_of:
            stored["own"], means = stats_of(self.model.stats_)
            arrays |= {f"means/{name}": value for name, value in means.items()}
        return stored, arrays

    @classmethod
    def from_arrays(cls, about: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Loki:
        """Return the fitted head."""
        from trueneg.heads import GeometryAwareClassifier, MetricLabelSpace

        found = cls(Setting(params=about["params"]))
        found.space_of = {k.partition("/")[2]: v for k, v in arrays.items() if k.startswith("space/")}
        model = GeometryAwareClassifier(**about["params"])
        model.estimator_ = bayes_from(about["bayes"], about["stats"], arrays)
        if found.space_of:
            model.space = model.space_ = _space(found.space_of)
        else:
            own = {k.partition("/")[2]: v for k, v in arrays.items() if k.startswith("means/")}
            model.stats_ = stats_from(about["own"], own)
            model.space_ = MetricLabelSpace.from_embeddings(model.stats_.means, model.stats_.classes)
        model.n_features_in_ = model.estimator_.n_features_in_
        model.observed_, model.classes_ = model.estimator_.classes_, model.space_.labels
        found.model = model
        return found


def _mean(values: NDArray[np.float64]) -> Estimate:
    return bootstrap(lambda rows: float(rows.mean()), values, random_state=0)


def read_space(path: Path) -> dict[str, NDArray[Any]]:
    """Read labels and their distances: a table of two columns is the edges of a tree (a third their lengths), ``label``
    and numbers are vectors.
    """
    table = read_table(path).arrow
    names = table.column_names
    tree = len(names) in (_PAIR, _PAIR + 1) and ("parent" in names or not _numeric(table))
    if "label" in names and len(names) > 1 and not tree:
        from trueneg.data.readers import Table
        from trueneg.data.sniff import Roles

        vectors = Roles(embedding=[n for n in names if n != "label"]).embedding_matrix(Table(table, "arrow", path))
        found = {"labels": _texts(table, "label"), "vectors": np.asarray(vectors)}
    elif len(names) in (_PAIR, _PAIR + 1):
        found = _edges(table, path)
    else:
        msg = (
            f"{one_line(path)}: no label space; give a table of two columns (edges of a tree, a third for lengths), or "
            "a column label and columns of numbers"
        )
        raise InputError(msg)
    _space(found)
    return found


def _edges(table: Any, path: Path) -> dict[str, NDArray[Any]]:
    """Return edges, and lengths of a third column; a label beside an empty cell is a root, and no edge."""
    pairs = np.stack([_texts(table, name) for name in table.column_names[:_PAIR]], axis=1)
    whole = (pairs != "").all(axis=1)
    lost = np.setdiff1d(pairs[~whole], [*pairs[whole].ravel(), ""])
    if len(lost) or not whole.any():
        named = f"{lost.tolist()[0]!r} has no edge" if len(lost) else "there is no edge"
        msg = f"{one_line(path)}: {named}: give two labels a row, a label and its parent"
        raise InputError(msg)
    found = {"edges": pairs[whole]}
    if table.num_columns > _PAIR:
        import pyarrow as pa
        import pyarrow.compute as pc

        name = table.column_names[_PAIR]
        try:
            found["lengths"] = pc.cast(table.column(name), pa.float64()).to_numpy()[whole]
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            msg = f"{one_line(path)}: column {name!r} holds lengths of edges, and not all are numbers"
            raise InputError(msg) from error
    return found


def _space(found: Mapping[str, NDArray[Any]]) -> Any:
    from trueneg.heads import MetricLabelSpace

    if "edges" in found:
        return MetricLabelSpace.from_tree(found["edges"], lengths=found.get("lengths"))
    return MetricLabelSpace.from_embeddings(found["vectors"], found["labels"])


def _numeric(table: Any) -> bool:
    """Whether all but the labels are numbers: vectors; other labels make edges."""
    import pyarrow as pa

    kinds = [table.schema.field(name).type for name in table.column_names if name != "label"]
    return all(pa.types.is_integer(k) or pa.types.is_floating(k) or pa.types.is_nested(k) for k in kinds)


def _texts(table: Any, name: str) -> NDArray[np.str_]:
    return np.array(["" if v is None else str(v) for v in table.column(name).to_pylist()], dtype=str)
