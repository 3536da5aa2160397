"""Builders of small figures: a Vega-Lite specification and the table of the same numbers.

Every builder returns the dict that a report's ``figures`` list holds. Colours are ``currentColor``, so that one drawing
serves light, dark and print. Data is reduced before it is drawn: no figure has more than ``MAX_MARKS`` marks, and the
caption says so when a figure shows a part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trueneg.core.errors import InputError
from trueneg.report._figures.spec import (
    DASHES,
    MAX_MARKS,
    axis_of,
    corner_layer,
    line_layers,
    made_figure,
    named_rows,
    rule_layer,
    spec_of,
)
from trueneg.report._figures.words import number_of, partly, same_length, text_of, thinned, worded, worded_point

__all__ = ["MAX_MARKS", "bar", "forest", "histogram", "line", "mirrored"]


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
    same_length(labels=labels, values=values)
    names, numbers = [text_of(x) for x in labels], [number_of(x) for x in values]
    strong = {text_of(x) for x in highlight} or set(names)
    shown = min(len(names), max(1, top))
    # The order is the position, so that two bars of one name stay two bars.
    data = [
        {"i": i, "label": names[i], "value": numbers[i], "strong": names[i] in strong}
        for i in range(shown)
        if numbers[i] is not None
    ]
    tip = [f"{row['label']}: {worded(row['value'])}" for row in data]
    spec = spec_of(
        [row | {"say": text} for row, text in zip(data, tip, strict=True)],
        height={"step": 24},
        mark={"type": "bar", "cornerRadiusEnd": 2, "height": {"band": 0.66}, "fill": "currentColor"},
        encoding={
            "y": named_rows(names[:shown]),
            "x": axis_of("value", value, zero=True),
            "opacity": {"condition": {"test": "datum.strong", "value": 0.9}, "value": 0.35},
            "description": {"field": "say", "type": "nominal"},
        },
    )
    rows = [[name, number] for name, number in zip(names, numbers, strict=True)]
    return made_figure(id, title, partly(caption, shown, len(names), "bars"), spec, [label, value], rows)


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
    series = {text_of(k): v for k, v in y.items()} if isinstance(y, Mapping) else {y_label: y}
    band = low is not None and high is not None and len(series) == 1
    if not series or len(series) > len(DASHES):
        raise InputError(f"a line figure holds 1 to {len(DASHES)} series, not {len(series)}; draw two figures.")
    columns = {x_label: x, **series, **({"low": low, "high": high} if band else {})}
    same_length(**{str(k): v for k, v in columns.items()})
    budget = (MAX_MARKS - 2) // len(series)
    keep = thinned(len(x), min(budget, 400))
    data, points = [], []
    for name, heights in series.items():
        for i in keep:
            row = {"x": number_of(x[i]), "y": number_of(heights[i]), "series": name}
            if band:
                row |= {"low": number_of(low[i]), "high": number_of(high[i])}  # type: ignore[index]
            if row["x"] is not None and row["y"] is not None:
                data.append(row | {"say": worded_point(row, name if len(series) > 1 else y_label, x_label)})
        points += [data[j] for j in thinned(len(data), 40)] if len(series) == 1 else []
    layers = line_layers(list(series), band=band, x_label=x_label, y_label=y_label, points=points)
    if rule is not None:
        layers.append(rule_layer(float(rule), rule_label or worded(rule)))
    rows = [[number_of(column[i]) for column in columns.values()] for i in keep]  # type: ignore[index]
    spec = spec_of(data, height=230, layer=layers)
    return made_figure(id, title, partly(caption, len(keep), len(x), "points"), spec, list(columns), rows)


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
        counts, edges = np.histogram(finite, bins=bins, range=_span(finite))
    rows = [[float(edges[i]), float(edges[i + 1]), int(counts[i])] for i in range(len(counts))]
    data = [{"from": a, "to": b, "count": c, "say": f"{worded(a)} to {worded(b)}: {worded(c)}"} for a, b, c in rows]
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "bar", "binSpacing": 1, "fill": "currentColor", "opacity": 0.8},
            "encoding": {
                "x": {**axis_of("from", value, zero=False), "bin": {"binned": True}},
                "x2": {"field": "to"},
                "y": axis_of("count", "count", zero=True),
                "description": {"field": "say", "type": "nominal"},
            },
        }
    ]
    if rule is not None:
        layers.append(rule_layer(float(rule), rule_label or worded(rule), (float(edges[0]), float(edges[-1]))))
    dropped = int(array.size - finite.size)
    if dropped:
        caption = f"{caption} {dropped} values that are not finite are left out.".strip()
    return made_figure(id, title, caption, spec_of(data, height=200, layer=layers), ["from", "to", "count"], rows)


def _span(values: Any) -> tuple[float, float]:
    """Return where bins begin and end."""
    first, last = float(values.min()), float(values.max())
    size = max(abs(first), abs(last))
    if last - first <= max(1e-9 * size, 1e-300):
        # All the same value, up to rounding: bins around it, wide enough to differ. Below 1e-300 floats lie too wide.
        first, last = first - max(0.5, 0.01 * size), last + max(0.5, 0.01 * size)
    return first, last


def mirrored(
    above: Sequence[float],
    below: Sequence[float],
    *,
    names: tuple[str, str],
    title: str,
    id: str,  # noqa: A002
    caption: str = "",
    bins: int = 30,
    value: str = "value",
    rule: float | None = None,
    rule_label: str = "",
) -> dict[str, Any]:
    """Draw two groups of values back to back, over the same bins: the share of each group in a bin.

    Parameters
    ----------
    above, below
        Finite numbers, shape (n,) and (m,), one or more each.
    names
        What the groups are called, the upper one first.
    title, id, caption, bins, value, rule, rule_label
        As in `histogram`.

    Returns
    -------
    dict
        ``{id, title, caption, spec, table}``; the table holds counts.
    """
    import numpy as np

    groups = [np.asarray(part, dtype=np.float64).ravel() for part in (above, below)]
    if any(not part.size or not np.isfinite(part).all() for part in groups):
        raise InputError("two groups back to back need one finite number or more each; draw a histogram of one.")
    both = np.concatenate(groups)
    edges = np.histogram_bin_edges(both, bins=max(1, min(int(bins), 200)), range=_span(both))
    counts = [np.histogram(part, edges)[0] for part in groups]
    data = [
        {
            "from": float(edges[i]),
            "to": float(edges[i + 1]),
            "share": sign * float(own[i]) / len(part),
            "upper": sign > 0,
            "say": f"{name}, {worded(edges[i])} to {worded(edges[i + 1])}: {own[i] / len(part):.1%}",
        }
        for name, part, own, sign in zip(map(text_of, names), groups, counts, (1, -1), strict=True)
        for i in range(len(own))
        if own[i]
    ]
    y = axis_of("share", "share of rows", zero=True)
    y["axis"] |= {"labelExpr": "format(abs(datum.value), '.0%')"}
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "bar", "binSpacing": 1, "fill": "currentColor"},
            "encoding": {
                "x": {**axis_of("from", value, zero=False), "bin": {"binned": True}},
                "x2": {"field": "to"},
                "y": y,
                "opacity": {"condition": {"test": "datum.upper", "value": 0.85}, "value": 0.45},
                "description": {"field": "say", "type": "nominal"},
            },
        },
        *(corner_layer(name, upper=i == 0) for i, name in enumerate(names)),
    ]
    if rule is not None:
        layers.append(rule_layer(float(rule), rule_label or worded(rule), (float(edges[0]), float(edges[-1]))))
    rows = [[float(a), float(b), int(n), int(m)] for a, b, n, m in zip(edges[:-1], edges[1:], *counts, strict=True)]
    return made_figure(id, title, caption, spec_of(data, height=240, layer=layers), ["from", "to", *names], rows)


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
    same_length(labels=labels, values=values, low=low, high=high)
    names = [text_of(x) for x in labels]
    table = [
        [name, number_of(v), number_of(a), number_of(b)] for name, v, a, b in zip(names, values, low, high, strict=True)
    ]
    shown = min(len(table), max(1, top))
    data = [
        {"i": i, "label": n, "value": v, "low": a, "high": b, "say": f"{n}: {worded(v)} [{worded(a)}, {worded(b)}]"}
        for i, (n, v, a, b) in enumerate(table[:shown])
        if v is not None
    ]
    rows, say = named_rows(names[:shown]), {"field": "say", "type": "nominal"}
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "bar", "fill": "currentColor", "height": 3, "opacity": 0.55},
            "transform": [{"filter": "datum.low != null && datum.high != null"}],
            "encoding": {
                "y": rows,
                "x": axis_of("low", value, zero=False),
                "x2": {"field": "high"},
                "description": say,
            },
        },
        {
            "mark": {"type": "point", "filled": True, "size": 70, "fill": "currentColor", "opacity": 1},
            "encoding": {"y": rows, "x": axis_of("value", value, zero=False), "description": say},
        },
    ]
    if rule is not None:
        layers.append(rule_layer(float(rule), rule_label or worded(rule)))
    spec = spec_of(data, height={"step": 26}, layer=layers)
    return made_figure(
        id, title, partly(caption, shown, len(table), "rows"), spec, [label, value, "low", "high"], table
    )
