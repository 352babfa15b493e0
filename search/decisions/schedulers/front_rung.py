"""Rung of successive halving with several objectives: its trials are ranked by non-dominated sorting."""

from __future__ import annotations

import math

from ...record.options.objectives import names_in, primary_of
from ...record.trial import Trial
from ..fronts import Fronts
from .rungs import Rung, survivors


class FrontRung:
    """One rung of several objectives. Trials are ranked front by front, within a front so that the first ones spread
    over it. Who is on the first front, which nobody at the rung dominates, always passes.

    Arguments: `epoch`; `objective`, the names with commas; `reduction`, of how many trials one is promoted."""

    def __init__(self, epoch: int, objective: str, reduction: int) -> None:
        self.epoch = epoch
        self._names = names_in(objective)
        self._primary = primary_of(objective)
        self._reduction = reduction
        self._reached: set[int] = set()  # all that ever got a place
        self._fronts = Fronts(len(self._names))  # without those that are gone
        self._waiting: set[int] = set()

    def enter(self, trial: Trial) -> bool:
        """Gives a trial that has reached the rung its place, once; returns whether it has one, which it has not without
        finite values."""
        if trial.number not in self._reached:
            values = values_at(trial, self.epoch, self._names, self._primary)
            if values is None:
                return False
            self._reached.add(trial.number)
            self._fronts.add(trial.number, values)
        return True

    def promotes(self, number: int, *, at_least: int = 0) -> bool:
        """Returns whether a trial with a place here is on the first front, or among the best 1/reduction, rounded down,
        of all that reached the rung, or among the best `at_least`."""
        return self._is_among(number, max(at_least, len(self._reached) // self._reduction))

    def spares(self, number: int) -> bool:
        """Returns whether a stopping rule lets a trial with a place here continue: it is on the first front, or among
        the best `survivors`."""
        return self._is_among(number, survivors(len(self._reached), self._reduction))

    def _is_among(self, number: int, best: int) -> bool:
        if number not in self._fronts:
            return False
        return self._fronts.is_first(number) or self._fronts.is_among(number, best)

    def wait(self, number: int) -> None:
        """Lets a trial with a place here wait."""
        self._waiting.add(number)

    def leave(self, number: int, *, is_gone: bool) -> None:
        """Ends the waiting of a trial, if it waits; with `is_gone` it also leaves its rank to the next."""
        self._waiting.discard(number)
        if is_gone and number in self._fronts:
            self._fronts.remove(number)

    def next_up(self, at_least: int) -> int | None:
        """Returns the best trial that waits, if it is promoted now; else None. `at_least` as in `promotes`."""
        if not self._waiting:
            return None
        # Who came to the first front because another left it passes too.
        first = min((number for number in self._fronts.first if number in self._waiting), default=None)
        best = max(at_least, len(self._reached) // self._reduction)
        return first if first is not None else self._fronts.first_of(self._waiting, best)


def values_at(trial: Trial, epoch: int, names: tuple[str, ...], primary: str) -> tuple[float, ...] | None:
    """Returns a trial's values of the objectives at its best epoch for the metric `primary` up to and including
    `epoch`; None if one is not finite or not known there, or it has not reached that epoch."""
    if trial.last_epoch < epoch:
        return None
    best = min(((value, at) for at, value in trial.scores(primary).items() if at <= epoch), default=None)
    if best is None:
        return None
    metrics = {**trial.epochs[best[1]], **trial.costs}
    values = tuple(metrics.get(name, math.nan) for name in names)
    return values if all(map(math.isfinite, values)) else None


def rung_of(epoch: int, objective: str, reduction: int) -> Rung | FrontRung:
    """Makes a rung for one objective, or for several with commas between."""
    return (FrontRung if len(names_in(objective)) > 1 else Rung)(epoch, objective, reduction)
