"""Draw a fitted model as a page: what it was taught, what it gets right, its rules, its threshold and its scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueneg.report import words
from trueneg.report.files import clean
from trueneg.report.html import _draw, _plain, _visible, asset, policy, templates

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
    from markupsafe import Markup

    data = _visible(clean(model))
    style, script = asset("report.css"), asset("report.js")
    shown = {"number": words.number, "estimate": words.estimate, "method": words.method}
    environment = templates(**shown, plain=_plain, started=_started)
    page = environment.get_template("model.html").render(
        model=data,
        about=data["about"],
        policy=policy(style, script),
        style=Markup(style),  # noqa: S704 - our own files, never data
        script=Markup(script),  # noqa: S704
        by_class=data["about"].get("by_class"),
        threshold=_threshold(data["about"].get("threshold")),
        figures=list(_draw(data["about"].get("drawings", [])).values()),
        classes=[(name, _of(data["about"]["rules"], name)) for name in data["classes"]],
        first=_FIRST,
    )
    return page.strip() + "\n"


def _started(text: str) -> str:
    return text[:1].upper() + text[1:]


def _threshold(stored: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a threshold with its rates in words; None where it says nothing."""
    if stored is None or not stored["rates"]:
        return None
    named = {"tpr": "Known rows accepted", "fpr": "Rows of no class accepted", "cost": "Cost a row"}
    return {**stored, "rates": [(named[name], rate) for name, rate in stored["rates"].items()]}


def _of(rules: list[dict[str, Any]], label: str) -> list[dict[str, Any]]:
    return [rule for rule in rules if rule["label"] == label]
