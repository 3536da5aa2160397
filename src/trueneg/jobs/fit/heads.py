"""The heads and rejecters that ``trueneg fit`` knows: one line each."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from trueneg.core.errors import InputError

if TYPE_CHECKING:
    from trueneg.jobs.fit.kinds.base import Kind

__all__ = ["HEADS", "HeadKind", "head_of", "settings_of"]


class HeadKind(NamedTuple):
    """One head or rejecter.

    Parameters
    ----------
    name : str
        As the command line calls it.
    title : str
        What it is, in a few words.
    where : str
        Its class, ``module:name`` in :mod:`trueneg.jobs.fit.kinds`, loaded when it is used.
    """

    name: str
    title: str
    where: str

    def load(self) -> type[Kind]:
        """Import its class."""
        module, _, attribute = self.where.partition(":")
        found: type[Kind] = getattr(import_module(f"trueneg.jobs.fit.kinds.{module}"), attribute)
        return found


HEADS: tuple[HeadKind, ...] = (
    HeadKind("hyp_oc", "one familiar class, on the Poincare ball, by Hyp-OC", "hyp_oc:HypOc"),
    HeadKind("intrusion", "alarms on flows, within a budget", "intrusion:Intrusion"),
    HeadKind("loki", "labels with distances, by Loki", "loki:Loki"),
    HeadKind("mahalanobis", "distances to class means, or none of them", "mahalanobis:Mahalanobis"),
    HeadKind("max_logit", "a classifier, or none of its classes", "max_logit:MaxLogit"),
    HeadKind("naive_bayes", "Gaussian naive Bayes", "naive_bayes:NaiveBayes"),
    HeadKind("teen", "prototypes, by TEEN", "teen:Teen"),
    HeadKind("tsetlin", "rules of words and values, by a Tsetlin machine", "tsetlin:Tsetlin"),
)


def head_of(name: str) -> HeadKind:
    """Return a head by its name; InputError lists those there are."""
    for kind in HEADS:
        if kind.name == name:
            return kind
    close = difflib.get_close_matches(name, [kind.name for kind in HEADS], n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(kind.name for kind in HEADS)}"
    msg = f"there is no head or rejecter {name!r}; {hint}"
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
