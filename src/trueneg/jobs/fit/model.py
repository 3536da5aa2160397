"""A fitted head with its features, in a folder: ``model.json`` and ``head.npz``."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueneg import __version__
from trueneg.core.errors import InputError
from trueneg.data.writers import atomic_folder
from trueneg.jobs.fit.features import Features
from trueneg.jobs.fit.heads import head_of

__all__ = ["SCHEMA", "Model"]

SCHEMA = "trueneg/model/1"
_ROWS = 4096  # dense rows at a time


@dataclass(eq=False)
class Model:
    """A head, what it reads, and what was measured of it.

    Parameters
    ----------
    head : str
        Its name.
    fitted : object
        The head itself.
    features : Features
        From a table's columns.
    label : str
        The column it was taught.
    classes : list of str
        The head's class numbers stand for these.
    about : dict
        ``input``, ``rows``, ``held_out``, ``figures``, ``rules``, ``readability``, ``notes``: for the page.
    """

    head: str
    fitted: Any
    features: Features
    label: str
    classes: list[str]
    about: dict[str, Any] = field(default_factory=dict)

    def predict(self, arrow: Any) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Return labels and margins of an Arrow table: how far the best class's score is above the next one's."""
        X = self.features.apply(arrow)
        if self.head == "tsetlin":
            scores = self.fitted.votes(X).astype(np.float64)
        else:
            blocks = [X[start : start + _ROWS] for start in range(0, max(1, X.shape[0]), _ROWS)]
            scores = np.concatenate([self.fitted.predict_log_proba(b.toarray().astype(np.float32)) for b in blocks])
        best = scores.argmax(axis=1)
        ranked = np.sort(scores, axis=1)
        margin = ranked[:, -1] - ranked[:, -2] if scores.shape[1] > 1 else np.zeros(len(scores))
        known = np.asarray(self.classes, dtype=object)
        return known[self.fitted.classes_[best]], margin

    def save(self, folder: Path) -> None:
        """Write both files, together or not at all."""
        stored = {
            "schema": SCHEMA,
            "version": __version__,
            "head": self.head,
            "label": self.label,
            "classes": self.classes,
            "features": self.features.to_dict(),
            "about": self.about,
        }
        with atomic_folder(folder) as new:
            head_of(self.head).save(self.fitted, new)
            text = json.dumps(stored, ensure_ascii=False, indent=1, allow_nan=False)
            (new / "model.json").write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Model:
        """Read a folder that :meth:`save` wrote; InputError where it is none."""
        stored = described(folder)
        try:
            features = Features.from_dict(stored["features"])
            fitted = head_of(stored["head"]).load(folder)
            return cls(stored["head"], fitted, features, stored["label"], stored["classes"], stored["about"])
        except (KeyError, TypeError) as error:
            msg = f"{folder / 'model.json'} is damaged ({type(error).__name__}): fit the model again."
            raise InputError(msg) from error


def described(folder: Path) -> dict[str, Any]:
    """Return a model's JSON."""
    path = folder / "model.json"
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{folder} is no model ({type(error).__name__}); name a folder that 'trueneg fit' wrote"
        raise InputError(msg) from error
    if not isinstance(stored, dict) or stored.get("schema") != SCHEMA:
        msg = f"{path} is no model of this version ({SCHEMA}); fit the model again"
        raise InputError(msg)
    return stored
