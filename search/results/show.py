"""`list` and `show`: what the journals say. Needs neither Ray nor MLflow."""

from __future__ import annotations

import json

from spaces.cli import OK
from spaces.table import text_table

from ..cli.show import LookRequest
from ..record.journal import FILE, Journal, sweeps
from .leaderboard import leaderboard, leaderboard_text, sweep_state


def list_sweeps(request: LookRequest) -> int:
    """One line a sweep, oldest first."""
    rows = [_row(Journal(folder / FILE)) for folder in sweeps(request.storage)]
    if request.as_json:
        print(json.dumps({"sweeps": rows}, indent=1))
    elif rows:
        print(text_table(list(rows[0]), [list(row.values()) for row in rows]))
    else:
        first = request.where.line("launch", "graformer", "--recipe", "small")
        print(f"no sweeps in {request.storage}; start one: {first}")
    return OK


def _row(journal: Journal) -> dict[str, object]:
    plan = journal.sweep["plan"]
    best = journal.best(plan["objective"])
    return {
        "sweep": journal.sweep["name"],
        "model": journal.sweep["model"],
        "data": journal.sweep["base"]["data"]["name"],
        "state": sweep_state(journal),
        "ended": sum(trial.has_ended for trial in journal.trials.values()),
        "trials": plan["trials"],
        "objective": plan["objective"],
        "best": None if best is None else best.score(plan["objective"]),
        "best_trial": None if best is None else best.number,
    }


def show(request: LookRequest) -> int:
    """One sweep's leaderboard."""
    journal = Journal(request.storage / request.name / FILE)
    print(json.dumps(leaderboard(journal), indent=1) if request.as_json else leaderboard_text(journal))
    return OK
