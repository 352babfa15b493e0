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
# The search for the largest acquisition: points of a Sobol sequence, then rounds of children of the best points so far.
_FIRST, _ROUNDS, _CHILDREN, _PARENTS = 1024, 6, 256, 16
_CHANGED = 0.3  # share of the knobs in which a child differs from its parent


class GpPoints(Sampler):
    """Draws by expected improvement of a Gaussian process, also for several objectives (hypervolume improvement).
    Running trials count with their points. At most MODELLED of the other trials are modelled, a quarter the best, the
    rest the newest. Values are replaced by normal scores of their ranks, so that neither a diverged trial nor one that
    learns nothing bends the model. Optuna fits it in one thread."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._asker = Asker(len(problem.objectives))
        self._blind = RandomPoints(problem)

    def candidates(self, number: int) -> Iterator[dict[str, Any]]:
        """Yields the OWN_DRAWS points of the largest expected improvement among those that the search has met, then as
        many random points."""
        history = self._problem.history
        ended = history.completed(history.selected(MODELLED))
        if len(ended) < self._problem.blind:
            yield from self._blind.candidates(number)
            return
        _to_scores(ended)
        sampler = _Gp(self._problem, self._problem.seed_of(number))
        trials = sorted(ended + history.running(), key=lambda one: one.number)
        params = self._asker.ask(sampler, trials, number, self._problem.spaces)
        for point in sampler.best(OWN_DRAWS):
            yield params | point
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
    """GP sampler with a given joint search space, and a search for the largest acquisition that evaluates many points
    at once: Optuna's own goes along one knob at a time, and takes seconds with a few whole-number knobs. The points
    that it has met are kept, so that a refused point costs no second fit."""

    def __init__(self, problem: Problem, seed: int) -> None:
        # The points of `best` count; one that Optuna finds off its step is no loss.
        super().__init__(seed=seed, n_startup_trials=1, warn_independent_sampling=False)
        self._joint = searched(problem.spaces)
        self._random = np.random.RandomState(seed)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Returns the distributions of the knobs that are modelled."""
        return self._joint

    def best(self, most: int) -> list[dict[str, Any]]:
        """Returns the points of the last search with the largest acquisition, the largest first."""
        return [self._space.get_unnormalized_param(point) for point in self._found[:most]]

    def _optimize_acqf(self, acqf: BaseAcquisitionFunc, best_params: np.ndarray | None) -> np.ndarray:
        self._space = acqf.search_space
        points = self._space.sample_normalized_params(_FIRST, self._random)
        if best_params is not None:
            points = np.concatenate([best_params, points])
        values = _evaluated(acqf, points)
        for _ in range(_ROUNDS):
            parents = points[np.argsort(-values, kind="stable")[:_PARENTS]]
            children = self._children(parents)
            points = np.concatenate([points, children])
            values = np.concatenate([values, _evaluated(acqf, children)])
        self._found: np.ndarray = points[np.argsort(-values, kind="stable")]
        best: np.ndarray = self._found[0]
        return best

    def _children(self, parents: np.ndarray) -> np.ndarray:
        """Returns points that lie, in some knobs, between a parent and a random point; a choice is of one of them."""
        chosen = parents[self._random.randint(len(parents), size=_CHILDREN)]
        others = self._space.sample_normalized_params(_CHILDREN, self._random)
        way = self._random.random_sample((_CHILDREN, 1)) ** 2
        moved = np.where(self._space.is_categorical, others, chosen + way * (others - chosen))
        return np.where(self._random.random_sample(others.shape) < _CHANGED, moved, chosen)


def _evaluated(acqf: BaseAcquisitionFunc, points: np.ndarray) -> np.ndarray:
    """Computes the acquisition of points, a few at a time to save memory."""
    return np.concatenate([acqf.eval_acqf_no_grad(points[i : i + 256]) for i in range(0, len(points), 256)])
