"""Draw a fitted model as a page: what it was taught, what it gets right, and its rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueneg.report import words
from trueneg.report.files import clean
from trueneg.report.html import _visible, asset, policy, templates

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
    environment = templates(number=words.number, estimate=words.estimate)
    page = environment.get_template("model.html").render(
        model=data,
        about=data["about"],
        policy=policy(style, script),
        style=Markup(style),  # noqa: S704 - our own files, never data
        script=Markup(script),  # noqa: S704
        classes=[(name, _of(data["about"]["rules"], name)) for name in data["classes"]],
        first=_FIRST,
    )
    return page.strip() + "\n"


def _of(rules: list[dict[str, Any]], label: str) -> list[dict[str, Any]]:
    return [rule for rule in rules if rule["label"] == label]
