"""The documentation: its Python runs as printed, its pages of codes are those of the checks."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("README.md")])
BLOCK = re.compile(r"^( *)```python[^\n]*\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
WITH_PYTHON = [page for page in PAGES if BLOCK.search(page.read_text(encoding="utf-8"))]


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def _make_codes():
    spec = importlib.util.spec_from_file_location("make_codes", ROOT / "docs" / "make_codes.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
