"""Stopping variant of asynchronous successive halving: no trial pauses; one that is not good enough at a rung ends."""

from __future__ import annotations

from ...record.options.choices import rungs
from ...record.trial import Trial
from .halving import Halving
from .protocol import GOES_ON, Verdict


class Stopping(Halving):
    """Scheduler `stopping`: at a rung a trial is pruned unless its score is among the best 1/reduction (rounded up) of
    all that have reached the rung so far; the first to arrive continues. Arguments: as of Asha."""

    def __init__(self, grace: int, reduction: int, epochs: int, objective: str) -> None:
        # The name under which it is on record since the first sweeps.
        super().__init__("asha", [rungs(grace, reduction, epochs)], objective, reduction)

    def proven(self, trial: Trial) -> int:
        """Returns 0: sweeps of this rule go on as they were begun, when what a running trial had shown counted for
        nothing."""
        return 0

    def judge(self, trial: Trial, epoch: int, *, can_pause: bool) -> Verdict:
        """Returns the verdict on a trial after an epoch; it never pauses."""
        return super().judge(trial, epoch, can_pause=False)

    def verdict_on_pruned(self, trial: Trial) -> Verdict:
        """Returns the verdict of the last rung that a pruned trial has reached, among all that have reached it by now;
        one that has not reached any continues."""
        rung = self._last_rung_of(trial)
        if rung is None or (rung.enter(trial) and rung.spares(trial.number)):
            return GOES_ON
        return Verdict("pruned", trial.reason)

    def tell(self, trial: Trial) -> None:
        """Does nothing: nobody waits, and a trial that is over at a rung, in whatever way, is a rival there all the
        same."""
