"""What was done, as JSON beside the repaired file: nothing in it changes when the same command is run again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trueneg
from trueneg.core.errors import InputError
from trueneg.data.readers import format_of, one_line

if TYPE_CHECKING:
    from trueneg.jobs.repair.run import Repair

SCHEMA = "trueneg/repair/1"


def record_path(target: Path) -> Path:
    """Return the place of the record of a repaired file."""
    return target.with_name(target.name + ".repair.json")


def record_of(repair: Repair, target: Path | None) -> dict[str, Any]:
    """Return the record; paths are those from the repaired file, so that all can be moved together."""
    folder, source = repair.source.folder, repair.source

    def way(path: Path | None) -> str | None:
        if path is None:
            return None
        start = Path.cwd() if target is None else target.parent
        return Path(os.path.relpath(path, start)).as_posix()

    options = {name: value for name, value in repair.options.items() if value is not None}
    if isinstance(options.get("decisions"), str | Path):
        options["decisions"] = way(Path(options["decisions"]))
    return {
        "schema": SCHEMA,
        "version": trueneg.__version__,
        "action": repair.action,
        "options": options,
        "input": {"path": way(source.path), "data": folder.data_hash, "rows": repair.repairs.n_rows},
        "audit": way(folder.folder),
        "output": {"path": None if target is None else target.name, "columns": repair.repairs.extra},
        "counts": repair.counts,
        "findings": repair.by_finding,
        "classes": repair.classes,
        "removed": repair.removed,
        "unresolved": repair.unresolved,
        "notes": repair.notes,
    }


def dumps(record: dict[str, Any]) -> str:
    """Write a record, a line for each entry and for each row that it lists."""
    tables = {name: record[name] for name in ("removed", "unresolved")}
    text = json.dumps({**record, **dict.fromkeys(tables, None)}, indent=1, ensure_ascii=False, allow_nan=False)
    for name, table in tables.items():
        rows = ",\n   ".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in table["rows"])
        listed = f"\n   {rows}\n  " if rows else ""
        columns = json.dumps(table["columns"])
        text = text.replace(
            f'\n "{name}": null', f'\n "{name}": {{\n  "columns": {columns},\n  "rows": [{listed}]\n }}', 1
        )
    return text + "\n"


def check_target(target: Path, source: Path | None) -> None:
    """Refuse to write over the input, into a folder that is not there, or over a file that no repair wrote."""
    where = one_line(target)
    if target.is_dir():
        msg = f"--to {where} is a folder; name a file in it"
        raise InputError(msg)
    if not target.parent.is_dir():
        msg = f"--to {where}: its folder does not exist; make it first"
        raise InputError(msg)
    if source is not None and _same(target, source):
        msg = f"--to {where} is the input itself, which is never changed; name another file"
        raise InputError(msg)
    if os.path.lexists(target) and not _is_ours(target):
        msg = f"--to {where} exists and was not written by 'trueneg repair'; name another file, or remove it"
        raise InputError(msg)


def _same(target: Path, source: Path) -> bool:
    """Say whether two names are one file, through links of either kind."""
    try:
        return target.resolve() == source.resolve() or (target.exists() and os.path.samefile(target, source))
    except OSError:
        return False


def _is_ours(target: Path) -> bool:
    try:
        return json.loads(record_path(target).read_text(encoding="utf-8"))["schema"] == SCHEMA
    except (OSError, ValueError, KeyError, TypeError):
        return False


def target_format(target: Path, source: Path) -> tuple[str, str | None]:
    """Return format and compression of the new file: as its name says, else those of the input."""
    return format_of(target if target.suffix else source)
