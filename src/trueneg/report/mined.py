"""The page of a mined list, self-contained as every page is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueneg.report.html import _visible, asset, policy, templates


def render_mined(told: Mapping[str, Any]) -> str:
    """Draw the page.

    Parameters
    ----------
    told : mapping
        ``title``, ``lines``, ``rules`` and ``counts`` (rows of tables), ``chosen``, and ``examples`` with query,
        positive, negative, about and ids.

    Returns
    -------
    str
        HTML; what comes from the data is escaped, and nothing is fetched.
    """
    from markupsafe import Markup

    style = asset("report.css")
    environment = templates()
    page = environment.get_template("mined.html").render(
        told=_visible(dict(told)),
        policy=policy(style, ""),
        style=Markup(style),  # noqa: S704 - our own file, never data
    )
    return page.strip() + "\n"
