"""Protocol of all samplers, and the description of a sweep from which each is built."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from optuna.distributions import BaseDistribution

from spaces.domains import Domain

from ..optuna_terms import distribution
from .history import History

REDRAWS = 50  # candidates for one trial before a sweep admits that its space has nothing more to offer
OWN_DRAWS = REDRAWS // 2  # of them a sampler's own; the rest is drawn at random


@dataclass(frozen=True, slots=True)
class Problem:
    """What a sampler draws for. `domains`: domain of every searched knob, by dotted path; `objectives`: the metrics to
    minimise; `seed`: the sweep's; `trials`: planned number of trials; `history`: all trials so far, kept up to date by
    the caller; `is_former`: whether points are drawn as before there were pauses, for sweeps that were begun then."""

    domains: Mapping[str, Domain]
    objectives: tuple[str, ...]
    seed: int
    trials: int
    history: History
    is_former: bool = False

    @property
    def spaces(self) -> dict[str, BaseDistribution]:
        """Builds the distribution of every searched knob, by dotted path."""
        return {path: distribution(domain) for path, domain in self.domains.items()}

    @property
    def blind(self) -> int:
        """Returns the number of ended trials before which a model draws at random: a quarter of a short sweep, at most
        the ten of Optuna's default."""
        return max(1, min(10, self.trials // 4))

    def seed_of(self, number: int) -> int:
        """Derives the seed of the draws for trial `number`."""
        return int(np.random.SeedSequence((self.seed, number)).generate_state(1)[0])


class Sampler(Protocol):
    """Draws points. Built from a Problem; what it draws is a function of the problem's seed, the trial's number and the
    trials in the history."""

    @abstractmethod
    def candidates(self, number: int) -> Iterator[dict[str, Any]]:
        """Yields points for trial `number` as Optuna parameters, the preferred first. The caller takes the first that
        is legal and new, and asks for the next only after it has refused one, which stays refused. Ends when there is
        no use in further points."""

    def notes(self) -> list[str]:
        """Returns what the user should know before the first trial, one line each."""
        return []

    def spent(self, refused: int) -> str:
        """Says why `candidates` has ended. `refused`: number of points that were refused."""
        return f"the space has no new legal point in {refused} draws"
