"""Asynchronous successive halving (ASHA; Li et al. 2020): at each rung, an epoch count, a trial stops early unless its
score is among the best 1/reduction of all trials that reached the rung. The stopping variant: no trial is paused and
promoted later. All decisions follow from the trials in the journal."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterable

from ..record.trial import Trial

REDUCTION = 3  # a third survives each rung; ASHA (Li et al. 2020) finds 3 to 4 best


def rungs(epochs: int, reduction: int = REDUCTION) -> list[int]:
    """Returns the epochs at which trials are compared, ascending: `epochs` // 10 (at least 1), then each `reduction`
    times the one before, all below `epochs`, the length of a trial."""
    found, epoch = [], max(1, epochs // 10)
    while epoch < epochs:
        found.append(epoch)
        epoch *= reduction
    return found


def score_at(trial: Trial, epoch: int, objective: str) -> float | None:
    """Returns a trial's best (lowest) finite value of the metric `objective` up to and including `epoch`; None if it
    has no such value or has not reached that epoch."""
    if trial.last_epoch < epoch:
        return None
    return min((value for at, value in trial.scores(objective).items() if at <= epoch), default=None)


class Rungs:
    """Early-stopping rule of ASHA: keeps, per rung, the sorted scores of all trials that reached it, and decides which
    trials continue.

    Arguments: `epochs`, the length of a trial; `objective`, the metric to minimise; `reduction`, the reduction factor
    (eta). The scores are recomputed from the journal, so a resumed sweep holds the same scores as an uninterrupted
    one."""

    def __init__(self, epochs: int, objective: str, reduction: int = REDUCTION) -> None:
        self._objective = objective
        self._reduction = reduction
        self._scores: dict[int, list[float]] = {epoch: [] for epoch in rungs(epochs, reduction)}

    def replay(self, trials: Iterable[Trial]) -> None:
        """Adds the scores of the recorded trials of a resumed sweep to every rung that they reached."""
        for trial in trials:
            for rung in self._scores:
                self._enter(trial, rung)

    def judge(self, trial: Trial, epoch: int) -> bool:
        """Returns whether a trial continues after an epoch that it has just completed. Always True between rungs. At a
        rung, True if its score is among the best 1/reduction (rounded up) of all trials that have reached the rung so
        far, so the first to arrive continues; False if it has no finite score.

        Call it exactly once per new epoch at a rung, even for a trial that ends there: the call adds its score to the
        rung."""
        if epoch not in self._scores:
            return True
        own = self._enter(trial, epoch)
        return own is not None and self._is_among_best(epoch, own)

    def wants(self, trial: Trial) -> bool:
        """Returns whether a recorded trial, all of whose scores are in the rungs, would go on after its last epoch:
        True before the first rung, else what the last rung that it has reached says of it now."""
        reached = max((rung for rung in self._scores if rung <= trial.last_epoch), default=None)
        if reached is None:
            return True
        own = score_at(trial, reached, self._objective)
        return own is not None and self._is_among_best(reached, own)

    def _is_among_best(self, rung: int, own: float) -> bool:
        reached = self._scores[rung]
        return bisect_left(reached, own) < math.ceil(len(reached) / self._reduction)

    def _enter(self, trial: Trial, rung: int) -> float | None:
        """Adds the trial's score at a rung to the rung's scores and returns it; None, and nothing is added, if it has
        no score there."""
        own = score_at(trial, rung, self._objective)
        if own is not None:
            insort(self._scores[rung], own)
        return own
