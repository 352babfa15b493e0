"""Asynchronous successive halving with pauses (Li et al. 2020), over one or several brackets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...record.records import PAUSED
from ...record.trial import Trial
from .front_rung import FrontRung, rung_of
from .protocol import GOES_ON, Heritage, Verdict
from .rungs import GONE, Rung, part_text


class Halving:
    """Scheduler that pauses a trial at its rung unless it is among the best 1/reduction of those that reached it, and
    takes a paused one up again once it is. The best that waits at the highest rung comes first.

    Arguments: `name`, for reasons; `brackets`, the rungs of each bracket, ascending epochs; `objective`, the metric to
    minimise, or several with commas between; `reduction`, the reduction factor (eta). Trials are compared within their
    bracket only."""

    def __init__(self, name: str, brackets: Sequence[Sequence[int]], objective: str, reduction: int) -> None:
        self._name = name
        self._part = part_text(reduction)
        self._brackets = [{epoch: rung_of(epoch, objective, reduction) for epoch in rungs} for rungs in brackets]
        every = [rung for rungs in self._brackets for rung in rungs.values()]
        self._downward = sorted(every, key=lambda rung: -rung.epoch)

    def bracket_of(self, number: int) -> int:
        """Returns the index of the bracket in which trial `number` competes."""
        return 0

    def proven(self, trial: Trial) -> int:
        """Returns the last rung that the trial has reached, 0 before the first."""
        rung = self._last_rung_of(trial)
        return 0 if rung is None else rung.epoch

    def rungs_of(self, trial: Trial) -> tuple[int, ...]:
        """Returns the epochs of the rungs of the trial's bracket."""
        return tuple(self._rungs_of(trial))

    def _rungs_of(self, trial: Trial) -> dict[int, Rung | FrontRung]:
        return self._brackets[self.bracket_of(trial.number)]

    def replay(self, trials: Iterable[Trial]) -> None:
        """Adds the recorded trials of a resumed sweep to every rung that they reached."""
        for trial in trials:
            for rung in self._rungs_of(trial).values():
                rung.enter(trial)
            self.tell(trial)

    def judge(self, trial: Trial, epoch: int, *, can_pause: bool) -> Verdict:
        """Returns the verdict on a trial after an epoch: at a rung of its bracket it pauses unless it is promoted at
        once. If it cannot pause, it is pruned unless its score is among the best 1/reduction, rounded up. Without any
        finite score it is pruned."""
        rung = self._rungs_of(trial).get(epoch)
        if rung is None:
            return GOES_ON
        if not rung.enter(trial):
            return Verdict("pruned", f"{self._name}: no finite score until epoch {epoch}")
        if rung.promotes(trial.number) if can_pause else rung.spares(trial.number):
            return GOES_ON
        return Verdict(PAUSED, self._reason("not yet", epoch)) if can_pause else self._pruned(epoch)

    def tell(self, trial: Trial) -> None:
        """Updates the rungs with the state of a trial: it waits at the rung of its last epoch while it is paused. One
        that has diverged or failed leaves its place to the next."""
        rungs = self._rungs_of(trial)
        if trial.state == PAUSED and (rung := rungs.get(trial.last_epoch)) is not None:
            rung.wait(trial.number)
            return
        for rung in rungs.values():
            rung.leave(trial.number, is_gone=trial.state in GONE)

    def next_up(self, *, at_least: int = 0) -> int | None:
        """Returns the number of the paused trial that is to continue next, None if there is none. `at_least`: how many
        pass each rung however few reached it."""
        found = (rung.next_up(at_least) for rung in self._downward)
        return next((number for number in found if number is not None), None)

    def heritage_of(self, number: int) -> Heritage | None:
        """Returns None: a trial continues from its own state."""
        return None

    def verdict_on_pruned(self, trial: Trial) -> Verdict:
        """Returns that a pruned trial waits again at its rung; one that has not reached any continues."""
        rung = self._last_rung_of(trial)
        if rung is None:
            return GOES_ON
        if rung.epoch == trial.last_epoch and rung.enter(trial):
            return Verdict(PAUSED, self._reason("not yet", rung.epoch))
        return Verdict("pruned", trial.reason)

    def _last_rung_of(self, trial: Trial) -> Rung | FrontRung | None:
        reached = [rung for epoch, rung in self._rungs_of(trial).items() if epoch <= trial.last_epoch]
        return reached[-1] if reached else None

    def verdict_on_waiting(self, trial: Trial) -> Verdict:
        """Returns the verdict on a paused trial when the sweep is over: it is pruned at the rung where it waits."""
        return self._pruned(trial.last_epoch)

    def _pruned(self, epoch: int) -> Verdict:
        return Verdict("pruned", self._reason("not", epoch))

    def _reason(self, how: str, epoch: int) -> str:
        return f"{self._name}: {how} among the best {self._part} at epoch {epoch}"
