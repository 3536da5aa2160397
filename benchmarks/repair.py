"""Time and memory of ``trueneg repair`` on a table of 10,000,000 x 10, CSV and Parquet, as a user runs it.

Run: ``python benchmarks/repair.py [ROWS]``. The peer is what users write today: pandas reads the file, relabels the
same rows, drops others and writes the file again. It does less: it does not check that the file is the audited one,
says nothing about any row and copies no field as it is spelt. Memory is the peak of the whole process, either way.
"""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROWS, CHUNK = 10_000_000, 200_000
# One child measures one command: RUSAGE_CHILDREN keeps the largest child a process ever had.
CHILD = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
wall = time.perf_counter() - start
use = resource.getrusage(resource.RUSAGE_CHILDREN)
unit = 1 if sys.platform == "darwin" else 1024
print(json.dumps({"code": done.returncode, "wall": wall, "cpu": use.ru_utime + use.ru_stime,
                  "mib": use.ru_maxrss * unit / 2**20, "error": done.stderr[-2000:]}))
"""
PEER = """
import sys
import numpy as np, pandas as pd
path, rows, out, action = sys.argv[1:]
read = pd.read_parquet if path.endswith(".parquet") else pd.read_csv
frame, chosen = read(path), np.load(rows)
if action == "eliminate":
    frame = frame.drop(index=chosen)
else:
    frame.loc[chosen, "label"] = "yes"
frame.to_parquet(out) if path.endswith(".parquet") else frame.to_csv(out, index=False)
"""


def make(folder: Path, rows: int, suffix: str, seed: int = 0) -> tuple[Path, Path]:
    """Write the table, and the folder of an audit of it: 1 % of the negatives are suspects."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import csv, parquet

    from trueneg.data.content import ContentHash

    path = folder / f"table.{suffix}"
    names = [f"x{j}" for j in range(7)]
    numbers = [(name, pa.float64()) for name in (*names, "p")]
    schema = pa.schema([("key", pa.int64()), *numbers, ("label", pa.string())])
    rng = np.random.default_rng(seed)
    content, probability, given = ContentHash(schema), [], []
    writer = parquet.ParquetWriter(path, schema) if suffix == "parquet" else csv.CSVWriter(path, schema)
    with writer:
        for start in range(0, rows, CHUNK):
            n = min(CHUNK, rows - start)
            values = rng.standard_normal((n, len(names))).round(4)
            p = np.where(rng.random(n) < 0.01, rng.uniform(0.5, 1, n), rng.uniform(0, 0.4, n)).round(6)
            positive = rng.random(n) < 0.1
            label = pa.array(np.where(positive, "yes", "no").tolist())
            columns = [np.arange(start, start + n), *values.T, p]
            batch = pa.record_batch([*(pa.array(np.ascontiguousarray(c)) for c in columns), label], schema=schema)
            writer.write(batch)
            content.update(batch)
            probability.append(p)
            given.append(positive)
    out = folder / f"{suffix}.trueneg"
    audited(out, path, schema, content.hexdigest(), np.concatenate(probability), np.concatenate(given))
    return path, out


