"""Scheduler of a sweep, made from its plan."""

from __future__ import annotations

from ...record.plan import Plan
from .asha import Asha
from .hyperband import Hyperband
from .median import Median
from .none import NoScheduler
from .pbt import Population
from .protocol import Scheduler
from .stopping import Stopping


def scheduler_of(plan: Plan) -> Scheduler:
    """Builds the scheduler that a plan names, with the plan's grace, reduction, brackets and length."""
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
