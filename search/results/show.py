"""`list` and `show`: print what the journals hold. Needs neither Ray nor MLflow."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from data.errors import DataError
from spaces.cli import OK
from spaces.table import text_table

from ..cli.results.show import LookRequest
from ..record.glance import Glance, glance
from ..record.journal import FILE, Journal, sweeps
from .advice import advice_on, advice_text
from .leaderboard import leaderboard, leaderboard_text
from .trial import trial_facts, trial_text

COLUMNS = ("sweep", "model", "data", "state", "ended", "trials", "objective", "best", "best_trial", "note")


def list_sweeps(request: LookRequest) -> int:
    """Prints one line per sweep, oldest first; returns the exit code. A damaged journal is listed as such and its error
    printed on stderr."""
    rows, problems = [], []
    for folder in sweeps(request.storage):
        try:
            rows.append(_row(folder, glance(folder / FILE)))
        except DataError as error:
            rows.append({**dict.fromkeys(COLUMNS), "sweep": folder.name, "state": "damaged"})
            problems.append(str(error))
    if request.as_json:
        print(json.dumps({"sweeps": rows}, indent=1))
    elif rows:
        columns = [name for name in COLUMNS if name != "note" or any(row["note"] for row in rows)]
        print(text_table(columns, [[row[name] for name in columns] for row in rows]))
    else:
        first = request.where.line_told("launch", "graformer", "--recipe", "small")
        print(f"no sweeps in {request.storage}; start one: {first}")
    for problem in problems:
        print(problem, file=sys.stderr)
    return OK


def _row(folder: Path, found: Glance) -> dict[str, object]:
    sweep = found.sweep
    values = (
        *(folder.name, sweep.model, sweep.knob("data.name"), found.state, found.ended, found.trials, sweep.objective),
        *(found.score, found.best, found.note or None),
    )
    return dict(zip(COLUMNS, values, strict=True))


def show(request: LookRequest) -> int:
    """Prints the leaderboard of one sweep, and advice on it if asked for, or all that is known of one trial; returns
    the exit code. DataError if the journal is damaged."""
    journal = Journal(request.storage / request.name / FILE)
    if request.trial is not None:
        facts = trial_facts(journal, journal.trials[request.trial])
        print(json.dumps(facts, indent=1) if request.as_json else trial_text(facts))
        return OK
    findings = advice_on(journal, request.where) if request.has_advice else None
    if request.as_json:
        told = {} if findings is None else {"advice": [finding.to_record() for finding in findings]}
        print(json.dumps({**leaderboard(journal), **told}, indent=1))
        return OK
    print(leaderboard_text(journal))
    if findings is not None:
        print(advice_text(findings, journal.sweep.model))
    return OK
