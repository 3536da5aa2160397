"""Public names of a package or module that are loaded when they are first asked for (PEP 562)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["loader"]


def loader(
    name: str, public: Mapping[str, str], *, within: str | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return a ``__getattr__`` that loads names, and the ``__dir__`` of a package that has no others.

    Parameters
    ----------
    name : str
        ``__name__`` of the package or module.
    public : mapping of str to str
        The module that defines each public name, seen from ``within``; a module of that very name stands for itself.
    within : str or None, default=None
        The package that holds these modules; None: ``name``.
    """

    def load(asked: str) -> Any:
        if asked in public:
            module = import_module(f"{within or name}.{public[asked]}")
            return module if public[asked] == asked else getattr(module, asked)
        msg = f"module {name!r} has no attribute {asked!r}"
        raise AttributeError(msg)

    return load, lambda: sorted(public)
