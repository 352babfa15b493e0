"""Asynchronous successive halving on epochs, judged from the journal alone."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
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


class Rungs:
    """Keeps the scores of all trials that ever reached each rung, in order, and says who goes on from there.

    They follow from what is on record, so a resumed sweep judges like an unbroken one."""

    def __init__(self, epochs: int, objective: str, reduction: int = REDUCTION) -> None:
        self._objective = objective
        self._reduction = reduction
        self._scores: dict[int, list[float]] = {epoch: [] for epoch in rungs(epochs, reduction)}

    def replay(self, trials: Iterable[Trial]) -> None:
        """Takes in the trials of a sweep that goes on."""
        for trial in trials:
            for rung in self._scores:
                self._enter(trial, rung)

    def judge(self, trial: Trial, epoch: int) -> bool:
        """Whether a trial goes on from an epoch that it just ended: everywhere but at a rung; there if it is among the
        best 1/reduction of all that ever reached it, so the first ones do. A trial without any score does not.

        To be asked once for each new epoch at a rung, also for the last one of a trial: it is a rival from then on."""
        if epoch not in self._scores:
            return True
        own = self._enter(trial, epoch)
        if own is None:
            return False
        reached = self._scores[epoch]
        return bisect_left(reached, own) < math.ceil(len(reached) / self._reduction)

    def _enter(self, trial: Trial, rung: int) -> float | None:
        """The trial's score at a rung, which is noted there; None when it has none or never got there."""
        own = score_at(trial, rung, self._objective)
        if own is not None:
            insort(self._scores[rung], own)
        return own
