"""Conditions on searched knobs: a knob with a condition is searched only where other knobs have certain values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping
from typing import Any

from .domain_text import When
from .domains import Domain, is_continuous, nearest
from .errors import did_you_mean, shown
from .schema import Knob, Value


def active(point: Mapping[str, Any], conditions: Mapping[str, When], value_of: Callable[[str], Any]) -> dict[str, Any]:
    """Returns the point without the knobs that are not searched there: those whose condition does not hold, and those
    whose condition names such a knob. `conditions`: dotted path -> condition, without circles; `value_of`: value of a
    knob that the point lacks, because it is not searched at all."""

    def holds(parent: str, values: tuple[Value, ...]) -> bool:
        return _settled(point[parent] if parent in point else value_of(parent)) in values

    return {path: point[path] for path in _kept(point, conditions, holds)}


def attainable(searched: Collection[str], conditions: Mapping[str, When], value_of: Callable[[str], Any]) -> list[str]:
    """Returns the knobs that are active in some point, out of all that are `searched`; the others have a condition on a
    knob that keeps another value in every point. Other arguments as in `active`."""

    def holds(parent: str, values: tuple[Value, ...]) -> bool:
        return parent in searched or _settled(value_of(parent)) in values

    return _kept(searched, conditions, holds)


def _kept(
    paths: Iterable[str], conditions: Mapping[str, When], holds: Callable[[str, tuple[Value, ...]], bool]
) -> list[str]:
    """Returns the knobs all of whose conditions hold, and the conditions of the knobs that they name."""
    known: dict[str, bool] = {}

    def is_kept(path: str) -> bool:
        if path not in known:
            when = conditions.get(path, {})
            known[path] = all(is_kept(parent) and holds(parent, values) for parent, values in when.items())
        return known[path]

    return [path for path in paths if is_kept(path)]


def _settled(value: Any) -> Any:
    """Returns a list, as JSON has it, as the tuple that conditions have."""
    return tuple(value) if isinstance(value, list) else value


def typed_conditions(conditions: Mapping[str, When], knobs: Mapping[str, Knob]) -> dict[str, When]:
    """Converts the values in conditions to the declared types of their knobs, which must allow them."""
    return {
        path: {parent: tuple(knobs[parent].read(value) for value in values) for parent, values in when.items()}
        for path, when in conditions.items()
    }


def condition_faults(
    place: str, when: When, knobs: Mapping[str, Knob], domains: Mapping[str, list[Domain]]
) -> Iterator[str]:
    """Checks one condition; yields a message per problem. `place`: the entry that has it; `domains`: every domain that
    a knob has in some recipe of the space."""
    for parent, values in when.items():
        if parent not in knobs:
            yield f"{place}: when: {shown(parent)}: no such knob{did_you_mean(str(parent), knobs)}"
            continue
        of_parent = domains.get(parent, [])
        if of_parent and all(map(is_continuous, of_parent)):
            yield f"{place}: when: {parent} takes any number of a range, so none is met; give it a step, choice or grid"
            continue
        for value in values:
            try:
                read = knobs[parent].read(value)
            except ValueError as error:
                yield f"{place}: when: {parent} = {shown(value)}: {error}"
                continue
            if of_parent and read not in [nearest(domain, read) for domain in of_parent]:
                yield f"{place}: when: {parent} = {shown(value)}: none of the values searched for {parent}"


def circles(conditions: Mapping[str, When], knobs: Container[str]) -> list[tuple[str, ...]]:
    """Returns the circles of conditions among `knobs`, each as its knobs in order, the first again at the end."""
    found: list[tuple[str, ...]] = []
    done: set[str] = set()

    def visit(path: str, above: tuple[str, ...]) -> None:
        if path in above:
            found.append((*above[above.index(path) :], path))
        elif path not in done and path in knobs:
            for parent in conditions.get(path, {}):
                visit(parent, (*above, path))
            done.add(path)

    for path in conditions:
        visit(path, ())
    return found
