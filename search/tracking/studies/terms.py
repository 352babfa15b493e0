"""A trial as people shall see it in Optuna: values of knobs as they are, and the state that is nearest to its own.
`decisions.optuna_terms` has what samplers are told instead."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from spaces.domains import Choice, Domain, Float, Grid, Int, Normal, nearest

from ...decisions.optuna_terms import distribution, optuna_trial, outcome
from ...record.records import LOST, PAUSED
from ...record.trial import Trial

GOES_ON = ("waiting", PAUSED, LOST)
ENDED_EARLY = ("pruned", "stopped", "diverged", PAUSED)
Times = tuple[int | None, int | None]  # of a trial's first start and its last end, Unix time in milliseconds


def shown_distribution(domain: Domain) -> BaseDistribution:
    """Converts a search domain to the Optuna distribution of its values (`shown_value`)."""
    match domain:
        case Choice(values) if not _is_plain(values):
            return CategoricalDistribution([json.dumps(value) for value in values])
        case Choice(values) | Grid(values):
            plain: list[Any] = [*values]
            return CategoricalDistribution(plain)
        case Normal(low=low, high=high, log=log):
            return FloatDistribution(low, high, log=log)
        case Int(low, high, log=True):
            return IntDistribution(low, high, log=True)
        case Float(low, high, log=True):
            return FloatDistribution(low, high, log=True)
    return distribution(domain)


def shown_value(domain: Domain, value: object) -> Any:
    """Converts the value of a knob to that of Optuna's parameter: itself, or the nearest one in the domain; of choices
    that are lists, or that Optuna takes for equal, the JSON text."""
    value = nearest(domain, value)
    return json.dumps(value) if isinstance(domain, Choice) and not _is_plain(domain.values) else value


def _is_plain(values: tuple[Any, ...]) -> bool:
    # To Python True and 1 are equal.
    return not any(isinstance(value, tuple) for value in values) and len(set(values)) == len(values)


def shown_state(
    trial: Trial, objectives: tuple[str, ...], is_closed: bool
) -> tuple[TrialState, tuple[float, ...] | None]:
    """Returns Optuna's state of a trial, and its values if it is COMPLETE. `is_closed`: no process runs the sweep, so
    that running trials wait, and paused ones have ended."""
    if trial.state in GOES_ON and not (is_closed and trial.state == PAUSED):
        return TrialState.WAITING, None
    state, values, _ = outcome(trial, objectives)
    if state is TrialState.RUNNING:
        return (TrialState.WAITING if is_closed else state), None
    # For several objectives samplers are told that such trials are complete.
    return (TrialState.PRUNED, None) if trial.state in ENDED_EARLY else (state, values)


def shown_trial(
    trial: Trial, domains: Mapping[str, Domain], objectives: tuple[str, ...], times: Times, is_closed: bool
) -> FrozenTrial:
    """Converts a trial to an Optuna FrozenTrial with the same number. `domains`: of every searched knob, by dotted
    path; `is_closed` as in `shown_state`. Values outside their domains are in the user attribute `outside`."""
    state, values = shown_state(trial, objectives, is_closed)
    start, end = (None if time is None else datetime.fromtimestamp(time / 1000, UTC) for time in times)
    knobs = {path: trial.knob(path) for path in domains}
    outside = {path: value for path, value in knobs.items() if nearest(domains[path], value) != value}
    reason = trial.reason.strip().rpartition("\n")[2]
    attributes = {"state": trial.state, "reason": reason, "config_id": trial.config_id}
    return optuna_trial(
        trial,
        state,
        values,
        {path: shown_value(domain, knobs[path]) for path, domain in domains.items()},
        {path: shown_distribution(domain) for path, domain in domains.items()},
        trial.scores(objectives[0]) if len(objectives) == 1 else {},
        {**attributes, **({"outside": outside} if outside else {})},
        (None if state is TrialState.WAITING else start, end if state.is_finished() else None),
    )
