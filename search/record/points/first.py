"""First points of a sweep besides its recipe: configs that the user gives, and the best trials of an earlier sweep."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from spaces.domains import Choice, Domain, Grid, Normal, nearest
from spaces.errors import ConfigError
from spaces.schema import config_id, diff, spelled
from trainables.config import TrainConfig, read_config

from ..history import FIRST, FROM
from ..journal import FILE, Journal
from ..plan import Plan, value_at
from ..trial import Trial

# The two best points of an earlier sweep, one in a sweep of fewer than eight trials: they train to their end, so each
# costs as much as half a dozen trials that are stopped. In simulated sweeps of 8, 20 and 60 trials a second one paid
# for itself, also after unlike tasks, and further ones did not.
SHARE, MOST = 4, 2
NEAR = 0.1  # of a knob's range; a point that is nearer than that in every knob tells little that is new
PLACES = {"data.root"}  # where a config finds its files is not what it trains
OPTIONS = {"loop.epochs": "--epochs", "loop.seed": "--seed", "loop.select": "--objective", "data.name": "--data"}


def with_first_points(plan: Plan, configs: Iterable[Path], source: Path | None) -> Plan:
    """Returns the plan with these configs right after the recipe, then the best points of an earlier sweep, then those
    that its space gives. `source`: the earlier sweep's folder (None: none). ConfigError lists every problem; DataError
    if the journal is damaged."""
    problems: list[str] = []
    points = []
    for path in configs:
        try:
            points.append(point_of(plan, read_config(path), str(path)))
        except ConfigError as error:
            problems += error.problems_in("launch")
    room = plan.sweep.trials - 1 - len(points)
    if room < 0:
        problems.append(
            f"--trials {plan.sweep.trials}: fewer than the recipe and {len(points)} of --enqueue; give more trials"
        )
    origin, best = None, list[dict[str, Any]]()
    if source is not None:
        try:
            journal = Journal(source / FILE)
            most = min(MOST, max(1, plan.sweep.trials // SHARE), max(room, 0))
            best = best_points(plan, journal, most, {config_id(plan.config(point)) for point in ({}, *points)})
            origin = {"as": FROM, "sweep": journal.sweep.name, "id": journal.sweep.id}
        except ConfigError as error:
            problems += error.problems_in("launch")
    if problems:
        raise ConfigError("launch", problems)
    if not points and not best:
        return dataclasses.replace(plan, origin=origin)
    first: dict[str, Mapping[str, Any]] = {}
    for point in ({}, *points, *best, *plan.points[1:]):
        first.setdefault(config_id(plan.config(point)), point)
    if origin is not None:
        proven = {config_id(plan.config(point)) for point in best}
        origin[FIRST] = ",".join(str(number) for number, key in enumerate(first) if key in proven)
    return dataclasses.replace(plan, points=tuple(first.values()), origin=origin)


def point_of(plan: Plan, config: TrainConfig, where: str) -> dict[str, Any]:
    """Returns the point at which the sweep trains `config`; its values may lie outside their domains. ConfigError names
    every knob in which the config differs and that the sweep does not search. `where`: the config's file."""
    if config.model != plan.base.model:
        raise ConfigError("launch", [f"--enqueue {where}: is of {config.model}; this sweep is of {plan.base.model}"])
    searched = plan.domains
    problems = []
    for path, (theirs, ours) in diff(config, plan.base).items():
        if path not in searched and path not in PLACES:
            remedy = f"{OPTIONS[path]} {spelled(theirs)}" if path in OPTIONS else f"--set {path}={spelled(theirs)}"
            found = f"{path} = {spelled(theirs)}, and {spelled(ours)} in this sweep, which does not search it"
            problems.append(f"--enqueue {where}: {found}; change the file, or set it for every trial: {remedy}")
    if problems:
        raise ConfigError("launch", problems)
    return {path: value_at(config, path) for path in searched}


def best_points(plan: Plan, source: Journal, most: int, known: Collection[str] = ()) -> list[dict[str, Any]]:
    """Selects at most so many points of an earlier sweep for a new one: those of its best trials, translated, each
    apart from the better ones in some knob as long as there are such. `known`: ids of configs that are tried anyway,
    such as the recipe's, and take no place. ConfigError if no trial can be translated."""
    where, objective = f"--from {source.path.parent.name}", plan.sweep.primary
    if source.sweep.model != plan.base.model:
        raise ConfigError("launch", [f"{where}: is of {source.sweep.model}; this sweep is of {plan.base.model}"])
    ranked = [trial for trial in source.leaderboard(objective) if trial.score(objective) is not None]
    if not ranked:
        raise ConfigError("launch", [f"{where}: has no trial with a score of {objective}; leave it out"])
    points = [point for trial in ranked if (point := translated(plan, trial)) is not None]
    if not points:
        problem = f"no trial of it can be translated: their values of {', '.join(plan.domains)} are not in this space"
        raise ConfigError("launch", [f"{where}: {problem}; leave it out, or widen the space"])
    points = [point for point in points if config_id(plan.config(point)) not in known]
    chosen: list[dict[str, Any]] = []
    for point in points:
        if all(_is_apart(plan.domains, point, other) for other in chosen):
            chosen.append(point)
    return [*chosen, *(point for point in points if point not in chosen)][:most]


def translated(plan: Plan, trial: Trial) -> dict[str, Any] | None:
    """Translates a trial of another sweep of the model to a point of the plan: its values, of searched knobs or fixed
    ones, numbers moved into their domains. None if a domain has no such value, or the point breaks a law."""
    point = {path: _fitted(domain, trial.knob(path)) for path, domain in plan.domains.items()}
    if any(value is None for value in point.values()):
        return None
    try:
        config = plan.config(point)
    except ConfigError:
        return None
    return {path: value_at(config, path) for path in point}


def _fitted(domain: Domain, value: Any) -> Any:
    """Returns the value of a domain nearest to `value`, None if there is none."""
    value = tuple(value) if isinstance(value, list) else value
    if isinstance(domain, Choice):
        return value if value in domain.values else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return nearest(domain, value)


def _is_apart(domains: Mapping[str, Domain], one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return any(_distance(domain, one[path], other[path]) >= NEAR for path, domain in domains.items())


def _distance(domain: Domain, one: Any, other: Any) -> float:
    """Returns the distance of two values as a share of their domain, on its scale; 1 for two different choices."""
    if isinstance(domain, Choice):
        return float(one != other)
    if isinstance(domain, Grid):
        places = [domain.values.index(value) for value in (one, other)]
        return abs(places[0] - places[1]) / max(1, len(domain.values) - 1)
    if isinstance(domain, Normal):
        return abs(domain.share_of(one) - domain.share_of(other))
    ends = [math.log(end) if domain.log else end for end in (domain.low, domain.high, one, other)]
    return float(abs(ends[2] - ends[3]) / (ends[1] - ends[0]))
