"""Write docs/codes: one page a finding code, from the docstring of its check.

``python docs/make_codes.py`` writes the pages and removes those of codes that are gone;
``--check`` writes nothing and exits with 1 where a page is out of date.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

from trueneg.jobs.audit.checks import load

FOLDER = Path(__file__).parent / "codes"
GROUPS = {
    "TN1": "The table itself",
    "TN2": "Wrong labels",
    "TN3": "Metrics and costs",
    "TN4": "Unfamiliar rows",
    "TN5": "Retrieval collections",
    "TN6": "Attempts, verifiers and automatic labels",
}


def _markdown(docstring: str) -> str:
    """Turn the double backticks of a docstring into Markdown code."""
    return re.sub(r"``([^`]+)``", r"`\1`", docstring.strip())


def _page(check: ModuleType) -> str:
    """One check's page: its title, its docstring, how to run it alone."""
    code, title = check.CODE, check.TITLE
    kind = getattr(check, "DATA", ("table",))[0]
    path = {"attempts": "ATTEMPTS.jsonl", "retrieval": "FOLDER"}.get(kind, "data.csv --label LABEL")
    alone = f"```\ntrueneg audit {path} --select {code}\n```"
    return f"# {code}: {title}\n\n{_markdown(check.__doc__ or '')}\n\nRun this check alone:\n\n{alone}\n"


def pages() -> dict[str, str]:
    """Return the text of every page by file name, the index included."""
    checks = sorted(load(), key=lambda check: check.CODE)
    made = {f"{check.CODE.lower()}.md": _page(check) for check in checks}
    lines = ["# Finding codes", "", "`trueneg explain CODE` says the same in the terminal."]
    for prefix in sorted({check.CODE[:3] for check in checks}):
        lines += ["", f"## {GROUPS.get(prefix, prefix + 'xx')}", "", "| code | what it looks for |", "|---|---|"]
        lines += [f"| [{c.CODE}]({c.CODE.lower()}.md) | {c.TITLE} |" for c in checks if c.CODE.startswith(prefix)]
    return {"index.md": "\n".join(lines) + "\n", **made}


def stale(folder: Path = FOLDER) -> list[str]:
    """Return the names of pages that are missing, out of date or left over."""
    made = pages()
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    return sorted(name for name in made.keys() | there.keys() if made.get(name) != there.get(name))


def main(arguments: list[str]) -> int:
    """Write the pages, or with ``--check`` only say which are out of date."""
    wrong = stale()
    if "--check" in arguments:
        if wrong:
            sys.stderr.write(f"out of date: {', '.join(wrong)}; run python docs/make_codes.py\n")
        return int(bool(wrong))
    FOLDER.mkdir(exist_ok=True)
    made = pages()
    for name in wrong:
        if name in made:
            (FOLDER / name).write_text(made[name], encoding="utf-8")
        else:
            (FOLDER / name).unlink()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
