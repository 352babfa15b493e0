"""Samples the points of a sweep from the trials in the journal.

A sampled point is a function of the journal, the seed and the trial's number alone, so a resumed sweep samples what an
uninterrupted one would have sampled from the same history. What samplers keep between draws is what a replay of the
journal gives, independent of the order in which the trials' ends arrived."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import optuna

from spaces.domains import Domain

from ..record.trial import Trial
from .optuna_terms import to_point
from .samplers.history import History
from .samplers.protocol import Problem, Sampler

# By the names of record.options.sampling.SAMPLERS: module and class. Imported when chosen: torch, scipy.stats and
# cmaes, which some need, take seconds.
PLACES = {
    "tpe": "tpe:TpePoints",
    "gp": "gp:GpPoints",
    "cmaes": "cmaes:CmaesPoints",
    "nsga2": "nsga2:Nsga2Points",
    "qmc": "qmc:SobolPoints",
    "random": "random:RandomPoints",
    "grid": "grid:GridPoints",
    "none": "random:RandomPoints",
}


def sampler_of(name: str, problem: Problem) -> Sampler:
    """Builds the sampler `name`, one of PLACES, for a sweep."""
    module, _, kind = PLACES[name].partition(":")
    made: Sampler = getattr(importlib.import_module(f"{__package__}.samplers.{module}"), kind)(problem)
    return made


class PointSampler:
    """Samples the points of one sweep. Call `tell` with a trial when it is created, when it ends and when it restarts.

    `domains`: dotted path -> domain of the searched knobs. `objectives`: the metrics to minimise. `name`: one of
    `record.options.sampling.SAMPLERS`. `seed`: the sweep's. `trials`: planned number of trials. `told`: trials recorded
    before. `proven` as in History, `is_former` as in Problem."""

    def __init__(
        self,
        domains: Mapping[str, Domain],
        objectives: tuple[str, ...],
        name: str,
        seed: int,
        trials: int,
        told: Iterable[Trial] = (),
        proven: Callable[[Trial], int] = lambda trial: 0,
        is_former: bool = False,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._domains = domains
        self._history = History(domains, objectives, proven)
        for trial in told:
            self.tell(trial)
        self._sampler = sampler_of(name, Problem(domains, objectives, seed, trials, self._history, is_former))

    @property
    def notes(self) -> list[str]:
        """Returns what the user should know of the sampler before the first trial, one line each."""
        return self._sampler.notes()

    def tell(self, trial: Trial) -> None:
        """Updates the sampler with the current state of a trial."""
        self._history.tell(trial)

    def draw(self, number: int, is_legal: Callable[[dict[str, Any]], bool]) -> tuple[dict[str, Any] | None, int]:
        """Samples a valid point for trial `number`. Returns the point, None if the sampler has no more to offer, and
        the number of rejected draws. `is_legal`: accepts or rejects a point; what it rejects once it always rejects."""
        thrown = 0
        for params in self._sampler.candidates(number):
            point = to_point(self._domains, params)
            if is_legal(point):
                return point, thrown
            thrown += 1
        return None, thrown

    def spent(self, thrown: int) -> str:
        """Says why `draw` returned no point. `thrown`: the number of rejected draws that it returned."""
        return self._sampler.spent(thrown)
