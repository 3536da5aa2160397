from __future__ import annotations

import base64
import copy
import hashlib
import io
import json
import re
from html.parser import HTMLParser

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from trueneg.core.errors import InputError
from trueneg.report import dump, dumps, figures, render, schema, terminal, validate, words
from trueneg.report.drawing import svg
from trueneg.report.files import clean

HOSTILE = "<script>alert(1)</script>"


class Page(HTMLParser):
    """The tags, attributes and raw texts of a page, as a browser would tokenise them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.text = ""
        self._in = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):  # noqa: D102
        self.tags.append((tag, dict(attrs)))
        self._in = tag if tag in self.raw else None
        if self._in:
            self.raw[tag].append("")

    def handle_endtag(self, tag):  # noqa: D102
        self._in = None if tag == self._in else self._in

    def handle_data(self, data):  # noqa: D102
        if self._in:
            self.raw[self._in][-1] += data
        else:
            self.text += data


@pytest.fixture(scope="module")
def page(build) -> Page:
    """Draw the sample report."""
    return Page(render(build(many=3)))


@pytest.fixture(scope="module")
def hostile_page(build) -> Page:
    """Draw the sample report with markup in every text of the data."""
    return Page(render(build(HOSTILE)))


def test_hostile_texts_stay_text(page, hostile_page):
    """Markup in a cell, a column, a class, a path or a figure never becomes an element or a handler of the page."""
    assert len(hostile_page.raw["script"]) == 1
    assert hostile_page.raw["script"] == page.raw["script"]
    assert hostile_page.text.count(HOSTILE) > 100
    assert {tag for tag, _ in hostile_page.tags} <= {tag for tag, _ in page.tags} | {"p", "a"}
    assert not [k for _, attrs in hostile_page.tags for k in attrs if k.startswith("on") or k == "style"]


@pytest.mark.parametrize(
    "text", ['"><img src=x onerror=alert(1)>', "' autofocus onfocus=alert(1) x='", "{{ 7*7 }}", "]]>"]
)
def test_attributes_hold(text, build):
    """A quote in the data cannot leave an attribute, and template syntax in the data is not run."""
    drawn = Page(render(build(text)))
    assert "img" not in {tag for tag, _ in drawn.tags}
    assert not [k for _, attrs in drawn.tags for k in attrs if k.startswith("on") or k == "autofocus"]
    assert text in drawn.text


def test_nothing_is_fetched(page):
    """The page names no address anywhere that a browser would fetch."""
    for tag, attrs in page.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base", "image", "use", "img"}
        for key in ("src", "srcset", "data", "action", "poster", "xlink:href"):
            assert key not in attrs, (tag, attrs)
        assert attrs.get("href", "#").startswith("#")
        assert all("url(" not in v or re.fullmatch(r"url\(#[\w-]+\)", v) for v in attrs.values() if v)
    for text in page.raw["style"] + page.raw["script"]:
        assert not re.search(r"https?://|url\(|@import|\bimport\(|fetch\(|\beval\b|innerHTML", text)


def test_policy_matches_content(page):
    """The security policy allows exactly the one style and the one script of the page, by their hashes."""
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    rules = {part.split()[0]: part.split()[1:] for part in policy.split(";")}
    for tag in ("style", "script"):
        (text,) = page.raw[tag]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[f"{tag}-src"] == [f"'sha256-{digest}'"]
    assert rules["default-src"] == ["'none'"]
    assert rules["img-src"] == ["data:"]
    assert "unsafe" not in policy


def test_ids_are_unique_and_links_arrive(page):
    """Every id is used once and every link inside the page has a target, several figures included."""
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = [attrs["href"][1:] for tag, attrs in page.tags if tag == "a"]
    assert set(links) <= set(ids)
    for _, attrs in page.tags:
        for key in ("aria-labelledby", "for"):
            assert attrs.get(key, ids[0]) in ids


def test_every_figure_has_its_table(report):
    """Each figure is drawn once, with a folded table of the numbers it draws right beside it."""
    text = render(report)
    blocks = re.findall(r"<figure.*?</figure>", text, flags=re.S)
    assert len(blocks) == len(report["figures"])
    for block in blocks:
        assert block.count("<svg") == 1
        rows = re.findall(r"<tr>", block.split("<details>")[1])
        title = re.search(r"<strong>(.*?)</strong>", block).group(1)
        (figure,) = [f for f in report["figures"] if f["title"] == title]
        assert len(rows) == len(figure["table"]["rows"]) + 1


def test_marks_carry_words(report):
    """The drawn marks have labels that say their numbers: tooltips and screen readers depend on them."""
    by_id = {f["id"]: svg(f["spec"], label="x", prefix="p") for f in report["figures"]}
    assert 'aria-label="negative: 9,000"' in by_id["classes"]
    assert 'aria-label="class weights: 0.012 [-0.004, 0.028]"' in by_id["gain"]
    assert "currentColor" in by_id["gain"]
    # Black or a hex colour would vanish in one of the two colour schemes.
    assert not re.search(r'(fill|stroke)="(#|black|white|rgb)', "".join(by_id.values()))


def test_first_ten_are_open_and_order_is_kept(build):
    """Ten cards stand open, the rest sits behind one 'show all', and nothing is reordered."""
    report = build(many=4)
    for i, finding in enumerate(report["findings"]):
        finding["title"] = f"title-{i:02d}"
    text = render(report)
    head, tail = text.split('<details class="more">')
    assert re.findall(r"<h3[^>]*>(title-\d+)<", head) == [f"title-{i:02d}" for i in range(10)]
    assert re.findall(r"<h3[^>]*>(title-\d+)<", tail) == [f"title-{i:02d}" for i in range(10, 16)]
    assert "Show all 16" in tail
    assert re.findall(r"<b>(title-\d+)<", tail) == [f"title-{i:02d}" for i in range(16, 21)]


def test_nothing_wrong_is_said(report):
    """A clean data set gets a page and a terminal that say so, and a run in which nothing ran does not."""
    report["findings"] = [f for f in report["findings"] if f["status"] == "passed"]
    assert "Nothing wrong was found by the 2 checks that ran." in render(report)
    report["findings"] = []
    report["figures"], report["suspects"] = [], {"columns": [], "rows": [], "total": 0}
    assert "No check ran" in render(report)
    assert "No check ran" in _terminal(report)


def test_schema_accepts_and_refuses(report):
    """The published schema is a valid one; it and our own check agree on a good report and on broken ones."""
    published = schema()
    jsonschema.Draft202012Validator.check_schema(published)
    good = clean(report)
    jsonschema.validate(good, published)
    validate(good)
    breaks = [
        lambda r: r.pop("next"),
        lambda r: r.update(schema="trueneg/audit/9"),
        lambda r: r["findings"][0].update(status="bad"),
        lambda r: r["findings"][0].update(severity=None),
        lambda r: r["findings"][0].update(code="X1"),
        lambda r: r["findings"][0].update(affected=-1),
        lambda r: r["findings"][0].update(affected=True),
        lambda r: r["findings"][0].update(rows=list(range(101))),
        lambda r: r["findings"][0]["estimate"].update(value="0.5"),
        lambda r: r["findings"][0]["estimate"].update(level=1),
        lambda r: r["findings"][0]["estimate"].pop("low"),
        lambda r: r["input"]["classes"][0].update(count=1.5),
        lambda r: r["input"].update(columns=-1),
        lambda r: r["suspects"]["rows"][0].__setitem__(0, [1]),
        lambda r: r["figures"][0].update(spec="bar"),
        lambda r: r["figures"][0].update(id=""),
    ]
    for change in breaks:
        broken = copy.deepcopy(good)
        change(broken)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, published)
        with pytest.raises(InputError, match="report"):
            validate(broken)


def test_rules_beyond_the_schema(report):
    """A row shorter than its header, an id used twice and an unknown figure are refused with the place named."""
    for change, place in [
        (lambda r: r["suspects"]["rows"][3].pop(), r"suspects.rows\[3\]"),
        (lambda r: r["figures"][1].update(id="classes"), r"figures\[1\].id"),
        (lambda r: r["findings"][0].update(figures=["nowhere"]), r"findings\[0\].figures"),
    ]:
        broken = copy.deepcopy(report)
        change(broken)
        with pytest.raises(InputError, match=place):
            validate(broken)


def test_nan_is_null_and_the_file_is_whole(report, tmp_path):
    """NaN and infinities become null, NumPy values become JSON, and a failing write leaves the old file alone."""
    report["findings"][0]["estimate"]["low"] = float("nan")
    report["findings"][0]["cost"] = np.float32("inf")
    report["findings"][0]["affected"] = np.int64(306)
    report["findings"][0]["rows"] = np.arange(3)
    path = dump(report, tmp_path / "audit.json")

    def refuse(word):
        raise AssertionError(word)

    read = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert read["findings"][0]["estimate"]["low"] is None
    assert read["findings"][0]["cost"] is None
    assert read["findings"][0]["affected"] == 306
    assert read["findings"][0]["rows"] == [0, 1, 2]
    assert read["suspects"]["rows"][5][4] is None
    jsonschema.validate(read, schema())
    before = path.read_bytes()
    loop: dict = {}
    loop["again"] = loop
    with pytest.raises(RecursionError):
        dump(loop, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["audit.json"]


def test_what_is_dumped_draws_the_same_page(report):
    """The JSON file holds all the page needs: drawn from it, the page is the same."""
    assert render(json.loads(dumps(report))) == render(report)


def _terminal(report: dict, **options) -> str:
    stream = io.StringIO()
    terminal(report, Console(file=stream, width=100, **options))
    return stream.getvalue()


def test_terminal_escapes(report, build):
    """Escape sequences and rich markup in the data reach the terminal as harmless text."""
    evil = "\x1b]0;owned\x07\x1b[2J\x9b31m\r[bold red]x[/bold red][link=http://a]y[/link]\u202e"
    out = _terminal(build(evil))
    assert not set(out) & {"\x1b", "\x07", "\x9b", "\r", "\u202e"}
    assert "\\x1b" in out
    assert "[link=http://a]" in "".join(out.split("\n"))
    coloured = _terminal(build(evil), force_terminal=True, color_system="standard")
    # Only rich's own colours remain.
    assert set(re.findall(r"\x1b[^m]*m", coloured)) == set(re.findall(r"\x1b\[[\d;]*m", coloured))
    assert "\x1b]" not in coloured


def test_terminal_shows_ten_and_the_next_command(build):
    """The terminal shows ten findings, counts the rest, and ends with the one next command on one line."""
    report = build(many=4)
    out = _terminal(report)
    assert len(re.findall(r"^(?:high|medium|low|advice)  TN", out, flags=re.M)) == 10
    assert "and 6 more" in out
    assert out.rstrip().splitlines()[-1] == f"Next: {report['next']}"
    assert "0.034 [0.028, 0.041]" in out


def test_advice_that_touches_no_row_counts_none(report):
    """A figure of nought beside a piece of advice is read as "nothing to do"."""
    finding = {**report["findings"][0], "status": "advice", "severity": "none", "estimate": None, "cost": None}
    for affected, shown in ((0, False), (7, True)):
        changed = {**report, "findings": [{**finding, "affected": affected}]}
        assert (" affected" in _terminal(changed)) == shown
        assert ("<dt>affected</dt>" in render(changed)) == shown


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_visible_leaves_no_control(text):
    """Whatever a text holds, what is shown has no control character but tab and newline, and says the rest as it is."""
    shown = words.visible(text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", shown)
    if text.isascii() and text.isprintable():
        assert shown == text
    shown.encode("utf-8")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((0.87, 0.82, 0.91), "0.87 [0.82, 0.91]"),
        ((0.0034, 0.0028, 0.0041), "0.0034 [0.0028, 0.0041]"),
        ((1234, 1100, 1500), "1,234 [1,100, 1,500]"),
        ((0.0, 0.0, 0.03), "0.000 [0.000, 0.030]"),
        ((0.5, None, None), "0.50"),
        ((None, None, None), ""),
        ((-2.5, -3.0, -2.0), "-2.50 [-3.00, -2.00]"),
    ],
)
def test_estimates_are_written_alike(value, expected):
    """An estimate and both ends show the same number of decimals, as many as the numbers need."""
    assert words.estimate(dict(zip(("value", "low", "high"), value, strict=True))) == expected


@pytest.mark.parametrize("n", [0, 1, 5, 10_000])
def test_figures_stay_small(n):
    """No builder draws more than 2,000 marks, whatever it is given, and each can be drawn when empty or huge."""
    x = np.arange(n, dtype=float)
    built = [
        figures.bar([f"c{i}" for i in range(n)], x, title="t", id="a"),
        figures.line(x, x, low=x - 1, high=x + 1, title="t", id="b", rule=2.0),
        figures.line(x, dict.fromkeys("abcdef", x), title="t", id="c"),
        figures.histogram(x, title="t", id="d"),
        figures.forest([f"c{i}" for i in range(n)], x, x - 1, x + 1, title="t", id="e"),
    ]
    for figure in built:
        values = figure["spec"]["data"]["values"]
        assert len(values) <= figures.MAX_MARKS
        assert len(figure["table"]["rows"]) <= figures.MAX_MARKS
        assert svg(figure["spec"], label="t", prefix="p").startswith("<svg")


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=60))
@settings(max_examples=60, deadline=None)
def test_histogram_counts_everything(values):
    """The bins hold every finite value once; what is left out is said."""
    figure = figures.histogram(values, title="t", id="h", bins=7)
    finite = sum(abs(v) < 1e300 for v in values)
    assert sum(row[2] for row in figure["table"]["rows"]) == finite
    assert (f"{len(values) - finite} values" in figure["caption"]) == (finite < len(values))


_SOME = st.lists(st.floats(-1e200, 1e200), min_size=1, max_size=40)


@given(_SOME, _SOME)
@settings(max_examples=40, deadline=None)
def test_two_groups_back_to_back_count_everything(above, below):
    """Each group's values are in the bins once, its bars add up to all of it, and lie on its side of the line."""
    figure = figures.mirrored(above, below, names=("<b>known</b>", "other"), title="t", id="m", bins=7)
    assert sum(row[2] for row in figure["table"]["rows"]) == len(above)
    assert sum(row[3] for row in figure["table"]["rows"]) == len(below)
    bars = figure["spec"]["data"]["values"]
    assert np.isclose(sum(bar["share"] for bar in bars if bar["upper"]), 1)
    assert np.isclose(sum(bar["share"] for bar in bars if not bar["upper"]), -1)


