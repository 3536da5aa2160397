"""The page of a mined list, self-contained as every page is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueneg.report.page import all_visible, draw_page


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
    return draw_page("mined.html", told=all_visible(dict(told)))
