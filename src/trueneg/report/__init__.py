"""Draw one report dict as a page, as terminal text, or as JSON; this package knows no check and no method.

The five modules import only the standard library until a function is called, so the names are bound here at once:
a lazy name that is also a module's name would change its meaning after the module's first import.
"""

from __future__ import annotations

from trueneg.report.files import dump, dumps
from trueneg.report.html import render
from trueneg.report.review import render_review
from trueneg.report.schema import schema, validate
from trueneg.report.terminal import terminal

__all__ = ["dump", "dumps", "render", "render_review", "schema", "terminal", "validate"]
