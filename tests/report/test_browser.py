"""The report of a real audit, opened in a real browser: what a reader with a mouse, a keyboard or paper gets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from trueneg.report import render

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PAGES = ["audit", "full"]
SCHEMES = ["light", "dark"]


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory, build: Callable[..., dict], browser: Browser) -> dict[str, Path]:
    """Write the report of a real audit, and one that uses every part of the page."""
    from trueneg.jobs.demo import run_demo

    folder = tmp_path_factory.mktemp("browser")
    _, saved, _ = run_demo(folder)
    full = folder / "full.html"
    full.write_text(render(build("", many=4)), encoding="utf-8")
    return {"audit": saved / "report.html", "full": full}


@pytest.fixture
def visit(open_page: Callable[..., Page], reports: dict[str, Path]) -> Callable[..., Page]:
    """Open a report: ``visit(name, width=..., color_scheme=..., bypass_csp=...)``."""

    def go(name: str = "audit", **options: Any) -> Page:
        return open_page(reports[name], **options)

    return go


def unfold(page: Page) -> None:
    """Open everything that is folded."""
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")


def cells(page: Page, column: int) -> list[str]:
    """Read one column of the suspects as it stands."""
    return page.evaluate(
        "j => Array.from(document.querySelectorAll('#suspect-table tbody tr'), (row) => row.cells[j].textContent)",
        column,
    )


def numeric(page: Page) -> int:
    """Find a numeric column whose order changes when it is sorted."""
    count = page.locator("#suspect-table thead th").count()
    for j in range(count):
        head = page.locator("#suspect-table thead th").nth(j)
        if "num" not in (head.get_attribute("class") or ""):
            continue
        values = [float(v) for v in cells(page, j)]
        if values != sorted(values) and values != sorted(values, reverse=True):
            return j
    pytest.fail("no numeric column is out of order, so sorting cannot be seen")


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_silent_and_alone(visit: Callable[..., Page], name: str) -> None:
    """No error in the console and no request but the file itself, also after everything was used."""
    page = visit(name)
    unfold(page)
    page.locator("#suspect-table thead button").first.click()
    page.fill("#filter", "1")
    page.locator(".copy").first.click()
    page.mouse.wheel(0, 4000)
    page.wait_for_timeout(200)
    assert page.errors == []
    assert page.asked == [page.url.split("#")[0]]


def test_the_policy_of_the_page_is_enforced(visit: Callable[..., Page]) -> None:
    """A foreign script or picture put into the page is refused by the page's own policy, before it is fetched."""
    page = visit()
    failed: list[str | None] = []
    page.on("requestfailed", lambda request: failed.append(request.failure))
    page.evaluate(
        """() => {
          window.refused = [];
          document.addEventListener("securitypolicyviolation", (e) => window.refused.push(e.effectiveDirective));
          document.body.append(Object.assign(document.createElement("script"), { textContent: "window.foreign = 1" }));
          document.body.append(Object.assign(new Image(), { src: "https://example.invalid/x.png" }));
        }"""
    )
    page.wait_for_function("window.refused.length === 2")
    assert sorted(page.evaluate("window.refused")) == ["img-src", "script-src-elem"]
    assert page.evaluate("window.foreign") is None
    # A name that could not be resolved would fail otherwise: the policy stops it first.
    assert failed == ["csp"]


def test_a_click_sorts_a_column(visit: Callable[..., Page]) -> None:
    """Three presses of a header give ascending, descending and the report's own order, and aria-sort says so."""
    page = visit()
    j = numeric(page)
    head = page.locator("#suspect-table thead th").nth(j)
    before = [float(v) for v in cells(page, j)]
    assert head.get_attribute("aria-sort") == "none"
    for state, expected in (
        ("ascending", sorted(before)),
        ("descending", sorted(before, reverse=True)),
        ("none", before),
    ):
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == state
        assert [float(v) for v in cells(page, j)] == expected


def test_the_keyboard_alone_sorts_a_column(visit: Callable[..., Page]) -> None:
    """Tab reaches a header from the filter, the focus can be seen, and Enter and Space sort."""
    page = visit()
    j = numeric(page)
    head = page.locator("#suspect-table thead th").nth(j)
    before = [float(v) for v in cells(page, j)]
    page.focus("#filter")
    for _ in range(j + 4):
        page.keyboard.press("Tab")
        if head.locator("button").evaluate("(b) => b === document.activeElement"):
            break
    else:
        pytest.fail("Tab does not reach the header")
    assert head.locator("button").evaluate("(b) => parseFloat(getComputedStyle(b).outlineWidth)") >= 2
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert [float(v) for v in cells(page, j)] == sorted(before)
    page.keyboard.press("Space")
    assert head.get_attribute("aria-sort") == "descending"
    assert [float(v) for v in cells(page, j)] == sorted(before, reverse=True)
    assert (
        page.locator("#suspect-table thead th[aria-sort='none']").count()
        == head.locator("..").locator("th").count() - 1
    )


