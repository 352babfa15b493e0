"""Where the next point comes from: an Optuna study rebuilt from the journal, told the truth about every trial.

A suggestion is a function of the journal, the seed and the trial's number alone, so a resumed sweep draws what the
unbroken one would have drawn from the same history.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from spaces.space import Choice, Domain, Float, Int

from ..record.trial import Trial

REDRAWS = 50  # draws before a sweep admits that its space has nothing more to offer
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


def _params(domains: Mapping[str, Domain], point: Mapping[str, Any]) -> dict[str, Any]:
    return {
        path: json.dumps(point[path]) if isinstance(domain, Choice) else point[path]
        for path, domain in domains.items()
        if path in point
    }


def frozen(trial: Trial, domains: Mapping[str, Domain], objective: str) -> FrozenTrial:
    """The trial as Optuna should know it: its state, its value when it finished, and every intermediate value.

    Trial 0 and points given by hand may lie outside the space; their params outside a domain are left out."""
    spaces = {path: distribution(domain) for path, domain in domains.items()}
    params = {path: value for path, value in _params(domains, trial.point).items() if _is_inside(spaces[path], value)}
    state = _STATES.get(trial.state, TrialState.RUNNING)
    values = {epoch: metrics[objective] for epoch, metrics in trial.epochs.items() if objective in metrics}
    if trial.state == "diverged":
        values = {}
    score = trial.score(objective)
    if state is TrialState.COMPLETE and score is None:
        state = TrialState.FAIL
    return create_trial(
        state=state,
        value=score if state is TrialState.COMPLETE else None,
        params=params,
        distributions={path: spaces[path] for path in params},
        intermediate_values=values,
        user_attrs={"trial": trial.number, "state": trial.state, "epochs": trial.last_epoch},
    )


def _is_inside(space: BaseDistribution, value: Any) -> bool:
    if isinstance(space, CategoricalDistribution):
        return value in space.choices
    assert isinstance(space, FloatDistribution | IntDistribution), space
    if not isinstance(value, int | float) or not space.low <= value <= space.high:
        return False
    return isinstance(space, FloatDistribution) or (value - space.low) % space.step == 0


def study_of(
    trials: Iterable[Trial], domains: Mapping[str, Domain], objective: str, sampler: BaseSampler
) -> optuna.Study:
    """The study that a journal's trials make; Optuna's trial numbers are ours."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="minimize", sampler=sampler)
    ordered = sorted(trials, key=lambda trial: trial.number)
    assert [trial.number for trial in ordered] == list(range(len(ordered))), [trial.number for trial in ordered]
    study.add_trials([frozen(trial, domains, objective) for trial in ordered])
    return study


def make_sampler(name: str, seed: int, number: int, trials: int) -> BaseSampler:
    """The sampler for the draw of one trial, seeded by the sweep and the trial's number."""
    drawn = int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
    if name == "random":
        return RandomSampler(seed=drawn)
    # A quarter of a short sweep explores blindly, at most the ten draws of Optuna's default.
    startup = max(1, min(10, trials // 4))
    with warnings.catch_warnings():
        # Optuna marks these two options as experimental; both are what its authors advise for parallel search.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return TPESampler(seed=drawn, multivariate=True, constant_liar=True, n_startup_trials=startup)


def suggest(
    trials: Iterable[Trial],
    domains: Mapping[str, Domain],
    objective: str,
    samplers: tuple[BaseSampler, BaseSampler],
    is_legal: Callable[[dict[str, Any]], bool],
) -> tuple[dict[str, Any] | None, int]:
    """A legal point, or None after too many draws, and how many draws were thrown away. The first sampler has half of
    the draws, the second, a blind one, the rest: a model sure of the best of few points draws it again and again.

    Draws happen in a throw-away study, so a refused draw leaves no trace and takes no trial number."""
    study = study_of(trials, domains, objective, samplers[0])
    spaces = {path: distribution(domain) for path, domain in domains.items()}
    for thrown in range(REDRAWS):
        study.sampler = samplers[thrown >= REDRAWS // 2]
        draw = study.ask(spaces)
        point = to_point(domains, draw.params)
        if is_legal(point):
            return point, thrown
        study.tell(draw, state=TrialState.FAIL)
    return None, REDRAWS
