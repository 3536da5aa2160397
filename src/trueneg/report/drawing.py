"""Draw a Vega-Lite specification as a static SVG that is safe and small inside a page."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

from trueneg.core.errors import InputError

__all__ = ["svg"]

_SVG = "{http://www.w3.org/2000/svg}"
_KEEP = {"svg", "g", "path", "rect", "line", "text", "tspan", "circle", "defs", "clipPath", "linearGradient", "stop"}
_ATTRIBUTES = {
    "aria-hidden", "aria-label", "aria-roledescription", "class", "clip-path", "cx", "cy", "d", "dominant-baseline",
    "fill", "fill-opacity", "font-family", "font-size", "font-style", "font-weight", "height", "id", "offset",
    "opacity", "r", "role", "rx", "ry", "stop-color", "stroke", "stroke-dasharray", "stroke-dashoffset",
    "stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "stroke-opacity", "stroke-width", "text-anchor",
    "transform", "viewBox", "width", "x", "x1", "x2", "y", "y1", "y2",
}  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
# A lone surrogate spelt out inside an expression would end the process that draws it.
_ESCAPED = re.compile(r"\\u\{?0*d[89a-f][0-9a-f]{2}\}?", re.IGNORECASE)


def svg(spec: Mapping[str, Any], *, label: str, prefix: str) -> str:
    """Draw a specification.

    Parameters
    ----------
    spec
        Vega-Lite, with its data inside: one that names a URL anywhere is refused, so that drawing reads nothing from
        the network or the disk.
    label
        What the whole figure is called to a screen reader.
    prefix
        Put before the ids inside, which would otherwise collide with those of the next figure.

    Returns
    -------
    str
        SVG for inline use. Only known drawing elements and attributes are kept: no script, no style (the page's
        security policy would block it), no link, no image.
    """
    import vl_convert

    _refuse_urls(spec)
    try:
        text = vl_convert.vegalite_to_svg(_plain(spec), show_warnings=False)
    except ValueError as error:
        raise InputError(f"the figure {label!r} is not a Vega-Lite specification that can be drawn: {error}") from error
    root = ET.fromstring(text)
    _clean(root, prefix, {})
    # A figure scales with its box; the drawn width is its natural size.
    if "viewBox" not in root.attrib:
        root.set("viewBox", f"0 0 {root.get('width', '420')} {root.get('height', '240')}")
    root.attrib.pop("height", None)
    root.attrib.pop("width", None)
    root.set("role", "group")
    root.set("aria-label", label)
    return ET.tostring(root, encoding="unicode", short_empty_elements=True)


def _clean(node: ET.Element, prefix: str, ids: dict[str, str]) -> None:
    # The drawing library counts its ids on from one figure to the next: numbered anew, one report gives one page.
    node.tag = node.tag.removeprefix(_SVG)
    for key in list(node.attrib):
        if key not in _ATTRIBUTES:
            del node.attrib[key]
        elif key == "id":
            node.set(key, _rename(node.attrib[key], prefix, ids))
        elif "url(" in node.attrib[key] and not key.startswith("aria-"):
            name = re.fullmatch(r"url\(['\"]?#([\w-]+)['\"]?\)", node.attrib[key])
            if name:
                node.set(key, f"url(#{_rename(name.group(1), prefix, ids)})")
            else:
                del node.attrib[key]
    for child in list(node):
        if not isinstance(child.tag, str) or child.tag.removeprefix(_SVG) not in _KEEP:
            node.remove(child)
        else:
            _clean(child, prefix, ids)


def _rename(name: str, prefix: str, ids: dict[str, str]) -> str:
    return ids.setdefault(name, f"{prefix}-{len(ids) + 1}")


def _refuse_urls(value: Any) -> None:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key in {"url", "href"}:
                raise InputError(f"a figure must hold its own data, but it names {key!r}: put the values in the spec.")
            # Rows of data are plain values: a column of that name is harmless.
            if key != "values":
                _refuse_urls(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_urls(item)


def _plain(value: Any) -> Any:
    """Drop what XML cannot hold from every text of the specification."""
    if isinstance(value, str):
        return _ESCAPED.sub("?", _CONTROL.sub("\ufffd", value))
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
