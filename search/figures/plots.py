"""Figures of a sweep in plotly: scores in order, curves, importance of the knobs, parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from spaces.domains import Choice, Domain, Float, Int, Normal
from spaces.errors import ConfigError
from spaces.schema import spelled

from ..decisions.importance import importance as importance_of
from ..record.journal import Journal
from ..record.plan import plan_of
from ..record.trial import Trial
from .frames import best_of, check_metrics, knob_paths, scored
from .rungs import add_rungs

COLOURS = {
    "finished": "#1f6fb4",
    "pruned": "#a8a8a8",
    "diverged": "#c0392b",
    "failed": "#7b241c",
    "stopped": "#e08e0b",
    "running": "#2e9e5b",
}
OTHER = "#6c5b7b"  # of any other state
BEST = "#111111"
# Of scores, from the worst to the best: seen on light and on dark ground.
GRADES = [[0, "#b8bcc4"], [0.6, "#6ea6d8"], [0.9, "#2c6fbb"], [1, "#e8590c"]]
MOST_DIGITS = 1e6  # whole numbers below are written out
MOST_TICKS = 15  # whole numbers along an axis, each of which gets a tick
MOST_MARKED = 3000  # points of curves that have marks, each of which a browser draws as an element of its own
MOST_POINTS = 24000  # points of the curves of a figure; of more, every curve shows fewer epochs


def history(journal: Journal) -> go.Figure:
    """Draws the score of each trial by its number, coloured by state, with a star for trial 0, and the best score so
    far, of the trials that keep the limits, as a line. ConfigError if no trial has a score."""
    objective, trials = journal.sweep.objective, scored(journal)
    figure = go.Figure()
    for state, group in by_state(trials).items():
        figure.add_scatter(
            x=[trial.number for trial in group],
            y=[trial.score(objective) for trial in group],
            mode="markers",
            name=state,
            marker={"color": COLOURS.get(state, OTHER), "size": 9},
            text=[told(trial, objective) for trial in group],
            hoverinfo="text",
        )
    if trials[0].number == 0:
        # A trace of its own, as the first of a state would give it its symbol in the legend.
        star = {"color": COLOURS.get(trials[0].state, OTHER), "size": 16, "symbol": "star"}
        figure.add_scatter(
            x=[0], y=[trials[0].score(objective)], mode="markers", name="trial 0", marker=star, hoverinfo="skip"
        )
    numbers, lowest = lowest_so_far(journal)
    line = {"color": BEST, "shape": "hv", "width": 1.5}
    figure.add_scatter(x=numbers, y=lowest, mode="lines", name="best so far", line=line, hoverinfo="y")
    count_along(figure, len(journal.trials))
    return titled(figure, f"{journal.sweep.name}: score of each trial", "trial", objective)


def lowest_so_far(journal: Journal) -> tuple[list[int], list[float | None]]:
    """Returns the numbers of the trials with a score, and for each the lowest score up to it of those that keep the
    limits (None: none yet). ConfigError if no trial has a score."""
    objective, best = journal.sweep.objective, None  # type: str, float | None
    numbers, lowest = [], []
    for trial in scored(journal):
        score = trial.score(objective)
        if score is not None and not trial.broken:
            best = score if best is None else min(best, score)
        numbers.append(trial.number)
        lowest.append(best)
    return numbers, lowest


def curves(journal: Journal, metric: str = "") -> go.Figure:
    """Draws `metric` ('': the objective) over the epochs, a line per trial, coloured by state; the best trial on top.
    Dotted lines are the rungs of the scheduler. One trace holds all trials of a state, and of many long curves not
    every epoch is drawn, so that a browser can show thousands. ConfigError for a metric that no trial has, or if none
    has a score."""
    objective, trials = journal.sweep.objective, scored(journal)
    name = metric or objective
    check_metrics(journal, [name])
    best = best_of(journal)
    points = sum(len(trial.epochs) for trial in trials)
    step, is_marked = math.ceil(points / MOST_POINTS), points <= MOST_MARKED
    figure = go.Figure()
    for state, group in by_state(trials).items():
        if lines := [_curve(trial, name, step) for trial in group if trial.number != best.number]:
            _add_curves(figure, lines, state, {"color": COLOURS.get(state, OTHER), "width": 1}, is_marked=is_marked)
    _add_curves(figure, [_curve(best, name)], f"best: trial {best.number}", {"color": BEST, "width": 3})
    add_rungs(figure, journal)
    count_along(figure, max(trial.last_epoch for trial in trials))
    return titled(figure, f"{journal.sweep.name}: {name} by epoch", "epoch", name)


def importance(journal: Journal, epoch: int | None = None) -> go.Figure:
    """Draws the importance of the searched knobs as bars, the largest on top: fANOVA over the trials that reached
    `epoch` (None: the latest that half of them reached). The title says how many, and at which epoch. ConfigError if
    they are too few."""
    objective, domains = journal.sweep.objective, searched(journal)
    try:
        found = importance_of(scored(journal), domains, objective, epoch)
    except ValueError as error:
        raise ConfigError(f"sweep '{journal.sweep.name}'", [str(error)]) from None
    paths = list(found.shares)[::-1]
    figure = go.Figure()
    figure.add_bar(x=[found.shares[path] for path in paths], y=paths, orientation="h", marker={"color": "#1f6fb4"})
    count = f"{found.trials}" if found.trials == found.reached else f"{found.trials} of {found.reached}"
    title = f"{journal.sweep.name}: importance (fANOVA, {count} trials at epoch {found.epoch})"
    figure.update_xaxes(range=[0, 1])
    return titled(figure, title, f"share of the spread of {objective}", "")


def parallel(journal: Journal) -> go.Figure:
    """Draws every trial with a score as a line across an axis per searched knob and one for its score, whose colour it
    has. Axes of logarithmic domains are logarithmic; a trial without a knob runs through '-' there. ConfigError if no
    trial has a score."""
    objective, domains, trials = journal.sweep.objective, searched(journal), scored(journal)
    scores = [score for trial in trials if (score := trial.score(objective)) is not None]
    columns = {path: [trial.point.get(path) for trial in trials] for path in knob_paths(journal)}
    axes = [_axis(path, values, domains.get(path)) for path, values in columns.items()]
    marks = _ticks(min(scores), max(scores))
    bar = {"title": {"text": objective}, "tickvals": [-mark for mark in marks], "ticktext": [f"{m:.4g}" for m in marks]}
    # Lines of higher values are drawn later, and the best are to lie on top.
    colour = {"color": [-score for score in scores], "colorscale": GRADES, "colorbar": bar}
    figure = go.Figure(go.Parcoords(line=colour, dimensions=[*axes, {"label": objective, "values": scores}]))
    figure.update_layout(title={"text": label(f"{journal.sweep.name}: knobs and score"), "y": 0.98}, margin={"t": 110})
    return figure


def _axis(path: str, values: Sequence[Any], domain: Domain | None) -> dict[str, Any]:
    """Builds one axis of parallel coordinates: its label, the places of the values, and the ticks. `values`: None where
    a trial lacks the knob."""
    there = [value for value in values if value is not None]
    if isinstance(domain, Choice) or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in there):
        names = [label(spelled(value)) for value in domain.values] if isinstance(domain, Choice) else []
        names = list(
            dict.fromkeys(
                [*names, *(label(spelled(value)) for value in there), *(["-"] if len(there) < len(values) else [])]
            )
        )
        places = [names.index("-" if value is None else label(spelled(value))) for value in values]
        return {"label": path, "values": places, "tickvals": [*range(len(names))], "ticktext": names}
    is_log = isinstance(domain, Float | Int | Normal) and domain.log and max(there) > 0
    # A recipe outside its logarithmic domain may have 0, which lies below the axis as what is lacking does.
    below = [value for value in there if is_log and value <= 0]
    shown = [value for value in there if not is_log or value > 0]
    ticks = _log_ticks(min(shown), max(shown)) if is_log else _ticks(min(shown), max(shown))
    placed = [
        None if value is None or (is_log and value <= 0) else math.log10(value) if is_log else float(value)
        for value in values
    ]
    marks = [math.log10(tick) if is_log else tick for tick in ticks]
    texts = [f"{tick:.0f}" if tick == round(tick) and abs(tick) < MOST_DIGITS else f"{tick:.3g}" for tick in ticks]
    if None in placed:
        end = marks[0] - ((marks[-1] - marks[0]) or 1.0) / 10
        names = [*(["-"] if None in values else []), *(f"{value:.3g}" for value in sorted({*below}))]
        placed, marks = [end if one is None else one for one in placed], [end, *marks]
        texts = [", ".join(names), *texts]
    return {"label": path, "values": placed, "tickvals": marks, "ticktext": texts}


def _ticks(low: float, high: float) -> list[float]:
    return [low] if low == high else [low + (high - low) * i / 4 for i in range(5)]


def _log_ticks(low: float, high: float) -> list[float]:
    """Returns the two ends and the powers of ten between them."""
    powers = [10.0**power for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
    return sorted({low, high, *powers})


def searched(journal: Journal) -> Mapping[str, Domain]:
    """Returns the domains of the sweep by dotted path. ConfigError if it searches no knob."""
    domains = {} if journal.sweep.single else plan_of(journal.sweep, str(journal.path)).domains
    if not domains:
        raise ConfigError(f"sweep '{journal.sweep.name}'", ["searches no knobs, so there is nothing to draw"])
    return domains


def by_state(trials: Iterable[Trial]) -> dict[str, list[Trial]]:
    """Groups the trials by state, in the order of COLOURS."""
    found: dict[str, list[Trial]] = {}
    for trial in sorted(trials, key=lambda trial: [*COLOURS, trial.state].index(trial.state)):
        found.setdefault(trial.state, []).append(trial)
    return found


def _curve(trial: Trial, metric: str, step: int = 1) -> tuple[int, list[int], list[float]]:
    """Returns number, epochs and values of a trial's curve; of its epochs every `step`-th, the first and the last."""
    points = sorted(trial.scores(metric).items())
    if step > 1:
        points = [*points[:-1:step], *points[-1:]]
    return trial.number, [epoch for epoch, _ in points], [value for _, value in points]


