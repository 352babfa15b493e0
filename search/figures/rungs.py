"""Rungs of a sweep in its figures: the epochs at which its scheduler compares the trials."""

from __future__ import annotations

import plotly.graph_objects as go

from ..record.journal import Journal

LINE = {"color": "#9a9aa5", "width": 1, "dash": "dot"}


def add_rungs(figure: go.Figure, journal: Journal) -> None:
    """Adds a dotted line at each rung of the sweep to a figure whose x axis has the epochs."""
    for epoch in journal.sweep.rungs:
        figure.add_shape(type="line", x0=epoch, x1=epoch, y0=0, y1=1, xref="x", yref="paper", line=LINE, layer="below")
