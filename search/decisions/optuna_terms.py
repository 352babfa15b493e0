"""Converts search domains and trials to Optuna distributions and FrozenTrials, and sampled Optuna parameters back to
points."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from spaces.domains import Choice, Domain, Float, Grid, Int, Normal, nearest
from spaces.schema import is_number

from ..record.trial import Trial

_STATES = {
    "finished": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    # Optuna drops failures from its model; a divergence is knowledge about its region, so it is told as a trial that
    # was cut off with nothing to show, which the sampler ranks last.
    "diverged": TrialState.PRUNED,
    "stopped": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


def distribution(domain: Domain) -> BaseDistribution:
    """Converts a search domain to the Optuna distribution of its terms (`to_term`). Categorical choices become their
    JSON texts, because Optuna's persistent studies accept only scalars."""
    match domain:
        case Float(low, high, log, step) if step is None or not log:
            return FloatDistribution(low, high, log=log, step=step)
        case Int(low, high, step, log) if step == 1 or not log:
            return IntDistribution(low, high, log=log, step=step)
        case Float(low, high) | Int(low, high):
            # Optuna has no logarithm with a step. A value is drawn from as far around it as there are numbers nearest
            # to it, also at the ends.
            half = (domain.step or 1) / 2
            return FloatDistribution(low - min(half, low / 2), high + half, log=True)
        case Choice(values):
            return CategoricalDistribution([json.dumps(value) for value in values])
        case Grid(values):
            return IntDistribution(0, len(values) - 1)
        case Normal():
            return FloatDistribution(0.0, 1.0)


def to_term(domain: Domain, value: object) -> Any:
    """Converts a value of a knob to that of Optuna's parameter, the inverse of `to_point`: for a choice its JSON text,
    for a grid its place in the list, for a normal domain the share of the distribution below it, otherwise the value
    itself. A value outside the domain is converted as the nearest one inside."""
    value = nearest(domain, value)
    match domain:
        case Choice():
            return json.dumps(value)
        case Grid(values):
            return values.index(value)
        case Normal():
            assert is_number(value), value
            return domain.share_of(value)
    return value


def to_point(domains: Mapping[str, Domain], params: Mapping[str, Any]) -> dict[str, Any]:
    """Converts Optuna's sampled parameters to a point: dotted path -> value of the knob. `domains`: the domain of every
    path in `params`."""
    return {path: _value(domains[path], value) for path, value in params.items()}


def _value(domain: Domain, term: Any) -> Any:
    match domain:
        case Choice(values):
            return next(choice for choice in values if json.dumps(choice) == term)
        case Grid(values):
            return values[term]
        case Normal():
            return domain.at(term)
    return nearest(domain, term)


def outcome(trial: Trial, objective: str) -> tuple[TrialState, float | None, dict[int, float]]:
    """Computes Optuna's state, final value and intermediate values (epoch -> value) of a trial for the metric
    `objective`. The value is None unless the trial is COMPLETE.

    A running trial has no intermediate values here, whatever it has reported: the sampler sees only its point. A
    diverged trial counts as PRUNED without values; a finished one without a finite score as FAIL."""
    state = _STATES.get(trial.state, TrialState.RUNNING)
    if state is TrialState.RUNNING:
        return state, None, {}
    values = dict(trial.epochs.column(objective))
    if trial.state == "diverged":
        values = {}
    score = trial.score(objective) if state is TrialState.COMPLETE else None
    if state is TrialState.COMPLETE and score is None:
        state = TrialState.FAIL
    return state, score, values


def frozen(trial: Trial, domains: Mapping[str, Domain], objective: str) -> FrozenTrial:
    """Converts a trial to an Optuna FrozenTrial with the same number.

    `domains`: domain of every searched path. Each has its parameter, as Optuna models together only what all trials
    have: a knob that is not active in the trial has the recipe's value, and a value outside its domain, as trial 0 may
    have, is told as the nearest one inside."""
    params = {path: to_term(domain, trial.knob(path)) for path, domain in domains.items()}
    state, score, values = outcome(trial, objective)
    return FrozenTrial(
        number=trial.number,
        trial_id=trial.number,
        state=state,
        value=score,
        params=params,
        distributions={path: distribution(domain) for path, domain in domains.items()},
        intermediate_values=values,
        user_attrs={},
        system_attrs={},
        datetime_start=None,
        datetime_complete=None,
    )


Rank = tuple[int, float, float, int]


def rank(trial: Trial, objective: str) -> Rank | None:
    """Returns the sort key of a trial in TPE's ranking, lowest first; None for a running or failed trial, which TPE
    does not rank.

    Completed trials come first, by value; then pruned ones, those with a later last epoch first; then pruned ones
    without any value."""
    state, score, values = outcome(trial, objective)
    if state is TrialState.COMPLETE:
        assert score is not None, trial.number
        return 0, 0.0, score, trial.number
    if state is not TrialState.PRUNED:
        return None
    if not values:
        return 1, 1.0, 0.0, trial.number
    epoch = max(values)
    return 1, -float(epoch), math.inf if math.isnan(values[epoch]) else values[epoch], trial.number
