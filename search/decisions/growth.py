"""Selects the ended trials of an enlarged sweep that go on from where they were: the scheduler judges them again, over
the rungs of the new length."""

from __future__ import annotations

from collections.abc import Iterable

from ..record.plan import Plan
from ..record.records import PAUSED
from ..record.trial import EPOCHS, Trial
from .schedulers.choose import scheduler_of


def trials_to_go_on(plan: Plan, trials: Iterable[Trial]) -> tuple[list[Trial], list[Trial]]:
    """Selects the trials that continue at once in a sweep that has been enlarged to `plan`, and those that wait for a
    promotion: finished ones that are shorter than its trials are now continue; of pruned ones the scheduler decides,
    but for those that break a limit. `trials`: all of the sweep, not yet enlarged."""
    on_record = list(trials)
    scheduler = scheduler_of(plan)
    scheduler.replay(on_record)
    again, waiting = [], []
    for trial in on_record:
        if trial.state == "finished" and trial.last_epoch < _length(plan, trial):
            again.append(trial)
        elif trial.state == "pruned" and not trial.broken:
            verdict = scheduler.verdict_on_pruned(trial)
            if verdict.goes_on:
                again.append(trial)
            elif verdict.state == PAUSED:
                waiting.append(trial)
    return again, waiting


def _length(plan: Plan, trial: Trial) -> int:
    return int(trial.point.get(EPOCHS, plan.base.loop.epochs))
