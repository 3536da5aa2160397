"""``trueneg explain CODE``."""

from __future__ import annotations


def explain(code: str) -> None:
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
    Console().print(f"{check.CODE}  {check.TITLE}\n\n{(check.__doc__ or '').strip()}", markup=False, highlight=False)
