"""Figure of errors by action on the test subjects, of several weights side by side."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from spaces.errors import ConfigError

from .plots import label

BETTER, WORSE = "#2e9e5b", "#c0392b"
ROW_PX, AROUND_PX = 18, 130  # of a bar, and around all


def by_action(
    errors: Mapping[str, Mapping[str, float | None]], colours: Mapping[str, str], *, has_difference: bool = False
) -> go.Figure:
    """Draws errors in millimetres by action, a bar for each name in `errors`, of the colour of that name.
    `has_difference`: of two names also the first less the second, to the right. ConfigError if there are no actions, as
    in sets of images with meshes."""
    actions = list(dict.fromkeys(action for found in errors.values() for action in found))
    if not actions:
        raise ConfigError("test scores", ["this set has no actions"])
    figure = make_subplots(
        rows=1, cols=2 if has_difference else 1, shared_yaxes=True, horizontal_spacing=0.06,
        column_widths=[0.68, 0.32] if has_difference else None,
    )  # fmt: skip
    rows = [label(action) for action in actions]
    for name, found in errors.items():
        figure.add_bar(
            x=[found.get(action) for action in actions], y=rows, name=label(name), orientation="h",
            marker={"color": colours[name]}, hovertemplate="%{y}, " + label(name) + ": %{x:.2f} mm<extra></extra>",
            row=1, col=1,
        )  # fmt: skip
    if has_difference:
        first, second = errors.values()
        pairs = [(first.get(action), second.get(action)) for action in actions]
        gaps = [None if one is None or other is None else one - other for one, other in pairs]
        figure.add_bar(
            x=gaps, y=rows, orientation="h", showlegend=False,
            marker={"color": [BETTER if gap is None or gap <= 0 else WORSE for gap in gaps]},
            hovertemplate="%{y}: %{x:+.2f} mm<extra></extra>", row=1, col=2,
        )  # fmt: skip
        figure.update_xaxes(title_text="difference, mm", row=1, col=2)
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_xaxes(title_text="MPJPE, mm", row=1, col=1)
    height = AROUND_PX + ROW_PX * len(rows) * (len(errors) + 0.5)
    figure.update_layout(title={"text": "Errors by action"}, barmode="group", bargap=0.25, height=height)
    return figure
