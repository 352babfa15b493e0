"""TPE sampler (tree-structured Parzen estimator) of Optuna, over all knobs jointly, with constant liar: running trials
count as bad ones, so that parallel trials keep apart. For one objective a point is chosen among recombinations of the
good trials, which their joint density judges."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.samplers._tpe import _truncnorm
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator
from optuna.trial import FrozenTrial
from scipy.special import log_ndtr

from .protocol import OWN_DRAWS, Problem, Sampler
from .random import RandomPoints
from .view import Asker, searched

# Ended trials that are modelled. TPE takes at most its best 25 as the good ones; the rest tells where not to draw,
# which only counts near the good ones: there lie the next best and the newest.
MODELLED = 1000
_QUICKENED = "5.0.0"  # the Optuna whose numbers the tests compare


class TpePoints(Sampler):
    """Draws by TPE, also for several objectives. At most MODELLED of the ended trials are modelled."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._asker = Asker(len(problem.objectives))
        self._blind = RandomPoints(problem)

    def candidates(self, number: int) -> Iterator[dict[str, Any]]:
        """Yields OWN_DRAWS points of TPE, then as many random ones."""
        sampler = _Tpe(self._problem, self._problem.seed_of(number))
        trials = self._problem.history.modelled(MODELLED)
        for _ in range(OWN_DRAWS):
            with quick_truncated_normal():
                params = self._asker.ask(sampler, trials, number, self._problem.spaces)
            yield params
        yield from self._blind.candidates(number, OWN_DRAWS)


class _Tpe(TPESampler):
    """TPE sampler with a given joint search space. Optuna's own intersection compares every distribution of every
    trial, a third of a draw's time, and its cache would include trials that are no longer modelled."""

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(seed=seed, n_startup_trials=problem.blind, multivariate=True, constant_liar=True)
        self._joint = searched(problem.spaces)
        if len(problem.objectives) == 1 and not problem.is_former:
            self._parzen_estimator_cls = _Recombined

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Returns the distributions of the knobs that are sampled jointly."""
        return self._joint


class _Recombined(_ParzenEstimator):
    """Parzen estimator whose samples take each knob from near a trial of its own. Near one trial in all knobs, as
    Optuna samples, a dozen knobs are seldom all better than its."""

    def sample(self, rng: np.random.RandomState, size: int) -> dict[str, np.ndarray]:
        """Returns `size` values of each knob."""
        drawn = super().sample(rng, size * len(self._search_space))
        return {name: values[i * size : (i + 1) * size] for i, (name, values) in enumerate(drawn.items())}


@contextmanager
def quick_truncated_normal() -> Iterator[None]:
    """Replaces Optuna's log of the normal CDF, a Python loop that takes half of a draw's time, by scipy's `log_ndtr`
    within the block; their values agree to 2e-13. Does nothing for any other version of Optuna than the tested one."""
    slow = _truncnorm._log_ndtr
    if optuna.__version__ == _QUICKENED:
        _truncnorm._log_ndtr = log_ndtr
    try:
        yield
    finally:
        _truncnorm._log_ndtr = slow
