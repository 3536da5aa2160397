"""Find the false negatives of Re-DocRED: pairs marked ``no_relation`` that hold a relation.

Re-DocRED is DocRED with its missed relations put back by people. A triple they added carries no
evidence sentences, so one file holds the labels as first given and as repaired. This script writes
the first alone, for an audit that cannot see the answer, and the answer into a file beside it.

1. Get ``dev_revised.json`` from https://github.com/tonytan48/Re-DocRED (folder ``data``; MIT licence).
2. ``python examples/redocred.py dev_revised.json redocred``
3. ``trueneg audit redocred/pairs.parquet --label relation --negative no_relation --text text --group document``
4. ``python examples/redocred.py dev_revised.json redocred --score``: the suspects against the answer.

Row i of ``truth.parquet`` belongs to row i of ``pairs.parquet``. Pairs of one document stay in one fold
(``--group``): a model that read one pair of a document has half seen the others.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq

from trueneg.core.errors import InputError
from trueneg.data.redocred import NO_RELATION, pairs
from trueneg.data.writers import write_table

if TYPE_CHECKING:
    import pyarrow as pa


def build(source: str | Path, folder: str | Path, *, max_documents: int | None = None) -> tuple[Path, Path]:
    """Write ``pairs.parquet`` (text, document, relation) and ``truth.parquet`` (id, true_relation).

    Parameters
    ----------
    source : str or Path
        A file of Re-DocRED.
    folder : str or Path
        Where to write; made if missing.
    max_documents : int, optional
        Read only the first documents; all by default.

    Returns
    -------
    tuple of Path
        The table to audit, and the answer.
    """
    table = pairs(source, max_documents=max_documents)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    given, truth = folder / "pairs.parquet", folder / "truth.parquet"
    write_table(table.select(["text", "document", "relation"]), given)
    write_table(table.select(["id", "true_relation"]), truth)
    return given, truth


def score(
    suspects: pa.Table, given: np.ndarray, true: np.ndarray, *, min_probability: float = 0.0, top: int | None = None
) -> dict[str, float]:
    """Count the true false negatives among the pairs that the audit flags as such (finding TN201).

    Parameters
    ----------
    suspects : pyarrow.Table
        ``suspects.parquet`` of the audit, most probable first.
    given, true : ndarray of str, shape (n,)
        The relation of every pair, as first given and as repaired.
    min_probability : float, default 0.0
        Flag only suspects of at least this probability.
    top : int, optional
        Flag only the first so many.

    Returns
    -------
    dict
        ``flagged``, ``hits``, ``share`` (hits / flagged), ``base`` (false negatives / negatives) and
        ``lift`` (share / base). Share and lift are NaN where nothing is flagged.
    """
    negative = given == NO_RELATION
    missed = negative & (true != NO_RELATION)
    of_kind = np.asarray(suspects["finding"].to_pylist()) == "TN201"
    likely = np.asarray(suspects["probability"]) >= min_probability
    rows = np.asarray(suspects["row"])[of_kind & likely][:top]
    base = float(missed.sum() / negative.sum())
    share = float(missed[rows].mean()) if rows.size else float("nan")
    return {"flagged": len(rows), "hits": int(missed[rows].sum()), "share": share, "base": base, "lift": share / base}


def main(arguments: list[str] | None = None) -> int:
    """Build the tables, or score an audit of them."""
    parser = argparse.ArgumentParser(description="build the pair table of Re-DocRED, or score its audit")
    parser.add_argument("source", help="dev_revised.json or test_revised.json")
    parser.add_argument("folder", type=Path, help="where to write the tables")
    parser.add_argument("--documents", type=int, help="only the first so many documents")
    parser.add_argument("--score", action="store_true", help="score the audit in FOLDER/pairs.trueneg")
    options = parser.parse_args(arguments)
    say = sys.stdout.write
    if not options.score:
        try:
            given, truth = build(options.source, options.folder, max_documents=options.documents)
        except (InputError, OSError) as error:
            sys.stderr.write(f"{error}\n")
            return 2
        say(f"wrote {given} and {truth}\n")
        say(f"next: trueneg audit {given} --label relation --negative {NO_RELATION} --text text --group document\n")
        return 0
    found = options.folder / "pairs.trueneg" / "suspects.parquet"
    if not found.exists():
        sys.stderr.write(f"no {found}: audit {options.folder / 'pairs.parquet'} first\n")
        return 2
    given = np.asarray(pq.read_table(options.folder / "pairs.parquet")["relation"].to_pylist())
    true = np.asarray(pq.read_table(options.folder / "truth.parquet")["true_relation"].to_pylist())
    suspects = pq.read_table(found)
    for name, least in (("probability of one half or more", 0.5), ("all listed", 0.0)):
        result = score(suspects, given, true, min_probability=least)
        say(
            f"{name}: {result['hits']} of {result['flagged']} are false negatives, "
            f"{result['share']:.1%}; among all negatives {result['base']:.1%}; {result['lift']:.1f} times as many\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
