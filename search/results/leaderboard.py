"""Leaderboard of a sweep: its trials sorted by score, as JSON and as a text table."""

from __future__ import annotations

from typing import Any

from spaces.console import visible
from spaces.table import text_table

from ..record.history import origin_text
from ..record.journal import Journal
from ..record.records import LOST
from .front import as_json, front_text, measured_values, value_text


def leaderboard(journal: Journal) -> dict[str, Any]:
    """Builds the JSON form of `show`: the sweep, its objective, state and device time, and its trials, best first."""
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
        for trial in journal.leaderboard(objective)
    ]
    return {
        "sweep": journal.sweep.name,
        "objective": objective,
        "state": sweep_state(journal),
        "origin": journal.sweep.origin,
        "notes": journal.state.notes,
        "spend": journal.state.spend.split().to_json(),
        **as_json(journal),
        "trials": rows,
    }


def leaderboard_text(journal: Journal) -> str:
    """Formats the table of `show`: best trial first, one column per searched knob, and per further objective, limited
    metric and broken limit where there are such; then the front of several objectives."""
    found = leaderboard(journal)
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
    what = "one run" if journal.sweep.single else f"recipe {journal.sweep.recipe} is trial 0"
    title = f"sweep {found['sweep']}: {journal.sweep.model}, {what}, {found['state']}"
    title += f", {origin}" if (origin := origin_text(journal.sweep)) else ""
    notes = [f"note: {visible(note)}" for note in journal.state.notes]
    front = front_text(journal)
    spent = [] if journal.sweep.single else [str(journal.state.spend.split())]
    return "\n".join([title, *notes, text_table(header, rows), *([front] if front else []), *spent])


def sweep_state(journal: Journal) -> str:
    """Returns the state of a sweep: 'done', one of BUDGETS, 'interrupted', 'error', or 'open' while it runs or after a
    crash."""
    return journal.close_reason if journal.is_closed else "open"


def _shown(value: object) -> object:
    return f"{value:.3g}" if isinstance(value, float) else value
