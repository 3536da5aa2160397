"""The page of a mined list, self-contained as every page is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueneg.report.html import _visible, asset, policy


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
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    style = asset("report.css")
    environment = Environment(
        loader=PackageLoader("trueneg.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("mined.html").render(
        told=_visible(dict(told)),
        policy=policy(style, ""),
        style=Markup(style),  # noqa: S704 - our own file, never data
    )
    return page.strip() + "\n"
