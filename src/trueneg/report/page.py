"""A page that is whole in itself: no network, no library, one hashed style and one hashed script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from trueneg import __version__
from trueneg.report import words

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["all_visible", "draw_page", "pictures"]


def draw_page(name: str, *, styles: Sequence[str] = ("report.css",), script: str = "report.js", **values: Any) -> str:
    """Fill in one of our templates.

    Parameters
    ----------
    name : str
        The template, which extends ``page.html``.
    styles : sequence of str, default=("report.css",)
        Our style sheets, one behind the other.
    script : str, default="report.js"
        Our script.
    **values
        What the template shows. It is escaped there; :func:`all_visible` is for the caller.

    Returns
    -------
    str
        HTML. The page's security policy lets only its own style and script run, and nothing is fetched.
    """
    from markupsafe import Markup

    style, code = "".join(map(_asset, styles)), _asset(script)
    page = (
        _environment()
        .get_template(name)
        .render(
            policy=_policy(style, code),
            style=Markup(style),  # noqa: S704 - our own files, never data
            script=Markup(code),  # noqa: S704
            **{"version": __version__} | values,
        )
    )
    return page.strip() + "\n"


def all_visible(value: Any) -> Any:
    """Spell out what a reader cannot see in every text of a tree, keys as well; see :func:`words.visible`."""
    if isinstance(value, str):
        return words.visible(value)
    if isinstance(value, dict):
        return {words.visible(key): all_visible(item) for key, item in value.items()}
    if isinstance(value, list):
        return [all_visible(item) for item in value]
    return value


def pictures(figures: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Draw figures: by their id, with ``svg`` and ``anchor`` added."""
    from markupsafe import Markup

    from trueneg.report.drawing import svg

    drawn = {}
    for i, figure in enumerate(figures, start=1):
        # svg() lets only known elements and attributes through, and its serialiser escapes every text.
        picture = Markup(svg(figure["spec"], label=figure["title"], prefix=f"f{i}"))  # noqa: S704
        # The id in the page is ours: the one in the report may hold anything.
        drawn[figure["id"]] = figure | {"svg": picture, "anchor": f"figure-{i}"}
    return drawn


@cache
def _environment() -> Environment:
    """Return the templates: what comes from the data is escaped, and an unknown name is an error.

    Kept, since to compile a page's template takes as long as to audit a small table.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("trueneg.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        cell=words.cell,
        estimate=words.estimate,
        method=words.method,
        number=words.number,
        plain=words.plain,
        started=words.started,
        values_of=lambda row: list(row.values()),
    )
    return environment


def _asset(name: str) -> str:
    # A browser reads CRLF as LF before it hashes; a checkout on Windows must not change the policy.
    text = files("trueneg.report").joinpath("templates", name).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n")


def _policy(style: str, script: str) -> str:
    """Return the content security policy of a page that runs this style and this script, and nothing else."""

    def digest(text: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"

    return (
        f"default-src 'none'; style-src {digest(style)}; script-src {digest(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
