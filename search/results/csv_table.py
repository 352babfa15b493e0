"""Every trial of a sweep with every knob, as CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from typing import Any

from spaces.schema import flat, spelled

from ..record.journal import Journal
from ..record.records import LOST
from ..record.trial import Trial

FACTS = ("trial", "state", "cause", "reason", "breaks", "attempts", "epochs", "best_epoch", "score", "config_id")


def print_csv(journal: Journal) -> None:
    """Prints one line a trial, by number, below a line of names: state, epochs, score, the metrics of its best epoch,
    costs, the metrics on the test subjects, and every knob as `--set` takes it. Empty where a trial has no value."""
    objective = journal.sweep.objective
    rows = [_row(trial, objective) for _, trial in sorted(journal.trials.items())]
    groups = zip(*rows, strict=True)
    names = list(dict.fromkeys([*FACTS, *(name for group in groups for part in group for name in part)]))
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(names)
    for row in rows:
        found = {name: value for part in row for name, value in part.items()}
        table.writerow([found.get(name, "") for name in names])


def _row(trial: Trial, objective: str) -> tuple[Mapping[str, Any], ...]:
    """Builds the values of a trial by name, in groups: facts, metrics and costs, test metrics, knobs."""
    best = trial.best_epoch(objective)
    values = (
        *(trial.number, trial.state, trial.cause if trial.state == LOST else ""),
        *(next(iter(trial.reason.strip().splitlines()[-1:]), ""), "; ".join(trial.broken)),
        *(trial.attempts, trial.last_epoch, best, trial.score(objective), trial.config_id),
    )
    facts = dict(zip(FACTS, values, strict=True))
    measured = {} if best is None else dict(trial.epochs[best])
    tested = {f"test/{mean}/{name}": value for mean, part in trial.test.items() for name, value in part.items()}
    knobs = flat(trial.unchecked_config) or trial.point
    return facts, measured | trial.costs, tested, {path: spelled(value) for path, value in knobs.items()}
