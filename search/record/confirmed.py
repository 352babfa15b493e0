"""Candidates of a confirmation: the trials of one config over its seeds, and their mean and deviation."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .history import CONFIRM
from .records import SweepRow
from .trial import Trial

SEED = "loop.seed"


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and sample standard deviation of `count` values; the deviation of a single one is nan."""

    mean: float
    deviation: float
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """One config of a confirmation. `label`: 'recipe', or 'trial 5' of the sweep that it comes from, '' if the config
    came alone; `score`: what the sweep had it at, None if it had none; `trials`: one per seed."""

    label: str
    score: float | None
    trials: tuple[Trial, ...]

    def validation(self, objective: str) -> Spread | None:
        """Computes the spread of the metric `objective` on the validation subjects over the finished seeds; None if
        none has finished."""
        finished = (trial.score(objective) for trial in self.trials if trial.state == "finished")
        return spread_of(score for score in finished if score is not None)

    def tests(self, mean: str) -> dict[str, Spread]:
        """Computes the spread of every test metric over the seeds that have been scored. `mean`: kind of mean."""
        scored = [trial.test[mean] for trial in self.trials if trial.test]
        found = {name: spread_of(row[name] for row in scored) for name in (scored[0] if scored else ())}
        return {name: spread for name, spread in found.items() if spread is not None}


def spread_of(values: Iterable[float]) -> Spread | None:
    """Computes the spread of the values; None without any."""
    held = list(values)
    if not held:
        return None
    return Spread(statistics.mean(held), statistics.stdev(held) if len(held) > 1 else float("nan"), len(held))


def candidates_of(sweep: SweepRow, trials: Mapping[int, Trial]) -> list[Candidate]:
    """Lists the candidates of a confirmation, the recipe first, then the best of the sweep in its order. `sweep`: the
    confirmation's first record; `trials`: its trials by number."""
    origin = sweep.origin or {}
    numbers = origin["trials"].split(",") if origin.get("as") == CONFIRM else [""]
    scores = origin["scores"].split(",") if origin.get("as") == CONFIRM else [""]
    return [
        Candidate(
            label="" if not number else "recipe" if number == "0" else f"trial {number}",
            score=float(score) if score else None,
            trials=tuple(trial for trial in trials.values() if trial.number % len(numbers) == place),
        )
        for place, (number, score) in enumerate(zip(numbers, scores, strict=True))
    ]


def recommended(candidates: Iterable[Candidate], objective: str) -> Candidate | None:
    """Returns the candidate with the lowest mean on the validation subjects, among those of which most seeds have
    finished; None if no seed has."""
    found = [(one, spread) for one in candidates if (spread := one.validation(objective)) is not None]
    most = max((spread.count for _, spread in found), default=0)
    whole = [(spread.mean, place) for place, (_, spread) in enumerate(found) if spread.count == most]
    return found[min(whole)[1]][0] if whole else None
