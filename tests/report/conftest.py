# ruff: noqa: E501 - a sample report reads best as a table
from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from trueneg.report import figures

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# The lowest contrast of every text that is drawn, by WCAG 2.2; large text may have 3 instead of 4.5.
CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const alpha = (c) => c.length > 3 ? c[3] : 1;
  const over = (top, under) => [0, 1, 2].map((i) => alpha(top) * top[i] + (1 - alpha(top)) * under[i]);
  const light = (c) => {
    const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    const layers = [];
    for (let e = node; e; e = e.parentElement) layers.push(parse(getComputedStyle(e).backgroundColor));
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    const text = Array.from(node.childNodes).filter((n) => n.nodeType === 3).map((n) => n.data).join("").trim();
    if (!text || ["SCRIPT", "STYLE"].includes(node.tagName) || !node.checkVisibility()) continue;
    const style = getComputedStyle(node), drawn = node instanceof SVGElement;
    const ink = parse(drawn ? style.fill : style.color);
    if (drawn) ink[3] = alpha(ink) * Number(style.fillOpacity) * Number(style.opacity);
    const below = ground(node), front = over(ink, below);
    const [a, b] = [light(front), light(below)].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (large ? 3 : 4.5)) found.push(`${ratio.toFixed(2)} ${node.tagName} ${text.slice(0, 40)}`);
  }
  return found;
}"""


def sample(hostile: str = "", *, many: int = 1) -> dict:
    """One report that uses every part; `hostile` is put into every text that may come from the data."""
    h = f" {hostile}" if hostile else ""
    rng = np.random.default_rng(0)
    x = np.linspace(0, 1, 200)
    figs = [
        figures.bar(
            ["negative" + h, "positive" + h, "other" + h], [9000, 800, 200], title="Labels a class" + h, id="classes" + h,
            caption="Count of rows of each class" + h, label="class" + h, value="rows" + h,
            highlight=["positive" + h],
        ),
        figures.line(
            x, x**2, low=x**2 - 0.1 * x, high=x**2 + 0.1 * x, title="Cost curve" + h, id="cost",
            caption="Expected cost by threshold." + h, x_label="threshold" + h, y_label="cost" + h,
            rule=0.31, rule_label="break-even" + h,
        ),
        figures.line(
            x, {"as it is" + h: x**2, "repaired" + h: x**1.5}, title="Risk and coverage" + h, id="risk",
            caption="Lower is better." + h, x_label="coverage", y_label="risk",
        ),
        figures.histogram(
            rng.beta(2, 5, 3000), title="Label quality" + h, id="quality", caption="All rows." + h, value="quality" + h,
            rule=0.12, rule_label="cut" + h,
        ),
        figures.forest(
            ["nothing" + h, "class weights" + h, "tuned threshold" + h, "drop suspects" + h], [0.0, 0.012, 0.031, 0.044],
            [0.0, -0.004, 0.02, 0.027], [0.0, 0.028, 0.042, 0.061], title="Gain in F1 over nothing" + h, id="gain",
            caption="Paired intervals." + h, value="gain", rule=0.0, rule_label="no gain" + h,
        ),
    ]  # fmt: skip
    findings = [
        {
            "code": "TN201", "title": "Negatives that look positive" + h, "status": "finding", "severity": "high",
            "estimate": {"value": 0.034, "low": 0.028, "high": 0.041, "level": 0.95, "method": "wilson", "n": 9000},
            "unit": "of the negatives" + h, "affected": 306, "cost": 1530.0,
            "message": "306 rows are labelled negative, but their nearest neighbours and a model that never saw them say "
            "positive. Model-based: no reviewed rows were given." + h,
            "remedy": "Review a sample to learn how many of these are wrong, then relabel or drop them." + h,
            "command": "trueneg repair tickets.trueneg --action reannotate --to tickets-repaired.parquet" + h,
            "rows": [3, 17, 256], "details": {"classes" + h: ["negative" + h], "folds": 5, "model": "logistic" + h},
            "figures": ["quality"],
        },
        {
            "code": "TN301", "title": "The threshold 0.5 is far from the cheapest" + h, "status": "finding",
            "severity": "medium",
            "estimate": {"value": 0.31, "low": 0.27, "high": 0.36, "level": 0.95, "method": "bootstrap", "n": 10000},
            "unit": "cheapest threshold", "affected": 512, "cost": None,
            "message": "A threshold of 0.5 implies that a miss costs as much as a false alarm." + h,
            "remedy": "Give the costs." + h, "command": "trueneg audit tickets.parquet --cost-miss 5 --cost-alarm 1" + h,
            "rows": [], "details": {}, "figures": ["cost"],
        },
        {
            "code": "TN101", "title": "Exact duplicates with different labels" + h, "status": "finding", "severity": "low",
            "estimate": None, "unit": "", "affected": 14, "cost": None, "message": "14 rows share a text." + h,
            "remedy": "Keep one of each." + h, "command": None, "rows": [1, 2], "details": {}, "figures": [],
        },
        {
            "code": "TN110", "title": "One class is rare" + h, "status": "advice", "severity": "none",
            "estimate": {"value": 0.02, "low": 0.017, "high": 0.023, "level": 0.95, "method": "wilson", "n": 10000},
            "unit": "share of the rarest class", "affected": 200, "cost": None, "message": "Report per-class figures." + h,
            "remedy": "", "command": None, "rows": [], "details": {}, "figures": ["classes" + h],
        },
    ]  # fmt: skip
    findings = [copy.deepcopy(finding) for _ in range(many) for finding in findings]
    quiet = [
        ("TN102", "passed", "Groups do not leak"), ("TN103", "passed", "No empty class"),
        ("TN501", "not applicable", "Unjudged documents"), ("TN401", "skipped", "Unknown class"),
        ("TN120", "ignored", "Long tail"),
    ]  # fmt: skip
    findings += [
        {"code": c, "title": t + h, "status": s, "severity": "none", "estimate": None, "unit": "", "affected": 0,
         "cost": None, "message": "because this is how it stands" + h, "remedy": "", "command": None, "rows": [],
         "details": {}, "figures": []}
        for c, s, t in quiet
    ]  # fmt: skip
    rows = [
        [i, "negative" + h, "positive" + h, round(float(p), 3), float("nan") if i == 5 else float(5 * p),
         f"The parcel never arrived and nobody answers, ticket {i * 37 % 401}" + h]
        for i, p in enumerate(np.sort(rng.uniform(0.5, 1, 60))[::-1])
    ]  # fmt: skip
    return {
        "schema": "trueneg/audit/1", "title": "Audit of tickets.parquet" + h, "generated": "2026-01-05T10:00:00",
        "version": "0.1.0",
        "input": {
            "path": "data/tickets.parquet" + h, "rows": 10000, "columns": ["id" + h, "text", "label"], "kind": "table",
            "classes": [{"name": "negative" + h, "count": 9000}, {"name": "positive" + h, "count": 800},
                        {"name": "other" + h, "count": 200}],
            "saw": ["label: column 'label'" + h, "text: column 'text', mean length 84" + h, "no groups, no trusted rows" + h],
        },
        "options": {"seed": 0, "depth": "default" + h}, "findings": findings, "figures": figs,
        "suspects": {"columns": ["row", "label" + h, "proposed", "probability", "cost", "text"], "rows": rows, "total": 306},
        "next": "trueneg review tickets.trueneg --n 200" + h,
    }  # fmt: skip


@pytest.fixture
def report() -> dict:
    """Return a report that uses every part."""
    return sample()


@pytest.fixture(scope="session")
def build() -> Callable[..., dict]:
    """Return the maker of sample reports: ``build(hostile_text, many=copies_of_the_findings)``."""
    return sample


def absent(reason: str) -> None:
    """Skip, but never on the machine that is there to run these tests."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and CI=true asks for the browser tests")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start the system's Chromium; no browser is ever downloaded."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        absent("playwright is not installed")
    program = shutil.which("chromium", path="/usr/bin") or shutil.which("chromium")
    if program is None:
        absent("chromium is not installed")
    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture(scope="session")
