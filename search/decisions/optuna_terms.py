"""Converts search domains and trials to Optuna distributions and FrozenTrials, and sampled Optuna parameters back to
points."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
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
from .fronts import values_of

UNKNOWN = 10.0  # the most by which a limit counts as broken, and what a trial without a value breaks it by
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


def outcome(
    trial: Trial, objectives: tuple[str, ...], proven: int = 0
) -> tuple[TrialState, tuple[float, ...] | None, dict[int, float]]:
    """Computes Optuna's state, final values and intermediate values (epoch -> value) of a trial for the metrics
    `objectives`. The values are None unless the trial is COMPLETE.

    A running trial has no intermediate values here, whatever it has reported: the sampler sees only its point. With
    `proven`, the epoch of the last comparison that let it go on, it is PRUNED there, as while it waited, or would have;
    for one objective. A diverged trial counts as PRUNED without values, and so does one whose last report, or score, is
    not finite. For several objectives every other trial that is neither failed nor running is COMPLETE with its
    `told_values`, since Optuna ranks pruned trials by one objective only."""
    state = _STATES.get(trial.state, TrialState.RUNNING)
    is_proven = state is TrialState.RUNNING and proven > 0 and len(objectives) == 1
    if state in (TrialState.RUNNING, TrialState.FAIL) and not is_proven:
        return state, None, {}
    values = told_values(trial, objectives)
    reports = {} if len(objectives) > 1 else dict(trial.epochs.column(objectives[0]))
    if values is not None and (state is TrialState.COMPLETE or len(objectives) > 1):
        return TrialState.COMPLETE, values, reports
    if is_proven:
        reports = {epoch: value for epoch, value in reports.items() if epoch <= proven}
    if values is None or not reports or not math.isfinite(reports[max(reports)]):
        reports = {}
    return TrialState.PRUNED, None, reports


def told_values(trial: Trial, objectives: tuple[str, ...]) -> tuple[float, ...] | None:
    """Returns the values of the objectives at the trial's best epoch, as `values_of`; None if the trial has
    diverged."""
    return None if trial.state == "diverged" else values_of(trial, objectives)


def frozen(trial: Trial, domains: Mapping[str, Domain], objectives: tuple[str, ...], proven: int = 0) -> FrozenTrial:
    """Converts a trial to an Optuna FrozenTrial with the same number. `proven` as in `outcome`.

    `domains`: domain of every searched path. Each has its parameter, as Optuna models together only what all trials
    have: a knob that is not active in the trial has the recipe's value, and a value outside its domain, as trial 0 may
    have, is told as the nearest one inside. Each limit of the sweep is one of Optuna's constraints, with its excess in
    units of the limit, UNKNOWN where there is no value."""
    params = {path: to_term(domain, trial.knob(path)) for path, domain in domains.items()}
    state, values, reports = outcome(trial, objectives, proven)
    distributions = {path: distribution(domain) for path, domain in domains.items()}
    return optuna_trial(trial, state, values, params, distributions, reports)


def optuna_trial(
    trial: Trial,
    state: TrialState,
    values: Sequence[float] | None,
    params: dict[str, Any],
    distributions: dict[str, BaseDistribution],
    reports: dict[int, float],
    attributes: dict[str, Any] | None = None,
    times: tuple[datetime | None, datetime | None] = (None, None),
) -> FrozenTrial:
    """Builds an Optuna FrozenTrial with the number and the constraints of a trial. `reports`: values by epoch;
    `attributes`: those of the user; `times`: of start and end."""
    made = FrozenTrial(
        number=trial.number,
        trial_id=trial.number,
        state=state,
        value=None,
        values=values,
        params=params,
        distributions=distributions,
        intermediate_values=reports,
        user_attrs=attributes or {},
        system_attrs={},
        datetime_start=times[0],
        datetime_complete=times[1],
    )
    _add_constraints(made, trial)
    return made


def _add_constraints(made: FrozenTrial, trial: Trial) -> None:
    """Adds the limits of a trial to its Optuna form, each as a constraint: the excess in units of the limit, UNKNOWN
    where there is no value."""
    for limit, value in trial.excesses():
        # Optuna adds up what is above 0, whatever its unit.
        excess = UNKNOWN if value is None or not math.isfinite(value) else limit.excess(value)
        made.set_constraint(limit.metric, max(-UNKNOWN, min(UNKNOWN, excess)))


Rank = tuple[int, float, float, int]
WORST = (1, 1.0)  # how the rank of a trial without any value begins


def rank(trial: Trial, objectives: tuple[str, ...]) -> Rank | None:
    """Returns the sort key of a trial in TPE's ranking, lowest first; None for a running or failed trial, which TPE
    does not rank.

    Completed trials come first, by value (of the first of several objectives); then pruned ones, those with a later
    last epoch first; then those without any value."""
    state, values, reports = outcome(trial, objectives)
    if state is TrialState.COMPLETE:
        assert values is not None, trial.number
        return 0, 0.0, values[0], trial.number
    if state is not TrialState.PRUNED:
        return None
    if not reports:
        return *WORST, 0.0, trial.number
    epoch = max(reports)
    return 1, -float(epoch), reports[epoch], trial.number
