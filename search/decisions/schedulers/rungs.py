"""Rungs of successive halving: epochs at which trials are compared, with the scores of those that reached them."""

from __future__ import annotations

import math
from bisect import bisect_left, insort

from ...record.trial import Trial

Place = tuple[float, int]  # score and number of a trial: of equals the one with the lower number is ahead
GONE = ("diverged", "failed")  # states whose trials leave their place to the next


def score_at(trial: Trial, epoch: int, objective: str) -> float | None:
    """Returns a trial's best (lowest) finite value of the metric `objective` up to and including `epoch`; None if it
    has no such value or has not reached that epoch."""
    if trial.last_epoch < epoch:
        return None
    return min((value for at, value in trial.scores(objective).items() if at <= epoch), default=None)


def survivors(reached: int, reduction: int) -> int:
    """Returns how many of the `reached` trials of a rung a stopping rule lets continue: 1/reduction, rounded up."""
    return math.ceil(reached / reduction)


class Rung:
    """One rung: an epoch, the places of all trials that reached it, and which of them wait there.

    Arguments: `epoch`; `objective`, the metric to minimise; `reduction`, of how many trials one is promoted."""

    def __init__(self, epoch: int, objective: str, reduction: int) -> None:
        self.epoch = epoch
        self._objective = objective
        self._reduction = reduction
        self._places: dict[int, Place] = {}  # of all that ever reached it
        self._ranked: list[Place] = []  # without those that are gone
        self._waiting: list[Place] = []

    def enter(self, trial: Trial) -> bool:
        """Gives a trial that has reached the rung its place, once; returns whether it has one, which it has not without
        a finite score."""
        if trial.number not in self._places:
            score = score_at(trial, self.epoch, self._objective)
            if score is None:
                return False
            self._places[trial.number] = (score, trial.number)
            insort(self._ranked, self._places[trial.number])
        return True

    def promotes(self, number: int, *, at_least: int = 0) -> bool:
        """Returns whether a trial with a place here is among the best 1/reduction, rounded down, of all that reached
        the rung, or among the best `at_least`."""
        best = max(at_least, len(self._places) // self._reduction)
        return bisect_left(self._ranked, self._places[number]) < best

    def spares(self, number: int) -> bool:
        """Returns whether a stopping rule lets a trial with a place here continue: fewer than `survivors` trials have a
        lower score."""
        score = self._places[number][0]
        return bisect_left(self._ranked, (score, -1)) < survivors(len(self._places), self._reduction)

    def wait(self, number: int) -> None:
        """Lets a trial with a place here wait, unless it does."""
        place = self._places[number]
        if not self._is_in(self._waiting, place):
            insort(self._waiting, place)

    def leave(self, number: int, *, is_gone: bool) -> None:
        """Ends the waiting of a trial, if it waits; with `is_gone` it also leaves its rank to the next."""
        place = self._places.get(number)
        if place is not None:
            for places in (self._waiting, self._ranked) if is_gone else (self._waiting,):
                if self._is_in(places, place):
                    del places[bisect_left(places, place)]

    @staticmethod
    def _is_in(places: list[Place], place: Place) -> bool:
        at = bisect_left(places, place)
        return at < len(places) and places[at] == place

    def next_up(self, at_least: int) -> int | None:
        """Returns the best trial that waits, if it is promoted now; else None. `at_least` as in `promotes`."""
        number = self._waiting[0][1] if self._waiting else None
        return None if number is None or not self.promotes(number, at_least=at_least) else number


def part_text(reduction: int) -> str:
    """Formats 1/reduction: 'third'."""
    return {2: "half", 3: "third", 4: "quarter", 5: "fifth"}.get(reduction, f"1/{reduction}")
