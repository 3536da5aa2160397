"""What stands in a figure: names shortened, numbers said, long data thinned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from trueneg.core.errors import InputError
from trueneg.report.words import visible


def same_length(**columns: Sequence[Any] | None) -> None:
    sizes = {name: len(column) for name, column in columns.items() if column is not None}
    if len(set(sizes.values())) > 1:
        raise InputError(f"a figure's columns must be of one length, not {sizes}.")


def thinned(n: int, limit: int) -> list[int]:
    """Positions of at most `limit` of `n` points, evenly spread, both ends kept."""
    if n <= limit:
        return list(range(n))
    return sorted({round(i * (n - 1) / (limit - 1)) for i in range(limit)})


def partly(caption: str, shown: int, total: int, what: str) -> str:
    return caption if shown >= total else f"{caption} Drawn: {shown} of {total} {what}.".strip()


def text_of(value: object) -> str:
    # Also a guard for the drawing: a lone surrogate inside an expression ends the whole process there.
    return visible(value)


def shortened(name: str, limit: int = 20) -> str:
    return name if len(name) <= limit else name[: limit - 1] + "…"


def number_of(value: Any) -> float | int | None:
    if value is None:
        return None
    number = float(value)
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def worded(value: Any) -> str:
    if value is None:
        return "unknown"
    number = float(value)
    return f"{int(number):,}" if number.is_integer() and abs(number) < 1e15 else f"{number:.3g}"


def worded_point(row: Mapping[str, Any], name: str, x_label: str) -> str:
    ends = f" [{worded(row['low'])}, {worded(row['high'])}]" if "low" in row else ""
    return f"{name} {worded(row['y'])}{ends} at {x_label} {worded(row['x'])}"
