"""What every head and rejecter gives to ``trueneg fit`` and ``trueneg predict``."""

from __future__ import annotations

import difflib
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError

__all__ = [
    "Answer",
    "Kind",
    "Setting",
    "ahead",
    "applied",
    "check_names",
    "nearest_or_none",
    "stats_from",
    "stats_of",
    "told_of",
]

if TYPE_CHECKING:
    from trueneg.core.intervals import Estimate

Progress = Callable[[str, int, int], None]
_ABOUT = "trueneg_about"


@dataclass(frozen=True)
class Setting:
    """What the command line says beside the data.

    Parameters
    ----------
    params : dict
        Of ``--set``.
    seed, jobs : int
        Of all chance; threads.
    space : Path or None
        ``--space``: labels and their distances.
    keep : float
        ``--keep``: share of rows of the known classes that a rejecter must not reject.
    """

    params: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    jobs: int = 1
    space: Path | None = None
    keep: float = 0.95


@dataclass(frozen=True)
class Answer:
    """What is said of rows: ``labels`` (n,) text, ``score`` (n,), and the label of "none of these", if it has one.

    ``gaps`` counts rows without a finite number, by column: the column's mean stood for it. ``times`` (n,) are seconds
    since 1970, NaN where not known, if a column of them was named.
    """

    labels: NDArray[Any]
    score: NDArray[np.float64]
    unknown: str | None = None
    gaps: Mapping[str, int] = field(default_factory=dict)
    times: NDArray[np.float64] | None = None


