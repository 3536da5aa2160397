"""The command that audits a table as an earlier one was audited."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trueneg.jobs.audit.settings import KEYS

_CHOICE = ("select", "ignore")
OWN = ("positive_from", "encoder", "embeddings")  # of a retrieval collection


def audit_command(path: str | Path, options: Mapping[str, Any], *, depth: bool = True) -> str:
    """Return ``trueneg audit PATH ...`` with the columns, classes, costs and rates of ``options``, to be pasted.

    Parameters
    ----------
    path : path
        The table to audit.
    options : mapping
        As the report of an audit holds them; those that it was not given are missing or None. A file of answers is left
        out: it belongs to the table that was audited.
    depth : bool, default True
        Repeat ``--quick``, ``--thorough``, ``--select``, ``--ignore`` and ``--seed`` as well.

    Returns
    -------
    str
    """
    words = ["trueneg", "audit", str(path)]
    for name in (*KEYS, *OWN, *(_CHOICE if depth else ())):
        value = options.get(name)
        if value is None or value == []:
            continue
        if name == "embeddings":  # two files, as the option takes them
            words += ["--embeddings", *map(str, value)]
            continue
        text = ",".join(str(v) for v in value) if isinstance(value, list | tuple) else f"{value}"
        flag = f"--{name.replace('_', '-')}"
        # A value that begins with a dash would be taken for an option of its own.
        words += [f"{flag}={text}"] if text.startswith("-") else [flag, text]
    if depth:
        words += [f"--{name}" for name in ("quick", "thorough") if options.get(name)]
        words += ["--seed", str(options["seed"])] if options.get("seed") else []
    return shlex.join(words)
