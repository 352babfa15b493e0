"""The section of a report on the test subjects: errors by action, moving skeletons, lines that score by hand."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from ...cli.command import Where
from ...figures.actions import by_action
from ...record.journal import Journal
from .elements import Markup, command_line, element, joined, number_text, table
from .figure import Figures
from .heads import is_confirmation
from .kept import Metrics, Side, Tested
from .lines import score_lines
from .skeletons import skeletons
from .testing import Scores, sides_of

METRIC, MEAN = "mpjpe_mm", "action mean"
BEST, RECIPE = "#1f6fb4", "#a8a8a8"  # colours of the sides


def test_scores(journal: Journal, name: str, where: Where, figures: Figures, scores: Scores) -> Markup | None:
    """Builds the scores of the best trial and the recipe on the test subjects, or the reason why there are none with
    the line to type; None for a confirmation, which has test scores of its own."""
    if is_confirmation(journal):
        return None
    parts: list[object] = []
    selects = "A sweep selects on validation subjects and never looks at the test subjects."
    if journal.sweep.single:
        selects = "A run selects its best epoch on validation subjects."
    if scores.tested is None:
        why = f" Not scored: {scores.why}." if scores.why else " This report has not looked at them either."
        parts.append(element("p", f"{selects}{why}", class_="note"))
    else:
        parts += _told(scores.tested, f"{selects} Reports score the weights there, as evaluate does", figures)
        if scores.why:
            parts.append(element("p", f"Lacking: {scores.why}.", class_="note"))
    trials = sides_of(journal)
    if not trials:
        return joined([*parts, element("p", "No trial has weights to score yet.", class_="note")])
    if scores.tested is None:
        line = where.line_told("report", name, "--out", f"{name}-scored.html")
        parts.append(command_line(line, "A report with errors by action and moving skeletons:"))
    return joined([*parts, *score_lines(journal, trials, name, where)])


def names_of(tested: Tested) -> dict[str, Side]:
    """Returns the scored sides by the name that a report gives them."""
    return {
        f"{'best' if place == 0 else 'recipe'}, trial {side.weights.trial}": side
        for place, side in enumerate(tested.sides)
    }


def errors_of(sides: Mapping[str, Side]) -> dict[str, dict[str, float | None]]:
    """Returns the MPJPE of each side, in millimetres by action, the mean of all actions last; {} of one without
    actions."""
    return {
        name: {**{action: values.get(METRIC) for action, values in side.per_action.items()},
               MEAN: side.action_mean.get(METRIC)} if side.per_action else {}
        for name, side in sides.items()
    }  # fmt: skip


def _told(tested: Tested, how: str, figures: Figures) -> list[object]:
    sides = names_of(tested)
    what = f"{tested.poses:,} {'poses' if tested.sides[0].per_action else 'images'} of {', '.join(tested.subjects)}"
    epochs = ", ".join(f"{name} after epoch {side.weights.epoch}" for name, side in sides.items())
    parts: list[object] = [element("p", f"{how}: {what}; {epochs}.", class_="note")]
    if tested.sides[0].per_action:
        colours = dict(zip(sides, (BEST, RECIPE), strict=False))
        draw = partial(by_action, errors_of(sides), colours, has_difference=len(sides) == 2)
        note = "Of the difference, best less recipe, below 0 is better." if len(sides) == 2 else ""
        parts.append(figures.of("Errors by action", draw, note))
    parts.append(_table(sides, tested.shares))
    if tested.clips:
        parts.append(skeletons(tested, list(sides)))
    elif not tested.sides[0].per_action:
        parts.append(element("p", "These are single images, so there is no motion to show.", class_="note"))
    return parts


def _table(sides: Mapping[str, Side], shares: list[str]) -> Markup:
    """Builds the table of all metrics by action, with the differences of two sides."""
    first = next(iter(sides.values()))
    metrics = list(first.frame_mean)
    short = [name.partition(",")[0] for name in sides]
    header: list[object] = ["action" if first.per_action else "images"]
    for metric in metrics:
        told = f"{metric} %" if metric in shares else metric
        header += [f"{told}, {name}" for name in short] if len(sides) > 1 else [told]
        header += [f"{told}, difference"] if len(sides) == 2 else []
    actions = list(dict.fromkeys(action for side in sides.values() for action in side.per_action))
    rows = [
        _row(action, [side.per_action.get(action, {}) for side in sides.values()], metrics, shares)
        for action in actions
    ]
    if actions:
        rows.append(_row(MEAN, [side.action_mean for side in sides.values()], metrics, shares))
    rows.append(_row("frame mean" if actions else "all", [side.frame_mean for side in sides.values()], metrics, shares))
    return table(header, rows, sorts=True)


def _row(name: str, sides: list[Metrics], metrics: list[str], shares: list[str]) -> list[object]:
    cells: list[object] = [name]
    for metric in metrics:
        unit = 100 if metric in shares else 1
        values = [None if (value := side.get(metric)) is None else unit * value for side in sides]
        cells += [number_text(value) for value in values]
        if len(values) == 2:
            one, other = values
            cells.append("" if one is None or other is None else f"{one - other:+.2f}")
    return cells
