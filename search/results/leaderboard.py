"""Leaderboard of a sweep: its trials sorted by score, as JSON and as a text table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spaces.console import visible
from spaces.table import fitted_table

from ..record.history import origin_text
from ..record.journal import Journal
from ..record.records import LOST
from .front import as_json, front_text, measured_values, value_text


def leaderboard(journal: Journal, most: int | None = None) -> dict[str, Any]:
    """Builds the JSON form of `show`: the sweep, its objective, state and device time, the number of its trials, and
    the trials, best first. `most`: list no more than so many (None: all)."""
    objective = journal.sweep.objective
    rows = [
        {
            "trial": trial.number,
            "state": trial.state,
            "reason": trial.reason,
            "cause": trial.cause if trial.state == LOST else "",
            "score": trial.score(objective),
            "epochs": trial.last_epoch,
            "config_id": trial.config_id,
            "knobs": trial.point,
            "objectives": measured_values(journal, trial),
            "broken": list(trial.broken),
        }
        for trial in journal.leaderboard(objective)[:most]
    ]
    return {
        "sweep": journal.sweep.name,
        "objective": objective,
        "state": sweep_state(journal),
        "origin": journal.sweep.origin,
        "notes": journal.state.notes,
        "spend": journal.state.spend.split().to_json(),
        **as_json(journal),
        "trials_in_all": len(journal.trials),
        "trials": rows,
    }


def leaderboard_text(
    journal: Journal, line: Callable[..., str], width: int | None = None, most: int | None = None
) -> str:
    """Formats the table of `show`: best trial first, one column per searched knob, and per further objective, limited
    metric and broken limit where there are such; then the front of several objectives.

    `line`: formats the command that shows the sweep, with further arguments; `width`: characters that the table may
    have, for which columns are left out, knobs first (None: any); `most` as in `leaderboard`."""
    found = leaderboard(journal, most)
    paths = list(dict.fromkeys(path for row in found["trials"] for path in row["knobs"]))
    sweep = journal.sweep
    named = dict.fromkeys([*sweep.objectives, *(limit.metric for limit in sweep.limits)])
    more = [name for name in named if name != sweep.objective]
    header = ["trial", "state", found["objective"], *more, "epochs", *(path.split(".", 1)[1] for path in paths)]
    rows = [
        [
            *(row["trial"], row["state"], row["score"]),
            *(value_text(row["objectives"][name]) for name in more),
            row["epochs"],
            *(_shown(row["knobs"].get(path)) for path in paths),
            *(["; ".join(row["broken"])] if sweep.limits else []),
        ]
        for row in found["trials"]
    ]
    header += ["breaks"] if sweep.limits else []
    ranks = [*(0, 0, 0), *(1 for _ in more), 0, *(2 for _ in paths), *([1] if sweep.limits else [])]
    table, left_out = fitted_table(header, rows, ranks, width)
    what = "one run" if journal.sweep.single else f"recipe {journal.sweep.recipe} is trial 0"
    title = f"sweep {found['sweep']}: {journal.sweep.model}, {what}, {found['state']}"
    title += f", {origin}" if (origin := origin_text(journal.sweep)) else ""
    notes = [f"note: {visible(note)}" for note in journal.state.notes]
    front = front_text(journal)
    spent = [] if journal.sweep.single else [str(journal.state.spend.split())]
    cut = [] if most is None else ["--trials", most]
    more_trials = len(journal.trials) > len(rows)
    below = [f"the {len(rows)} best of {len(journal.trials)} trials; all of them: {line()}"] if more_trials else []
    below += left_out_text(left_out, line("--wide", *cut))
    return "\n".join([title, *notes, table, *below, *([front] if front else []), *spent])


def left_out_text(names: list[str], line: str) -> list[str]:
    """Formats, as one line, which columns a table lacks for the width of the terminal, and the command `line` that
    shows them; [] where it lacks none."""
    return [f"too wide for this terminal: {', '.join(names)}; with them: {line}"] if names else []


def sweep_state(journal: Journal) -> str:
    """Returns the state of a sweep: 'done', one of BUDGETS, 'interrupted', 'error', or 'open' while it runs or after a
    crash."""
    return journal.close_reason if journal.is_closed else "open"


def _shown(value: object) -> object:
    return f"{value:.3g}" if isinstance(value, float) else value
