"""Protocol of the schedulers, which decide after each epoch whether a trial continues, waits or ends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from ...record.trial import Trial


@dataclass(frozen=True, slots=True)
class Verdict:
    """Decision on a trial after an epoch. `state`: 'paused', 'pruned', or '' if it continues; `reason`: one line."""

    state: str = ""
    reason: str = ""

    @property
    def goes_on(self) -> bool:
        """Returns whether the trial continues."""
        return not self.state


GOES_ON = Verdict()


@dataclass(frozen=True, slots=True)
class Heritage:
    """What a trial takes over when it continues: the training state of trial `donor`, and `knobs`, values of all
    searched knobs by dotted path."""

    donor: int
    knobs: dict[str, Any]


class Scheduler(Protocol):
    """Scheduler of one sweep. Its decisions follow from the trials on record, so a resumed sweep decides as an
    uninterrupted one. Every call takes time independent of the number of trials and epochs, but for `replay`."""

    def replay(self, trials: Iterable[Trial]) -> None:
        """Adds the recorded trials of a resumed sweep. Call it once, before all others."""

    def judge(self, trial: Trial, epoch: int, *, can_pause: bool) -> Verdict:
        """Returns the verdict on a trial after the recorded epoch `epoch`; the call also makes it a rival of others.
        Call it once per new epoch, in the order of the records, even for a trial that ends there. `can_pause`: whether
        the trial may wait; otherwise it continues or is pruned."""

    def tell(self, trial: Trial) -> None:
        """Updates the scheduler with the state of a trial that was started, paused or ended."""

    def proven(self, trial: Trial) -> int:
        """Returns the epoch of the last comparison that a running trial has passed; 0 if there was none, or what it has
        shown is not to count for the sampler before its end."""

    def rungs_of(self, trial: Trial) -> tuple[int, ...]:
        """Returns the epochs, ascending, at which a trial is compared with others and may pause or end; () where that
        is none or any."""

    def next_up(self, *, at_least: int = 0) -> int | None:
        """Returns the number of the paused trial that is to continue next, None if there is none. `at_least`: how many
        of each comparison continue however few took part in it."""

    def heritage_of(self, number: int) -> Heritage | None:
        """Returns what the paused trial that `next_up` has named takes over from another one, None if nothing."""

    def verdict_on_pruned(self, trial: Trial) -> Verdict:
        """Returns the verdict on a pruned trial of a sweep that has been enlarged: it continues after its last epoch,
        waits there, or remains pruned."""

    def verdict_on_waiting(self, trial: Trial) -> Verdict:
        """Returns the verdict on a paused trial that will never continue, because the sweep is over."""