def open_page(browser: Browser) -> Callable[..., Page]:
    """Return ``open_page(file, width=..., color_scheme=..., bypass_csp=...)``; errors and requests are kept on the page.

    One context a kind of options, whose page loads each file anew: to make a context takes twice as long as to load a
    report. Not for pages that store anything.
    """
    kept: dict[tuple, Page] = {}

    def go(file: Path, *, width: int = 1280, **options: Any) -> Page:
        kind = tuple(sorted(options.items()))
        if kind not in kept:
            page = browser.new_context(**options).new_page()
            page.set_default_timeout(5000)
            page.on("console", lambda m: page.errors.append(m.text) if m.type in {"error", "warning"} else None)
            page.on("pageerror", lambda error: page.errors.append(str(error)))
            page.on("request", lambda request: page.asked.append(request.url))
            page.errors, page.asked = [], []  # type: ignore[attr-defined]
            kept[kind] = page
        page = kept[kind]
        page.goto("about:blank")
        # Nothing of the test before: neither its medium nor a mark that its mouse points at.
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(media="screen", color_scheme=options.get("color_scheme", "light"))
        page.mouse.move(0, 0)
        page.errors, page.asked = [], []  # type: ignore[attr-defined]
        page.goto(file.as_uri())
        return page

    return go


@pytest.fixture(scope="session")
def contrast() -> str:
    """Return the script that lists every text whose contrast is too low."""
    return CONTRAST


@pytest.fixture(scope="session")
def axe() -> Callable[..., list]:
    """Return what runs the accessibility engine axe-core on a page and lists all violations above minor ones.

    Its check of contrast takes three quarters of its time and sees no more than ours does: a page of a kind is put before
    it in one scheme, every page before ours in both.
    """
    try:
        import axe_playwright_python
    except ImportError:
        absent("axe-playwright-python is not installed")
    source = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")

    def run(page: Page, *, contrast: bool = True) -> list:
        page.evaluate(source + "; 0")
        rules = {"color-contrast": {"enabled": contrast}}
        result = page.evaluate("(rules) => axe.run(document, { resultTypes: ['violations'], rules })", rules)
        assert len(result["passes"]) > 20
        return [
            (v["id"], v["impact"], [n["html"][:160] for n in v["nodes"][:3]])
            for v in result["violations"]
            if v["impact"] in {"moderate", "serious", "critical"}
        ]

    return run
