"""Rungs of a sweep in its figures: the epochs at which its scheduler compares the trials."""

from __future__ import annotations

import plotly.graph_objects as go

from ..record.journal import Journal
from ..record.options.choices import rungs
from ..record.plan import plan_of

LINE = {"color": "#9a9aa5", "width": 1, "dash": "dot"}


def rungs_of(journal: Journal) -> list[int]:
    """Returns the epochs of the rungs of successive halving, ascending; [] for a sweep whose scheduler has none.
    ConfigError if the record does not hold a valid plan."""
    if journal.sweep.single:
        return []
    sweep = plan_of(journal.sweep, str(journal.path)).sweep
    if sweep.reduction is None or sweep.grace is None or sweep.max_epochs is None:
        return []
    return rungs(sweep.grace, sweep.reduction, sweep.max_epochs)


def add_rungs(figure: go.Figure, journal: Journal) -> None:
    """Adds a dotted line at each rung of the sweep to a figure whose x axis has the epochs."""
    for epoch in rungs_of(journal):
        figure.add_shape(type="line", x0=epoch, x1=epoch, y0=0, y1=1, xref="x", yref="paper", line=LINE, layer="below")
