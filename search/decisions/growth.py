"""Selects the ended trials of an enlarged sweep that go on from where they were: the scheduler judges them again, over
the rungs of the new length."""

from __future__ import annotations

from collections.abc import Iterable

from ..record.plan import Plan
from ..record.trial import EPOCHS, Trial
from .asha import Rungs


def trials_to_go_on(plan: Plan, trials: Iterable[Trial]) -> list[Trial]:
    """Selects the trials that go on in a sweep that has been enlarged to `plan`: finished ones that are shorter than
    its trials are now, and pruned ones that the scheduler would not prune any more. `trials`: all of the sweep, not yet
    enlarged."""
    on_record = list(trials)
    rungs = Rungs(plan.base.loop.epochs, plan.sweep.objective) if plan.sweep.scheduler == "asha" else None
    if rungs is not None:
        rungs.replay(on_record)
    return [
        trial
        for trial in on_record
        if (trial.state == "finished" and trial.last_epoch < _length(plan, trial))
        or (trial.state == "pruned" and (rungs is None or rungs.wants(trial)))
    ]


def _length(plan: Plan, trial: Trial) -> int:
    return int(trial.point.get(EPOCHS, plan.base.loop.epochs))
