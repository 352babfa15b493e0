"""Figure of the front of a sweep: its trials by two objectives, a third as colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from spaces.errors import ConfigError

from ..record.journal import Journal
from .frames import breaks_limit, check_metrics, front_frame, trials_frame
from .plots import BEST, OTHER, titled

FEWEST, MOST = 2, 3  # metrics of a picture
BROKEN = "#b9b3c0"


def front(journal: Journal, metrics: Sequence[str] = ()) -> go.Figure:
    """Draws every trial with values of `metrics` (none: the sweep's objectives), the first upwards and the second to
    the right, a third as colour, with a line through those of two metrics that no other beats and rings around those of
    three; those that break a limit are crosses. ConfigError for another number of metrics, and for one that no trial
    has."""
    names = list(metrics) or list(journal.sweep.objectives)
    if not FEWEST <= len(names) <= MOST:
        problem = f"a front is drawn of {FEWEST} or {MOST} metrics, not {len(names)} ({', '.join(names)}); name them"
        raise ConfigError(f"sweep '{journal.sweep.name}'", [problem])
    check_metrics(journal, names)
    y, x = names[:2]
    every, best = trials_frame(journal).dropna(subset=names), front_frame(journal, names).sort_values(x)
    figure = go.Figure()
    is_broken = breaks_limit(journal, every)
    for name, look, group in (
        ("trials", {"color": OTHER, "size": 8}, every[~is_broken]),
        ("break a limit", {"color": BROKEN, "size": 7, "symbol": "x"}, every[is_broken]),
    ):
        marker = look | (_scale(every, group, names[2]) if len(names) == MOST else {})
        if len(group):
            figure.add_scatter(
                x=group[x], y=group[y], mode="markers", name=name, marker=marker, text=_told(group, names),
                hoverinfo="text",
            )  # fmt: skip
    marker = {"color": BEST, "size": 12, "symbol": "circle-open", "line": {"width": 2}}
    figure.add_scatter(
        x=best[x], y=best[y], mode="lines+markers" if len(names) == FEWEST else "markers", name="front", marker=marker,
        line={"color": BEST, "shape": "hv", "width": 1.5}, text=_told(best, names), hoverinfo="text",
    )  # fmt: skip
    return titled(figure, f"{journal.sweep.name}: front, {len(best)} of {len(every)} trials", x, y)


def _scale(every: pd.DataFrame, group: pd.DataFrame, name: str) -> dict[str, Any]:
    """Builds the colours of a group of trials by the metric `name`, on a scale that fits all of them."""
    ends = {"cmin": every[name].min(), "cmax": every[name].max()}
    return {"color": list(group[name]), **ends, "colorscale": "Viridis", "colorbar": {"title": {"text": name}}}


def _told(frame: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Formats the trials of a frame for the pointer: number, state, and the metrics, a line each."""
    return [
        "<br>".join([f"trial {row['trial']}, {row['state']}", *(f"{name} {row[name]:.4g}" for name in names)])
        for _, row in frame.iterrows()
    ]
