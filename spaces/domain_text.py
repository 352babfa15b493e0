"""Reads the domain of a knob, and the condition on it, from its entry in a space file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .domains import MOST_DEVIATIONS, Choice, Domain, Float, Grid, Int, Normal, divides, nearest_number
from .errors import shown
from .schema import Value, is_number, spelled

When = Mapping[str, tuple[Value, ...]]  # dotted path of another knob -> the values with which this one is searched

_KINDS = ("choice", "range", "log", "grid", "normal", "lognormal")
_MORE = {
    "range": ("step",),
    "log": ("step",),
    "normal": ("low", "high", "step"),
    "lognormal": ("low", "high", "step"),
}
_FORMS = (
    "{choice: [a, b]}, {range: [low, high]}, {range: [low, high], step: n}, {log: [low, high]}, "
    "{grid: [a, b]}, {normal: [mean, deviation]}, {lognormal: [median, factor]}"
)
_WIDEST_FACTOR, _LEAST_FACTOR, _LEAST_SHARE = 1e6, 1.001, 1e-9


def split_entry(entry: object) -> tuple[object, object]:
    """Splits an entry {KIND: [...], when: {knob: values}} into its domain and its condition, neither of them read. The
    condition is None where there is none."""
    if not isinstance(entry, Mapping) or "when" not in entry:
        return entry, None
    return {key: value for key, value in entry.items() if key != "when"}, entry["when"]


def read_when(entry: object) -> When:
    """Reads a condition: a mapping from dotted paths to a value or a list of values, all of which must hold. ValueError
    for any other form."""
    if not isinstance(entry, Mapping):
        raise ValueError(f"when needs a mapping, such as {{other.knob: value}}, found {shown(entry)}")
    found = {}
    for path, value in entry.items():
        values = value if isinstance(value, list) else [value]
        if not values or not all(map(_is_plain, values)):
            raise ValueError(f"when.{shown(path)} needs a value or a list of values, found {shown(value)}")
        found[path] = _settled(values)
    return found


def read_domain(entry: object) -> Domain:
    """Parses a domain: {choice: [...]}, {grid: [...]}, {range: [low, high]}, {log: [low, high]}, {normal: [mean,
    deviation]}, {lognormal: [median, factor]}. Integer bounds give an Int; `step` spaces the values of a range, `low`
    and `high` cut a normal one. ValueError for any other form."""
    kinds = entry.keys() & set(_KINDS) if isinstance(entry, Mapping) else ()
    if not isinstance(entry, Mapping) or len(kinds) != 1:
        raise ValueError(f"expected one of {_FORMS}, found {shown(entry)}")
    (kind,) = kinds
    if entry.keys() - {kind, *_MORE.get(kind, ())}:
        raise ValueError(f"expected one of {_FORMS}, found {shown(dict(entry))}")
    values = entry[kind]
    if not isinstance(values, list) or not values:
        raise ValueError(f"{kind} needs a list, found {shown(values)}")
    if kind in ("choice", "grid"):
        return _listed(kind, values)
    if kind in ("normal", "lognormal"):
        return _normal(kind, values, entry)
    low, high = _ends(kind, values)
    return _range(low, high, kind == "log", entry)


def entry_of(domain: Domain) -> dict[str, Any]:
    """Builds the entry of a space file that `read_domain` reads as this domain, ends and steps written out."""
    if isinstance(domain, Choice | Grid):
        values = [list(value) if isinstance(value, tuple) else value for value in domain.values]
        return {"choice" if isinstance(domain, Choice) else "grid": values}
    if not isinstance(domain, Normal):
        entry: dict[str, Any] = {"log" if domain.log else "range": [domain.low, domain.high]}
        is_default = domain.step is None or (isinstance(domain, Int) and domain.step == 1)
        return entry if is_default else {**entry, "step": domain.step}
    middle = [domain.mean, domain.deviation]
    if domain.log:
        middle = [float(f"{math.exp(value):.12g}") for value in middle]  # of the logarithm's rounding nothing is left
    entry = {"lognormal" if domain.log else "normal": middle, "low": domain.low, "high": domain.high}
    return entry if domain.step is None else {**entry, "step": domain.step}


def entry_text(entry: Mapping[str, Any], when: When | None = None) -> str:
    """Formats what `entry_of` builds as `log [0.0001, 0.003]`, with the condition `when` behind it."""
    words = [f"{name} {_spelled(value)}" for name, value in entry.items()]
    held = [f"{path} = {' or '.join(map(_spelled, values))}" for path, values in (when or {}).items()]
    return ", ".join(words) + (f" when {' and '.join(held)}" if held else "")


def _spelled(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_spelled, value))}]"
    return spelled(value)


def _listed(kind: str, values: list[Any]) -> Domain:
    if not all(map(_is_plain, values)):
        raise ValueError(f"{kind} needs plain values or lists of them, found {shown(values)}")
    if len(set(map(repr, values))) < len(values):
        raise ValueError(f"{kind} repeats a value: {shown(values)}")
    if kind == "choice":
        return Choice(_settled(values))
    numbers = [number for value in values if (number := _number(value)) is not None]
    if len(numbers) < len(values):
        return Choice(_settled(values))
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"grid repeats a value: {shown(values)}")
    return Grid(tuple(sorted(numbers)))


def _range(low: int | float, high: int | float, is_log: bool, entry: Mapping[str, Any]) -> Float | Int:
    given = entry.get("step")
    step = None if given is None else _number(given)
    is_whole = isinstance(low, int) and isinstance(high, int)
    if "step" in entry and (step is None or step <= 0 or not divides(step, low, high)):
        kind = "whole number" if is_whole else "number above 0"
        raise ValueError(f"step = {shown(given)} must be a {kind} that divides {high} - {low}")
    if isinstance(low, int) and isinstance(high, int) and (step is None or isinstance(step, int)):
        return Int(low, high, step or 1, is_log)
    return Float(float(low), float(high), is_log, None if step is None else float(step))


def _normal(kind: str, values: list[Any], entry: Mapping[str, Any]) -> Normal:
    """Builds a normal domain, of the logarithm for `lognormal`. Without `low` and `high` it ends MOST_DEVIATIONS from
    its middle."""
    is_log, needs = kind == "lognormal", "[mean, deviation]"
    if is_log:
        needs = f"[median, factor], a median above 0 and a factor from {_LEAST_FACTOR:g} to {_WIDEST_FACTOR:g}"
    middle, spread = map(_float, values) if len(values) == 2 else (math.nan, math.nan)
    is_right = spread > abs(middle) * _LEAST_SHARE
    if is_log:
        is_right = middle > 0 and _LEAST_FACTOR <= spread <= _WIDEST_FACTOR
    reach = (spread**MOST_DEVIATIONS if is_log else spread * MOST_DEVIATIONS) if is_right else math.nan
    first, last = (middle / reach, middle * reach) if is_log else (middle - reach, middle + reach)
    if not (math.isfinite(last - first) and (first > 0 or not is_log)):
        raise ValueError(f"{kind} needs two numbers {needs}, found {shown(values)}")
    given = {name: entry[name] for name in ("low", "high", "step") if name in entry}
    low, high = _number(given.get("low", first)), _number(given.get("high", last))
    if low is None or high is None or not low < high:
        raise ValueError(f"{kind} needs low < high, found {shown(given)}")
    step = _number(given["step"]) if "step" in given else None
    if "step" in given and (len(given) < 3 or step is None or step <= 0 or not divides(step, low, high)):
        raise ValueError(f"{kind} with a step needs low and high, and a step that divides high - low: {shown(given)}")
    ends: tuple[int | float, int | float] = (max(float(low), first), min(float(high), last))
    if step is not None:
        stepped = _range(low, high, False, given)
        ends = (nearest_number(stepped, first), nearest_number(stepped, last))
    mean, deviation = (math.log(middle), math.log(spread)) if is_log else (middle, spread)
    made = Normal(mean, deviation, *ends, is_log, step)
    if not made.low < made.high or made.share < _LEAST_SHARE:
        found = f"from {first:g} to {last:g}, {MOST_DEVIATIONS} deviations from its middle"
        raise ValueError(f"{kind} has next to nothing between low = {low} and high = {high}; it goes {found}")
    return made


def _ends(kind: str, values: list[Any]) -> tuple[int | float, int | float]:
    ends = [number for value in values[:3] if (number := _number(value)) is not None]
    if len(values) != 2 or len(ends) != 2:
        raise ValueError(f"{kind} needs two numbers [low, high], found {shown(values)}")
    low, high = ends
    if not low < high:
        raise ValueError(f"{kind} needs low < high, found {shown(values)}")
    if kind == "log" and low <= 0:
        raise ValueError(f"log needs low > 0, found {shown(values)}")
    return low, high


def _number(value: object) -> int | float | None:
    """Returns a value as a number, None if it is none: common YAML loaders read 1e-4 as text."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return value if is_number(value) else None


def _float(value: object) -> float:
    """Returns a value as a float, nan if it is no number or too large for one."""
    try:
        number = _number(value)
        return math.nan if number is None else float(number)
    except OverflowError:
        return math.nan


def _is_plain(value: object) -> bool:
    """Returns whether a value is a scalar or a list of scalars."""
    if isinstance(value, list):
        return not any(isinstance(one, list | Mapping) for one in value)
    return not isinstance(value, Mapping)


def _settled(values: list[Any]) -> tuple[Value, ...]:
    return tuple(tuple(value) if isinstance(value, list) else value for value in values)
