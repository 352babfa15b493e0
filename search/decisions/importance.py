"""Importance of the searched knobs by fANOVA: the share of the spread of a metric that each of them explains."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import optuna
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial

from spaces.domains import Domain, nearest

from ..record.trial import Trial
from .optuna_terms import frozen

LEAST_TRIALS = 4  # with fewer the shares are those of chance
# Optuna's fANOVA takes time by the square of their number: 74 s of processor time for 1,000 trials of six knobs, 4 s
# for these (2026-11-30).
MOST_TRIALS = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Importance:
    """Importance of the knobs. `shares`: dotted path -> share of the spread, largest first, 1 in all; `epoch`: the
    epoch at which the trials were compared; `trials`: their number; `reached`: the number of usable trials that reached
    the epoch, more than `trials` in a large sweep."""

    shares: dict[str, float]
    epoch: int
    trials: int
    reached: int


def importance(
    trials: Iterable[Trial], domains: Mapping[str, Domain], objective: str, epoch: int | None = None
) -> Importance:
    """Computes the importance of the knobs with Optuna's fANOVA over the trials that reached `epoch`, by their lowest
    value of `objective` up to it. Pruned trials count as much as finished ones, so that the survivors of early stopping
    do not stand for all. Of more than MOST_TRIALS, that many are compared, evenly spaced by number.

    `domains`: dotted path -> domain; `epoch`: None for the latest that half of the trials, and LEAST_TRIALS, reached.
    Trials with a value outside its domain, as recipes may have, are left out; one without a conditional knob has the
    recipe's value. ValueError, with the reason, if fewer
    than LEAST_TRIALS remain or all have the same value."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    usable = []
    for trial in trials:
        scores = trial.scores(objective)
        if scores and all(_is_inside(domains[path], value) for path, value in trial.point.items() if path in domains):
            usable.append((frozen(trial, domains, (objective,)), scores))
    reached = sorted((max(scores) for _, scores in usable), reverse=True)
    if len(reached) < LEAST_TRIALS:
        raise ValueError(f"{len(reached)} trials within the space have a score; importance needs {LEAST_TRIALS}")
    at = epoch if epoch is not None else reached[max((len(reached) - 1) // 2, LEAST_TRIALS - 1)]
    there = []
    for told, scores in usable:
        until = [score for number, score in scores.items() if number <= at]
        if max(scores) >= at and until:
            there.append(create_trial(params=told.params, distributions=told.distributions, value=min(until)))
    count = min(len(there), MOST_TRIALS)
    used = [there[index * len(there) // count] for index in range(count)]
    study = optuna.create_study(direction="minimize")
    study.add_trials(used)
    if len(used) < LEAST_TRIALS:
        raise ValueError(f"{len(used)} trials reached epoch {at}; importance needs {LEAST_TRIALS}")
    if len({trial.value for trial in used}) == 1:
        raise ValueError(f"all {len(used)} trials have the same {objective} at epoch {at}: no knob makes a difference")
    shares = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0), params=list(domains))
    return Importance(shares=shares, epoch=at, trials=len(used), reached=len(there))


def _is_inside(domain: Domain, value: object) -> bool:
    # As JSON, because a journal has a list where a domain has a tuple.
    return json.dumps(nearest(domain, value)) == json.dumps(value)
