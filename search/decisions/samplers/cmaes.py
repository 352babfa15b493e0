"""CMA-ES sampler (covariance matrix adaptation) of the package `cmaes`: draws from a normal distribution that moves and
turns towards the best points of each generation."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, repeat
from typing import Any

import numpy as np
from cmaes import CMA
from optuna.distributions import CategoricalDistribution

from ..optuna_terms import Rank, to_term
from .protocol import OWN_DRAWS, Problem, Sampler
from .random import RandomPoints
from .replay import Replay
from .tpe import TpePoints
from .units import from_unit, to_unit
from .view import searched

SPREAD = 1 / 6  # standard deviation of the first generation, as a share of each range
MARGIN = 0.1  # how far from the ends of each range the first generation is centred


class CmaesPoints(Sampler):
    """Draws numbers by CMA-ES, for one objective, and choices, which have no distances, by TPE beside it.

    Ended and paused trials, in the order of their numbers, make up generations; only their order counts, which is TPE's
    ranking. The first generation is centred on the recipe, trial 0."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        known = searched(problem.spaces)
        self._numbers = {name: one for name, one in known.items() if not isinstance(one, CategoricalDistribution)}
        rest = {name: one for name, one in problem.domains.items() if name not in self._numbers}
        self._rest = TpePoints(replace(problem, domains=rest)) if rest else None
        self._blind = RandomPoints(problem)
        self._replay: Replay[CMA, tuple[Rank, ...]] = Replay(self._begun(), self._step)

    def candidates(self, number: int) -> Iterator[dict[str, Any]]:
        """Yields OWN_DRAWS points of CMA-ES, then as many random ones."""
        start = self._begun()
        if not np.array_equal(start.mean, self._replay.start.mean):
            self._replay = Replay(start, self._step)
        generations = self._problem.history.generations(start.population_size)
        state = copy.deepcopy(self._replay.after(generations))
        # The package seeds an optimiser only when it is made, and Optuna's own sampler sets its generator, too.
        state._rng = np.random.RandomState(self._problem.seed_of(number))
        rest = self._rest.candidates(number) if self._rest is not None else repeat({})
        for others in islice(rest, OWN_DRAWS):
            shares = zip(self._numbers.items(), state.ask(), strict=True)
            yield others | {name: from_unit(space, float(share)) for (name, space), share in shares}
        yield from self._blind.candidates(number, OWN_DRAWS)

    def _begun(self) -> CMA:
        """Returns the optimiser before its first generation."""
        recipe = self._problem.history.trials.get(0)
        mean = np.full(len(self._numbers), 0.5) if recipe is None else self._place(0)
        bounds = np.array([[0.0, 1.0]] * len(mean))
        return CMA(mean=mean.clip(MARGIN, 1 - MARGIN), sigma=SPREAD, bounds=bounds, n_max_resampling=10 * len(mean))

    def _step(self, state: CMA, generation: tuple[Rank, ...]) -> CMA:
        after = copy.deepcopy(state)
        after.tell([(self._place(one[-1]), float(order)) for order, one in enumerate(generation)])
        return after

    def _place(self, number: int) -> np.ndarray:
        """Returns a trial's numbers as shares of their ranges."""
        trial, domains = self._problem.history.trials[number], self._problem.domains
        terms = {name: to_term(domains[name], trial.knob(name)) for name in self._numbers}
        return np.array([to_unit(space, terms[name]) for name, space in self._numbers.items()])
