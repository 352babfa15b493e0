"""Figure of the slices of a sweep: its scores against each searched knob."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from spaces.domains import Choice, Domain, Float, Int, Normal

from ..record.journal import Journal
from .frames import best_of, knob_paths, scored
from .plots import BEST, COLOURS, OTHER, by_state, label, searched, told, value_label

COLUMNS, ROW_PX, AROUND_PX = 2, 250, 150
DECADES = 30  # ratio of the largest to the smallest value from which ticks at powers of ten are enough


def slices(journal: Journal) -> go.Figure:
    """Draws the score of each trial against the value of each searched knob, a panel per knob, coloured by state, with
    a ring around the best. Axes of logarithmic domains are logarithmic; a trial without a knob, or
    with a value of 0 there, is left out of its panel. ConfigError if no trial has a score."""
    objective, domains, trials = journal.sweep.objective, searched(journal), scored(journal)
    best, paths = best_of(journal), knob_paths(journal)
    rows = math.ceil(len(paths) / COLUMNS)
    gap = min(0.3, 70 / (rows * ROW_PX))
    figure = make_subplots(
        rows=rows, cols=COLUMNS, shared_yaxes=True, horizontal_spacing=0.04, vertical_spacing=gap
    )  # fmt: skip
    groups = by_state(trials)
    for index, path in enumerate(paths):
        place = {"row": index // COLUMNS + 1, "col": index % COLUMNS + 1}
        domain = domains.get(path)
        for state, group in groups.items():
            there = [trial for trial in group if path in trial.point]
            figure.add_scatter(
                x=[_place(domain, trial.point[path]) for trial in there],
                y=[trial.score(objective) for trial in there],
                mode="markers",
                name=state,
                legendgroup=state,
                showlegend=index == 0,
                marker={"color": COLOURS.get(state, OTHER), "size": 6, "opacity": 0.75},
                text=[told(trial, objective) for trial in there]
                if index == 0
                else [f"trial {t.number}" for t in there],
                hoverinfo="text",
                **place,
            )
        if path in best.point:
            figure.add_scatter(
                x=[_place(domain, best.point[path])], y=[best.score(objective)], mode="markers", hoverinfo="skip",
                name="best", legendgroup="best", showlegend=index == 0,
                marker={"color": BEST, "size": 13, "symbol": "circle-open", "line": {"width": 2}}, **place,
            )  # fmt: skip
        values = [trial.point[path] for trial in trials if path in trial.point]
        figure.update_xaxes(title_text=path, **_axis(domain, values), **place)
        if place["col"] == 1:
            figure.update_yaxes(title_text=objective, **place)
    title = label(f"{journal.sweep.name}: score by knob")
    figure.update_layout(title={"text": title}, height=rows * ROW_PX + AROUND_PX)
    return figure


def _is_named(domain: Domain | None) -> bool:
    """Returns whether the values of a domain stand on an axis by name and not by size."""
    return domain is None or isinstance(domain, Choice)


def _place(domain: Domain | None, value: Any) -> Any:
    return value_label(value) if _is_named(domain) else value


def _axis(domain: Domain | None, values: Sequence[Any]) -> dict[str, Any]:
    """Builds the axis of the values of a domain. Where they span little more than a decade, a logarithmic one has ticks
    at 1, 2 and 5 of each, else at powers of ten."""
    if domain is None:
        return {"type": "category"}
    if isinstance(domain, Choice):
        return {"type": "category", "categoryorder": "array", "categoryarray": [*map(value_label, domain.values)]}
    if not (isinstance(domain, Float | Int | Normal) and domain.log):
        return {}
    shown = [value for value in values if value > 0]  # a recipe outside the domain may be 0, which has no place
    is_wide = bool(shown) and max(shown) / min(shown) > DECADES
    return {"type": "log", "tickformat": "~g", "dtick": 1 if is_wide else "D2"}
