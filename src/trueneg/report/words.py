"""How numbers and texts from the data are written for people: the same words on the page and in the terminal."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["cell", "estimate", "method", "number", "plain", "started", "summary", "visible"]

# C0 and C1 controls (a terminal obeys them), lone surrogates (no encoding holds them), and the invisible marks that
# reorder or hide text (they make one file name look like another). Tab and newline are ordinary.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]"
)


def visible(text: object) -> str:
    r"""Spell out control characters, direction marks and lone surrogates (``\x1b``, ``\u202e``): they then do nothing.

    Parameters
    ----------
    text
        Anything; what is not a text is turned into one.

    Returns
    -------
    str
        The text, safe to put on a terminal (after the markup is escaped) and honest on a page.
    """
    return _HIDDEN.sub(lambda m: f"\\x{ord(m[0]):02x}" if ord(m[0]) < 256 else f"\\u{ord(m[0]):04x}", str(text))


def number(value: Any) -> str:
    """Write a number for reading: whole ones with thousands separators, the rest to three significant digits."""
    if value is None or isinstance(value, bool | str):
        return "–" if value is None else visible(value)
    value = float(value)
    if not math.isfinite(value):
        return "–"
    if value.is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def estimate(value: Mapping[str, Any] | None) -> str:
    """Write an estimate with its interval, such as ``0.87 [0.82, 0.91]``; an empty text where there is none."""
    if not value or value.get("value") is None:
        return ""
    ends = [value["value"], value.get("low"), value.get("high")]
    known = [abs(float(x)) for x in ends if x is not None]
    size = max(known)
    if all(float(x).is_integer() for x in known) and size > 1 or size >= 100:
        shape = ",.0f"
    elif size >= 10:
        shape = ".1f"
    else:
        # Two decimals, and as many more as a small number needs to show two of its digits.
        shape = f".{2 if size >= 0.1 or size == 0 else min(8, 1 - math.floor(math.log10(size)))}f"
    words = [format(float(x), shape) if x is not None else "–" for x in ends]
    return words[0] if ends[1] is None and ends[2] is None else f"{words[0]} [{words[1]}, {words[2]}]"


def method(value: Mapping[str, Any] | None) -> str:
    """Say where an interval comes from, such as ``95% interval, wilson, n = 1,000``."""
    if not value:
        return ""
    parts = []
    if value.get("level") is not None and value.get("low") is not None:
        parts.append(f"{100 * float(value['level']):g}% interval")
    if value.get("method"):
        parts.append(visible(value["method"]))
    if value.get("n") is not None:
        parts.append(f"n = {number(value['n'])}")
    return ", ".join(parts)


def plain(value: Any) -> str:
    """Write a detail: a text or number as it is, the rest as JSON."""
    if value is None or isinstance(value, int | float | str):
        return number(value) if not isinstance(value, bool) else ("yes" if value else "no")
    return json.dumps(value, ensure_ascii=False)


def cell(value: Any, column: Mapping[str, Any]) -> str:
    """Write a cell of a column of numbers (``numeric``, ``decimals``) or anything else."""
    # Without thousands separators: a row number is a name to search for.
    return plain(value) if value is None or not column["numeric"] else f"{value:.{column['decimals']}f}"


def started(text: str) -> str:
    """Let a text begin with a capital, and leave the rest as it is."""
    return text[:1].upper() + text[1:]


def summary(findings: Sequence[Mapping[str, Any]]) -> str:
    """Say in one sentence what came out: how many findings of which severity, or that nothing is wrong."""
    found = [f for f in findings if f["status"] == "finding"]
    advice = sum(f["status"] == "advice" for f in findings)
    ran = sum(f["status"] in {"finding", "advice", "passed"} for f in findings)
    errors = sum(f["status"] == "error" for f in findings)
    if found:
        counts = [(s, sum(f["severity"] == s for f in found)) for s in ("high", "medium", "low")]
        graded = ", ".join(f"{n} {name}" for name, n in counts if n)
        text = f"{_many(len(found), 'finding')} in {_many(ran, 'check')}" + (f": {graded}." if graded else ".")
    elif ran:
        text = f"Nothing wrong was found by the {_many(ran, 'check')} that ran."
    else:
        text = "No check ran, so nothing can be said about this data."
    if advice:
        text += f" {_many(advice, 'piece')} of advice."
    if errors:
        text += f" {_many(errors, 'check')} failed to run: what they look for is not known."
    return text


def _many(n: int, word: str) -> str:
    return f"{n:,} {word}" + ("" if n == 1 else "s")
