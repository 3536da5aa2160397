"""Run the benchmarks, keep their figures, hold them to the bars.

``python -m benchmarks [NAME...] [--fast]``. Each file of this folder with a ``run()`` is one benchmark and
runs in a process of its own. Its rows replace its older rows in ``results.json``; ``RESULTS.md`` is written
from all of them. Exit code 1: a benchmark failed, or a bar of those that ran fell short; 2: no such benchmark.
``--fast`` runs the short form of those that have one, to see that they work: nothing is kept, no bar is held.
"""

from __future__ import annotations

import argparse
import ast
import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
LIMITS = {
    "min_ratio": ("ratio", ">="),
    "max_ratio": ("ratio", "<="),
    "max_mib": ("ours_mib", "<="),
    "max_cpu_s": ("ours_cpu_s", "<="),
    "max_wall_s": ("ours_wall_s", "<="),
}
CHILD = (
    "import importlib.util, json, sys\n"
    "path, out, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])\n"
    "sys.path.insert(0, path.rpartition('/')[0])\n"
    "spec = importlib.util.spec_from_file_location('benchmark', path)\n"
    "module = importlib.util.module_from_spec(spec)\n"
    "sys.modules['benchmark'] = module\n"
    "spec.loader.exec_module(module)\n"
    "open(out, 'w', encoding='utf-8').write(json.dumps(module.run(**options)))\n"
)


def discover(folder: Path = FOLDER) -> dict[str, bool]:
    """Return the benchmarks by name, and whether their ``run`` has a short form; read, never imported."""
    found = {}
    for path in sorted(folder.glob("*.py")):
        if path.stem.startswith("_"):
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name == "run":
                found[path.stem] = "fast" in {a.arg for a in [*node.args.args, *node.args.kwonlyargs]}
    return found


def execute(name: str, *, fast: bool, folder: Path = FOLDER) -> list[dict]:
    """Run one benchmark in a fresh process; its progress goes to standard error."""
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "rows.json"
        options = json.dumps({"fast": True} if fast else {})
        path = (folder / f"{name}.py").as_posix()
        subprocess.run([sys.executable, "-c", CHILD, path, str(out), options], check=True, stdout=sys.stderr)
        rows = json.loads(out.read_text(encoding="utf-8"))
    stamp = {"file": name, "date": datetime.datetime.now(datetime.UTC).date().isoformat(), **environment()}
    return [{**row, **stamp} for row in rows]


def environment() -> dict[str, str]:
    """Return what a figure depends on besides the code."""
    return {
        "python": platform.python_version(),
        "numpy": importlib.metadata.version("numpy"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }


def shortfalls(rows: list[dict], bars: list[dict], files: set[str]) -> list[str]:
    """Say which bars of ``files`` do not hold; a missing result or figure does not hold either."""
    said = []
    for bar in bars:
        if bar["file"] not in files:
            continue
        fits = [r for r in rows if _fits(r, bar)]
        title = bar["name"] + (f" against {bar['peer']}" if "peer" in bar else "")
        if not fits:
            said.append(f"{title}: no result; run `python -m benchmarks {bar['file']}` with the peer installed")
        for row in fits:
            said += [f"{title}: {fault}" for fault in _faults(row, bar)]
    return said


def _fits(row: dict, bar: dict) -> bool:
    return row["file"] == bar["file"] and row["name"] == bar["name"] and bar.get("peer", row["peer"]) == row["peer"]


def _faults(row: dict, bar: dict) -> list[str]:
    faults = []
    for limit, (key, sign) in LIMITS.items():
        if limit not in bar:
            continue
        value = row.get(key)
        # A missing figure or NaN is not "within the bar".
        holds = value is not None and (value >= bar[limit] if sign == ">=" else value <= bar[limit])
        if not holds:
            faults.append(f"{key} is {value}, the bar is {sign} {bar[limit]}")
    return faults


def merge(old: list[dict], new: list[dict]) -> list[dict]:
    """Replace the rows of the files that ran; keep the others."""
    ran = {row["file"] for row in new}
    rows = [row for row in old if row["file"] not in ran] + new
    return sorted(rows, key=lambda row: row["file"])


def table(rows: list[dict], bars: list[dict]) -> str:
    """Return ``RESULTS.md``: one line a result, with the bar and whether it holds."""
    heads = ["benchmark", "peer", "ours, CPU s", "theirs, CPU s", "ratio", "ours, MiB", "theirs, MiB", "ours, wall s"]
    heads += ["bar", "holds", "python", "numpy", "date"]
    lines = [
        "# Benchmarks",
        "",
        "Written by `python -m benchmarks`; do not edit. Ratio: theirs / ours, or ours / theirs where the",
        "name says so. Memory is what a call needs above its input; for `audit`, the peak of the whole process.",
        "",
        "| " + " | ".join(heads) + " |",
        "|" + " --- |" * len(heads),
    ]
    for row in rows:
        own = [bar for bar in bars if _fits(row, bar)]
        limits = [f"{LIMITS[k][0]} {LIMITS[k][1]} {bar[k]}" for bar in own for k in LIMITS if k in bar]
        holds = "" if not own else "no" if any(_faults(row, bar) for bar in own) else "yes"
        version = str(row.get("peer_version") or "")
        peer = version if version.startswith(row["peer"]) else f"{row['peer']} {version}".strip()
        figures = [row.get(k) for k in ("ours_cpu_s", "theirs_cpu_s", "ratio", "ours_mib", "theirs_mib", "ours_wall_s")]
        name = row["name"] + (f" ({row['model']})" if row.get("model") else "")
        cells = [name, peer, *["" if f is None else f"{f:g}" for f in figures]]
        cells += ["; ".join(limits), holds, row.get("python", ""), row.get("numpy", ""), row.get("date", "")]
        lines.append("| " + " | ".join(str(c).replace("|", "\\|") for c in cells) + " |")
    machines = sorted({row.get("machine", "") for row in rows} - {""})
    return "\n".join([*lines, "", "Machine: " + "; ".join(machines) + ".", ""])


def main(arguments: list[str] | None = None, *, folder: Path = FOLDER) -> int:
    """Run, merge, write, judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="us and the peers on the same input")
    parser.add_argument("names", nargs="*", help="benchmarks to run; all of them by default")
    parser.add_argument("--fast", action="store_true", help="short forms only; nothing is kept, no bar is held")
    options = parser.parse_args(arguments)
    known = discover(folder)
    unknown = [name for name in options.names if name not in known]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    names = options.names or list(known)
    if options.fast:
        names = [name for name in names if known[name]]
    new, said = [], []
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            new += execute(name, fast=options.fast, folder=folder)
        except subprocess.CalledProcessError as error:
            said.append(f"{name}: ended with code {error.returncode}; nothing of it was kept")
    bars = tomllib.loads((folder / "bars.toml").read_text(encoding="utf-8"))["bar"]
    if options.fast:
        print(table(new, []))
    else:
        keep = folder / "results.json"
        old = json.loads(keep.read_text(encoding="utf-8")) if keep.exists() else []
        rows = merge(old, new)
        keep.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        text = table(rows, bars)
        (folder / "RESULTS.md").write_text(text, encoding="utf-8")
        print(text)
        # Only rows of this run count: an old row must not stand in for a benchmark that just failed.
        said += shortfalls(new, bars, set(names))
    for line in said:
        print(f"falls short: {line}", file=sys.stderr)
    return int(bool(said))


if __name__ == "__main__":
    sys.exit(main())
