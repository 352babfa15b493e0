"""Figure of several sweeps side by side: the best score of each by trials and by device-hours."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from spaces.errors import ConfigError

from ..record.journal import Journal
from .courses import best_by_hours
from .plots import label, lowest_so_far

HUES = ("#1f6fb4", "#e08e0b", "#2e9e5b", "#c0392b", "#6c5b7b", "#17a2b8", "#b5651d", "#d6508b")
ROW_PX, AROUND_PX = 380, 100


def several(journals: Mapping[str, Journal]) -> go.Figure:
    """Draws the best score so far of each sweep by name, left by the number of trials, right by their device-hours; a
    row per objective, as scores of different ones cannot be compared. ConfigError if no sweep has a score."""
    begun = {name: journal for name, journal in journals.items() if journal.state.best() is not None}
    if not begun:
        raise ConfigError(", ".join(journals), ["no trial has a score yet, so there is nothing to compare"])
    objectives = list(dict.fromkeys(journal.sweep.objective for journal in begun.values()))
    figure = make_subplots(rows=len(objectives), cols=2, shared_yaxes=True, horizontal_spacing=0.04)
    units = {journal.state.spend.unit for journal in begun.values()}
    for index, (name, journal) in enumerate(begun.items()):
        row, shown = objectives.index(journal.sweep.objective) + 1, label(name)
        look = {"line": {"color": HUES[index % len(HUES)], "shape": "hv", "width": 2}, "legendgroup": name}
        numbers, lowest = lowest_so_far(journal)
        figure.add_scatter(
            x=[number + 1 for number in numbers], y=lowest, mode="lines", name=shown, **look, row=row, col=1
        )
        steps, spent = best_by_hours(journal)
        unit = f" ({journal.state.spend.unit})" if len(units) > 1 else ""
        figure.add_scatter(
            x=[*(at for at, _, _ in steps), spent],
            y=[*(score for _, _, score in steps), steps[-1][2]],
            mode="lines", name=f"{shown}{unit}", showlegend=False, **look, row=row, col=2,
        )  # fmt: skip
    hours = f"{units.pop()}-hours of trials" if len(units) == 1 else "device-hours of trials, of GPUs or CPU workers"
    for row, objective in enumerate(objectives, 1):
        figure.update_yaxes(title_text=f"best {objective}", row=row, col=1)
        figure.update_xaxes(title_text="trials", row=row, col=1)
        figure.update_xaxes(title_text=hours, row=row, col=2)
    title = "best score so far, by trials and by time"
    figure.update_layout(title={"text": title}, height=len(objectives) * ROW_PX + AROUND_PX)
    return figure
