"""Scheduler `none`: every trial trains to its last epoch."""

from __future__ import annotations

from collections.abc import Iterable

from ...record.trial import Trial
from .protocol import GOES_ON, Heritage, Verdict


class NoScheduler:
    """Scheduler that lets every trial continue."""

    def replay(self, trials: Iterable[Trial]) -> None:
        """Does nothing: no decision needs them."""

    def judge(self, trial: Trial, epoch: int, *, can_pause: bool) -> Verdict:
        """Returns that the trial continues."""
        return GOES_ON

    def tell(self, trial: Trial) -> None:
        """Does nothing."""

    def proven(self, trial: Trial) -> int:
        """Returns 0: no trial is compared for good."""
        return 0

    def rungs_of(self, trial: Trial) -> tuple[int, ...]:
        """Returns (): no epoch is a rung."""
        return ()

    def next_up(self, *, at_least: int = 0) -> int | None:
        """Returns None: no trial is ever paused."""
        return None

    def heritage_of(self, number: int) -> Heritage | None:
        """Returns None: a trial continues from its own state."""
        return None

    def verdict_on_pruned(self, trial: Trial) -> Verdict:
        """Returns that the trial continues."""
        return GOES_ON

    def verdict_on_waiting(self, trial: Trial) -> Verdict:
        """Returns the verdict on a trial that an earlier session paused."""
        return Verdict("pruned", "the sweep is over")
