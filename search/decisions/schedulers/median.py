"""Median stopping rule (Golovin et al. 2017, with the best value so far in place of a running mean)."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterable

from ...record.trial import Trial
from .none import NoScheduler
from .protocol import GOES_ON, Verdict

RIVALS = 4  # other trials that must have reached an epoch before anybody is judged there


class Median(NoScheduler):
    """Scheduler `median`: from epoch `grace` on, a trial is pruned once its best (lowest) value so far is worse than
    the median of those that the others had at the same epoch, with RIVALS others at least.

    Arguments: `grace`, the first epoch that is judged; `epochs`, below which epochs are judged; `objective`, the metric
    to minimise."""

    def __init__(self, grace: int, epochs: int, objective: str) -> None:
        self._grace, self._epochs, self._objective = grace, epochs, objective
        self._bests: dict[int, list[float]] = {}  # by epoch, sorted; inf without a finite value
        self._own: dict[int, tuple[int, float]] = {}  # by trial: the last epoch in `_bests`, and the value there

    def replay(self, trials: Iterable[Trial]) -> None:
        """Adds the recorded trials of a resumed sweep to every epoch that they reached."""
        for trial in trials:
            scores = trial.scores(self._objective)
            for epoch in range(1, trial.last_epoch + 1):
                self._enter(trial.number, epoch, scores.get(epoch, math.inf))

    def judge(self, trial: Trial, epoch: int, *, can_pause: bool) -> Verdict:
        """Returns the verdict on a trial after an epoch: it continues or is pruned."""
        value = trial.epochs[epoch].get(self._objective, math.nan)
        own = self._enter(trial.number, epoch, value if math.isfinite(value) else math.inf)
        bests = self._bests.get(epoch, [])
        others = len(bests) - 1
        if others < RIVALS or own <= _median_without(bests, own):
            return GOES_ON
        return Verdict("pruned", f"median: worse than the median of {others} others at epoch {epoch}")

    def verdict_on_pruned(self, trial: Trial) -> Verdict:
        """Returns the verdict on a pruned trial at its last epoch, among all that have reached it by now."""
        own, bests = self._own[trial.number][1], self._bests.get(trial.last_epoch, [])
        return GOES_ON if own <= _median_without(bests, own) else Verdict("pruned", trial.reason)

    def _enter(self, number: int, epoch: int, value: float) -> float:
        """Adds a trial's value of an epoch, once, and returns the best until then."""
        last, best = self._own.get(number, (0, math.inf))
        if epoch > last:
            best = min(best, value)
            self._own[number] = (epoch, best)
            if self._grace <= epoch < self._epochs:
                insort(self._bests.setdefault(epoch, []), best)
        return best


def _median_without(values: list[float], own: float) -> float:
    """Returns the median of the sorted `values` but for `own`, which is one of them."""
    at, others = bisect_left(values, own), len(values) - 1
    low, high = (values[i + (i >= at)] for i in ((others - 1) // 2, others // 2))
    return (low + high) / 2
