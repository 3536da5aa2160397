"""Vega-Lite specifications, without the data of any one kind of figure."""

from __future__ import annotations

from typing import Any

from trueneg.core.errors import InputError
from trueneg.report._figures.words import shortened, text_of

MAX_MARKS = 2000
_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
# A phone shows about 340 px: drawn at 400, the text stays readable there and is enlarged on a wide screen.
_WIDTH = 400
_FONT = "system-ui, sans-serif"
_NEAR = 0.15  # of the plot's width: half of a line's words
DASHES: tuple[list[int], ...] = ([1, 0], [6, 4], [2, 3], [10, 3, 2, 3], [4, 2], [1, 2])


def made_figure(
    id_: str, title: str, caption: str, spec: dict[str, Any], columns: list[str], rows: list[list[Any]]
) -> dict[str, Any]:
    table = {"columns": [text_of(c) for c in columns], "rows": rows[:MAX_MARKS]}
    return {"id": str(id_), "title": text_of(title), "caption": text_of(caption), "spec": spec, "table": table}


def spec_of(data: list[dict[str, Any]], **rest: Any) -> dict[str, Any]:
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


def axis_of(field: str, title: str, *, zero: bool) -> dict[str, Any]:
    axis = {"tickCount": 5, "labelOverlap": "greedy"}
    return {"field": field, "type": "quantitative", "title": title, "scale": {"zero": zero}, "axis": axis}


def named_rows(names: list[str]) -> dict[str, Any]:
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
            "minExtent": 8 * max((len(shortened(n)) for n in names), default=0),
            "labelExpr": f"{json.dumps([shortened(n) for n in names], ensure_ascii=False)}[datum.value]",
            "grid": False,
            "labelLimit": 170,
        },
    }


def line_layers(
    names: list[str], *, band: bool, x_label: str, y_label: str, points: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    x, y = axis_of("x", x_label, zero=False), axis_of("y", y_label, zero=False)
    encoding: dict[str, Any] = {"x": x, "y": y}
    layers: list[dict[str, Any]] = []
    if band:
        layers.append(
            {
                "mark": {"type": "area", "fill": "currentColor", "opacity": 0.15, "aria": False},
                "encoding": {"x": x, "y": {**axis_of("low", y_label, zero=False)}, "y2": {"field": "high"}},
            }
        )
    if len(names) > 1:
        scale = {"domain": names, "range": list(DASHES[: len(names)])}
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


def corner_layer(words: str, *, upper: bool) -> dict[str, Any]:
    """Write a name inside the plot: at the top on the left, or at the bottom on the right."""
    text = {"type": "text", "fontSize": 13, "fontWeight": "bold", "fill": "currentColor", "aria": False}
    side = {"align": "left", "baseline": "top"} if upper else {"align": "right", "baseline": "bottom"}
    x, y = ({"value": 6}, {"value": 4}) if upper else ({"value": "width"}, {"value": "height"})
    return {
        "data": {"values": [{"words": text_of(words)}]},
        "mark": {**text, **side},
        "encoding": {"x": x, "y": y, "text": {"field": "words", "type": "nominal"}},
    }


def rule_layer(at: float, words: str, ends: tuple[float, float] | None = None) -> dict[str, Any]:
    """Draw a vertical line and its words, which run inwards where the line is near an end of the plot."""
    x = {"field": "at", "type": "quantitative"}
    share = 0.5 if ends is None or ends[0] >= ends[1] else (at - ends[0]) / (ends[1] - ends[0])
    align = "left" if share < _NEAR else "right" if share > 1 - _NEAR else "center"
    text = {"type": "text", "align": align, "fontSize": 13, "fill": "currentColor", "aria": False}
    return {
        "data": {"values": [{"at": at, "words": text_of(words)}]},
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
