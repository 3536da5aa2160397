"""Draw a fitted model as a page: what it was taught, what it gets right, its rules, its threshold and its scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueneg.report.files import clean
from trueneg.report.page import all_visible, draw_page, pictures

__all__ = ["render"]

_FIRST = 25  # rules of a class that are shown at once


def render(model: Mapping[str, Any]) -> str:
    """Draw a model.

    Parameters
    ----------
    model
        The content of a model.json (``trueneg/model/3``). Everything in it is escaped; nothing is fetched.

    Returns
    -------
    str
        An HTML page.
    """
    data = all_visible(clean(model))
    about = data["about"]
    return draw_page(
        "model.html",
        version=data["version"],
        model=data,
        about=about,
        by_class=about.get("by_class"),
        threshold=_threshold(about.get("threshold")),
        figures=list(pictures(about.get("drawings", [])).values()),
        classes=[(name, _of(about["rules"], name)) for name in data["classes"]],
        first=_FIRST,
    )


def _threshold(stored: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a threshold with its rates in words; None where it says nothing."""
    if stored is None or not stored["rates"]:
        return None
    named = {"tpr": "Known rows accepted", "fpr": "Rows of no class accepted", "cost": "Cost a row"}
    return {**stored, "rates": [(named[name], rate) for name, rate in stored["rates"].items()]}


def _of(rules: list[dict[str, Any]], label: str) -> list[dict[str, Any]]:
    return [rule for rule in rules if rule["label"] == label]
