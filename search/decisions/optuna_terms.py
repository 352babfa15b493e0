"""Optuna's words for our domains and trials."""

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
    # Optuna drops failures from its model; a divergence is knowledge about its region, so it is told as a trial that
    # was cut off with nothing to show, which the sampler ranks last.
    "diverged": TrialState.PRUNED,
    "stopped": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


def distribution(domain: Domain) -> BaseDistribution:
    """Optuna's name for one of our domains; choices go by their JSON text, because persistent studies take scalars."""
    match domain:
        case Float(low, high, log):
            return FloatDistribution(low, high, log=log)
        case Int(low, high, step, log):
            return IntDistribution(low, high, log=log, step=step)
        case Choice(values):
            return CategoricalDistribution([json.dumps(value) for value in values])


def to_point(domains: Mapping[str, Domain], params: Mapping[str, Any]) -> dict[str, Any]:
    """A point in our values from Optuna's."""
    return {path: _value(domains[path], value) for path, value in params.items()}


def _value(domain: Domain, value: Any) -> Any:
    if not isinstance(domain, Choice):
        return value
    return next(choice for choice in domain.values if json.dumps(choice) == value)


def outcome(trial: Trial, objective: str) -> tuple[TrialState, float | None, dict[int, float]]:
    """What Optuna should know of a trial's scores: its state, its value if it finished, its value at each epoch.

    A trial that runs has none of them: it counts by its place alone, whatever it has reported by now."""
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
    """The trial as Optuna should know it; its number is ours.

    Trial 0 and points given by hand may lie outside the space; their params outside a domain are left out."""
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
    """The place of a trial in TPE's order, the lowest first; None for one that is not in its model of what ended.

    Finished trials come first, by value; then those cut off, the later the better; then those with nothing to show."""
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
