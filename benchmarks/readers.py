"""Reading a table against pyarrow's own readers, which do the parsing in both: what the checks around it cost.

Run: ``python benchmarks/readers.py``. 1,000,000 x 30 numbers and a label, written as CSV, as gzipped CSV and as
Parquet; the file lies in the page cache. Each side runs in a process of its own, on all cores: the best CPU and
wall time of three reads, and the peak resident memory above what was there before the first (the table included).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import audit
import confident_learning as common

ROWS, REPEATS = 1_000_000, 3
BAR = "CSV: CPU <= 1.3x; others none"


def write(folder: Path, rows: int) -> dict[str, Path]:
    """Write the table in each format."""
    import pyarrow as pa
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    paths = {"CSV": folder / "table.csv", "CSV.gz": folder / "table.csv.gz", "Parquet": folder / "table.parquet"}
    audit.make(paths["CSV"], rows)
    table = pc.read_csv(paths["CSV"])
    pq.write_table(table, paths["Parquet"])
    with pa.CompressedOutputStream(str(paths["CSV.gz"]), "gzip") as out, paths["CSV"].open("rb") as source:
        while block := source.read(2**24):
            out.write(block)
    return paths


def read(side: str, path: str):
    """Read the table once."""
    if side == "ours":
        from trueneg.data.readers import read_table

        return read_table(path).arrow
    if path.endswith(".parquet"):
        import pyarrow.parquet as pq

        return pq.read_table(path)
    import pyarrow.csv as pc

    return pc.read_csv(path)


def measure(side: str, path: str) -> dict:
    """Read thrice, and return the best times, MiB above what was there before, and the rows."""
    import pyarrow as pa

    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / ("small" + "".join(Path(path).suffixes))
        if path.endswith("table.csv"):
            small.write_bytes(b"a,b\n1,2\n")
            read(side, str(small))
    before, cpu, wall, found = common.peak(reset=True), [], [], 0
    for _ in range(REPEATS):
        table = None
        pa.default_memory_pool().release_unused()
        start, begun = time.process_time(), time.perf_counter()
        table = read(side, path)
        cpu.append(time.process_time() - start)
        wall.append(time.perf_counter() - begun)
        found = table.num_rows
    return {"cpu_s": min(cpu), "wall_s": min(wall), "mib": common.peak() - before, "found": found}


def run(*, fast: bool = False) -> list[dict]:
    """Return one dict a format; ``fast`` reads a hundredth of the rows."""
    n = ROWS // 100 if fast else ROWS
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, path in write(Path(folder), n).items():
            one, two = {}, {}
            for side, kept in (("theirs", two), ("ours", one)):
                command = [sys.executable, __file__, side, str(path)]
                done = subprocess.run(command, env=os.environ, check=True, capture_output=True, text=True)
                kept.update(json.loads(done.stdout.splitlines()[-1]))
                if kept["found"] != n:
                    msg = f"{side} read {kept['found']} of {n} rows of {name}"
                    raise RuntimeError(msg)
            rows.append(
                {
                    "name": f"reading {name} {n:,} x {audit.COLUMNS}, ours / pyarrow",
                    "peer": "pyarrow",
                    "peer_version": version("pyarrow"),
                    "ours_cpu_s": round(one["cpu_s"], 3),
                    "theirs_cpu_s": round(two["cpu_s"], 3),
                    "ratio": round(one["cpu_s"] / two["cpu_s"], 2),
                    "ours_mib": round(one["mib"], 1),
                    "theirs_mib": round(two["mib"], 1),
                    "bar": BAR,
                    "ours_wall_s": round(one["wall_s"], 2),
                    "theirs_wall_s": round(two["wall_s"], 2),
                }
            )
    return rows


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(*sys.argv[1:])))
    else:
        print(json.dumps(run(), indent=1))
