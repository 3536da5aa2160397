"""Write a report as strict JSON: no NaN, no half-written file."""

from __future__ import annotations

import json
import math
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["clean", "dump", "dumps"]


def clean(value: Any) -> Any:
    """Turn a nested value into plain JSON values.

    Parameters
    ----------
    value
        Dicts, lists, tuples, sets, NumPy scalars and arrays, paths, dates, objects with ``to_dict()``.

    Returns
    -------
    object
        The same structure of dict, list, str, int, float, bool and None; NaN and the infinities become None, since
        JSON has no word for them and a reader in another language would refuse the file.
    """
    if value is None or isinstance(value, str | bool):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((clean(item) for item in value), key=repr)
    # to_dict: an Estimate. tolist: a NumPy array or scalar, recognised without importing NumPy.
    for method in ("to_dict", "tolist"):
        if callable(getattr(value, method, None)):
            return clean(getattr(value, method)())
    if callable(getattr(value, "isoformat", None)):
        return value.isoformat()
    return str(value)


def dumps(report: Mapping[str, Any], *, indent: int | None = 2) -> str:
    """Write a report dict as strict JSON text, NaN as ``null``."""
    return json.dumps(clean(report), indent=indent, ensure_ascii=False, allow_nan=False)


def dump(report: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write a report dict to a file, atomically.

    Parameters
    ----------
    report
        The report dict.
    path
        Where to write. The text goes to a temporary file beside it, which then takes its place, so that a reader or
        an interrupted run never sees half a report.

    Returns
    -------
    pathlib.Path
        The path written.
    """
    target = Path(path)
    # A lone surrogate (a file name that is not UTF-8) must not lose the whole report: it is written as "?".
    text = (dumps(report) + "\n").encode("utf-8", errors="replace")
    # Named before it is there: an interrupt between the two would leave a file that nobody knows.
    part = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    try:
        with part.open("xb") as stream:
            stream.write(text)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return target
