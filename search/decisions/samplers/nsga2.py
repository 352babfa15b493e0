"""NSGA-II of Optuna: a genetic algorithm that crosses and mutates the best points of each generation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import NSGAIISampler
from optuna.trial import FrozenTrial

from ..optuna_terms import Rank
from .protocol import OWN_DRAWS, Problem, Sampler
from .random import RandomPoints
from .replay import Replay
from .view import Asker, searched

LEAST, MOST = 8, 50  # trials of a generation; small ones learn sooner, large ones get less stuck


def population(trials: int) -> int:
    """Returns the number of trials of a generation in a sweep of `trials`: a twentieth, within LEAST and MOST."""
    return min(MOST, max(LEAST, trials // 20))


class Nsga2Points(Sampler):
    """Draws by NSGA-II, also for several objectives. Ended and paused trials, in the order of their numbers, make up
    generations of `population` trials. The best of each generation and its parents, as many again, are the next
    parents; before the first generation is full, points are random."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._asker = Asker(len(problem.objectives))
        self._blind = RandomPoints(problem)
        self._size = population(problem.trials)
        self._parents: Replay[tuple[int, ...], tuple[Rank, ...]] = Replay((), self._select)

    def candidates(self, number: int) -> Iterator[dict[str, Any]]:
        """Yields OWN_DRAWS children, then as many random points."""
        history = self._problem.history
        parents = self._parents.after(history.generations(self._size))
        sampler = _Nsga2(self._problem, self._size, self._problem.seed_of(number), history.completed(parents))
        for _ in range(OWN_DRAWS):
            yield self._asker.ask(sampler, [], number, self._problem.spaces)
        yield from self._blind.candidates(number, OWN_DRAWS)

    def notes(self) -> list[str]:
        """Warns of a sweep that is too short to have children of children."""
        if self._problem.trials >= 3 * self._size:
            return []
        return [f"nsga2: {self._problem.trials} trials are few for generations of {self._size}; tpe learns sooner"]

    def _select(self, parents: tuple[int, ...], generation: tuple[Rank, ...]) -> tuple[int, ...]:
        pool = self._problem.history.completed({*parents, *(one[-1] for one in generation)})
        sampler = _Nsga2(self._problem, self._size, 0, pool)
        return tuple(sorted(one.number for one in sampler.select_parent(self._asker.study, 1)))


class _Nsga2(NSGAIISampler):
    """NSGA-II over given parents, in place of those that Optuna's own looks up in a storage."""

    def __init__(self, problem: Problem, size: int, seed: int, parents: list[FrozenTrial]) -> None:
        super().__init__(population_size=size, seed=seed)
        self._joint = searched(problem.spaces)
        self._given = parents

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Returns the distributions of the knobs that are crossed."""
        return self._joint

    def get_trial_generation(self, study: optuna.Study, trial: FrozenTrial) -> int:
        """Returns 1: the trial is a child of the given parents."""
        return 1

    def get_parent_population(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        """Returns the given parents of the first generation, and none of any before."""
        return list(self._given) if generation == 1 else []

    def get_population(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        """Returns the given trials, from which `select_parent` selects."""
        return list(self._given)