def _add_curves(
    figure: go.Figure,
    lines: Sequence[tuple[int, list[int], list[float]]],
    name: str,
    line: Mapping[str, Any],
    *,
    is_marked: bool = True,
) -> None:
    """Adds the curves (trial, epochs, values) as one trace, with a gap after each. `is_marked`: with a mark at each
    epoch, which curves of one epoch have anyway."""
    is_marked = is_marked or any(len(epochs) == 1 for _, epochs, _ in lines)
    x: list[int | None] = []
    y: list[float | None] = []
    numbers: list[int | None] = []
    for number, epochs, values in lines:
        x += [*epochs, None]
        y += [*values, None]
        numbers += [number] * (len(epochs) + 1)
    figure.add_scatter(
        x=x, y=y, mode="lines+markers" if is_marked else "lines", name=name, line=line, marker={"size": 4},
        customdata=numbers,
        hovertemplate="trial %{customdata}, epoch %{x}: %{y:.2f}<extra></extra>",
    )  # fmt: skip


def told(trial: Trial, objective: str) -> str:
    """Formats a trial for the pointer: number, state, score, knobs, a line each."""
    knobs = [f"{path} = {value_label(value)}" for path, value in trial.point.items()]
    broken = [f"breaks {text}" for text in trial.broken]
    return "<br>".join([f"trial {trial.number}, {trial.state}: {trial.score(objective):.2f}", *broken, *knobs])


def label(text: str) -> str:
    """Escapes a text for a figure, in which `<` begins a tag."""
    return escape(text, quote=False)


def value_label(value: Any) -> str:
    """Formats the value of a knob as a label of a figure: numbers with three digits."""
    return f"{value:.3g}" if isinstance(value, float) else label(spelled(value))


def count_along(figure: go.Figure, most: int) -> None:
    """Lets the x axis of a figure count whole things, up to `most`: a short one has a tick at each and none between."""
    if most <= MOST_TICKS:
        figure.update_xaxes(dtick=1)


def titled(figure: go.Figure, title: str, x: str, y: str) -> go.Figure:
    """Gives a figure its title and the titles of its axes."""
    figure.update_layout(title={"text": label(title)}, xaxis_title=x, yaxis_title=y)
    return figure
