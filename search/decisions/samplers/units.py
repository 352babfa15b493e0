"""Converts values of an Optuna distribution to shares of its range and back, and moves values from outside into it."""

from __future__ import annotations

import json
import math
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

Number = FloatDistribution | IntDistribution


def count(space: BaseDistribution) -> int | None:
    """Counts the values of a distribution; None if it is continuous."""
    if isinstance(space, CategoricalDistribution):
        return len(space.choices)
    space = _number(space)
    return None if space.step is None else round((space.high - space.low) / space.step) + 1


def from_unit(space: BaseDistribution, share: float) -> Any:
    """Returns the value at `share`, in [0, 1), of a distribution's probability: uniform shares give the distribution's
    own draws."""
    if isinstance(space, CategoricalDistribution):
        return space.choices[min(int(share * len(space.choices)), len(space.choices) - 1)]
    space = _number(space)
    low, high = _edges(space)
    value = low + share * (high - low)
    return snapped(space, math.exp(value) if space.log else value)


def to_unit(space: BaseDistribution, value: float) -> float:
    """Returns the share of the range below `value`, the inverse of `from_unit`. The distribution holds numbers, more
    than one, and `value`."""
    space = _number(space)
    low, high = _edges(space)
    return ((math.log(value) if space.log else value) - low) / (high - low)


def levels(space: BaseDistribution, most: int) -> list[Any]:
    """Returns at most `most` (two or more) values of a distribution, ascending and both ends among them: all of them if
    they are no more, else evenly spaced ones, in the logarithm where the distribution is logarithmic. Choices are
    always returned whole."""
    if isinstance(space, CategoricalDistribution):
        return list(space.choices)
    space = _number(space)
    wanted = min(most, count(space) or most)
    low, high = (math.log(space.low), math.log(space.high)) if space.log else (space.low, space.high)
    shares = [i / max(1, wanted - 1) for i in range(wanted)]
    places = [(1 - share) * low + share * high for share in shares]
    return sorted({snapped(space, math.exp(place) if space.log else place) for place in places})


def nearest(space: BaseDistribution, value: Any) -> Any:
    """Returns `value` if the distribution holds it, else the nearest value that it holds. What is no number has no
    nearest: for it, the middle of a range, or the first choice. `value`: a number, or the JSON text of a choice."""
    if isinstance(space, CategoricalDistribution):
        return value if value in space.choices else _nearest_choice(space, value)
    space = _number(space)
    if not _is_number(value):
        return from_unit(space, 0.5)
    return value if _holds(space, value) else snapped(space, value)


def snapped(space: Number, value: float) -> float:
    """Returns the number of a distribution that is nearest to `value`."""
    inside = min(max(value, space.low), space.high)
    if space.step is None:
        return float(inside)
    stepped = space.low + round((inside - space.low) / space.step) * space.step
    return int(stepped) if isinstance(space, IntDistribution) else float(min(stepped, space.high))


def _number(space: BaseDistribution) -> Number:
    assert isinstance(space, FloatDistribution | IntDistribution), space
    return space


def _edges(space: Number) -> tuple[float, float]:
    """Returns the ends of the range that is drawn uniformly: half a step beyond the first and last value, in the
    logarithm where the distribution is logarithmic."""
    half = 0.5 * (space.step or 0)
    low, high = space.low - half, space.high + half
    return (math.log(low), math.log(high)) if space.log else (low, high)


def _holds(space: Number, value: float) -> bool:
    if not space.low <= value <= space.high:
        return False
    return space.step is None or math.isclose(value, snapped(space, value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _nearest_choice(space: CategoricalDistribution, value: Any) -> Any:
    wanted = json.loads(value) if isinstance(value, str) else None
    numbers = [(choice, json.loads(choice)) for choice in space.choices if isinstance(choice, str)]
    numbers = [(choice, number) for choice, number in numbers if _is_number(number)]
    if not _is_number(wanted) or not numbers:
        return space.choices[0]
    return min(numbers, key=lambda one: abs(one[1] - wanted))[0]
