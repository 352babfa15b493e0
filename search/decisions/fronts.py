"""Several objectives: which trials no other dominates, and the order within a front. Every objective is minimised."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container, Iterable, Sequence

import numpy as np

from ..record.trial import Trial


def dominates(costs: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Returns for each row of `costs` (N, M) whether it dominates `point` (M,): it is at most as large in every
    objective and smaller in one; shape (N,)."""
    return np.logical_and((costs <= point).all(axis=1), (costs < point).any(axis=1))


def is_dominated(costs: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Returns for each row of `costs` (N, M) whether `point` (M,) dominates it; shape (N,)."""
    return np.logical_and((costs >= point).all(axis=1), (costs > point).any(axis=1))


def is_undominated(costs: np.ndarray) -> np.ndarray:
    """Returns for each row of `costs`, shape (N, M), whether no other row dominates it; shape (N,)."""
    free = np.ones(len(costs), dtype=bool)
    for i, row in enumerate(costs):
        if free[i]:
            # A row that is itself beaten beats nothing that its own better does not beat.
            free &= ~is_dominated(costs, row)
    return free


def spread_order(costs: np.ndarray, most: int) -> list[int]:
    """Orders the first `most` rows of a front `costs` (N, M) so that they spread over it (an epsilon net): the row with
    the lowest first objective, then always the one that lies farthest from all chosen, each objective divided by its
    range. Of equals the earlier row comes first. Takes `most` steps over N rows."""
    span = np.ptp(costs, axis=0)
    scaled = costs / np.where(span > 0, span, 1.0)
    chosen: list[int] = []
    nearest = np.full(len(costs), np.inf)
    at = int(np.lexsort((np.arange(len(costs)), costs[:, 0]))[0])
    while len(chosen) < min(most, len(costs)):
        chosen.append(at)
        nearest = np.minimum(nearest, ((scaled - scaled[at]) ** 2).sum(axis=1))
        nearest[at] = -1.0
        at = int(nearest.argmax())
    return chosen


class Fronts:
    """Points sorted into fronts, kept up to date as points come: nobody dominates a point of the first, and each point
    of another is dominated by one of the front before.

    A change takes a few numpy operations over each front in which a point moves to the next: 2 ms with 1,000 points of
    two objectives in random order, 9 ms with 10,000 (one core, 2026-11-29)."""

    def __init__(self, objectives: int) -> None:
        self._costs = np.empty((0, objectives))
        self._rows: dict[int, int] = {}  # row of each point in `_costs`, by its number
        self._fronts: list[list[int]] = []  # numbers, in no order
        self._places: dict[int, int] = {}  # index of the front, by number
        self._cuts: dict[int, tuple[int, frozenset[int]]] = {}  # known since the last change

    def __contains__(self, number: object) -> bool:
        return number in self._places

    def add(self, number: int, values: Sequence[float]) -> None:
        """Adds the point `number` with its values of the objectives."""
        row = len(self._rows)
        if row == len(self._costs):
            self._costs = np.concatenate([self._costs, np.empty((max(16, row), self._costs.shape[1]))])
        self._costs[row] = values
        self._rows[number] = row
        self._cuts.clear()
        # Whom a front dominates, all fronts before it dominate too.
        at = bisect_left(self._fronts, True, key=lambda front: not dominates(self._of(front), self._costs[row]).any())
        self._push([number], at)

    def _push(self, moved: list[int], at: int) -> None:
        """Puts points into the front `at`; those that they dominate there move to the next one, and so on."""
        while moved:
            if at == len(self._fronts):
                self._fronts.append([])
            front = self._fronts[at]
            costs, beaten = self._of(front), np.zeros(len(front), dtype=bool)
            for row in self._of(moved):
                beaten |= is_dominated(costs, row)
            self._places |= dict.fromkeys(moved, at)
            stays = [number for number, is_beaten in zip(front, beaten, strict=True) if not is_beaten]
            self._fronts[at] = [*stays, *moved]
            moved, at = [one for one, is_beaten in zip(front, beaten, strict=True) if is_beaten], at + 1

    def remove(self, number: int) -> None:
        """Removes a point; whom nobody else in its front dominates moves up into it, and so on."""
        at = self._places.pop(number)
        self._fronts[at].remove(number)
        self._cuts.clear()
        gone = [number]
        while gone and at + 1 < len(self._fronts):
            above, below = self._of(self._fronts[at]), self._fronts[at + 1]
            costs, freed = self._of(below), np.zeros(len(below), dtype=bool)
            for row in self._of(gone):
                freed |= is_dominated(costs, row)
            gone = [below[i] for i in np.flatnonzero(freed) if not dominates(above, costs[i]).any()]
            self._fronts[at] += gone
            self._places |= dict.fromkeys(gone, at)
            at += 1
            self._fronts[at] = [one for one in self._fronts[at] if self._places[one] == at]
        if not self._fronts[-1]:
            self._fronts.pop()

    def _of(self, numbers: Sequence[int]) -> np.ndarray:
        return self._costs[[self._rows[number] for number in numbers]]

    @property
    def first(self) -> Sequence[int]:
        """Returns the points that no other dominates, in no order."""
        return self._fronts[0] if self._fronts else ()

    def is_first(self, number: int) -> bool:
        """Returns whether no point dominates `number`."""
        return self._places[number] == 0

    def is_among(self, number: int, most: int) -> bool:
        """Returns whether a point is among the best `most`: whole fronts, the first front first, then of the one that
        does not fit those that spread over it (`spread_order`)."""
        whole, chosen = self._cut(most)
        return self._places[number] < whole or number in chosen

    def first_of(self, numbers: Container[int], most: int) -> int | None:
        """Returns the best of some points that are among the best `most`, None if none is: of the earliest front the
        one with the lowest first objective, of equals the lowest number."""
        whole, chosen = self._cut(most)
        for front in (*self._fronts[:whole], chosen):
            if found := [number for number in front if number in numbers]:
                return min(found, key=lambda number: (self._costs[self._rows[number], 0], number))
        return None

    def _cut(self, most: int) -> tuple[int, frozenset[int]]:
        """Returns how many fronts are whole among the best `most`, and which points of the next one are."""
        if most not in self._cuts:
            whole = 0
            left = most
            while whole < len(self._fronts) and len(self._fronts[whole]) <= left:
                left -= len(self._fronts[whole])
                whole += 1
            # By number: what follows must not depend on the way in which the points came into the front.
            front = sorted(self._fronts[whole]) if left and whole < len(self._fronts) else []
            chosen = frozenset(front[i] for i in spread_order(self._of(front), left)) if front else frozenset()
            self._cuts[most] = whole, chosen
        return self._cuts[most]


def values_of(trial: Trial, objectives: Iterable[str]) -> tuple[float, ...] | None:
    """Returns the values of the objectives at the trial's best epoch for the first error among them, whose weights are
    kept; None if one is not known or not finite there."""
    values = [trial.measured(name) for name in objectives]
    known = [value for value in values if value is not None and np.isfinite(value)]
    return tuple(known) if len(known) == len(values) else None


def front_of(trials: Iterable[Trial], objectives: Sequence[str]) -> list[Trial]:
    """Returns the trials that keep the limits and that no other such trial dominates, by the first objective."""
    found = [(trial, values) for trial in trials if not trial.broken and (values := values_of(trial, objectives))]
    if not found:
        return []
    free = is_undominated(np.array([values for _, values in found]))
    front = [one for one, is_free in zip(found, free, strict=True) if is_free]
    return [trial for trial, _ in sorted(front, key=lambda one: (one[1], one[0].number))]
