"""The heads that ``trueneg fit`` knows: how each is made, kept as arrays, and read back."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueneg.core.errors import InputError

__all__ = ["HEADS", "HeadKind", "head_of", "settings_of"]

_ROWS = 4096  # dense rows at a time, where a head takes no sparse ones


@dataclass(frozen=True)
class HeadKind:
    """One head.

    Parameters
    ----------
    name : str
        As the command line calls it.
    title : str
        What it is, in a few words.
    make : callable
        ``make(settings, seed, jobs)`` returns it unfitted; its own checks refuse bad settings.
    learn, save, load : callable
        ``learn(model, X, y, progress)`` on sparse rows; ``save(model, folder)``; ``load(folder)``.
    """

    name: str
    title: str
    make: Callable[[dict[str, Any], int, int], Any]
    learn: Callable[[Any, Any, Any, Any], Any]
    save: Callable[[Any, Path], None]
    load: Callable[[Path], Any]


def _make_tsetlin(settings: dict[str, Any], seed: int, jobs: int) -> Any:
    from trueneg.heads import TsetlinMachineClassifier

    return _made(TsetlinMachineClassifier(n_jobs=jobs, random_state=seed), settings)


def _learn_tsetlin(model: Any, X: Any, y: Any, progress: Any) -> Any:
    return model.fit(X, y, progress=progress)


def _save_tsetlin(model: Any, folder: Path) -> None:
    model.save(folder / "head.npz")


def _load_tsetlin(folder: Path) -> Any:
    from trueneg.heads import TsetlinMachineClassifier

    return TsetlinMachineClassifier.load(folder / "head.npz")


def _make_naive_bayes(settings: dict[str, Any], seed: int, jobs: int) -> Any:
    from trueneg.heads import GaussianNaiveBayes

    return _made(GaussianNaiveBayes(), settings)


def _learn_naive_bayes(model: Any, X: Any, y: Any, progress: Any) -> Any:
    for start in range(0, X.shape[0], _ROWS):
        model.partial_fit(X[start : start + _ROWS].toarray().astype("float32"), y[start : start + _ROWS])
        if progress is not None:
            progress("rows", min(start + _ROWS, X.shape[0]), X.shape[0])
    return model


def _save_naive_bayes(model: Any, folder: Path) -> None:
    import numpy as np

    stats = model.stats_
    params = json.dumps({**model.get_params(deep=False), "tied": stats.tied, "spread": stats.spread})
    arrays = {name: getattr(stats, name) for name in ("classes", "counts", "means", "scatter")}
    np.savez_compressed(folder / "head.npz", params=np.array(params), **arrays)


def _load_naive_bayes(folder: Path) -> Any:
    import numpy as np

    from trueneg.core.class_stats import ClassStats
    from trueneg.heads import GaussianNaiveBayes

    try:
        with np.load(folder / "head.npz", allow_pickle=False) as stored:
            params = json.loads(str(stored["params"]))
            stats = ClassStats(spread=params.pop("spread"), tied=params.pop("tied"))
            for name in ("classes", "counts", "means", "scatter"):
                setattr(stats, name, stored[name])
        model = GaussianNaiveBayes(**params)
        model.n_features_in_ = stats.means.shape[1]
        return model._fold(stats)
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{folder / 'head.npz'} is damaged ({type(error).__name__}): fit the model again."
        raise InputError(msg) from error


def _made(model: Any, settings: dict[str, Any]) -> Any:
    known = sorted(set(model.get_params(deep=False)) - {"n_jobs", "random_state", "warm_start"})
    for name in settings:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(known)}"
            msg = f"--set {name}: there is no such setting; {hint}"
            raise InputError(msg)
    return model.set_params(**settings)


HEADS: tuple[HeadKind, ...] = (
    HeadKind(
        "naive_bayes",
        "Gaussian naive Bayes on binary features",
        _make_naive_bayes,
        _learn_naive_bayes,
        _save_naive_bayes,
        _load_naive_bayes,
    ),
    HeadKind(
        "tsetlin",
        "rules of words and values, by a Tsetlin machine",
        _make_tsetlin,
        _learn_tsetlin,
        _save_tsetlin,
        _load_tsetlin,
    ),
)


def head_of(name: str) -> HeadKind:
    """Return a head by its name; InputError lists those there are."""
    for kind in HEADS:
        if kind.name == name:
            return kind
    close = difflib.get_close_matches(name, [kind.name for kind in HEADS], n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(kind.name for kind in HEADS)}"
    msg = f"there is no head {name!r}; {hint}"
    raise InputError(msg)


def settings_of(given: Sequence[str]) -> dict[str, Any]:
    """Return ``name=value`` texts as a dict; a value is read as JSON where it is some, else as text."""
    found: dict[str, Any] = {}
    for item in given:
        name, sign, value = item.partition("=")
        if not sign or not name:
            msg = f"--set {item!r}: write name=value, such as n_clauses=200"
            raise InputError(msg)
        try:
            found[name.strip()] = json.loads(value)
        except ValueError:
            found[name.strip()] = {"True": True, "False": False, "None": None}.get(value, value)
    return found
