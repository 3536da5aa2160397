"""Time and memory of ``trueneg audit`` as a user runs it: 1,000,000 x 30 with 1 % positives, and 100,000 short texts.

Run: ``python benchmarks/audit.py [ROWS]``. There is no peer: the bars are seconds of wall time and MiB of
peak resident memory of the whole command, reading the CSV and writing the report included.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROWS, COLUMNS, RATE, HIDDEN = 1_000_000, 30, 0.01, 0.2
TEXTS, WORDS, TOPICS = 100_000, 40_000, 8
CHUNK = 100_000
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


def make(path: Path, rows: int, seed: int = 0) -> None:
    """Write the table: the spread of five columns carries the class, and a fifth of the positives stand as negative."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv as pc

    rng = np.random.default_rng(seed)
    names = [f"x{j}" for j in range(COLUMNS)]
    schema = pa.schema([(name, pa.float32()) for name in names] + [("label", pa.string())])
    with pc.CSVWriter(path, schema) as writer:
        for start in range(0, rows, CHUNK):
            n = min(CHUNK, rows - start)
            positive = rng.random(n) < RATE
            values = rng.standard_normal((n, COLUMNS), dtype=np.float32)
            # Positives differ by their spread alone, which no line can see: the audit must take boosting,
            # the dearer of its two models. The result says which one it took.
            values[:, :5] *= np.where(positive, 3.0, 1.0).astype(np.float32)[:, None]
            seen = positive & (rng.random(n) >= HIDDEN)
            label = pa.array(np.where(seen, "yes", "no"))
            columns = [pa.array(np.round(values[:, j], 4)) for j in range(COLUMNS)]
            writer.write_table(pa.table([*columns, label], schema=schema))


def make_texts(path: Path, rows: int, seed: int = 0) -> None:
    """Write texts of 5 to 30 words, one topic of eight each; words are as rare as in prose, labels wrong in a tenth."""
    import csv

    import numpy as np

    rng = np.random.default_rng(seed)
    share = 1 / np.arange(1, WORDS + 1)
    share /= share.sum()
    # A topic shuffles the words behind the 200 most frequent, and draws a third of its words from its own order.
    orders = [np.concatenate([np.arange(200), 200 + rng.permutation(WORDS - 200)]) for _ in range(TOPICS)]
    names = np.array([f"w{i:x}" for i in rng.permutation(WORDS)])
    topic = rng.integers(0, TOPICS, rows)
    label = np.where(rng.random(rows) < 0.1, rng.integers(0, TOPICS, rows), topic)
    lengths = rng.integers(5, 31, rows)
    words = np.searchsorted(np.cumsum(share), rng.random(lengths.sum())).clip(max=WORDS - 1)
    own = rng.random(len(words)) < 1 / 3
    words = np.where(own, np.stack(orders)[np.repeat(topic, lengths), words], words)
    parts = np.split(names[words], np.cumsum(lengths)[:-1])
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows((" ".join(part), f"topic {said}") for part, said in zip(parts, label, strict=True))


def measure(path: Path, rows: int, *options: str, quick: bool) -> dict:
    """Run the command once in a fresh process and return its wall seconds, CPU seconds and peak MiB."""
    command = [sys.executable, "-m", "trueneg", "audit", str(path), "--label", "label", *options]
    command += ["--out", str(path.with_suffix(".quick" if quick else ".full"))]
    command += ["--quick"] if quick else []
    out = subprocess.run([sys.executable, "-c", CHILD, *command], capture_output=True, text=True, check=True)
    result = json.loads(out.stdout)
    if result["code"] != 0:
        msg = f"trueneg audit ended with code {result['code']}: {result['error']}"
        raise RuntimeError(msg)
    report = json.loads((path.with_suffix(".quick" if quick else ".full") / "audit.json").read_text(encoding="utf-8"))
    faults = [finding["code"] for finding in report["findings"] if finding["status"] == "error"]
    if faults or report["input"]["rows"] != rows:
        msg = f"the audit did not do its work: failed checks {faults}, {report['input']['rows']} of {rows} rows"
        raise RuntimeError(msg)
    said = [line for line in report["input"]["saw"] if line.startswith("probabilities: ")]
    return {**result, "model": said[0].removeprefix("probabilities: ") if said else "not said"}


def row(name: str, one: dict, bar: str) -> dict:
    """Put one run into a result row."""
    print(f"{name}, {one['model']}: {one['wall']:.1f} s, {one['mib']:.0f} MiB", file=sys.stderr, flush=True)
    return {
        "name": f"audit {name}",
        "peer": "none",
        "peer_version": "",
        "ours_cpu_s": round(one["cpu"], 2),
        "theirs_cpu_s": None,
        "ratio": None,
        "ours_mib": round(one["mib"], 1),
        "theirs_mib": None,
        "bar": bar,
        "ours_wall_s": round(one["wall"], 2),
        "model": one["model"],
        "threads": os.environ.get("OMP_NUM_THREADS", f"all {os.cpu_count()}"),
    }


def run(*, fast: bool = False, rows: int | None = None) -> list[dict]:
    """Return one dict a command: the full audit, ``--quick``, and texts; ``fast`` takes a hundredth of the rows."""
    n = rows or (ROWS // 100 if fast else ROWS)
    texts = min(n, TEXTS // 100 if fast else TEXTS)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        make(path, n)
        for name, quick, bar in (("full", False, "<= 600 s wall, <= 6 GiB"), ("quick", True, "<= 30 s wall")):
            one = measure(path, n, "--positive", "yes", quick=quick)
            results.append(row(f"{n:,} x {COLUMNS}, {name}", one, bar))
        path = Path(folder) / "texts.csv"
        make_texts(path, texts)
        one = measure(path, texts, "--text", "text", quick=False)
        results.append(row(f"{texts:,} short texts", one, "<= 300 s wall"))
    return results


if __name__ == "__main__":
    print(json.dumps(run(rows=int(sys.argv[1]) if len(sys.argv) > 1 else None), indent=1))