def test_the_filter_hides_rows_and_tells_how_many(visit: Callable[..., Page]) -> None:
    """Only rows that hold the word stay, the number shown is theirs, and emptying the field brings all back."""
    page = visit()
    rows = page.locator("#suspect-table tbody tr")
    texts = [text.lower() for text in rows.all_text_contents()]
    word = cells(page, 0)[len(texts) // 2]
    expected = [word in text for text in texts]
    assert 0 < sum(expected) < len(texts)
    page.locator("#filter").press_sequentially(word)
    assert (
        page.evaluate("Array.from(document.querySelectorAll('#suspect-table tbody tr'), (r) => r.checkVisibility())")
        == expected
    )
    assert page.locator("#count").inner_text() == f"{sum(expected)} of {len(texts)} rows"
    assert page.locator("#count").get_attribute("role") == "status"
    page.fill("#filter", "no row holds this")
    assert page.locator("#count").inner_text() == f"0 of {len(texts)} rows"
    page.fill("#filter", "")
    assert page.locator("#suspect-table tbody tr:visible").count() == len(texts)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [390, 1280])
def test_a_mark_shows_its_values(visit: Callable[..., Page], name: str, width: int) -> None:
    """In every figure with marks, pointing at one shows its own text inside the window, and Escape hides it."""
    page = visit(name, width=width)
    unfold(page)
    tried = 0
    for drawing in page.locator(".drawing").all():
        marks = drawing.locator(".role-mark [aria-label]")
        if marks.count() == 0:
            continue
        tried += 1
        drawing.evaluate("(d) => d.scrollIntoView({ block: 'center', behavior: 'instant' })")
        page.wait_for_timeout(60)
        spot = drawing.evaluate(
            """(d) => {
              for (const mark of d.querySelectorAll(".role-mark [aria-label]")) {
                const box = mark.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2;
                if (document.elementFromPoint(x, y) === mark) return { x, y, label: mark.getAttribute("aria-label") };
              }
              return null;
            }"""
        )
        assert spot is not None, "no mark of the figure can be pointed at"
        page.mouse.move(spot["x"], spot["y"])
        tip = page.locator("#tip")
        assert tip.is_visible()
        assert tip.inner_text().strip() == spot["label"].strip()
        box = tip.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        page.keyboard.press("Escape")
        assert not tip.is_visible()
    assert tried > 0


@pytest.mark.parametrize("name", PAGES)
def test_the_page_never_scrolls_sideways(visit: Callable[..., Page], name: str) -> None:
    """At the width of a telephone (and of a page enlarged fourfold) nothing reaches beyond the window."""
    page = visit(name)
    for _ in range(2):
        for width in (320, 390, 768, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            wide, room = page.evaluate("[document.scrollingElement.scrollWidth, document.scrollingElement.clientWidth]")
            assert wide <= room, width
        unfold(page)


@pytest.mark.parametrize("name", PAGES)
def test_every_text_can_be_read(visit: Callable[..., Page], contrast: str, name: str) -> None:
    """The ground follows the colour scheme, and every text, in figures too, has the contrast that WCAG asks for."""
    page = visit(name)
    unfold(page)
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        assert max(ground[:3]) < 64 if scheme == "dark" else min(ground[:3]) > 192
        assert page.evaluate(contrast) == []


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scripts", [True, False])
def test_paper_holds_every_finding(visit: Callable[..., Page], contrast: str, name: str, scripts: bool) -> None:
    """In print nothing folded is lost, with and without scripts; the controls are gone; the paper is white."""
    page = visit(name, java_script_enabled=scripts, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    hidden = """() => Array.from(document.querySelectorAll(
        ".card, .card .message, .card .remedy, .pairs > div, .drawing svg, .checks li, #suspect-table tr, .scroll td"
      )).filter((e) => !e.checkVisibility({ contentVisibilityAuto: true, visibilityProperty: true })
        || e.getBoundingClientRect().height === 0)
      .map((e) => e.tagName + " " + e.textContent.slice(0, 40)).slice(0, 5)"""
    assert page.locator(".card").count() > 0
    assert page.evaluate(hidden) == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(contrast) == []
    assert page.locator("nav:visible, .copy:visible, .filter:visible, #tip:visible").count() == 0
    clipped = """() => Array.from(document.querySelectorAll(".scroll"))
      .filter((e) => getComputedStyle(e).overflowY !== "visible").length"""
    assert page.evaluate(clipped) == 0


@pytest.mark.parametrize("name", PAGES)
def test_paper_cuts_no_column(visit: Callable[..., Page], name: str) -> None:
    """On A4 with narrow margins (680 px) no table is wider than the paper."""
    page = visit(name, width=680)
    page.emulate_media(media="print")
    wide, room = page.evaluate("[document.scrollingElement.scrollWidth, document.scrollingElement.clientWidth]")
    assert wide <= room


def test_paper_says_that_rows_were_filtered(visit: Callable[..., Page]) -> None:
    """Printing a filtered table keeps the filter and the count, or a reader would take it for the whole."""
    page = visit()
    page.fill("#filter", cells(page, 0)[0])
    page.emulate_media(media="print")
    assert page.locator("#count").is_visible()
    assert "rows" in page.locator("#count").inner_text()


def test_a_printed_page_folds_back(visit: Callable[..., Page]) -> None:
    """Real printing gives a PDF, and afterwards the page is folded as the reader left it."""
    page = visit("full")
    before = page.locator("details[open]").count()
    printed = page.pdf()
    assert printed.startswith(b"%PDF")
    assert page.locator("details[open]").count() == before


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing_serious(
    visit: Callable[..., Page], axe: Callable[..., list], name: str, scheme: str, width: int
) -> None:
    """The accessibility engine axe-core reports no violation above a minor one, folded parts opened."""
    page = visit(name, width=width, color_scheme=scheme, bypass_csp=True)
    unfold(page)
    assert axe(page, contrast=(name, scheme) == ("full", "light")) == []
