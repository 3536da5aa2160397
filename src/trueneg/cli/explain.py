"""``trueneg explain CODE``."""

from __future__ import annotations

import inspect
import re


def explain(code: str, /) -> None:
    """Say what a finding code means, why it matters and what to do.

    Parameters
    ----------
    code
        A code of an audit, such as TN201.
    """
    from rich.console import Console

    from trueneg.core.errors import InputError
    from trueneg.jobs.audit.checks import by_code, load

    check = by_code(code)
    if check is None:
        known = ", ".join(c.CODE for c in load())
        msg = f"no check is called {code!r}; there are {known}"
        raise InputError(msg)
    console = Console()
    console.print(f"{check.CODE}  {check.TITLE}\n\n{_flowing(check.__doc__ or '')}", markup=False, highlight=False)


def _flowing(doc: str) -> str:
    """Return a docstring for a terminal: a paragraph is one line, which the terminal breaks; lists keep their lines."""
    paragraphs = inspect.cleandoc(doc).replace("`", "").split("\n\n")
    return "\n\n".join(re.sub(r"\n(?![-*] |\s)", " ", paragraph) for paragraph in paragraphs)
