"""Builders of small figures: a Vega-Lite specification and the table of the same numbers.

Every builder returns the dict that a report's ``figures`` list holds. Colours are ``currentColor``, so that one drawing
serves light, dark and print. Data is reduced before it is drawn: no figure has more than ``MAX_MARKS`` marks, and the
caption says so when a figure shows a part.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from trueneg.core.errors import InputError
from trueneg.report.words import visible

__all__ = ["MAX_MARKS", "bar", "forest", "histogram", "line"]

MAX_MARKS = 2000
_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
# A phone shows about 340 px: drawn at 400, the text stays readable there and is enlarged on a wide screen.
_WIDTH = 400
_FONT = "system-ui, sans-serif"
_DASHES: tuple[list[int], ...] = ([1, 0], [6, 4], [2, 3], [10, 3, 2, 3], [4, 2], [1, 2])


def bar(
    labels: Sequence[object],
    values: Sequence[float],
    *,
    title: str,
    id: str,  # noqa: A002 - the key of the report dict
    caption: str = "",
    label: str = "label",
    value: str = "value",
    highlight: Sequence[object] = (),
    top: int = 30,
) -> dict[str, Any]:
    """Draw one horizontal bar a label.

    Parameters
    ----------
    labels
        Names of the bars, shape (n,); drawn in this order.
    values
        Their lengths, shape (n,).
    title, id, caption
        What the figure says, its id in the report, and the sentence under it.
    label, value
        The names of the two quantities, for the axes and the table.
    highlight
        Labels drawn in full strength while the others step back; none means all are strong.
    top
        Bars drawn at most, default 30; the table holds all of them, up to ``MAX_MARKS``.

    Returns
    -------
    dict
        ``{id, title, caption, spec, table}``.
    """
    _same_length(labels=labels, values=values)
    names, numbers = [_text(x) for x in labels], [_number(x) for x in values]
    strong = {_text(x) for x in highlight} or set(names)
    shown = min(len(names), max(1, top))
    # The order is the position, so that two bars of one name stay two bars.
    data = [
        {"i": i, "label": names[i], "value": numbers[i], "strong": names[i] in strong}
        for i in range(shown)
        if numbers[i] is not None
    ]
    tip = [f"{row['label']}: {_say(row['value'])}" for row in data]
    spec = _spec(
        [row | {"say": text} for row, text in zip(data, tip, strict=True)],
        height={"step": 24},
        mark={"type": "bar", "cornerRadiusEnd": 2, "height": {"band": 0.66}, "fill": "currentColor"},
        encoding={
            "y": _named_rows(names[:shown]),
            "x": _axis("value", value, zero=True),
            "opacity": {"condition": {"test": "datum.strong", "value": 0.9}, "value": 0.35},
            "description": {"field": "say", "type": "nominal"},
        },
    )
    rows = [[name, number] for name, number in zip(names, numbers, strict=True)]
    return _figure(id, title, _partly(caption, shown, len(names), "bars"), spec, [label, value], rows)


def line(
    x: Sequence[float],
    y: Sequence[float] | Mapping[str, Sequence[float]],
    *,
    title: str,
    id: str,  # noqa: A002
    caption: str = "",
    low: Sequence[float] | None = None,
    high: Sequence[float] | None = None,
    x_label: str = "x",
    y_label: str = "y",
    rule: float | None = None,
    rule_label: str = "",
) -> dict[str, Any]:
    """Draw one curve with its band, or several curves told apart by their dashes.

    Parameters
    ----------
    x
        Positions, shape (n,); thinned evenly, ends kept, when there are too many.
    y
        Heights, shape (n,), or a mapping of series name to heights.
    title, id, caption
        As in `bar`.
    low, high
        The band around a single curve, shape (n,) each; default none.
    x_label, y_label
        Names of the axes.
    rule, rule_label
        A vertical line at this x, and what it means.

    Returns
    -------
    dict
        ``{id, title, caption, spec, table}``.
    """
    series = {_text(k): v for k, v in y.items()} if isinstance(y, Mapping) else {y_label: y}
    band = low is not None and high is not None and len(series) == 1
    if not series or len(series) > len(_DASHES):
        raise InputError(f"a line figure holds 1 to {len(_DASHES)} series, not {len(series)}; draw two figures.")
    columns = {x_label: x, **series, **({"low": low, "high": high} if band else {})}
    _same_length(**{str(k): v for k, v in columns.items()})
    budget = (MAX_MARKS - 2) // len(series)
    keep = _thin(len(x), min(budget, 400))
    data, points = [], []
    for name, heights in series.items():
        for i in keep:
            row = {"x": _number(x[i]), "y": _number(heights[i]), "series": name}
            if band:
                row |= {"low": _number(low[i]), "high": _number(high[i])}  # type: ignore[index]
            if row["x"] is not None and row["y"] is not None:
                data.append(row | {"say": _say_point(row, name if len(series) > 1 else y_label, x_label)})
        points += [data[j] for j in _thin(len(data), 40)] if len(series) == 1 else []
    layers = _line_layers(list(series), band=band, x_label=x_label, y_label=y_label, points=points)
    if rule is not None:
        layers.append(_rule_layer(float(rule), rule_label or _say(rule)))
    rows = [[_number(column[i]) for column in columns.values()] for i in keep]  # type: ignore[index]
    spec = _spec(data, height=230, layer=layers)
    return _figure(id, title, _partly(caption, len(keep), len(x), "points"), spec, list(columns), rows)


def histogram(
    values: Sequence[float],
    *,
    title: str,
    id: str,  # noqa: A002
    caption: str = "",
    bins: int = 30,
    value: str = "value",
    rule: float | None = None,
    rule_label: str = "",
) -> dict[str, Any]:
    """Count values in bins of equal width; only the counts are drawn and kept.

    Parameters
    ----------
    values
        Numbers, shape (n,); those that are not finite are left out, and the caption says how many.
    title, id, caption
        As in `bar`.
    bins
        How many bins, default 30.
    value
        The name of the quantity.
    rule, rule_label
        A vertical line, such as a threshold, and what it means.

    Returns
    -------
    dict
        ``{id, title, caption, spec, table}``.
    """
    import numpy as np

    array = np.asarray(values, dtype=np.float64).ravel()
    finite = array[np.abs(array) < 1e300]  # not NaN, not infinite, and the range still fits a float
    bins = max(1, min(int(bins), 200))
    counts, edges = np.zeros(0, dtype=np.int64), np.zeros(1)
    if finite.size:
        first, last = float(finite.min()), float(finite.max())
        size = max(abs(first), abs(last))
        if last - first <= 1e-9 * size or last == first:
            # All the same value, up to rounding: bins around it, wide enough to differ in float64.
            first, last = first - max(0.5, 0.01 * size), last + max(0.5, 0.01 * size)
        counts, edges = np.histogram(finite, bins=bins, range=(first, last))
    rows = [[float(edges[i]), float(edges[i + 1]), int(counts[i])] for i in range(len(counts))]
    data = [{"from": a, "to": b, "count": c, "say": f"{_say(a)} to {_say(b)}: {_say(c)}"} for a, b, c in rows]
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "bar", "binSpacing": 1, "fill": "currentColor", "opacity": 0.8},
            "encoding": {
                "x": {**_axis("from", value, zero=False), "bin": {"binned": True}},
                "x2": {"field": "to"},
                "y": _axis("count", "count", zero=True),
                "description": {"field": "say", "type": "nominal"},
            },
        }
    ]
    if rule is not None:
        layers.append(_rule_layer(float(rule), rule_label or _say(rule)))
    dropped = int(array.size - finite.size)
    if dropped:
        caption = f"{caption} {dropped} values that are not finite are left out.".strip()
    return _figure(id, title, caption, _spec(data, height=200, layer=layers), ["from", "to", "count"], rows)


def forest(
    labels: Sequence[object],
    values: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    *,
    title: str,
    id: str,  # noqa: A002
    caption: str = "",
    label: str = "label",
    value: str = "value",
    rule: float | None = None,
    rule_label: str = "",
    top: int = 30,
) -> dict[str, Any]:
    """Draw one estimate with its interval a row.

    Parameters
    ----------
    labels
        Names of the rows, shape (n,).
    values, low, high
        The estimates and the ends of their intervals, shape (n,) each.
    title, id, caption
        As in `bar`.
    label, value
        The names of the rows and of the quantity.
    rule, rule_label
        A vertical line to compare with, such as zero, and what it means.
    top
        Rows drawn at most, default 30.

    Returns
    -------
    dict
        ``{id, title, caption, spec, table}``.
    """
    _same_length(labels=labels, values=values, low=low, high=high)
    names = [_text(x) for x in labels]
    table = [[name, _number(v), _number(a), _number(b)] for name, v, a, b in zip(names, values, low, high, strict=True)]
    shown = min(len(table), max(1, top))
    data = [
        {"i": i, "label": n, "value": v, "low": a, "high": b, "say": f"{n}: {_say(v)} [{_say(a)}, {_say(b)}]"}
        for i, (n, v, a, b) in enumerate(table[:shown])
        if v is not None
    ]
    rows, say = _named_rows(names[:shown]), {"field": "say", "type": "nominal"}
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "bar", "fill": "currentColor", "height": 3, "opacity": 0.55},
            "transform": [{"filter": "datum.low != null && datum.high != null"}],
            "encoding": {"y": rows, "x": _axis("low", value, zero=False), "x2": {"field": "high"}, "description": say},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 70, "fill": "currentColor", "opacity": 1},
            "encoding": {"y": rows, "x": _axis("value", value, zero=False), "description": say},
        },
    ]
    if rule is not None:
        layers.append(_rule_layer(float(rule), rule_label or _say(rule)))
    spec = _spec(data, height={"step": 26}, layer=layers)
    return _figure(id, title, _partly(caption, shown, len(table), "rows"), spec, [label, value, "low", "high"], table)


def _figure(
    id_: str, title: str, caption: str, spec: dict[str, Any], columns: list[str], rows: list[list[Any]]
) -> dict[str, Any]:
    table = {"columns": [_text(c) for c in columns], "rows": rows[:MAX_MARKS]}
    return {"id": str(id_), "title": _text(title), "caption": _text(caption), "spec": spec, "table": table}


def _spec(data: list[dict[str, Any]], **rest: Any) -> dict[str, Any]:
    if len(data) > MAX_MARKS:
        raise InputError(f"a figure holds at most {MAX_MARKS} marks, not {len(data)}; aggregate before drawing.")
    ink: dict[str, Any] = {"labelColor": "currentColor", "titleColor": "currentColor"}
    return {
        "$schema": _SCHEMA,
        "width": _WIDTH,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "background": None,
        "padding": 4,
        "data": {"values": data},
        **rest,
        "config": {
            "font": _FONT,
            "view": {"stroke": None},
            "axis": {
                **ink,
                "labelFontSize": 13,
                "titleFontSize": 13,
                "titleFontWeight": "normal",
                "labelOpacity": 0.8,
                "titleOpacity": 0.8,
                "titlePadding": 8,
                "gridColor": "currentColor",
                "gridOpacity": 0.12,
                "domainColor": "currentColor",
                "domainOpacity": 0.35,
                "ticks": False,
                "labelPadding": 6,
            },
            "legend": {**ink, "labelFontSize": 13, "symbolStrokeColor": "currentColor", "orient": "top"},
        },
    }


def _axis(field: str, title: str, *, zero: bool) -> dict[str, Any]:
    axis = {"tickCount": 5, "labelOverlap": "greedy"}
    return {"field": field, "type": "quantitative", "title": title, "scale": {"zero": zero}, "axis": axis}


def _named_rows(names: list[str]) -> dict[str, Any]:
    # Positions are numbers and the names are looked up when the axis is drawn: an array literal of JSON strings, whose
    # quotes and backslashes JSON escapes, so that no name can become a part of the expression.
    import json

    return {
        "field": "i",
        "type": "ordinal",
        "title": None,
        "sort": None,
        # The room is reckoned from the letters: the reader's font may be wider than the one known while drawing.
        "axis": {
            "minExtent": 8 * max((len(_short(n)) for n in names), default=0),
            "labelExpr": f"{json.dumps([_short(n) for n in names], ensure_ascii=False)}[datum.value]",
            "grid": False,
            "labelLimit": 170,
        },
    }


def _line_layers(
    names: list[str], *, band: bool, x_label: str, y_label: str, points: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    x, y = _axis("x", x_label, zero=False), _axis("y", y_label, zero=False)
    encoding: dict[str, Any] = {"x": x, "y": y}
    layers: list[dict[str, Any]] = []
    if band:
        layers.append(
            {
                "mark": {"type": "area", "fill": "currentColor", "opacity": 0.15, "aria": False},
                "encoding": {"x": x, "y": {**_axis("low", y_label, zero=False)}, "y2": {"field": "high"}},
            }
        )
    if len(names) > 1:
        scale = {"domain": names, "range": list(_DASHES[: len(names)])}
        encoding["strokeDash"] = {"field": "series", "type": "nominal", "title": None, "scale": scale}
    layers.append(
        {"mark": {"type": "line", "stroke": "currentColor", "strokeWidth": 2.2, "aria": False}, "encoding": encoding}
    )
    if points:
        # Invisible, and large enough for a finger: they carry the words of the tooltip.
        mark = {"type": "point", "filled": True, "size": 200, "fill": "currentColor", "opacity": 0}
        words = {"x": x, "y": y, "description": {"field": "say", "type": "nominal"}}
        layers.append({"data": {"values": points}, "mark": mark, "encoding": words})
    return layers


def _rule_layer(at: float, words: str) -> dict[str, Any]:
    x = {"field": "at", "type": "quantitative"}
    text = {"type": "text", "align": "center", "fontSize": 13, "fill": "currentColor", "aria": False}
    return {
        "data": {"values": [{"at": at, "words": _text(words)}]},
        "layer": [
            {
                "mark": {"type": "rule", "stroke": "currentColor", "strokeDash": [4, 3], "opacity": 0.8, "aria": False},
                "encoding": {"x": x},
            },
            {
                "mark": {**text, "baseline": "bottom"},
                # Above the plot, where no bar can run through it.
                "encoding": {"x": x, "y": {"value": -3}, "text": {"field": "words", "type": "nominal"}},
            },
        ],
    }


def _same_length(**columns: Sequence[Any] | None) -> None:
    sizes = {name: len(column) for name, column in columns.items() if column is not None}
    if len(set(sizes.values())) > 1:
        raise InputError(f"a figure's columns must be of one length, not {sizes}.")


def _thin(n: int, limit: int) -> list[int]:
    """Positions of at most `limit` of `n` points, evenly spread, both ends kept."""
    if n <= limit:
        return list(range(n))
    return sorted({round(i * (n - 1) / (limit - 1)) for i in range(limit)})


def _partly(caption: str, shown: int, total: int, what: str) -> str:
    return caption if shown >= total else f"{caption} Drawn: {shown} of {total} {what}.".strip()


def _text(value: object) -> str:
    # Also a guard for the drawing: a lone surrogate inside an expression ends the whole process there.
    return visible(value)


def _short(name: str, limit: int = 20) -> str:
    return name if len(name) <= limit else name[: limit - 1] + "…"


def _number(value: Any) -> float | int | None:
    if value is None:
        return None
    number = float(value)
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _say(value: Any) -> str:
    if value is None:
        return "unknown"
    number = float(value)
    return f"{int(number):,}" if number.is_integer() and abs(number) < 1e15 else f"{number:.3g}"


def _say_point(row: Mapping[str, Any], name: str, x_label: str) -> str:
    ends = f" [{_say(row['low'])}, {_say(row['high'])}]" if "low" in row else ""
    return f"{name} {_say(row['y'])}{ends} at {x_label} {_say(row['x'])}"
