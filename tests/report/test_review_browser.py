"""The page of a real review in a real browser: judged by keyboard and by finger, reloaded, exported, read back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

import trueneg
from trueneg.data.writers import write_table
from trueneg.jobs.audit.folder import AuditFolder
from trueneg.jobs.review.answers import load

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HOSTILE = '</script><script>window.taken = 1</script><img src=x onerror="window.taken = 1"> &amp; \u2028'
N = 12
SCHEMES = ["light", "dark"]
KEY = {1: "a", 0: "r", -1: "u"}


class Case:
    """An audited table whose every text, label and id is hostile, and the review drawn from it."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(0)
        truth = rng.permutation(np.arange(160) % 4 == 0)
        given = truth.copy()
        given[np.flatnonzero(truth)[:8]] = False
        words = [["apple pear plum", "stone iron slate"][int(t)] for t in truth]
        texts = [f"{w} {i % 7} {HOSTILE}" for i, w in enumerate(words)]
        self.names = ("=other <b>", "+nine")
        table = pa.table(
            {
                "id": [f"=1+{i}" for i in range(160)],
                "text": texts,
                "size": rng.normal(size=160) + truth,
                "label": np.asarray(self.names, dtype=object)[given.astype(int)].tolist(),
                "checked": (np.arange(160) % 5 == 0).tolist(),
            }
        )
        self.truth = truth
        path = write_table(table, folder / "data.parquet")
        columns: dict[str, Any] = {"label": "label", "positive": self.names[1], "id": "id", "text": ["text"]}
        trueneg.audit(path, trusted="checked", **columns).save(folder / "data.trueneg")
        self.folder = AuditFolder.open(folder / "data.trueneg")
        self.review = trueneg.review(self.folder.folder, n=N)
        self.page = self.review.page

    def right(self) -> list[int]:
        """Give the answers that the hidden truth would give, the third one unsure."""
        answers = self.truth[self.review.drawn.rows].astype(int)
        answers[2] = -1
        return answers.tolist()

    def load(self, exported: Path) -> Any:
        """Read an exported file back."""
        table = self.folder.table()
        return load(self.folder, table, self.folder.keys(table, self.folder.roles(table)), exported)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Draw one review for all tests."""
    return Case(tmp_path_factory.mktemp("review"))


@pytest.fixture
def visit(browser: Browser, case: Case) -> Iterator[Callable[..., Page]]:
    """Open the page: ``visit(width=..., script=..., context=...)``; errors and requests are kept."""
    contexts = []

    def go(*, width: int = 1280, height: int = 900, script: str = "", context: Any = None, **options: Any) -> Page:
        if context is None:
            context = browser.new_context(viewport={"width": width, "height": height}, **options)
            contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5000)
        page.errors, page.asked = [], []
        page.on("console", lambda m: page.errors.append(m.text) if m.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        if script:
            page.add_init_script(script)
        page.goto(case.page.as_uri())
        return page

    yield go
    for context in contexts:
        context.close()


def press(page: Page, answers: list[int]) -> None:
    """Answer by keyboard."""
    for answer in answers:
        page.keyboard.press(KEY[answer])


def export(page: Page, folder: Path, button: str = "#export") -> Path:
    """Export, and return the file as the browser saved it."""
    with page.expect_download() as waiting:
        page.click(button)
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def pressed(page: Page) -> str:
    """Return the answer that is shown as given."""
    return page.evaluate("document.querySelector('.judge[aria-pressed=true]')?.id ?? ''")


def count(page: Page) -> str:
    """Return what the page says of the progress."""
    return page.locator("#count").inner_text()


def test_a_whole_review_by_keyboard(visit: Callable[..., Page], case: Case, tmp_path: Path) -> None:
    """Judged without a mouse, reloaded half way, exported and read back: every answer reaches its own row."""
    page, answers = visit(), case.right()
    press(page, answers[:5])
    page.keyboard.press("n")
    page.keyboard.type("=cmd, a rabbit\nu")
    page.keyboard.press("Escape")
    page.reload()
    assert count(page) == f"5 of {N} answered"
    assert page.locator("#where").inner_text() == f"Row 6 of {N}"
    assert page.locator("#note").input_value() == "=cmd, a rabbit\nu"
    press(page, answers[5:])
    assert page.locator("#done").is_visible()
    assert page.evaluate("document.activeElement.id") == "done-head"
    assert [int(v) for v in page.locator("#tally dd").all_inner_texts()] == [answers.count(v) for v in (1, 0, -1)]
    page.fill("#reviewer", "Ann O’Neil")
    path = export(page, tmp_path, "#done-export")
    assert path.name == "review-ann-o-neil.csv"
    one = case.load(path).findings["TN201"]
    assert one.answers.tolist() == answers
    assert one.remarks[5] == "=cmd, a rabbit\nu"
    assert list(one.by_reviewer) == ["Ann O’Neil"]
    assert "\n'=1+" in path.read_text(encoding="utf-8-sig")  # no spreadsheet runs an id
    assert page.errors == []
    assert set(page.asked) == {page.url}


def test_back_shows_and_changes_an_answer(visit: Callable[..., Page]) -> None:
    """A slip of the finger can be seen and put right, and the review then goes on at the next open row."""
    page = visit()
    press(page, [1, 0, 1])
    page.keyboard.press("b")
    page.keyboard.press("Backspace")
    assert page.locator("#where").inner_text() == f"Row 2 of {N}"
    assert pressed(page) == "reject"
    page.keyboard.press("u")
    assert page.locator("#where").inner_text() == f"Row 4 of {N}"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert pressed(page) == "unsure"
    assert count(page) == f"3 of {N} answered"
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    assert page.locator("#where").inner_text() == f"Row 1 of {N}"
    assert page.locator("#back").is_disabled()


def test_letters_in_a_note_are_no_answers(visit: Callable[..., Page]) -> None:
    """Typing, a shortcut of the browser, a held key and switched-off keys must not judge a row."""
    page = visit()
    page.keyboard.press("n")
    page.keyboard.type("aru")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+a")
    page.keyboard.down("a")
    page.keyboard.down("a")  # a second time while held: the keyboard repeats it
    page.keyboard.up("a")
    assert count(page) == f"1 of {N} answered"
    page.uncheck("#keys")
    page.keyboard.press("r")
    assert count(page) == f"1 of {N} answered"
    page.click("#reject")
    assert count(page) == f"2 of {N} answered"


def test_what_a_row_shows(visit: Callable[..., Page], case: Case) -> None:
    """A judge sees the text, the values and the nearest rows with their labels, hostile ones as plain text."""
    page = visit()
    row = int(case.review.drawn.rows[0])
    table = case.folder.table().arrow
    assert page.locator("#row .text").inner_text().split("<")[0] == table["text"][row].as_py().split("<")[0]
    assert "<script>window.taken = 1</script>" in page.locator("#row .text").inner_text()
    assert page.evaluate("window.taken") is None
    assert page.locator("#given").inner_text() == case.names[0]
    assert page.locator("#proposed").inner_text() == case.names[1]
    assert page.locator("#near-list li").count() == 5
    assert set(page.locator("#near-list .chip").all_inner_texts()) <= set(case.names)
    assert page.locator("#near-list .trusted").count() >= 1
    values = dict(
        zip(*[page.locator(f"#table tbody {part}").all_inner_texts() for part in ("th", "td.this")], strict=True)
    )
    assert values["id"] == f"=1+{row}"
    assert values["size"].strip() == f"{table['size'][row].as_py():.6g}"
    assert "text" not in values
    assert page.errors == []


def test_nothing_of_the_model_is_in_the_page(case: Case) -> None:
    """Seen before the answer, a probability, a rank or a stratum would anchor the judge: the file holds none."""
    import json

    text = case.page.read_text(encoding="utf-8")
    block = json.loads(text.split('<script type="application/json" id="data">')[1].split("</script>")[0])
    drawn = case.review.drawn
    assert [cell["row"] for cell in block["cells"]] == drawn.rows.tolist()  # the order drawn, which is random
    plain = {"key", "row", "finding", "label", "given", "proposed", "near", "question", "wrong", "right", "shown"}
    assert all(set(cell) == plain for cell in block["cells"])
    assert len({(cell["question"], cell["wrong"], cell["right"], len(cell["near"])) for cell in block["cells"]}) == 1
    assert all(set(row) == {"trusted", "texts", "image", "tags", "values"} for row in block["rows"].values())
    for probability in drawn.ranking.probability[drawn.sample.rows]:
        assert f"{probability:.4f}"[1:] not in text.split('id="data"')[1]
    for word in ("stratum", "inclusion", "weight"):
        assert f'"{word}' not in text


def test_the_policy_of_the_page_is_enforced(visit: Callable[..., Page]) -> None:
    """A foreign script, picture, style or request put into the page is refused before anything leaves it."""
    page = visit()
    page.evaluate(
        """() => {
          window.refused = [];
          document.addEventListener("securitypolicyviolation", (e) => window.refused.push(e.effectiveDirective));
          document.body.append(Object.assign(document.createElement("script"), { textContent: "window.foreign = 1" }));
          document.body.append(Object.assign(new Image(), { src: "https://example.invalid/x.png" }));
          fetch("https://example.invalid/").catch(() => {});
        }"""
    )
    page.wait_for_function("window.refused.length === 3")
    assert sorted(page.evaluate("window.refused")) == ["connect-src", "img-src", "script-src-elem"]
    assert page.evaluate("window.foreign") is None


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_can_be_judged_with_a_thumb(visit: Callable[..., Page], width: int) -> None:
    """On a phone nothing reaches beyond the screen, and the buttons are there, large, and answer to a tap."""
    page = visit(width=width, height=700, has_touch=True, is_mobile=True, device_scale_factor=2)
    wide, room = page.evaluate("[document.scrollingElement.scrollWidth, innerWidth]")
    assert wide <= room
    for name in ("reject", "unsure", "accept", "back"):
        box = page.locator(f"#{name}").bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44
        assert box["y"] + box["height"] <= 700
    page.tap("#accept")
    page.tap("#unsure")
    assert count(page) == f"2 of {N} answered"
    page.tap("#back")
    assert pressed(page) == "unsure"
    for _ in range(N):
        page.keyboard.press("r")
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_text_can_be_read(visit: Callable[..., Page], contrast: str, scheme: str) -> None:
    """Light and dark, before and after an answer and at the end, every text has the contrast that WCAG asks for."""
    page = visit(color_scheme=scheme, reduced_motion="reduce")
    page.evaluate("document.querySelector('details').open = true")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert max(ground[:3]) < 64 if scheme == "dark" else min(ground[:3]) > 192
    assert page.evaluate(contrast) == []
    for key in "aru":
        page.keyboard.press(key)
        page.keyboard.press("b")
        assert page.evaluate(contrast) == []
        page.keyboard.press("ArrowRight")
    press(page, [0] * N)
    assert page.locator("#done").is_visible()
    assert page.evaluate(contrast) == []


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing_serious(
    visit: Callable[..., Page], axe: Callable[..., list], scheme: str, width: int
) -> None:
    """The accessibility engine axe-core reports no violation above a minor one, on a row and at the end."""
    page = visit(width=width, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce")
    page.evaluate("document.querySelector('details').open = true")
    press(page, [1, 0, -1])
    page.keyboard.press("b")
    assert axe(page) == []
    press(page, [0] * N)
    assert page.locator("#done").is_visible()
    assert axe(page) == []


def test_a_screen_reader_is_told(visit: Callable[..., Page]) -> None:
    """Who cannot see the row change hears what was answered and what comes next, and keeps the place on the button."""
    page = visit()
    page.focus("#reject")
    page.keyboard.press("Enter")
    assert page.locator("#live").get_attribute("role") == "status"
    assert page.locator("#live").inner_text().startswith(f"Answered: reject. Row 2 of {N}. Is the label")
    assert page.evaluate("document.activeElement.id") == "reject"
    assert page.locator("#progress").evaluate("(p) => [p.value, p.max]") == [1, N]


def test_a_browser_that_keeps_nothing_says_so(visit: Callable[..., Page], tmp_path: Path, case: Case) -> None:
    """Where storage is refused the review can still be done and exported, with a warning before anything is lost."""
    refuse = (
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } });"
    )
    page = visit(script=refuse)
    assert page.locator("#warn").is_visible()
    assert "lost when it is reloaded" in page.locator("#warn").inner_text()
    assert page.locator("#kept").inner_text() == ""
    press(page, case.right())
    assert case.load(export(page, tmp_path)).findings["TN201"].answers.tolist() == case.right()
    assert page.errors == []


def test_a_full_storage_says_so(visit: Callable[..., Page]) -> None:
    """Storage that fills up half way must not lose answers silently."""
    page = visit()
    page.keyboard.press("a")
    assert page.locator("#warn").is_hidden()
    full = "throw new DOMException('full', 'QuotaExceededError');"
    page.evaluate(f"() => {{ Storage.prototype.setItem = () => {{ {full} }}; }}")
    page.keyboard.press("a")
    assert page.locator("#warn").is_visible()
    assert count(page) == f"2 of {N} answered"


def test_two_windows_share_their_answers(visit: Callable[..., Page]) -> None:
    """A page that is open twice must not overwrite what the other window was told."""
    first = visit()
    second = visit(context=first.context)
    press(first, [1, 1])
    second.wait_for_function(f"document.getElementById('count').textContent === '2 of {N} answered'")
    second.keyboard.press("ArrowRight")
    second.keyboard.press("ArrowRight")
    press(second, [0])
    first.wait_for_function(f"document.getElementById('count').textContent === '3 of {N} answered'")


def test_answers_can_be_imported(visit: Callable[..., Page], case: Case, tmp_path: Path) -> None:
    """Answers travel to another browser; a foreign or damaged file is refused, and loses nothing."""
    page = visit()
    press(page, case.right())
    page.fill("#reviewer", "Bo")
    path = export(page, tmp_path)
    page.on("dialog", lambda dialog: dialog.accept())
    page.click("#reset")
    assert count(page) == f"0 of {N} answered"
    other = visit()
    other.set_input_files("#file", path)
    other.wait_for_function(f"document.getElementById('count').textContent === '{N} of {N} answered'")
    assert other.locator("#reviewer").input_value() == "Bo"
    again = export(other, tmp_path)
    assert case.load(again).findings["TN201"].answers.tolist() == case.right()
    text = path.read_text(encoding="utf-8-sig")
    for number, (wrong, why) in enumerate([
        (text.replace(case.review.folder.name, "").replace("blake2b:", "blake2b:0"), "belong to other data"),
        (text.replace(",accept,", ",yes,").replace(",reject,", ",no,"), "is no answer"),
        (text.replace("answer", "verdict", 1), 'no column "answer"'),
        ("", 'no column "key"'),
    ]):  # fmt: skip
        bad = tmp_path / f"bad{number}.csv"
        bad.write_text(wrong, encoding="utf-8")
        other.set_input_files("#file", bad)
        other.wait_for_function("(why) => document.getElementById('warn').textContent.includes(why)", arg=why)
        assert other.locator("#warn").is_visible()
        assert count(other) == f"{N} of {N} answered"
    semicolons = tmp_path / "excel.csv"
    lines = [line.split(",") for line in (tmp_path / path.name).read_text(encoding="utf-8-sig").splitlines()]
    semicolons.write_text("\r\n".join(";".join(line) for line in lines), encoding="utf-8")
    page.set_input_files("#file", semicolons)
    page.wait_for_function(f"document.getElementById('count').textContent === '{N} of {N} answered'")
    assert page.errors == other.errors == []


def test_a_further_round_finds_the_answers_kept(browser: Browser, tmp_path: Path) -> None:
    """After a further round the browser still has the earlier answers, on the same rows."""
    case = Case(tmp_path)
    context = browser.new_context()
    page = context.new_page()
    page.goto(case.page.as_uri())
    press(page, case.right())
    trueneg.review(case.folder.folder, n=8)
    page.reload()
    assert count(page) == f"{N} of {N + 8} answered"
    assert page.locator("#where").inner_text() == f"Row {N + 1} of {N + 8}"
    assert case.load(export(page, tmp_path)).findings["TN201"].answers[:N].tolist() == case.right()
    context.close()
