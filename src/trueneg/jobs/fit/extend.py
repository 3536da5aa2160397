"""Add classes of a few rows each to a fitted TEEN model: nothing is trained, base classes stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg.core.errors import InputError
from trueneg.data.readers import one_line
from trueneg.jobs.fit.kinds.base import told_of
from trueneg.jobs.fit.model import Model
from trueneg.jobs.fit.run import Progress, Reading, codes_of, roles_of
from trueneg.jobs.fit.shown import nothing_measured
from trueneg.jobs.fit.source import labelled

__all__ = ["extend"]

_TOLD = 10  # new classes told one by one


def extend(
    name: str, path: str | Path, folder: str | Path, *, label: str | None = None, progress: Progress | None = None
) -> Model:
    """Return a fitted model with the rows of a table, array or folder added; its labels may be new.

    Parameters
    ----------
    name : str
        "teen".
    path : str or Path
        Labelled rows, as for :func:`fit`, a few a class.
    folder : str or Path
        The model's, which stays as it is.
    label : str or None, default=None
        As for :func:`fit`; of a table, the column that the model was taught where not given.
    progress : callable or None
        As for :func:`fit`.

    Returns
    -------
    Model
        Rows of known labels move their means; each other label is a new class, drawn towards the base classes.
    """
    path = Path(path)
    model = Model.load(folder)
    if name != "teen" or model.head != "teen":
        raise InputError("--extend is for teen models: new classes of a few rows each")
    table, named = labelled(path, label if label is not None or path.suffix.lower() == ".npy" else model.label)
    model.features.check(table.arrow.column_names, one_line(path))
    found = roles_of(table, named, Reading(), 1)
    codes, classes, _ = codes_of(table, found, path, None, 1)
    rows = np.flatnonzero(codes >= 0)
    fresh = [c for c in classes if c not in model.classes]
    every = [*model.classes, *fresh]
    places = np.array([every.index(c) for c in classes], np.int64)[codes[rows]]
    home = path if path.is_dir() else path.parent
    arrow = table.arrow.take(rows)
    model.fitted.add(model.rows(arrow, home, progress), places)  # type: ignore[attr-defined]
    model.classes = every
    about = model.about
    about["rows"] += len(rows)
    about |= {"figures": {}, **nothing_measured()}  # measured before there were these classes
    about["told"] = [
        f"{len(fresh)} new classes of {len(rows):,} rows from {one_line(path)}",
        *_leaning(model, fresh, places),
        *_known(classes, fresh),
        *told_of(model.gaps(arrow), len(rows)),
    ]
    if len(rows) < len(codes):
        about["told"].append(f"{len(codes) - len(rows):,} rows without a label were left out")
    return model


def _leaning(model: Model, fresh: list[str], places: NDArray[np.int64]) -> list[str]:
    """Return, for each new class, the base classes that it leans on most."""
    told = []
    head: Any = model.fitted.model  # type: ignore[attr-defined]
    for name in fresh[:_TOLD]:
        code = model.classes.index(name)
        on = ", ".join(f"{model.classes[b]} {weight:.2f}" for b, weight in head.leans_on(code, top=3))
        told.append(f"{name} ({int((places == code).sum()):,} rows) leans on {on}")
    return [*told, f"... and {len(fresh) - _TOLD} more"] if len(fresh) > _TOLD else told


def _known(classes: list[str], fresh: list[str]) -> list[str]:
    old = [c for c in classes if c not in fresh]
    return [f"rows of classes known before were added to them: {', '.join(old[:_TOLD])}"] if old else []
