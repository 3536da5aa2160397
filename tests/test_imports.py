"""The import budget: what must not be loaded, and how fast a refusal comes."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

HEAVY = ("numpy", "scipy", "sklearn", "pyarrow", "pandas", "torch", "narwhals")


def _python(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_import_loads_nothing_third_party():
    """``import trueneg`` must stay free, since every command and every worker pays for it."""
    code = (
        "import sys; before = set(sys.modules); import trueneg; import os.path, sysconfig\n"
        "std = sys.stdlib_module_names\n"
        "new = {m.split('.')[0] for m in set(sys.modules) - before}\n"
        "print(sorted(m for m in new if m not in std and m != 'trueneg' and not m.startswith('_')))"
    )
    done = _python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["audit", "--help"], ["audit", "x.csv", "--labl", "y"], ["audit", "x.csv", "--fail-on", "no"]],
)
def test_help_and_refusals_load_no_heavy_library(arguments):
    """Help and the refusal of bad arguments must come before scikit-learn is loaded (two seconds)."""
    code = (
        "import sys\nfrom trueneg.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    done = _python(code)
    assert done.stderr.strip().splitlines()[-1] == "[]", done.stderr


def test_every_room_is_reached_from_the_package():
    """``trueneg.losses`` after ``import trueneg`` must be there for each room and door that is."""
    root = Path(__file__).parents[1] / "src" / "trueneg"
    there = sorted(path.parent.name for path in root.glob("*/__init__.py") if path.parent.name != "cli")
    done = _python(f"import trueneg\nfor name in {there!r}:\n    getattr(trueneg, name)")
    assert done.returncode == 0, done.stderr


def test_what_the_readme_names_is_reached_from_the_package():
    """``trueneg.core.neighbors.top_k`` is copied from the page into a session that has imported ``trueneg`` alone."""
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    names = sorted(set(re.findall(r"`(trueneg(?:\.\w+)+)`", text)))
    assert len(names) > 5
    each = "functools.reduce(getattr, name.split('.')[1:], trueneg)"
    done = _python(f"import functools, trueneg\nfor name in {names!r}:\n    {each}")
    assert done.returncode == 0, done.stderr


def test_rooms_list_what_they_hold():
    """What a session offers on the tab key: no room comes up empty."""
    rooms = (
        "clean",
        "core",
        "data",
        "encoders",
        "engine",
        "heads",
        "judge",
        "llm",
        "losses",
        "mine",
        "reject",
        "sample",
    )
    done = _python(
        f"import trueneg\nfor name in {rooms!r}:\n    room = getattr(trueneg, name)\n"
        "    assert len([n for n in dir(room) if n[0] != '_']) > 1, name\n    [getattr(room, n) for n in dir(room)]"
    )
    assert done.returncode == 0, done.stderr


def test_bad_argument_exits_with_2_or_1_and_no_traceback():
    """An unknown option must be one message, never a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "trueneg", "audit", "x.csv", "--labl", "y"], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr + done.stdout


def test_a_fresh_machine_gets_what_the_groups_name():
    """A package that only one of the two lists names is there on the machine it was tried on, and on no other."""
    root = Path(__file__).parents[1]
    groups = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    made = (root / "Makefile").read_text(encoding="utf-8")
    for group in ("test", "docs", "lint"):
        recipe = re.search(rf"^\$\(V\)/\.{group}:.*\n\t(.*)$", made, re.MULTILINE)
        assert recipe is not None
        assert set(re.findall(r'"([^"]+)"', recipe[1])) == set(groups[group]), group
