"""The page of a fitted model in a real browser: rules that a stranger's data has written, on a screen and on paper."""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

HOSTILE = '</script><script>window.taken = 1</script><img src=x onerror="window.taken = 1"> &amp;'


@pytest.fixture(scope="session")
def page_of_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fit a machine whose classes, categories and label are hostile, and draw its page."""
    from trueneg.jobs.fit import Model, fit
    from trueneg.jobs.fit.run import Reading
    from trueneg.report.model import render

    folder = tmp_path_factory.mktemp("model")
    rng = np.random.default_rng(0)
    label = f"kind {HOSTILE}"
    with (folder / "data.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["colour", "text", "age", label])
        for _ in range(500):
            colour = rng.choice([f"red {HOSTILE}", "blue", "green"])
            words = rng.choice(["rash", "fever", "cough", "w" * 60, "rest", "sleep"], 4)
            ill = colour.startswith("red") != ("rash" in words)
            out.writerow([colour, " ".join(words), rng.integers(1, 90), f"ill {HOSTILE}" if ill else "well"])
    settings = ["n_clauses=120", "specificity=5", "max_iter=5"]
    model = fit("tsetlin", folder / "data.csv", reading=Reading(label=label), settings=settings)
    model.save(folder / "model")
    stored = Model.load(folder / "model")
    assert HOSTILE in stored.label
    from trueneg.jobs.fit.model import described

    page = folder / "report.html"
    page.write_text(render(described(folder / "model")), encoding="utf-8")
    return page


@pytest.fixture(scope="session")
def page_of_rejecter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fit a rejecter whose classes and label are hostile, beside rows of no class, and draw its page."""
    from trueneg.jobs.fit import fit
    from trueneg.jobs.fit.model import described
    from trueneg.jobs.fit.run import Reading
    from trueneg.report.model import render

    folder = tmp_path_factory.mktemp("rejecter")
    rng = np.random.default_rng(0)
    kinds = [f"one {HOSTILE}", "two", "odd"]
    with (folder / "data.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["x0", "x1", "x2", f"kind {HOSTILE}"])
        for k in rng.integers(0, 3, 600):
            out.writerow([*(rng.normal(size=3) + (0, 4, 8)[k]), kinds[k]])
    model = fit("mahalanobis", folder / "data.csv", reading=Reading(label=f"kind {HOSTILE}", unknown="odd"))
    model.save(folder / "model")
    page = folder / "report.html"
    page.write_text(render(described(folder / "model")), encoding="utf-8")
    return page


@pytest.fixture
def visit(open_page: Callable[..., Page], page_of_model: Path) -> Callable[..., Page]:
    """Open the page; errors and requests are kept."""
    return partial(open_page, page_of_model)


def test_hostile_names_are_text_and_nothing_is_fetched(visit: Callable[..., Page]) -> None:
    """A category or class that holds markup is read as it stands, runs nothing and fetches nothing."""
    page = visit()
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert page.evaluate("window.taken") is None
    assert page.locator("img").count() == 0
    assert HOSTILE in page.locator("main h2").first.inner_text() + page.locator("main h2").nth(1).inner_text()
    assert HOSTILE in page.locator("main").inner_text()
    assert (page.errors, page.asked) == ([], [page.url])  # type: ignore[attr-defined]


def test_every_rule_is_there_with_its_figures(visit: Callable[..., Page]) -> None:
    """Each class shows its 25 heaviest rules at once and the others on request by keyboard, each with both figures."""
    page = visit()
    tables = page.locator("main section table")
    assert tables.first.locator("tbody tr").count() == 25
    more = page.locator("main details").first
    assert not more.locator("table").is_visible()
    more.locator("summary").focus()
    page.keyboard.press("Enter")
    assert more.locator("table").is_visible()
    for cells in tables.first.locator("tbody tr").all()[:25]:
        votes, rule, right, holds = (cell.inner_text() for cell in cells.locator("td").all())
        assert votes[0] in "+-"
        assert rule
        assert right == "never held" or "[" in right
        assert "[" in holds
    weights = [abs(int(v)) for v in tables.first.locator("tbody td:first-child").all_inner_texts()]
    assert weights == sorted(weights, reverse=True)


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_the_page_never_scrolls_sideways(visit: Callable[..., Page], width: int) -> None:
    """Long rules scroll inside their own region, on a phone too; that region can be reached by keyboard."""
    page = visit(width=width)
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    wide, room = page.evaluate("[document.scrollingElement.scrollWidth, document.scrollingElement.clientWidth]")
    assert wide <= room
    assert page.locator(".scroll").count() == page.locator(".scroll[tabindex='0'][aria-label]").count()


def test_it_can_be_read_by_all(visit: Callable[..., Page], contrast: str, axe: Callable[..., list]) -> None:
    """Every text has the contrast that WCAG asks for in both schemes, and axe-core finds nothing above minor."""
    page = visit(color_scheme="light", bypass_csp=True)
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert axe(page) == []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(contrast) == []


@pytest.mark.parametrize("width", [320, 1280])
def test_a_rejecter_shows_its_threshold_scores_and_classes(
    open_page: Callable[..., Page], page_of_rejecter: Path, contrast: str, axe: Callable[..., list], width: int
) -> None:
    """A model without rules shows what it has: three sections, none empty, safe, to be read by all, not sideways."""
    page = open_page(page_of_rejecter, width=width, color_scheme="light", bypass_csp=True)
    assert page.locator("main h2").all_inner_texts() == ["Threshold", "Scores", "Classes"]
    assert page.evaluate("window.taken") is None
    assert page.locator("main section").first.inner_text().count("[") == 1  # the rate, with its interval
    assert page.locator(".drawing svg [aria-roledescription='bar']").count() > 10
    rows = [
        row.locator("td").all_inner_texts() for row in page.locator("main > section").last.locator("tbody tr").all()
    ]
    assert [row[0] for row in rows] == [f"one {HOSTILE}", "two", "none of the classes"]
    assert all("[" in cell for row in rows[:2] for cell in row[2:])
    wide, room = page.evaluate("[document.scrollingElement.scrollWidth, document.scrollingElement.clientWidth]")
    assert wide <= room
    assert axe(page) == []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(contrast) == []
    assert (page.errors, page.asked) == ([], [page.url])  # type: ignore[attr-defined]
