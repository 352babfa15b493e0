"""Gaussian-process sampler of Optuna: fits a surrogate of the objective over all knobs jointly, and draws where it
expects the largest improvement."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import optuna
from optuna._gp.acqf import BaseAcquisitionFunc
from optuna.distributions import BaseDistribution
from optuna.samplers import GPSampler
from optuna.trial import FrozenTrial
from scipy.special import ndtri

from .protocol import OWN_DRAWS, Problem, Sampler
from .random import RandomPoints
from .view import Asker, searched

MODELLED = 200  # ended trials in the model; the time of a fit grows with their third power
_NEIGHBOURS = 512  # points around the best one of which the most promising follow a refused one
_CHANGED = 0.3  # share of the knobs in which a neighbour differs


class GpPoints(Sampler):
    """Draws by expected improvement of a Gaussian process, also for several objectives (hypervolume improvement).
    Running trials count with their points. At most MODELLED of the other trials are modelled, a quarter the best, the
    rest the newest. Values are replaced by normal scores of their ranks, so that neither a diverged trial nor one that
    learns nothing bends the model. A draw takes seconds, in one thread."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._asker = Asker(len(problem.objectives))
        self._blind = RandomPoints(problem)

    def candidates(self, number: int) -> Iterator[dict[str, Any]]:
        """Yields the point of the largest expected improvement and its most promising neighbours, OWN_DRAWS together,
        then as many random points."""
        history = self._problem.history
        ended = history.completed(history.selected(MODELLED))
        if len(ended) < self._problem.blind:
            yield from self._blind.candidates(number)
            return
        _to_scores(ended)
        sampler = _Gp(self._problem, self._problem.seed_of(number))
        trials = sorted(ended + history.running(), key=lambda one: one.number)
        best = self._asker.ask(sampler, trials, number, self._problem.spaces)
        yield best
        fixed = {name: value for name, value in best.items() if name not in sampler.joint}
        for neighbour in sampler.neighbours(OWN_DRAWS - 1):
            yield fixed | neighbour
        yield from self._blind.candidates(number, OWN_DRAWS)


def _to_scores(trials: list[FrozenTrial]) -> None:
    """Replaces each value of completed trials by the normal score of its rank; equal values share their mean rank."""
    values = np.array([trial.values for trial in trials])
    below = (values[None] < values[:, None]).sum(axis=1)
    equal = (values[None] == values[:, None]).sum(axis=1)
    scores = ndtri((below + equal / 2) / len(trials))
    for trial, row in zip(trials, scores.tolist(), strict=True):
        trial.values = row


class _Gp(GPSampler):
    """GP sampler with a given joint search space (`joint`), which keeps its last acquisition function: a refused point
    costs no second fit."""

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(seed=seed, n_startup_trials=1)
        self.joint = searched(problem.spaces)
        self._random = np.random.RandomState(seed)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Returns the distributions of the knobs that are modelled."""
        return self.joint

    def _optimize_acqf(self, acqf: BaseAcquisitionFunc, best_params: np.ndarray | None) -> np.ndarray:
        self._acqf, self._found = acqf, super()._optimize_acqf(acqf, best_params)
        return self._found

    def neighbours(self, most: int) -> list[dict[str, Any]]:
        """Returns points that differ from the last one in some knobs, those of the largest acquisition first."""
        space = self._acqf.search_space
        others = space.sample_normalized_params(_NEIGHBOURS, self._random)
        is_changed = self._random.random_sample(others.shape) < _CHANGED
        points = np.where(is_changed, others, self._found)
        order = np.argsort(-self._acqf.eval_acqf_no_grad(points), kind="stable")[:most]
        return [space.get_unnormalized_param(points[i]) for i in order]
