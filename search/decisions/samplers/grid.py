"""Grid sampler: every combination of a few values a knob, once."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any

from scipy.stats.qmc import Sobol

from spaces.schema import Value

from ..optuna_terms import to_term
from .protocol import Problem, Sampler
from .units import levels

LEVELS = 5  # values of a knob that has more
FRUITLESS = 1000  # points refused one after the other after which a grid is given up
_BLOCK = 256  # points of the Sobol sequence that are drawn at a time
_ROUNDS = 8  # points of the Sobol sequence for each point of the grid, before the rest is counted through


class GridPoints(Sampler):
    """Draws the points of a grid, each once: all values of a listed domain, and of a range all values if they are no
    more than LEVELS, else LEVELS evenly spaced ones, both ends among them. Reads no trial's outcome.

    `size`: number of points of the grid, those that break a law included."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._names = sorted(problem.domains)
        self._levels = [levels(problem.domains[name], LEVELS) for name in self._names]
        self.size = math.prod(len(values) for values in self._levels)
        self._cells = ordered([len(values) for values in self._levels])
        self._next: dict[str, Value] | None = self._advance()
        self._barren = 0  # points refused since the last that a trial has
        self._read = 0  # trials whose points are in `_taken`
        self._taken: set[str] = set()

    def candidates(self, number: int) -> Iterator[dict[str, Any]]:
        """Yields the points that no trial has and that were never refused, in the order of `ordered`."""
        trials = self._problem.history.trials
        self._taken.update(self._key(trial.point) for trial in islice(trials.values(), self._read, None))
        self._read = len(trials)
        while self._next is not None and self._barren < FRUITLESS:
            if self._key(self._next) in self._taken:
                self._barren = 0
            else:
                yield {name: to_term(self._problem.domains[name], value) for name, value in self._next.items()}
                self._barren += 1
            self._next = self._advance()

    def notes(self) -> list[str]:
        """Says how large the grid is beside the number of trials."""
        trials = self._problem.trials
        text = f"grid of {self.size} points, at most {LEVELS} values of a range: "
        if trials > self.size + 1:
            return [f"{text}all of them are tried, which are less than the {trials} trials"]
        tried = "all of them are" if trials > self.size else f"{trials - 1} of them, spread over the whole, are"
        return [f"{text}{tried} tried in {trials} trials, beside the recipe"]

    def spent(self, refused: int) -> str:
        """Says whether the whole grid was tried, or only breaks laws as far as it was tried."""
        if self._next is None:
            return f"the grid of {self.size} points has no new legal one"
        return f"{FRUITLESS} points of the grid, one after the other, are not legal"

    def _advance(self) -> dict[str, Value] | None:
        cell = next(self._cells, None)
        if cell is None:
            return None
        return {name: values[at] for name, values, at in zip(self._names, self._levels, cell, strict=True)}

    def _key(self, point: Mapping[str, object]) -> str:
        return json.dumps([point.get(name) for name in self._names])


def ordered(sizes: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yields every combination of indices below `sizes` once, in an order whose beginning is spread over the whole
    grid: that in which the points of a Sobol sequence, the same for every sweep, first hit them; then those that they
    have not hit, in lexical order."""
    total, drawn = math.prod(sizes), 0
    seen: set[tuple[int, ...]] = set()
    sequence = Sobol(len(sizes), scramble=True, rng=0)
    while len(seen) < total and drawn < _ROUNDS * total:
        drawn += _BLOCK
        for cell in map(tuple, (sequence.random(_BLOCK) * sizes).astype(int).tolist()):
            if cell not in seen:
                seen.add(cell)
                yield cell
    yield from (cell for cell in product(*map(range, sizes)) if cell not in seen)
