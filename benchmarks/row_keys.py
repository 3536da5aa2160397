"""Keys for the rows of a table of 1,000,000 x 30, one thread: time and memory above the table.

Run: ``python benchmarks/row_keys.py``. Beside it stands pandas' ``hash_pandas_object``, which does less (64 bits,
no number for repeated rows, no text made of it) and has no bar. The second table has two text columns more, one
with 100 values, one with a value of its own in almost every row.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import confident_learning as common

ROWS, COLUMNS = 1_000_000, 30
CASES = {f"{ROWS:,} x {COLUMNS}": False, f"{ROWS:,} x {COLUMNS} and two of text": True}


def draw(rows, text):
    """Draw numbers as a CSV would hold them: half float64, half float32."""
    import pyarrow as pa

    rng = np.random.default_rng(0)
    columns = {f"x{i}": rng.normal(size=rows).astype(np.float32 if i % 2 else np.float64) for i in range(COLUMNS)}
    if text:
        columns["few"] = pa.array(rng.integers(0, 100, rows)).cast(pa.string())
        columns["many"] = pa.array(rng.integers(0, 10 * rows, rows)).cast(pa.string())
    return pa.table(columns)


def measure(side, case):
    """Warm up, load, and return CPU seconds, MiB above the input, and the distinct keys."""
    if side == "ours":
        from trueneg.data.readers import read_frame
        from trueneg.data.sniff import row_keys as work

        load = read_frame
    else:
        from pandas.util import hash_pandas_object

        def work(frame):
            return hash_pandas_object(frame, index=False)

        def load(table):
            return table.to_pandas()

    text = CASES[case]
    work(load(draw(1000, text)))
    data = load(draw(ROWS, text))
    before = common.peak(reset=True)
    start = time.process_time()
    keys = work(data)
    spent = time.process_time() - start
    mib = common.peak() - before
    return {"cpu_s": round(spent, 3), "mib": round(mib, 1), "found": len(set(np.asarray(keys).tolist()))}


def run():
    """Return one dict a case."""
    rows = []
    for case in CASES:
        ours, theirs = (common.fresh(__file__, side, case) for side in ("ours", "theirs"))
        if ours["found"] < ROWS:
            msg = f"only {ours['found']} different keys for {ROWS} rows"
            raise RuntimeError(msg)
        rows.append(common.row(f"row keys {case}", "pandas", ours, theirs, "CPU <= 1 s; with text none"))
    return rows


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(*sys.argv[1:])))
    else:
        print(json.dumps(run(), indent=1))
