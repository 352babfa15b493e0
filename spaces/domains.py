"""Domains: the values that a searched knob may take, and how they are spread."""

from __future__ import annotations

from dataclasses import dataclass

from .schema import Knob, Value


@dataclass(frozen=True, slots=True)
class Float:
    """Domain of real numbers in [low, high], sampled uniformly, or log-uniformly if `log`."""

    low: float
    high: float
    log: bool = False


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


Domain = Float | Int | Choice


def typed(domain: Domain, knob: Knob) -> Domain:
    """Converts a domain to the declared type of its knob, which must allow its values: for a float knob, the integer
    range [0, 1] becomes a real range and the choice 0 becomes 0.0. Integer ranges with a step above 1 are unchanged."""
    if isinstance(domain, Choice):
        return Choice(tuple(knob.read(value) for value in domain.values))
    if isinstance(domain, Int) and domain.step == 1 and isinstance(knob.read(domain.low), float):
        return Float(float(domain.low), float(domain.high), domain.log)
    return domain
