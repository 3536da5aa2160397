"""``.trueneg.toml`` beside the table: names of columns and costs, so that nobody types them twice.

::

    label = "spam"
    positive = "yes"
    cost_fn = 50
    cost_fp = 1

    [files."other.csv"]
    label = "target"

Keys at the top hold for every table of the folder, those under ``[files."NAME"]`` for one. What is named on the command
line, or in Python, comes first.
"""

from __future__ import annotations

import difflib
import tomllib
from typing import TYPE_CHECKING, Any

from trueneg.core.errors import InputError
from trueneg.data.readers import one_line

if TYPE_CHECKING:
    from pathlib import Path

NAME = ".trueneg.toml"
_TEXT = (
    "label", "positive", "negative", "unlabeled", "id", "group", "trusted", "split", "kind", "label_sep",
)  # fmt: skip
_SEVERAL = ("text", "image", "features", "embedding", "proba")
_COSTS = ("cost_fn", "cost_fp")
_RATES = ("miss_rate", "false_alarm_rate")
KEYS = (*_TEXT, *_SEVERAL, *_COSTS, *_RATES)


def read_settings(table: Path) -> tuple[dict[str, Any], str]:
    """Return what the folder's settings say of a table, and a sentence for the report ("" where there are none).

    Parameters
    ----------
    table : Path
        The table's file; the settings lie beside it.

    Returns
    -------
    settings : dict
        Keyword arguments of ``trueneg.audit``.
    told : str

    Raises
    ------
    InputError
        The file is not TOML, a key is unknown, or a value is of the wrong kind.
    """
    path = table.parent / NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}, ""
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{one_line(path)} cannot be read ({one_line(error, 100)}); mend it or remove it"
        raise InputError(msg) from error
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        msg = f"{one_line(path)} is not TOML: {one_line(error, 150)}; mend that line"
        raise InputError(msg) from error
    files = found.pop("files", {})
    own = files.get(table.name, {}) if isinstance(files, dict) else None
    if not isinstance(own, dict):
        msg = f'{one_line(path)}: files is no table; write [files."{one_line(table.name, 60)}"] and keys below it'
        raise InputError(msg)
    settings = {key: _checked(path, key, value) for key, value in {**found, **own}.items()}
    told = ", ".join(f"{key} = {one_line(value, 60)}" for key, value in settings.items())
    return settings, f"{NAME} says: {told}" if told else ""


def _checked(path: Path, key: str, value: Any) -> Any:
    if key not in KEYS:
        near = difflib.get_close_matches(key.replace("-", "_"), KEYS, 1)
        hint = f"did you mean {near[0]!r}?" if near else "known are " + ", ".join(KEYS)
        msg = f"{one_line(path)}: the key {one_line(key, 40)!r} is unknown; {hint}"
        raise InputError(msg)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if key in _RATES and number:
        return float(value)
    if key in _COSTS and (number or isinstance(value, str)):
        return value
    if key in _TEXT and (number or isinstance(value, str)):
        return str(value)
    if key in _SEVERAL:
        listed = [value] if isinstance(value, str) else value
        if isinstance(listed, list) and listed and all(isinstance(v, str) for v in listed):
            return listed
    wanted = "a list of column names" if key in _SEVERAL else "a number" if key in _RATES else "a text or a number"
    msg = f"{one_line(path)}: {key} is {one_line(value, 40)}; give {wanted}"
    raise InputError(msg)