def test_two_groups_back_to_back_are_drawn():
    """Names stay text, and a group without a number is refused."""
    figure = figures.mirrored([1.0, 1e17], [3.0], names=("<b>a</b>", "${x}"), title="t", id="m", rule=2.0)
    drawn = svg(figure["spec"], label="x", prefix="p")
    assert "&lt;b&gt;a&lt;/b&gt;" in drawn
    assert "${x}" in drawn
    with pytest.raises(InputError, match="two groups"):
        figures.mirrored([], [1.0], names=("a", "b"), title="t", id="m")


@pytest.mark.parametrize(("rule", "align"), [(0.0, "left"), (5.0, "center"), (10.0, "right"), (-3.0, "left")])
def test_words_of_a_line_stay_over_the_plot(rule, align):
    """Near an end of the plot they run inwards: centred they would stand on the numbers of the axis."""
    values = np.linspace(0.0, 10.0, 50)
    drawn = (
        figures.histogram(values, title="t", id="h", value="v", rule=rule, rule_label="threshold"),
        figures.mirrored(values, values, names=("a", "b"), title="t", id="m", rule=rule, rule_label="threshold"),
    )
    for figure in drawn:
        assert figure["spec"]["layer"][-1]["layer"][1]["mark"]["align"] == align


@pytest.mark.parametrize(
    "name", ['a"b\\', "x'];alert(1);//", "<b>", "", "0", "very " * 40, "\x00\x1b", "\ud800", "λ 中 🙂", "${datum}"]
)
def test_odd_names_are_drawn(name):
    """A class may be called anything: the figure is drawn, and the name stays a name."""
    drawn = svg(figures.bar([name, name], [1, 2], title=name, id="x")["spec"], label="x", prefix="p")
    assert drawn.count('aria-roledescription="bar"') == 2


def test_figures_may_not_fetch(report):
    """A specification that names an address is refused before it is drawn."""
    for change in (
        {"data": {"url": "file:///etc/passwd"}},
        {"layer": [{"mark": {"type": "image", "url": "http://a"}}]},
    ):
        report["figures"][0]["spec"] = change
        with pytest.raises(InputError, match="url"):
            render(report)


def test_wrong_lengths_are_refused():
    """A builder given columns of different lengths says so instead of drawing a part."""
    with pytest.raises(InputError, match="one length"):
        figures.bar(["a"], [1, 2], title="t", id="x")
