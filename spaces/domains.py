"""Domains: the values that a searched knob may take, and how they are spread."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from decimal import Decimal
from statistics import NormalDist

from .schema import Knob, Value, is_number

MOST_DEVIATIONS = 4  # from the mean of a normal domain to its ends; beyond lies one value in 16,000
_DIGITS = 9  # of a value of a normal domain, counted from the first digit of its deviation


@dataclass(frozen=True, slots=True)
class Float:
    """Domain of real numbers in [low, high], sampled uniformly, or log-uniformly if `log`. `step`: only low, low + step
    and so on to high (None: all)."""

    low: float
    high: float
    log: bool = False
    step: float | None = None


@dataclass(frozen=True, slots=True)
class Int:
    """Domain of integers in [low, high] in steps of `step`, sampled uniformly, or log-uniformly if `log`."""

    low: int
    high: int
    step: int = 1
    log: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """Categorical domain: one of the values, unordered."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """Ordinal domain: one of the numbers, which ascend; neighbours in the list count as similar."""

    values: tuple[int | float, ...]


@dataclass(frozen=True, slots=True)
class Normal:
    """Domain of numbers in [low, high] with a truncated normal distribution of this mean and standard deviation; those
    of the natural logarithm if `log`. `step` as in Float, whole if low, high and step are.

    low and high lie within MOST_DEVIATIONS of the mean: farther out, doubles do not tell quantiles apart."""

    mean: float
    deviation: float
    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = None

    @property
    def share(self) -> float:
        """Returns the share of the whole normal distribution that lies in [low, high]."""
        _, below, above = self._shape()
        return above - below

    def at(self, share: float) -> int | float:
        """Returns the value below which lies this share of the distribution, 0 to 1, rounded so that `share_of` gives
        the share of the very same value."""
        if not 0 < share < 1:
            return nearest_number(self, self.low if share <= 0 else self.high)
        normal, below, above = self._shape()
        value = normal.inv_cdf(below + share * (above - below))
        return nearest_number(self, math.exp(value) if self.log else value)

    def share_of(self, value: float) -> float:
        """Returns the share of the distribution below a value, the inverse of `at`: 0 to 1."""
        if not self.low < value < self.high:
            return 0.0 if value <= self.low else 1.0
        normal, below, above = self._shape()
        share = (normal.cdf(math.log(value) if self.log else value) - below) / (above - below)
        return min(1.0, max(0.0, share))

    def _shape(self) -> tuple[NormalDist, float, float]:
        """Returns the whole normal distribution and the shares of it below `low` and `high`."""
        normal = NormalDist(self.mean, self.deviation)
        low, high = (math.log(end) if self.log else end for end in (self.low, self.high))
        return normal, normal.cdf(low), normal.cdf(high)


Domain = Float | Int | Choice | Grid | Normal


def typed(domain: Domain, knob: Knob) -> Domain:
    """Converts a domain to the declared type of its knob, which must allow its values: for a float knob, the integer
    range [0, 1] becomes a real range and the choice 0 becomes 0.0. Integer ranges with a step above 1 are unchanged."""
    if isinstance(domain, Choice):
        return Choice(tuple(knob.read(value) for value in domain.values))
    if isinstance(domain, Grid):
        return Grid(tuple(value for value in map(knob.read, domain.values) if is_number(value)))
    if isinstance(domain, Int) and domain.step == 1 and isinstance(knob.read(domain.low), float):
        return Float(float(domain.low), float(domain.high), domain.log)
    return domain


def limits(domain: Domain) -> tuple[Value, ...]:
    """Returns the values of a domain that its knob must allow: the listed ones, or the two ends."""
    return domain.values if isinstance(domain, Choice | Grid) else (domain.low, domain.high)


def is_continuous(domain: Domain) -> bool:
    """Returns whether a domain holds every number of a range, so that a given one is hardly ever drawn."""
    return isinstance(domain, Float | Normal) and domain.step is None


def nearest(domain: Domain, value: object) -> Value:
    """Returns the value of a domain nearest to any value, which is that value itself if the domain has it. A text, list
    or None that it does not have gives the first of the listed values, or the middle of a range."""
    if isinstance(domain, Choice):
        return _nearest_choice(domain.values, value)
    if not is_number(value):
        value = _middle(domain)
    if isinstance(domain, Grid):
        return min(domain.values, key=lambda one: abs(one - value))
    return nearest_number(domain, value)


def nearest_number(domain: Float | Int | Normal, value: float) -> int | float:
    """Returns the value of a range nearest to a number."""
    value = min(max(value, domain.low), domain.high)
    if domain.step is not None:
        return _on_step(value, domain.low, domain.step)
    if isinstance(domain, Normal):
        # The digits beyond would be lost on the way to a share and back.
        digits = math.floor(math.log10(value if domain.log else domain.deviation))
        value = min(max(round(value, _DIGITS - 1 - digits), domain.low), domain.high)
    return float(value)


def _nearest_choice(values: tuple[Value, ...], value: object) -> Value:
    # As JSON, because a list is a tuple here, and True is no 1.
    told = json.dumps(value, default=str)
    for one in values:
        if json.dumps(one) == told:
            return one
    numbers = [one for one in values if is_number(one)]
    if not is_number(value) or len(numbers) < len(values):
        return values[0]
    return min(numbers, key=lambda one: abs(one - value))


def _middle(domain: Float | Int | Grid | Normal) -> int | float:
    if isinstance(domain, Grid):
        return domain.values[len(domain.values) // 2]
    if isinstance(domain, Normal):
        return math.exp(domain.mean) if domain.log else domain.mean
    return math.sqrt(domain.low * domain.high) if domain.log else (domain.low + domain.high) / 2


def _on_step(value: float, low: float, step: float) -> int | float:
    """Returns the number nearest to `value`, which is no less, of low, low + step and so on: as a decimal, so that
    0.1 + 2 * 0.1 is 0.3."""
    if isinstance(low, int) and isinstance(step, int):
        if not isinstance(value, int):
            return low + round((value - low) / step) * step
        count, rest = divmod(value - low, step)  # in whole numbers, as doubles have no more than 53 bits
        return low + (count + (2 * rest >= step)) * step
    return float(Decimal(str(low)) + round((value - low) / step) * Decimal(str(step)))


def divides(step: float, low: float, high: float) -> bool:
    """Returns whether whole steps lead from low to high; False if any of them is not finite."""
    try:
        return (Decimal(str(high)) - Decimal(str(low))) % Decimal(str(step)) == 0
    except ArithmeticError:  # more steps than a decimal counts
        return False
