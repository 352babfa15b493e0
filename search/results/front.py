"""Front of a sweep of several objectives, as JSON and as a text table."""

from __future__ import annotations

from typing import Any

from spaces.table import text_table

from ..decisions.fronts import front_of
from ..record.journal import Journal
from ..record.trial import Trial


def front_trials(journal: Journal) -> list[Trial]:
    """Returns the trials on the front, by the first objective; of a sweep of one objective its best trial alone."""
    if len(journal.sweep.objectives) > 1:
        return front_of(journal.trials.values(), journal.sweep.objectives)
    best = journal.state.best()
    return [] if best is None else [best]


def measured_values(journal: Journal, trial: Trial) -> dict[str, float | None]:
    """Returns what a trial has of every objective and limited metric, None where there is nothing yet, and the spread
    of its latency."""
    names = [*journal.sweep.objectives, *(limit.metric for limit in journal.sweep.limits)]
    spreads = [name for name in trial.costs if name.endswith("_spread")]
    return {name: trial.measured(name) for name in dict.fromkeys([*names, *spreads])}


def front_text(journal: Journal) -> str:
    """Formats the table of the front of several objectives: a trial a line, by the first objective; '' for a sweep of
    one objective."""
    names = journal.sweep.objectives
    if len(names) == 1:
        return ""
    front = front_trials(journal)
    if not front:
        return "front: no trial has a value of every objective yet"
    title = f"front: {len(front)} trials, of which none is beaten in one objective without being better in another"
    rows = [[trial.number, trial.state, *(value_text(trial.measured(name)) for name in names)] for trial in front]
    return "\n".join([title, text_table(["trial", "state", *names], rows)])


def value_text(value: float | None) -> str:
    """Formats a metric or cost: whole numbers as they are, others with two decimals or three digits."""
    if value is None:
        return ""
    if value == round(value):
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


def as_json(journal: Journal) -> dict[str, Any]:
    """Builds what `show --json` adds to a sweep: its objectives, its limits, and the numbers of the trials on its
    front."""
    return {
        "objectives": list(journal.sweep.objectives),
        "limits": [limit.text for limit in journal.sweep.limits],
        "front": [trial.number for trial in front_trials(journal)],
    }
