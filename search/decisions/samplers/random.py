"""Random sampler: every knob uniformly, or log-uniformly, over its domain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from optuna.samplers import RandomSampler

from .protocol import REDRAWS, Problem, Sampler
from .view import Asker


class RandomPoints(Sampler):
    """Draws blindly; also the last resort of the other samplers, which near the end of a small space give the same best
    points again and again."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._asker = Asker()

    def candidates(self, number: int, most: int = REDRAWS) -> Iterator[dict[str, Any]]:
        """Yields `most` points."""
        sampler = RandomSampler(seed=self._problem.seed_of(number))
        for _ in range(most):
            yield self._asker.ask(sampler, [], number, self._problem.spaces)
