"""Converts parameters of Optuna to shares of their ranges and back, and picks evenly spaced values of a domain."""

from __future__ import annotations

import math
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from spaces.domains import Choice, Domain, Grid, Normal, nearest
from spaces.schema import Value

Number = FloatDistribution | IntDistribution


def from_unit(space: BaseDistribution, share: float) -> Any:
    """Returns the parameter below which lies `share`, in [0, 1), of a distribution's probability: uniform shares give
    the distribution's own draws."""
    if isinstance(space, CategoricalDistribution):
        return space.choices[min(int(share * len(space.choices)), len(space.choices) - 1)]
    space = _number(space)
    low, high = _edges(space)
    value = low + share * (high - low)
    inside = min(max(math.exp(value) if space.log else value, space.low), space.high)
    if space.step is None:
        return float(inside)
    stepped = space.low + round((inside - space.low) / space.step) * space.step
    return int(stepped) if isinstance(space, IntDistribution) else float(min(stepped, space.high))


def to_unit(space: BaseDistribution, value: float) -> float:
    """Returns the share of the range below a parameter, the inverse of `from_unit`. The distribution holds numbers,
    more than one, and `value`."""
    space = _number(space)
    low, high = _edges(space)
    return ((math.log(value) if space.log else value) - low) / (high - low)


def levels(domain: Domain, most: int) -> list[Value]:
    """Returns values of a domain, a listed one's all, else at most `most` (two or more): all that there are, or evenly
    spaced ones with both ends among them, in the logarithm where the domain is logarithmic; of a normal domain the
    middles of parts of equal probability."""
    if isinstance(domain, Choice | Grid):
        return list(domain.values)
    if isinstance(domain, Normal):
        return list(dict.fromkeys(domain.at((i + 0.5) / most) for i in range(most)))
    steps = most - 1 if domain.step is None else round((domain.high - domain.low) / domain.step)
    if steps < most:
        places = [domain.low + i * (domain.high - domain.low) / steps for i in range(steps + 1)]
    if steps >= most or domain.step is None:
        low, high = (math.log(domain.low), math.log(domain.high)) if domain.log else (domain.low, domain.high)
        shares = [i / (most - 1) for i in range(most)]
        places = [(1 - share) * low + share * high for share in shares]
        places = [math.exp(place) for place in places] if domain.log else places
    return list(dict.fromkeys(nearest(domain, place) for place in places))


def _number(space: BaseDistribution) -> Number:
    assert isinstance(space, FloatDistribution | IntDistribution), space
    return space


def _edges(space: Number) -> tuple[float, float]:
    """Returns the ends of the range that is drawn uniformly: half a step beyond the first and last value, in the
    logarithm where the distribution is logarithmic."""
    half = 0.5 * (space.step or 0)
    low, high = space.low - half, space.high + half
    return (math.log(low), math.log(high)) if space.log else (low, high)
