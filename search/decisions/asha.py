"""Asynchronous successive halving on epochs, judged from the journal alone."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ..record.trial import Trial

REDUCTION = 3  # a third survives each rung; ASHA (Li et al. 2020) finds 3 to 4 best


def rungs(epochs: int, reduction: int = REDUCTION) -> list[int]:
    """Epochs at which trials are compared: a tenth of the length, then `reduction` times further each."""
    found, epoch = [], max(1, epochs // 10)
    while epoch < epochs:
        found.append(epoch)
        epoch *= reduction
    return found


def score_at(trial: Trial, epoch: int, objective: str) -> float | None:
    """The best value of the objective up to an epoch; None when the trial never got there."""
    if trial.last_epoch < epoch:
        return None
    return min((value for at, value in trial.scores(objective).items() if at <= epoch), default=None)


def survives(trial: Trial, others: Iterable[Trial], epoch: int, objective: str, reduction: int = REDUCTION) -> bool:
    """Whether a trial that just ended `epoch`, a rung, is among the best 1/reduction of all that ever reached it.

    The rung is rebuilt from what is on record, so a resumed sweep judges like an unbroken one. The first ones pass."""
    own = score_at(trial, epoch, objective)
    if own is None:
        return False
    rivals = [score_at(other, epoch, objective) for other in others if other.number != trial.number]
    better = sum(value is not None and value < own for value in rivals)
    reached = 1 + sum(value is not None for value in rivals)
    return better < math.ceil(reached / reduction)
