"""Loops compiled by numba, where it is installed: at import of a module of them, or at their first use."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

__all__ = ["compiled", "compiled_or_none"]


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function, and keep its machine code for the next process where some folder can be written.

    Parameters
    ----------
    **options
        Of ``numba.njit``, beside ``nogil`` and NumPy's model of errors.

    Raises
    ------
    ImportError
        Without numba.
    """
    import numba

    options |= {"nogil": True, "error_model": "numpy"}

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:  # numba found no folder that it may write
            return numba.njit(**options)(function)

    return decorate


@cache
def compiled_or_none(function: Callable[..., Any]) -> Any:
    """Return a function compiled, once a process and when first asked for; None without numba."""
    try:
        return compiled()(function)
    except ImportError:
        return None
