"""Figures as parts of a page: their JSON without what the page itself decides, and the library that draws them."""

from __future__ import annotations

import json
from html import unescape
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs


def title_of(figure: go.Figure) -> str:
    """Returns the title of a figure as plain text, '' if it has none."""
    return unescape(figure.layout.title.text or "")


def figure_json(figure: go.Figure) -> str:
    """Formats a figure as JSON for a page that shows its title itself and has colours of its own for axes and text:
    without title and template. Numbers have six digits; no character of it begins a tag."""
    tree = json.loads(figure.to_json())
    for name in ("title", "template"):
        tree["layout"].pop(name, None)
    return json.dumps(_rounded(tree), separators=(",", ":")).replace("<", "\\u003c")


def library() -> str:
    """Returns the source of plotly.js, about 5 MB, which needs no network."""
    return str(get_plotlyjs())


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list) else value