def audited(out: Path, path: Path, schema, data: str, probability, positive) -> None:
    """Write the folder that an audit would have written: an audit of so many rows is not what is measured here."""
    import base64

    import numpy as np
    import pyarrow as pa

    import trueneg
    from trueneg.data.writers import write_table
    from trueneg.jobs.audit.folder import Ranking, save_rankings

    out.mkdir()
    n = len(probability)
    rankings = {}
    for code, row in (("TN201", np.flatnonzero(~positive)), ("TN202", np.flatnonzero(positive))):
        own = np.full(len(row), int(code == "TN202"), np.int64)
        rankings[code] = Ranking(code, row, own, own.astype(np.int8), probability[row], 1 - own)
    save_rankings(out, rankings, np.full((n, 10), -1, np.int32))
    finding = {"title": "False negatives", "severity": "high", "message": "made for a benchmark", "unit": ""}
    finding |= {"code": "TN201", "status": "finding", "affected": 1, "cost": None, "remedy": "", "command": None}
    finding |= {"details": {}, "estimate": None, "rows": [], "figures": []}
    counts = [int(n - positive.sum()), int(positive.sum())]
    layout = {"labels": ["label"], "label_sep": None, "unlabeled": None, "id": "key"}
    if path.suffix == ".csv":
        layout |= {"schema": base64.b64encode(schema.serialize().to_pybytes()).decode(), "encoding": None}
    classes = [{"name": name, "count": c} for name, c in zip(("no", "yes"), counts, strict=True)]
    report = {
        "schema": "trueneg/audit/1",
        "title": "benchmark",
        "generated": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "version": trueneg.__version__,
        "input": {
            "path": str(path), "rows": n, "columns": 10, "kind": "table", "classes": classes, "saw": [],
            "source": os.path.relpath(path, out), "data": data, "layout": layout,
        },
        "options": {"label": "label", "positive": "yes", "id": "key", "quick": False, "seed": 0},
        "findings": [finding],
        "figures": [],
        "suspects": {"columns": ["row", "finding", "probability"], "rows": [], "total": 0},
        "next": "",
    }  # fmt: skip
    (out / "audit.json").write_text(json.dumps(report), encoding="utf-8")
    empty = {"row": pa.array([], pa.int64()), "finding": pa.array([], pa.string()), "reason": pa.array([], pa.string())}
    write_table(pa.table(empty), out / "suspects.parquet")
    chosen = rankings["TN201"].row[rankings["TN201"].probability >= 0.5]
    np.save(out.with_suffix(".npy"), chosen)


def measure(*command: str) -> dict:
    """Run a command once in a fresh process and return its wall seconds, CPU seconds and peak MiB."""
    done = subprocess.run([sys.executable, "-c", CHILD, *command], capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    if result["code"] != 0:
        msg = f"{command[1:4]} ended with code {result['code']}: {result['error']}"
        raise RuntimeError(msg)
    return result


def check(ours: Path, theirs: Path) -> None:
    """Hold both results to each other: the same rows with the same labels."""
    import pandas as pd

    read = pd.read_parquet if ours.suffix == ".parquet" else pd.read_csv
    columns = ["key", "x0", "label"]
    names = {"columns": columns} if ours.suffix == ".parquet" else {"usecols": columns}
    tables = [read(path, **names)[columns].reset_index(drop=True) for path in (ours, theirs)]
    if not tables[0].equals(tables[1]):
        msg = f"{ours.name}: trueneg and pandas did not write the same table"
        raise RuntimeError(msg)


def run(*, fast: bool = False, rows: int | None = None) -> list[dict]:
    """Return one dict a format and action; ``fast`` takes a hundredth of the rows."""
    import pandas as pd

    n = rows or (ROWS // 100 if fast else ROWS)
    results = []
    for suffix, action in (("csv", "reannotate"), ("parquet", "reannotate"), ("parquet", "eliminate")):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            path, out = make(folder, n, suffix)
            ours, theirs = folder / f"ours.{suffix}", folder / f"theirs.{suffix}"
            options = ["--action", action, "--min-probability", "0.5", "--to", str(ours)]
            one = measure(sys.executable, "-m", "trueneg", "repair", str(out), *options)
            chosen = str(out.with_suffix(".npy"))
            peer = measure(sys.executable, "-c", PEER, str(path), chosen, str(theirs), action)
            check(ours, theirs)
        runs = (("we", one), ("pandas", peer))
        said = ", ".join(f"{who} {m['wall']:.1f} s and {m['mib']:.0f} MiB" for who, m in runs)
        print(f"{suffix} {action}: {said}", file=sys.stderr, flush=True)
        results.append(
            {
                "name": f"repair {n:,} x 10, {suffix}, {action}",
                "peer": "pandas",
                "peer_version": pd.__version__,
                "ours_cpu_s": round(one["cpu"], 2),
                "theirs_cpu_s": round(peer["cpu"], 2),
                "ratio": round(peer["cpu"] / one["cpu"], 2),
                "ours_mib": round(one["mib"], 1),
                "theirs_mib": round(peer["mib"], 1),
                "ours_wall_s": round(one["wall"], 2),
                "theirs_wall_s": round(peer["wall"], 2),
                "threads": os.environ.get("OMP_NUM_THREADS", f"all {os.cpu_count()}"),
            }
        )
    return results


if __name__ == "__main__":
    print(json.dumps(run(rows=int(sys.argv[1]) if len(sys.argv) > 1 else None), indent=1))
