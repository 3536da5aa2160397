"""The page, the terminal and the JSON of a comparison: a real one, and one whose texts are hostile."""

from __future__ import annotations

import copy
import io
import json

import jsonschema
import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

import trueneg
from trueneg.core.errors import InputError
from trueneg.report.comparison import render, schema, terminal, validate
from trueneg.report.files import dumps

HOSTILE = "\x1b[31m<script>window.foreign = 1</script>[red]\u202e'\"&{{ 1 }}"


@pytest.fixture(scope="module")
def compared():
    """A comparison that uses every part: trusted rows, known rates, a remedy that does not fit, one that fails."""
    from trueneg.jobs.compare import Remedy

    rng = np.random.default_rng(0)
    n = 400
    y = rng.random(n) < 0.25
    x = rng.normal(size=(n, 3)) + 2 * y[:, None]
    frame = pa.table(
        {
            **{f"x{j}": x[:, j] for j in range(3)},
            "checked": (np.arange(n) % 3 == 0).tolist(),
            "label": np.where(y, "yes", "no").tolist(),
        }
    )

    def fails(fold):
        msg = "a fault with <b>markup</b>"
        raise RuntimeError(msg)

    remedies = ["smote", "smotenc", "ranker-eliminate", "naive-bayes", Remedy("fails", "fails", fails)]
    return trueneg.compare(
        frame, label="label", positive="yes", trusted="checked", miss_rate=0.05, remedies=remedies, repeats=1
    )


@pytest.fixture(scope="module")
def hostile(compared):
    """The same with something nasty in every text."""

    def spoil(value):
        if isinstance(value, dict):
            return {k: spoil(v) for k, v in value.items()}
        if isinstance(value, list):
            return [spoil(v) for v in value]
        return value + HOSTILE if isinstance(value, str) else value

    report = copy.deepcopy(compared.report)
    for name in ("title", "summary", "advice", "tables", "next", "options"):
        report[name] = spoil(report[name])
    report["input"] = spoil(report["input"])
    for row in report["remedies"]:
        row["title"], row["reason"], row["verdict"] = (str(row[k]) + HOSTILE for k in ("title", "reason", "verdict"))
    return report


def test_the_schema_holds(compared):
    """What is written is what the published schema says, by a validator of its own."""
    text = dumps(compared.report)
    jsonschema.Draft202012Validator(schema()).validate(json.loads(text))
    validate(json.loads(text))


def test_another_dict_is_refused_with_the_place(compared):
    """A report of another kind, a torn table: the first place that does not fit is named."""
    broken = copy.deepcopy(compared.report)
    broken["tables"][0]["rows"][0].pop()
    with pytest.raises(InputError, match=r"tables\[0\].rows\[0\]"):
        render(broken)
    with pytest.raises(InputError, match="schema"):
        validate({**compared.report, "schema": "trueneg/audit/1"})


def test_the_terminal_shows_every_remedy_and_obeys_no_text(compared, hostile):
    """Verdicts, reasons and the next command are there; control characters and markup do nothing."""
    for report in (hostile, compared.report):
        out = io.StringIO()
        terminal(report, Console(file=out, width=150, force_terminal=False))
        text = out.getvalue()
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert ("[red]" in text) == (report is hostile)
    for row in compared.report["remedies"]:
        assert row["title"] in text
    assert "a fault with" in text
    assert "Resampling" in text


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_name_is_cut_in_a_narrow_terminal(compared, width):
    """A remedy's name and verdict are read whole at any width: they are what is typed next."""
    out = io.StringIO()
    terminal(compared.report, Console(file=out, width=width, force_terminal=False))
    text = out.getvalue()
    assert "…" not in text
    for cells in compared.report["tables"][0]["rows"]:
        for cell in cells:
            assert cell in text


def test_saved_files(compared, tmp_path):
    """Both files lie in the folder, and the page can be drawn again from the JSON alone."""
    folder = compared.save(tmp_path / "out")
    assert sorted(p.name for p in folder.iterdir()) == ["compare.html", "compare.json"]
    again = json.loads((folder / "compare.json").read_text(encoding="utf-8"))
    assert render(again) == (folder / "compare.html").read_text(encoding="utf-8")


def test_trueneg_report_draws_it_again(compared, tmp_path):
    """``trueneg report`` takes a comparison's JSON as it takes an audit's."""
    from trueneg.cli import main

    folder = compared.save(tmp_path / "out")
    page = (folder / "compare.html").read_text(encoding="utf-8")
    (folder / "compare.html").unlink()
    with pytest.raises(SystemExit) as code:
        main(["report", str(folder / "compare.json")])
    assert code.value.code == 0
    assert (folder / "compare.html").read_text(encoding="utf-8") == page


@pytest.fixture(scope="module")
def drawn(compared, hostile, tmp_path_factory):
    """Return the two pages on disk."""
    folder = tmp_path_factory.mktemp("pages")
    for name, report in (("plain", compared.report), ("hostile", hostile)):
        (folder / f"{name}.html").write_text(render(report), encoding="utf-8")
    return [folder / "plain.html", folder / "hostile.html"]


@pytest.mark.parametrize("width", [390, 1100])
def test_in_a_browser(browser, axe, contrast, drawn, width):
    """No error, no request, no foreign script, nothing wider than a phone, readable in light and dark, accessible."""
    for path in drawn:
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme="light", bypass_csp=True)
        errors, asked = [], []
        page.on("console", lambda message, errors=errors: errors.append(message.text))
        page.on("pageerror", lambda error, errors=errors: errors.append(str(error)))
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.goto(path.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        assert errors == []
        assert asked == [path.as_uri()]
        assert page.evaluate("window.foreign") is None
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert axe(page, contrast=(path.stem, width) == ("plain", 1100)) == []
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            # An axis label that would overlap its neighbour is drawn invisible: ratio 1, and nothing to read.
            assert [text for text in page.evaluate(contrast) if not text.startswith("1.00 text")] == []
        assert page.locator("svg").count() >= 5
        page.close()
