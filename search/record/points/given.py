"""Points that a space gives to be tried first, after the recipe."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any

from spaces.errors import ConfigError
from spaces.schema import config_id, flatten
from spaces.space import Space
from trainables.config import TrainConfig, changed


def first_points(
    space: Space,
    base: TrainConfig,
    searched: Container[str],
    active: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> tuple[dict[str, Any], ...]:
    """Returns {}, the recipe, and the points of a space, dotted path -> value in the type of its knob; () if the space
    has no points. Knobs that are not `searched` in this sweep are left out, so that they keep the values of `base`; so
    are points whose config is the recipe's or that of an earlier point. ConfigError lists every point that breaks a law
    of the model, or sets a knob that is not `active` in it."""
    if not space.points:
        return ()
    problems: list[str] = []
    points: dict[str, dict[str, Any]] = {config_id(base): {}}
    for number, given in enumerate(space.points):
        point = {path: value for path, value in given.items() if path in searched}
        try:
            config = changed(base, point, space.where)
        except ConfigError as error:
            problems += [f"points[{number}]: {problem}" for problem in error.problems]
            continue
        values = flatten(config)
        whole = {path: value for path, value in values.items() if path in searched}
        for path in sorted(point.keys() - active(whole).keys()):
            problems.append(f"points[{number}].{path}: its condition `when` does not hold in this point; take it out")
        points.setdefault(config_id(config), {path: values[path] for path in point})
    if problems:
        raise ConfigError(space.where, problems)
    return tuple(points.values())
