"""A sentence on how data were read, which knows whom it is for."""

from __future__ import annotations

__all__ = ["Note"]


class Note(str):
    """One sentence on how data were read.

    Parameters
    ----------
    text : str
        The sentence.
    command : str or None, default=None
        The one command that it is for, since it speaks of its options; None: all.
    """

    __slots__ = ("command",)

    command: str | None

    def __new__(cls, text: str, command: str | None = None) -> Note:
        """Make a text that knows whom it is for."""
        self = super().__new__(cls, text)
        self.command = command
        return self
