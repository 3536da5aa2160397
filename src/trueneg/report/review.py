"""Draw the page on which a person judges rows: one file, no server, no request, one hashed style and script."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from trueneg.core.errors import InputError
from trueneg.report import words
from trueneg.report.files import clean
from trueneg.report.page import all_visible, draw_page

__all__ = ["render_review"]

_NEEDED = ("id", "data", "columns", "cells", "rows", "next", "title")
_CELL = ("key", "row", "finding", "label", "given", "proposed", "question", "near")


def render_review(page: Mapping[str, Any]) -> str:
    """Draw the page.

    Parameters
    ----------
    page : mapping
        ``title``, ``next`` (the command to run afterwards, in two parts around the exported file's name), ``id``
        (under which the browser keeps the answers), ``data`` (the hash that an export carries), ``columns`` (those of
        the export), ``cells`` and ``rows``.
        A cell has ``key, row, finding, label, given, proposed``, which the export repeats as they are, ``question``,
        ``wrong`` and ``right`` (what accept and reject mean), ``near`` (pairs of a row number and its label), and
        optionally ``topic``, the label in question of a multi-label table. ``rows`` maps a row number to what is
        shown of it: ``trusted``, ``texts`` (pairs of name and text), ``image`` (``src`` and ``alt``) or None, ``tags``
        (the labels of a multi-label row) or None, ``values`` (name, text, and place in the column from 0 to 1 or None).

    Returns
    -------
    str
        An HTML page. All data is in one JSON block that no browser runs, and its script writes it as text only.

    Raises
    ------
    InputError
        A part is missing.
    """
    from markupsafe import Markup

    for name in _NEEDED:
        if name not in page:
            msg = f"the page of a review needs {name!r}; give {', '.join(_NEEDED)}"
            raise InputError(msg)
    data = clean(page)
    for cell in data["cells"]:
        missing = [name for name in _CELL if name not in cell]
        if missing:
            msg = f"a cell of the review has no {missing[0]!r}; give {', '.join(_CELL)}"
            raise InputError(msg)
    shown = {
        "id": data["id"],
        "data": data["data"],
        "next": all_visible(data["next"]),
        "columns": data["columns"],
        "cells": [_told(cell) for cell in data["cells"]],
        "rows": {number: all_visible(row) for number, row in data["rows"].items()},
    }
    return draw_page(
        "review.html",
        styles=("review.css",),
        script="review.js",
        title=words.visible(data["title"]),
        data=Markup(_json(shown)),  # noqa: S704 - no "<" is left in it
    )


def _told(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Spell out what a reader cannot see in what is shown; what the export repeats stays as it is."""
    raw = {name: cell[name] for name in ("key", "row", "finding", "label", "given", "proposed")}
    raw["near"] = all_visible(cell["near"])
    shown = {name: words.visible(cell[name]) for name in ("question", "wrong", "right", "topic") if cell.get(name)}
    return {**raw, **shown, "shown": [words.visible(cell[name]) for name in ("given", "proposed")]}


def _json(value: Any) -> str:
    """Write JSON that cannot end the block it stands in."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
