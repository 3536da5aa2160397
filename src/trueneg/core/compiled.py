"""Compiled functions: imported only where numba is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

__all__ = ["compiled"]


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function, and keep its machine code for the next process where some folder can be written.

    Parameters
    ----------
    **options
        Of ``numba.njit``, beside ``nogil`` and NumPy's model of errors.
    """
    options |= {"nogil": True, "error_model": "numpy"}

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:  # numba found no folder that it may write
            return numba.njit(**options)(function)

    return decorate
