"""Reads the domain of a knob from its entry in a space file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .domains import Choice, Domain, Float, Int
from .errors import shown


def read_domain(entry: object) -> Domain:
    """Parses a domain: {choice: [...]}, {range: [low, high]}, {log: [low, high]}. Integer bounds give an Int, which
    `step` may space. ValueError for any other form."""
    forms = "{choice: [a, b]}, {range: [low, high]}, {range: [low, high], step: n}, {log: [low, high]}"
    if not isinstance(entry, Mapping) or len(entry.keys() & {"choice", "range", "log"}) != 1:
        raise ValueError(f"expected one of {forms}, found {shown(entry)}")
    kind = next(iter(entry.keys() & {"choice", "range", "log"}))
    if entry.keys() - {kind, "step"} or ("step" in entry and kind != "range"):
        raise ValueError(f"expected one of {forms}, found {shown(dict(entry))}")
    values = entry[kind]
    if not isinstance(values, list) or not values:
        raise ValueError(f"{kind} needs a list, found {shown(values)}")
    if kind == "choice":
        if any(
            isinstance(value, Mapping)
            or (isinstance(value, list) and any(isinstance(one, list | Mapping) for one in value))
            for value in values
        ):
            raise ValueError(f"choice needs plain values or lists of them, found {shown(values)}")
        if len(set(map(repr, values))) < len(values):
            raise ValueError(f"choice repeats a value: {shown(values)}")
        return Choice(tuple(tuple(value) if isinstance(value, list) else value for value in values))
    low, high = _ends(kind, values)
    if "step" in entry and not (isinstance(low, int) and isinstance(high, int)):
        raise ValueError("step is for whole numbers")
    if isinstance(low, int) and isinstance(high, int):
        step = entry.get("step", 1)
        if not isinstance(step, int) or isinstance(step, bool) or step < 1 or (high - low) % step:
            raise ValueError(f"step = {shown(step)} must be a whole number that divides {high} - {low}")
        return Int(low, high, step, kind == "log")
    return Float(float(low), float(high), kind == "log")


def _ends(kind: str, values: list[Any]) -> tuple[int | float, int | float]:
    try:
        # Common YAML loaders read 1e-4 as text.
        ends = [float(value) if isinstance(value, str) else value for value in values]
    except ValueError:
        ends = []
    if len(ends) != 2 or any(isinstance(end, bool) or not isinstance(end, int | float) for end in ends):
        raise ValueError(f"{kind} needs two numbers [low, high], found {shown(values)}")
    low, high = ends
    if not low < high:
        raise ValueError(f"{kind} needs low < high, found {shown(values)}")
    if kind == "log" and low <= 0:
        raise ValueError(f"log needs low > 0, found {shown(values)}")
    return low, high
