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

from spaces.space import Choice, Domain, Float, Int

from ..record.trial import Trial

_STATES = {
    "finished": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "paused": TrialState.PRUNED,  # what it showed until its rung counts while it waits
    # Optuna drops failures from its model; a divergence is knowledge about its region, so it is told as a trial that
    # was cut off with nothing to show, which the sampler ranks last.
    "diverged": TrialState.PRUNED,
    "stopped": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


def distribution(domain: Domain) -> BaseDistribution:
    """Converts a search domain to an Optuna distribution. Categorical choices become their JSON texts, because Optuna's
    persistent studies accept only scalars."""
    match domain:
        case Float(low, high, log):
            return FloatDistribution(low, high, log=log)
        case Int(low, high, step, log):
            return IntDistribution(low, high, log=log, step=step)
        case Choice(values):
            return CategoricalDistribution([json.dumps(value) for value in values])


def to_point(domains: Mapping[str, Domain], params: Mapping[str, Any]) -> dict[str, Any]:
    """Converts Optuna's sampled parameters to a point: dotted path -> value of the knob. `domains`: the domain of every
    path in `params`."""
    return {path: _value(domains[path], value) for path, value in params.items()}


def _value(domain: Domain, value: Any) -> Any:
    if not isinstance(domain, Choice):
        return value
    return next(choice for choice in domain.values if json.dumps(choice) == value)


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


def frozen(trial: Trial, spaces: Mapping[str, BaseDistribution], objective: str) -> FrozenTrial:
    """Converts a trial to an Optuna FrozenTrial with the same number.

    `spaces`: distribution of every searched path. Trial 0 and predefined points may lie outside the space; parameters
    outside their distribution are omitted."""
    params = {}
    for path, space in spaces.items():
        if path in trial.point:
            value = trial.point[path]
            told = json.dumps(value) if isinstance(space, CategoricalDistribution) else value
            if _is_inside(space, told):
                params[path] = told
    state, score, values = outcome(trial, objective)
    return FrozenTrial(
        number=trial.number,
        trial_id=trial.number,
        state=state,
        value=score,
        params=params,
        distributions={path: spaces[path] for path in params},
        intermediate_values=values,
        user_attrs={},
        system_attrs={},
        datetime_start=None,
        datetime_complete=None,
    )


def _is_inside(space: BaseDistribution, value: Any) -> bool:
    if isinstance(space, CategoricalDistribution):
        return value in space.choices
    assert isinstance(space, FloatDistribution | IntDistribution), space
    if not isinstance(value, int | float) or not space.low <= value <= space.high:
        return False
    return isinstance(space, FloatDistribution) or (value - space.low) % space.step == 0


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
