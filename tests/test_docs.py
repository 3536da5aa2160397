"""The documentation: its Python and its commands run as printed, its pages of codes are those of the checks."""

import doctest
import importlib
import importlib.util
import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pytest

from trueneg.cli import app, main

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("README.md")])
BLOCK = re.compile(r"^( *)```python[^\n]*\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
# Commands stand in fences without a language, in indented blocks, and in running text.
SHELL = re.compile(r"^```\n(.*?)^```|^((?:    [^\n]+\n)+)", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`((?:trueneg|make) [^`]+)`")
PROGRAMS = ("trueneg", "make", "python", "pip")
WITH_PYTHON = [page for page in PAGES if BLOCK.search(page.read_text(encoding="utf-8"))]


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def _make_codes():
    spec = importlib.util.spec_from_file_location("make_codes", ROOT / "docs" / "make_codes.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _commands(page, *, blocks_only=False):
    """Every command on a page as words; comments left out."""
    text = page.read_text(encoding="utf-8")
    # Python blocks are looked at elsewhere; a fence must not begin where one of them ends.
    text = BLOCK.sub("", text)
    lines = [line for block in SHELL.finditer(text) for line in (block[1] or block[2]).splitlines()]
    lines += [] if blocks_only else INLINE.findall(text)
    words = [shlex.split(line.strip(), comments=True) for line in lines]
    return [w for w in words if w and w[0] in PROGRAMS]


TO_RUN = sorted(
    {tuple(c) for page in PAGES for c in _commands(page) if c[:2] in (["trueneg", "audit"], ["trueneg", "explain"])}
)
TO_RUN = [c for c in TO_RUN if "data.csv" in c or (c[1] == "explain" and c[2:] not in ((), ("CODE",)))]


@pytest.mark.parametrize("page", WITH_PYTHON, ids=_name)
def test_python_on_a_page_runs_as_printed(page, tmp_path, monkeypatch):
    """A reader who pastes a page's blocks, top to bottom, into an empty session must meet no error."""
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    names = {"__name__": "page"}
    for block in BLOCK.finditer(text):
        first = text.count("\n", 0, block.start(2))
        indent = len(block.group(1))
        code = "\n".join(line[indent:] for line in block.group(2).splitlines())
        # The padding lets a traceback name the line of the page.
        exec(compile("\n" * first + code, str(page), "exec"), names)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=_name)
def test_commands_on_a_page_exist(page):
    """A command, an option, a target or an extra that is named on a page must be one that there is."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    blocks = _commands(page, blocks_only=True)
    for words in _commands(page):
        program, *rest = words
        if program == "make":
            assert set(rest) <= targets, words
        elif program == "python":
            assert (ROOT / rest[0]).is_file(), words
        elif program == "pip":
            named = {extra for word in rest for extra in re.findall(r"\[(.*?)\]", word)}
            assert named <= set(extras), words
        else:
            names = [word for word in rest[:2] if word.islower() and word in {*app, *app["claims"], *app["data"]}]
            assert names, words
            if words in blocks:  # in running text a command may be named without its arguments
                app.parse_args(rest, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("words", TO_RUN, ids=" ".join)
def test_a_command_runs_as_printed(words, tmp_path, monkeypatch, capsys):
    """A reader who has a table as the page says, and pastes the command, must get the answer."""
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=(60, 2))
    rows = [f"{a:.3f},{b:.3f},{'yes' if a > 0 else 'no'},{'yes' if a > 0 else 'no'}" for a, b in x]
    (tmp_path / "data.csv").write_text("\n".join(["a,b,spam,LABEL", *rows]) + "\n")
    with pytest.raises(SystemExit) as ended:
        main(list(words[1:]))
    assert ended.value.code == 0, capsys.readouterr().err


def test_commands_are_found():
    """A pattern that finds no command would let every test above pass."""
    assert ("trueneg", "audit", "data.csv", "--label", "spam", "--positive", "yes") in TO_RUN
    assert ["make", "demo"] in _commands(ROOT / "README.md")
    assert ["trueneg", "data", "get", "uci"] in _commands(ROOT / "docs" / "data.md")


EXAMPLES = sorted(p for p in (ROOT / "src").rglob("*.py") if ">>> " in p.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", EXAMPLES, ids=_name)
def test_examples_in_docstrings_run_as_printed(path):
    """What a docstring shows must be what the reader sees."""
    module = importlib.import_module(path.relative_to(ROOT / "src").with_suffix("").as_posix().replace("/", "."))
    failed, tried = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert tried
    assert not failed


def test_every_python_fence_is_collected():
    """A fence that the pattern does not see would be a snippet that nobody runs."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        fences = re.findall(
            r"^\s*(?:```+|~~~+)\s*\{?\s*\.?(?:python|py|pycon|python3)\b", text, re.MULTILINE | re.IGNORECASE
        )
        assert len(fences) == len(BLOCK.findall(text)), f"{_name(page)}: write snippets as ```python"


def test_pages_of_codes_are_up_to_date():
    """A code's page must say what its check says now; ``python docs/make_codes.py`` writes them anew."""
    assert _make_codes().stale() == []


def test_stale_sees_a_changed_a_missing_and_a_left_over_page(tmp_path):
    """The comparison itself must fail on each way a folder of pages can rot."""
    module = _make_codes()
    for name, text in module.pages().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert module.stale(tmp_path) == []
    (tmp_path / "tn201.md").write_text("changed", encoding="utf-8")
    (tmp_path / "tn202.md").unlink()
    (tmp_path / "tn999.md").write_text("left over", encoding="utf-8")
    assert module.stale(tmp_path) == ["tn201.md", "tn202.md", "tn999.md"]


def test_nav_and_pages_agree():
    """A page that the navigation forgets, or names without a file, is lost to the reader."""
    named = set(re.findall(r"[\w./-]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8")))
    there = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    assert named == there


def test_every_system_and_every_extra_is_reached_from_a_trouble():
    """Who has a trouble finds the system for it on one page, and what to install: none is left out."""
    page = (ROOT / "docs" / "choose.md").read_text(encoding="utf-8")
    systems = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs" / "systems").glob("*.md")}
    assert systems - set(re.findall(r"\]\((systems/\w+\.md)", page)) == set()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert {extra for extra in extras if f"`{extra}`" not in page} == set()


def test_links_of_the_pages_that_no_build_reads_lead_somewhere():
    """The strict build holds the links of docs/; the README and the rooms' READMEs are read in the repository."""
    for page in [path for path in PAGES if path.name == "README.md"]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), (_name(page), target)
