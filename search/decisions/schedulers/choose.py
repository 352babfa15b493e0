"""Scheduler of a sweep, made from its plan."""

from __future__ import annotations

from ...record.history import proven_trials
from ...record.plan import Plan
from ...record.trial import Trial
from .asha import Asha
from .hyperband import Hyperband
from .median import Median
from .none import NoScheduler
from .pbt import Population
from .protocol import GOES_ON, Scheduler, Verdict
from .stopping import Stopping


class Lenient:
    """Scheduler that decides as `scheduler`, but lets the trials `proven` train to their end, unless they have no
    score: they are the best of an earlier sweep, and a first rung, with the noise of an early epoch, tells less of them
    than that. They are rivals of the others all the same."""

    def __init__(self, scheduler: Scheduler, proven: frozenset[int]) -> None:
        self._scheduler = scheduler
        self._proven = proven
        # What no proven trial changes.
        self.replay, self.tell, self.proven = scheduler.replay, scheduler.tell, scheduler.proven
        self.next_up, self.heritage_of = scheduler.next_up, scheduler.heritage_of
        self.rungs_of = scheduler.rungs_of
        self.verdict_on_pruned, self.verdict_on_waiting = scheduler.verdict_on_pruned, scheduler.verdict_on_waiting

    def judge(self, trial: Trial, epoch: int, *, can_pause: bool) -> Verdict:
        """Returns the verdict on a trial after an epoch; a proven one continues."""
        verdict = self._scheduler.judge(trial, epoch, can_pause=can_pause)
        return GOES_ON if trial.number in self._proven and trial.own_score is not None else verdict


def scheduler_of(plan: Plan) -> Scheduler:
    """Builds the scheduler that a plan names, with the plan's grace, reduction, brackets and length. In a warm start
    the earlier sweep's best points train to their end, but in populations, whose members wait for each other."""
    scheduler, proven = _named(plan), proven_trials(plan.origin)
    return Lenient(scheduler, proven) if proven and plan.sweep.scheduler != "pbt" else scheduler


def _named(plan: Plan) -> Scheduler:
    sweep, objective = plan.sweep, plan.sweep.objective
    if sweep.scheduler == "none":
        return NoScheduler()
    grace, epochs = sweep.grace, sweep.max_epochs
    assert grace is not None, "a plan has them all"
    assert epochs is not None, "a plan has them all"
    if sweep.scheduler == "median":
        return Median(grace, epochs, objective)
    if sweep.scheduler == "pbt":
        return Population(grace, epochs, plan)
    reduction = sweep.reduction
    assert reduction is not None, "a plan has them all"
    if sweep.scheduler == "hyperband":
        return Hyperband(grace, reduction, epochs, sweep.brackets or 1, objective)
    return (Asha if sweep.scheduler == "asha" else Stopping)(grace, reduction, epochs, objective)
