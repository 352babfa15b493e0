"""Quasi-random sampler: a scrambled Sobol sequence, whose points fill the space more evenly than random ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scipy.stats.qmc import Sobol

from .protocol import REDRAWS, Problem, Sampler
from .units import from_unit
from .view import searched


class SobolPoints(Sampler):
    """Draws the point of a Sobol sequence whose index is the trial's number; the sweep's seed scrambles the sequence.
    Trial 0, the recipe, takes the place of the first point. Reads no trial's outcome."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._searched = searched(problem.spaces)

    def candidates(self, number: int) -> Iterator[dict[str, Any]]:
        """Yields the points with the trial's index in differently scrambled sequences: the first is the one that all
        trials share, so a refused point does not move those of later trials."""
        fixed = {name: from_unit(space, 0.5) for name, space in self._problem.spaces.items() if space.single()}
        for attempt in range(REDRAWS):
            sequence = Sobol(len(self._searched), scramble=True, rng=self._problem.seed_of(attempt))
            if number:
                sequence.fast_forward(number)
            (shares,) = sequence.random(1)
            drawn = {name: from_unit(space, u) for (name, space), u in zip(self._searched.items(), shares, strict=True)}
            yield fixed | drawn
