"""Figures of a sweep's course: its best score by device-hours, how far its trials came, what its time was spent on."""

from __future__ import annotations

from collections import Counter

import plotly.graph_objects as go

from spaces.errors import ConfigError

from ..record.journal import Journal
from ..record.lines import read_rows
from ..record.records import EpochRow
from ..record.spending.split import PARTS
from ..record.state import SweepState
from .frames import scored
from .plots import BEST, COLOURS, OTHER, by_state, count_along, titled
from .rungs import add_rungs

PART_COLOURS = {"useful": "#1f6fb4", "pruned": "#a8a8a8", "lost": "#c0392b", "idle": "#e0c36a"}
Step = tuple[float, int, float]  # device-hours spent, trial, its score


def best_by_hours(journal: Journal) -> tuple[list[Step], float]:
    """Replays a sweep; returns each new best trial that keeps the limits with the device-hours of trials spent until
    then, and the hours spent in all. A trial may lose its place where it breaks a limit, measured later."""
    state, steps, held = SweepState(), [], None  # type: SweepState, list[Step], tuple[int, float] | None
    for row, _ in read_rows(journal.path):
        state.apply(row)
        best = state.best() if isinstance(row, EpochRow) else None
        if best is not None and best.own_score is not None and held != (best.number, best.own_score):
            held = best.number, best.own_score
            steps.append((state.spend.used_hours(), *held))
    return steps, state.spend.used_hours()


def hours_title(journal: Journal) -> str:
    """Formats the title of an axis of device-hours: of GPUs, or of CPU workers where there are none."""
    unit = journal.state.spend.unit
    return f"{unit}-hours of trials" if unit == "GPU" else f"{unit}-hours of trials (one per worker)"


def hours(journal: Journal) -> go.Figure:
    """Draws the best score so far, of the trials that keep the limits, over the device-hours that trials spent: GPU
    hours, or hours of workers on CPUs. ConfigError if no trial has a score."""
    scored(journal)
    steps, spent = best_by_hours(journal)
    figure, objective = go.Figure(), journal.sweep.objective
    figure.add_scatter(
        x=[*(at for at, _, _ in steps), spent],
        y=[*(score for _, _, score in steps), *(score for _, _, score in steps[-1:])],
        mode="lines+markers",
        name="best so far",
        line={"color": BEST, "shape": "hv", "width": 1.5},
        text=[*(f"trial {number}: {score:.2f} after {at:.3g} h" for at, number, score in steps), f"now: {spent:.3g} h"],
        hoverinfo="text",
    )
    return titled(figure, f"{journal.sweep.name}: best score by time spent", hours_title(journal), objective)


def survival(journal: Journal) -> go.Figure:
    """Draws how many trials reached each epoch, stacked by their state now, with a dotted line at each rung of the
    scheduler. ConfigError if no trial has a score."""
    trials, figure = scored(journal), go.Figure()
    longest = max(trial.last_epoch for trial in trials)
    for state, group in by_state(trials).items():
        ends = Counter(trial.last_epoch for trial in group)
        reached, left = [], len(group)
        for epoch in range(1, longest + 1):
            reached.append(left)
            left -= ends[epoch]
        figure.add_scatter(
            x=[*range(1, longest + 1)], y=reached, name=state, stackgroup="trials", mode="lines",
            line={"color": COLOURS.get(state, OTHER), "shape": "hvh", "width": 1},
            hovertemplate="epoch %{x}: %{y} " + state + "<extra></extra>",
        )  # fmt: skip
    add_rungs(figure, journal)
    count_along(figure, longest)
    figure.update_layout(legend={"traceorder": "normal"})
    return titled(figure, f"{journal.sweep.name}: trials that reached an epoch", "epoch", "trials")


def spend(journal: Journal) -> go.Figure:
    """Draws the device-hours of a sweep as one bar: useful, pruned, lost, and idle where that is on record. ConfigError
    if none is spent yet."""
    split, figure = journal.state.spend.split(), go.Figure()
    if not split.used:
        raise ConfigError(f"sweep '{journal.sweep.name}'", ["no time of a trial is on record yet"])
    for part in (*PARTS, "idle"):
        amount = getattr(split, part)
        if amount:
            figure.add_bar(
                x=[amount], y=[""], name=part, orientation="h", marker={"color": PART_COLOURS[part]},
                hovertemplate=f"{part}: " + "%{x:.3g} h<extra></extra>",
            )  # fmt: skip
    figure.update_layout(barmode="stack", height=220, legend={"traceorder": "normal"})
    return titled(figure, f"{journal.sweep.name}: {split}", f"{split.unit}-hours", "")
