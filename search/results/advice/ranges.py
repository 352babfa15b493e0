"""Entries of a space file for a domain that is wider or narrower at one side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from spaces.domains import Choice, Domain, Float, Grid, Int, Normal
from spaces.schema import Knob

from .survey import listed

WIDER = 0.5  # of the range, in the logarithm where the domain has one, is added at a side


def wider(domain: Domain, knob: Knob, is_high: bool) -> Mapping[str, Any] | None:
    """Builds the entry of a domain that goes on at its high or low end; None where the knob allows no more."""
    if isinstance(domain, Choice | Grid):
        return _one_more(domain, knob, is_high)
    if knob.choices:
        return None
    if isinstance(domain, Normal):
        # The middle moves to where 5% of the draws were.
        middle = _rounded(domain.at(0.95 if is_high else 0.05))
        deviation = math.exp(domain.deviation) if domain.log else domain.deviation
        return {"lognormal" if domain.log else "normal": [middle, float(f"{deviation:.3g}")]}
    low: float = domain.low
    high: float = domain.high
    if domain.log:
        factor = (high / low) ** WIDER
        low, high = (low, high * factor) if is_high else (low / factor, high)
    else:
        more = (high - low) * WIDER
        low, high = (low, high + more) if is_high else (low - more, high)
    low, high = (
        (domain.low, _inside(high, domain.high, knob)) if is_high else (_inside(low, domain.low, knob), domain.high)
    )
    is_whole = isinstance(domain, Int)
    if is_whole or domain.step is not None:
        step = domain.step or 1
        if is_high:
            high = domain.low + math.floor((high - domain.low) / step + 1e-9) * step
        else:
            low = domain.high - math.floor((domain.high - low) / step + 1e-9) * step
            low += step if domain.log and low <= 0 else 0
    if not (domain.low - low > 1e-9 * abs(domain.low) or high - domain.high > 1e-9 * abs(domain.high)):
        return None
    return _range(domain, low, high)


def narrower(domain: Domain, last: float, is_high: bool) -> Mapping[str, Any] | None:
    """Builds the entry of a domain without what lies beyond the value `last` at its high or low side; None if less
    than two values are left."""
    if isinstance(domain, Choice | Grid):
        values = [value for value in listed(domain) if (value <= last if is_high else value >= last)]  # type: ignore[operator]
        return {"grid" if isinstance(domain, Grid) else "choice": values} if len(values) > 1 else None
    low, high = (domain.low, last) if is_high else (last, domain.high)
    return _range(domain, low, high) if low < high else None


def _one_more(domain: Choice | Grid, knob: Knob, is_high: bool) -> Mapping[str, Any] | None:
    """Adds a value at an end of a list, as far from the last as that is from the one before, by their ratio where all
    are above 0."""
    values: list[Any] = list(listed(domain))
    last, before = (values[-1], values[-2]) if is_high else (values[0], values[1])
    next_one = last * (last / before) if min(values) > 0 else last + (last - before)
    if all(isinstance(value, int) for value in values):
        next_one = round(next_one)
    else:
        next_one = _rounded(next_one)
    try:
        knob.read(next_one)
    except ValueError:
        return None
    if next_one in values:
        return None
    values = [*values, next_one] if is_high else [next_one, *values]
    return {"grid" if isinstance(domain, Grid) else "choice": values}


def _inside(value: float, end: float, knob: Knob) -> float:
    """Returns the number nearest to a rounded value that the knob allows; half of the way from the present `end` to a
    bound that it must not reach."""
    value = _rounded(value)
    if knob.least is not None:
        value = max(value, knob.least)
    if knob.most is not None:
        value = min(value, knob.most)
    for bound, is_beyond in ((knob.above, value <= (knob.above or 0)), (knob.below, value >= (knob.below or 0))):
        if bound is not None and is_beyond:
            value = (end + bound) / 2
    return value


def _rounded(value: float) -> float:
    """Rounds a number to two digits."""
    return float(f"{value:.2g}")


def _range(domain: Float | Int | Normal, low: float, high: float) -> Mapping[str, Any]:
    kind, step = "log" if domain.log else "range", domain.step
    if all(isinstance(end, int) for end in (domain.low, domain.high)):
        return {kind: [round(low), round(high)], **({} if step in (None, 1) else {"step": step})}
    if step is not None:
        return {kind: [low, high], "step": step}
    return {kind: [float(f"{low:.3g}"), float(f"{high:.3g}")]}