class Kind:
    """One head or rejecter, fitted or not.

    Attributes
    ----------
    reads : str
        "binary" (words present or not, steps), "dense", "pixels" (one column of images), "maps" (of one, before the
        encoder's last block), or "flows" (the columns themselves).
    side : int
        Of the pictures, where pixels are read.
    stages : bool
        Whether it reads images at several stages of the encoder; ``widths`` then says which columns are of which.
    column : str
        What the second column of an answer is called: "margin" of heads, "score" (higher = more familiar) of rejecters.
    rejects : bool
        Whether it answers ``unknown_label``.
    weighs : bool
        Whether it learns from rows of no class as well, by ``weigh``.
    familiar : str or None
        The class that is learned, where all others are what it is not.
    rows : int or None
        How many rows it learned from, where not from all.
    encoder : FlowEncoder or None
        Where it encodes a table's columns on its own.
    """

    reads: str = "dense"
    side: int = 32
    stages: ClassVar[bool] = False
    widths: Sequence[int] = ()
    column: ClassVar[str] = "margin"
    rejects: ClassVar[bool] = False
    weighs: bool = False
    familiar: str | None = None
    rows: int | None = None
    encoder: Any = None

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.told: list[str] = []  # what learning found out, to be told to the user

    def uses(self, y: NDArray[np.int64], classes: list[str]) -> NDArray[np.bool_]:
        """Return which rows are learned from, or set a threshold; the others are not read for it."""
        return np.ones(len(y), dtype=bool)

    def learn(self, X: Any, y: NDArray[np.int64], classes: list[str], progress: Progress | None) -> None:
        """Learn from rows and the numbers of their classes."""
        raise NotImplementedError

    def weigh(self, known: Any, unknown: Any) -> str:
        """Learn what tells rows of no class from those of a class, both not learned from; return what to tell of it."""
        raise NotImplementedError

    def calibrate(self, X: Any, y: NDArray[np.int64], classes: list[str]) -> str:
        """Set the threshold on rows not learned from; return what to tell beside it and its rates."""
        return ""

    def beside(
        self, X: Any, scores: NDArray[Any], own: NDArray[np.bool_], groups: NDArray[Any] | None
    ) -> tuple[dict[str, Estimate], list[str]]:
        """Return figures of a simple method on the same rows, and what to tell; ``own`` rows are familiar."""
        return {}, []

    def measured(self, X: Any, said: NDArray[Any], truth: NDArray[Any]) -> dict[str, Estimate]:
        """Return figures of one's own on rows that were not learned from: names said and true (n,)."""
        return {}

    def answer(self, X: Any, classes: list[str]) -> Answer:
        """Label rows; ``classes`` are what the class numbers stand for."""
        raise NotImplementedError

    @staticmethod
    def unknown_among(classes: list[str]) -> str:
        """Return the label of "none of these": "unknown", or with underscores where that is a class."""
        label = "unknown"
        while label in classes:
            label += "_"
        return label

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return what JSON can hold, and arrays."""
        raise NotImplementedError

    @classmethod
    def from_arrays(cls, about: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Kind:
        """Return what :meth:`to_arrays` took apart."""
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        """Write ``head.npz``: the arrays, and the rest as JSON in one of them."""
        about, arrays = self.to_arrays()
        np.savez_compressed(folder / "head.npz", **{_ABOUT: np.array(json.dumps(about, allow_nan=False))}, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, folder: Path) -> Kind:
        """Read what :meth:`save` wrote; InputError where it is damaged."""
        try:
            with np.load(folder / "head.npz", allow_pickle=False) as stored:
                about = json.loads(str(stored[_ABOUT]))
                return cls.from_arrays(about, {name: stored[name] for name in stored.files if name != _ABOUT})
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            msg = f"{folder / 'head.npz'} is damaged ({type(error).__name__}): fit the model again."
            raise InputError(msg) from error


def check_names(params: Iterable[str], known: Iterable[str]) -> None:
    """Refuse a setting that is not there, with the one that was meant."""
    names = sorted(set(known) - {"n_jobs", "random_state", "warm_start"})
    for name in params:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(names) or 'none'}"
            msg = f"--set {name}: there is no such setting; {hint}"
            raise InputError(msg)


def applied(model: Any, params: Mapping[str, Any], *, but: Iterable[str] = ()) -> Any:
    """Return a scikit-learn estimator with its settings, refused by name where there is none, or it is not for here."""
    check_names(params, set(model.get_params(deep=False)) - {"unknown_label", *but})
    return model.set_params(**params)


def told_of(gaps: Mapping[str, int], rows: int, *, most: int = 5) -> list[str]:
    """Return the line about numbers that were missing or infinite, or nothing."""
    ranked = sorted(gaps.items(), key=lambda pair: (-pair[1], pair[0]))
    listed = ", ".join(f"{column!r} {count:,}" for column, count in ranked[:most])
    more = f" and {len(ranked) - most} more columns" if len(ranked) > most else ""
    said = f"missing or infinite numbers among {rows:,} rows, taken as the column's mean: {listed}{more}"
    return [said] if gaps else []


def stats_of(stats: Any) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Take class statistics apart."""
    arrays = {name: getattr(stats, name) for name in ("classes", "counts", "means", "scatter")}
    return {"tied": stats.tied, "spread": stats.spread}, arrays


def stats_from(about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Put class statistics together again."""
    from trueneg.core.class_stats import ClassStats

    stats = ClassStats(spread=about["spread"], tied=about["tied"])
    for name in ("classes", "counts", "means", "scatter"):
        setattr(stats, name, arrays[name])
    return stats


def nearest_or_none(model: Any, X: Any, classes: list[str]) -> Answer:
    """Return what a calibrated rejecter that learned class numbers says: the nearest class or none, and the score."""
    scores, nearest = model.score_samples(X, return_class=True)
    labels, unknown = np.asarray(classes, dtype=object)[nearest], Kind.unknown_among(classes)
    labels[~(scores >= float(model.threshold_))] = unknown
    return Answer(labels, scores, unknown)


def ahead(scores: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the best column of each row (the first of equals), and by how much it is ahead of the next."""
    best = scores.argmax(axis=1)
    if scores.shape[1] < 2:
        return best, np.zeros(len(scores))
    ranked = np.partition(scores, -2, axis=1)
    return best, ranked[:, -1] - ranked[:, -2]
