"""Objectives and limits of a sweep as users type them: metrics of the validation subjects, and costs. Imports nothing
heavy, so that wrong ones are answered at once."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from spaces.errors import did_you_mean, shown
from trainables.config import OBJECTIVES

MEASURED = ("parameters", "macs", "latency_ms")  # costs that the config decides, measured before the first epoch
GPU_SECONDS = "gpu_seconds"
COSTS = (*MEASURED, GPU_SECONDS)
ALLOWED = (*OBJECTIVES, *COSTS)
SIGN = "<="


def names_in(text: str) -> tuple[str, ...]:
    """Splits the text of one or several objectives at its commas."""
    return tuple(name.strip() for name in text.split(","))


@functools.lru_cache(maxsize=64)
def primary_of(text: str) -> str:
    """Returns the first of the objectives in `text` that is an error: it selects each trial's best epoch, whose weights
    are kept. The first of all if there is none."""
    names = names_in(text)
    return next((name for name in names if name not in COSTS), names[0])


def objective_problems(text: str) -> Iterator[str]:
    """Checks the text of one or several objectives; yields a message per problem."""
    names = names_in(text)
    unknown = dict.fromkeys(name for name in names if name not in ALLOWED)
    if unknown:
        found = "; ".join(_unknown(name) for name in unknown)
        yield f"{found}; allowed, several with commas between: {', '.join(ALLOWED)}"
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield f"names {name or 'nothing'} {names.count(name)} times; once is enough"
    if not unknown and all(name in COSTS for name in names):
        yield f"names costs alone; add an error, which selects the best weights: {', '.join(OBJECTIVES)}"


def _unknown(name: str) -> str:
    return (
        f"names '{shown(name)}', which is no metric or cost{did_you_mean(name, ALLOWED)}"
        if name
        else "has an empty name"
    )


@dataclass(frozen=True, slots=True)
class Limit:
    """Upper bound on a metric or cost of a trial. `metric`: its name; `most`: the largest value allowed."""

    metric: str
    most: float

    @property
    def text(self) -> str:
        """Returns the limit as it is typed: 'latency_ms<=5'."""
        return f"{self.metric}{SIGN}{self.most:.15g}"

    def excess(self, value: float) -> float:
        """Returns by how much a value breaks the limit, in units of the limit, so that limits of different units can be
        added up; at most 0 for one that keeps it."""
        return (value - self.most) / (abs(self.most) or 1.0)


def read_limit(text: str) -> Limit:
    """Parses 'latency_ms<=5'. ValueError, with what is allowed, for any other text."""
    metric, sign, number = (part.strip() for part in text.partition(SIGN))
    if not sign or not number:
        raise ValueError(f"'{shown(text)}' is no limit; write it as 'latency_ms{SIGN}5', in quotes because of the <")
    if metric not in ALLOWED:
        raise ValueError(f"'{shown(text)}' {_unknown(metric)}; allowed: {', '.join(ALLOWED)}")
    try:
        most = float(number)
    except ValueError:
        most = math.nan
    if not math.isfinite(most):
        raise ValueError(f"'{shown(text)}' needs a number after {SIGN}")
    return Limit(metric, most)


@functools.lru_cache(maxsize=64)
def limits_of(texts: tuple[str, ...]) -> tuple[Limit, ...]:
    """Parses checked limits."""
    return tuple(read_limit(text) for text in texts)


def limits_problem(texts: Iterable[str]) -> str:
    """Says what is wrong with the texts of limits; '' if nothing is."""
    found = []
    seen: dict[str, str] = {}
    for text in texts:
        try:
            metric = read_limit(text).metric
        except ValueError as error:
            found.append(str(error))
            continue
        if metric in seen:
            found.append(f"'{shown(text)}': {metric} is limited by '{seen[metric]}' already; keep one")
        seen[metric] = shown(text)
    return "; ".join(found)


def model_problems(names: Iterable[str], selectable: Iterable[str], model: str) -> Iterator[str]:
    """Checks that a model has the errors among these objectives and limited metrics; yields a message per one that it
    has not. `selectable`: its metrics without their prefix."""
    known = [f"val/{name}" for name in selectable]
    for name in dict.fromkeys(names):
        if name in OBJECTIVES and name not in known:
            yield f"{name}: is no metric of {model}; it has {', '.join(known)}"


def several_refusals(objectives: int, scheduler: str, *, keeps_one: bool) -> Iterator[str]:
    """Says what cannot work with so many objectives, and what is the nearest that can. `keeps_one`: the weights of one
    trial are kept."""
    if objectives > 1 and scheduler == "median":
        yield f"--scheduler median judges by one objective, not {objectives}; stopping takes several"
    if objectives > 1 and keeps_one:
        yield f"--keep best keeps the weights of one trial, and {objectives} objectives have many best ones; use last"


def to_measure(objectives: Iterable[str], limits: Iterable[Limit], known: Mapping[str, float]) -> tuple[str, ...]:
    """Lists the costs that are named as objective or limited, can be measured before the first epoch, and are not
    `known` yet."""
    named = {*objectives, *(limit.metric for limit in limits)}
    return tuple(name for name in MEASURED if name in named and name not in known)
