"""The published JSON Schema of a report, and a light check of it that needs no third-party package."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from trueneg.core.errors import InputError

__all__ = ["schema", "validate"]

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (Mapping,),
    "array": (list, tuple),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}


def schema() -> dict[str, Any]:
    """Read the JSON Schema (draft 2020-12) that every report dict meets."""
    return json.loads(files("trueneg.report").joinpath("schema.json").read_text(encoding="utf-8"))


def validate(report: Mapping[str, Any]) -> None:
    """Refuse a dict that is not a report, and say where.

    Only the keywords that the published schema uses are known here (type, const, enum, required, properties, items,
    anyOf, $ref, pattern and the bounds), and four rules JSON Schema cannot state: a row of a table is as long as its
    header, the figures' ids are unique, a finding names only figures that exist, and pictures come one a row.

    Parameters
    ----------
    report
        The report dict, as ``audit.json`` holds it.

    Raises
    ------
    InputError
        The first place that does not fit, as a path such as ``findings[3].severity``.
    """
    published = schema()
    _check(report, published, published, "report")
    _check_table(report["suspects"], "suspects")
    pictures, rows = report["suspects"].get("images"), report["suspects"]["rows"]
    if pictures is not None and len(pictures) != len(rows):
        raise InputError(f"report suspects.images: {len(pictures)} pictures, but {len(rows)} rows; they must agree.")
    ids: set[str] = set()
    for i, figure in enumerate(report["figures"]):
        _check_table(figure["table"], f"figures[{i}].table")
        if figure["id"] in ids:
            raise InputError(f"report figures[{i}].id: {figure['id']!r} is used twice; give each figure its own id.")
        ids.add(figure["id"])
    for i, finding in enumerate(report["findings"]):
        missing = [name for name in finding.get("figures", ()) if name not in ids]
        if missing:
            raise InputError(f"report findings[{i}].figures: there is no figure {missing[0]!r}; add it to 'figures'.")


def _check_table(table: Mapping[str, Any], where: str) -> None:
    width = len(table["columns"])
    for i, row in enumerate(table["rows"]):
        if len(row) != width:
            raise InputError(f"report {where}.rows[{i}]: {len(row)} cells, but {width} columns; they must agree.")


def _is_type(value: Any, names: str | list[str]) -> bool:
    wanted = [names] if isinstance(names, str) else names
    # bool is an int in Python, but not a number in JSON.
    return any(
        isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool)) for name in wanted
    )


def _fail(where: str, what: str) -> InputError:
    return InputError(f"{where}: {what}. See trueneg.report.schema() for what a report holds.")


def _check(value: Any, rule: Mapping[str, Any], root: Mapping[str, Any], where: str) -> None:
    if "$ref" in rule:
        rule = root["$defs"][rule["$ref"].rsplit("/", 1)[1]]
    if "anyOf" in rule:
        _check_any(value, rule["anyOf"], root, where)
    if "type" in rule and not _is_type(value, rule["type"]):
        raise _fail(where, f"expected {_words(rule['type'])}, got {type(value).__name__}")
    if "const" in rule and value != rule["const"]:
        raise _fail(where, f"expected {rule['const']!r}, got {value!r}")
    if "enum" in rule and value not in rule["enum"]:
        raise _fail(where, f"expected one of {', '.join(rule['enum'])}; got {value!r}")
    _check_bounds(value, rule, where)
    if isinstance(value, Mapping):
        for key in rule.get("required", ()):
            if key not in value:
                raise _fail(where, f"the key {key!r} is missing")
        for key, inner in rule.get("properties", {}).items():
            if key in value:
                _check(value[key], inner, root, f"{where}.{key}")
    elif isinstance(value, list | tuple) and "items" in rule:
        for i, item in enumerate(value):
            _check(item, rule["items"], root, f"{where}[{i}]")


def _check_any(value: Any, rules: list[Mapping[str, Any]], root: Mapping[str, Any], where: str) -> None:
    problems = []
    for rule in rules:
        try:
            _check(value, rule, root, where)
        except InputError as error:
            problems.append(error)
        else:
            return
    # The last alternative is the fullest one (null comes first), so its complaint is the most useful.
    raise problems[-1]


def _check_bounds(value: Any, rule: Mapping[str, Any], where: str) -> None:
    if isinstance(value, str):
        if len(value) < rule.get("minLength", 0):
            raise _fail(where, "expected a text that is not empty")
        if "pattern" in rule and not re.search(rule["pattern"], value):
            raise _fail(where, f"expected {rule['pattern']}, got {value!r}")
    elif isinstance(value, list | tuple):
        if len(value) > rule.get("maxItems", len(value)):
            raise _fail(where, f"expected at most {rule['maxItems']} items, got {len(value)}")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        low, high = rule.get("minimum"), rule.get("maximum")
        above, below = rule.get("exclusiveMinimum"), rule.get("exclusiveMaximum")
        if (low is not None and value < low) or (high is not None and value > high):
            raise _fail(where, f"{value!r} is out of bounds")
        if (above is not None and value <= above) or (below is not None and value >= below):
            raise _fail(where, f"{value!r} is out of bounds")


def _words(names: str | list[str]) -> str:
    return names if isinstance(names, str) else " or ".join(names)
