"""Search space: a YAML file with a model's published recipes and the domains of the knobs to search around them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .conditions import circles, condition_faults
from .console import visible
from .domain_text import When, read_domain, read_when, split_entry
from .domains import Choice, Domain, Float, Int, limits, typed
from .errors import ConfigError, did_you_mean, shown
from .includes import DEFAULT, FOLDER, INCLUDE, find_space, with_includes
from .schema import Knob, spelled
from .yaml_text import parse_yaml, read_text, yaml_text

__all__ = [
    "FOLDER",
    "SECTIONS",
    "Choice",
    "Domain",
    "Draft",
    "Float",
    "Int",
    "Space",
    "find_space",
    "parse_space",
    "read_draft",
    "read_space",
    "survey_space",
    "typed",
]
SECTIONS = ("model", "objective", "limits", "recipes", "base", "search", "narrow", "points", INCLUDE)
_MISSING = " is missing"


@dataclass(frozen=True, kw_only=True, slots=True)
class Space:
    """Search space of a sweep. `recipes`: recipe -> (dotted path -> fixed value), the first is the default; `base`:
    fixed values of all recipes; `search`: dotted path -> domain; `where`: the file, for messages.

    `narrow`: recipe -> domains that replace those of `search` (None: not searched), so that a small recipe searches
    small networks. `objective`: the objective, or several with commas; `limits`: what a trial must keep to win, as
    'latency_ms<=5'. `when`, `narrow_when`: the conditions that stand in `search` and in `narrow`. `points`: points to
    try after trial 0, dotted path -> value."""

    model: str
    objective: str
    recipes: Mapping[str, Mapping[str, Any]]
    base: Mapping[str, Any]
    search: Mapping[str, Domain]
    narrow: Mapping[str, Mapping[str, Domain | None]]
    where: str
    when: Mapping[str, When] = field(default_factory=dict)
    narrow_when: Mapping[str, Mapping[str, When]] = field(default_factory=dict)
    points: tuple[Mapping[str, Any], ...] = ()
    limits: tuple[str, ...] = ()

    def fixed(self, recipe: str) -> dict[str, Any]:
        """Returns the fixed values of a recipe, dotted path -> value: the config of trial 0 before options override it.
        KeyError for an unknown recipe."""
        return dict(self.base) | dict(self.recipes[recipe])

    def domains(self, recipe: str) -> dict[str, Domain]:
        """Returns the domains that a sweep from this recipe searches, by dotted path."""
        joined = dict(self.search) | dict(self.narrow.get(recipe, {}))
        return {path: domain for path, domain in joined.items() if domain is not None}

    def conditions(self, recipe: str) -> dict[str, When]:
        """Returns the conditions on the knobs that a sweep from this recipe searches, by dotted path. Where `narrow`
        gives a domain and no condition, that of `search` stays."""
        joined = dict(self.when) | dict(self.narrow_when.get(recipe, {}))
        domains = self.domains(recipe)
        return {path: when for path, when in joined.items() if when and path in domains}

    def check(self, knobs: Mapping[str, Knob]) -> list[str]:
        """Checks every path, value and bound of the space against the model's knobs; returns one message per
        problem."""
        return list(self._faults(knobs))

    def _faults(self, knobs: Mapping[str, Knob]) -> Iterator[str]:
        tables = {"base": self.base} | {f"recipes.{name}": recipe for name, recipe in self.recipes.items()}
        for table, values in tables.items():
            for path, value in values.items():
                yield from _refusals(f"{table}.{path}", path, [value], knobs)
        searched = {"search": self.search} | {f"narrow.{name}": part for name, part in self.narrow.items()}
        for table, domains in searched.items():
            for path, domain in domains.items():
                ends = () if domain is None else limits(domain)
                yield from _refusals(f"{table}.{path}", path, ends, knobs)
        for path in self.base.keys() & self.search.keys():
            yield f"{path} stands in base and in search; keep one"
        for name in self.narrow.keys() - self.recipes.keys():
            yield f"narrow.{name}: no such recipe{did_you_mean(name, self.recipes)}; recipes: {', '.join(self.recipes)}"
        yield from self._condition_faults(knobs)
        for number, point in enumerate(self.points):
            for path, value in point.items():
                yield from _refusals(f"points[{number}].{path}", path, [value], knobs)
                if path in knobs and all(path not in domains for domains in searched.values()):
                    yield f"points[{number}].{path} is not searched; give it a domain in search, or fix it in base"

    def _condition_faults(self, knobs: Mapping[str, Knob]) -> Iterator[str]:
        domains = self._domains_of_all(knobs)
        conditions = {"search": self.when} | {f"narrow.{name}": part for name, part in self.narrow_when.items()}
        for table, part in conditions.items():
            for path, when in part.items():
                yield from condition_faults(f"{table}.{path}", when, knobs, domains)
        found = [circle for name in self.recipes for circle in circles(self.conditions(name), knobs)]
        for circle in dict.fromkeys(found):
            yield f"when: conditions in a circle, so none of these is searched: {' -> '.join(circle)}"

    def _domains_of_all(self, knobs: Mapping[str, Knob]) -> dict[str, list[Domain]]:
        """Collects the domains of each knob in `search` and `narrow`, in the type of the knob; knobs with a value that
        is not allowed are left out."""
        found: dict[str, list[Domain]] = {}
        wrong = set()
        for part in (self.search, *self.narrow.values()):
            for path, domain in part.items():
                try:
                    if domain is not None and path in knobs:
                        found.setdefault(path, []).append(typed(domain, knobs[path]))
                except ValueError:
                    wrong.add(path)
        return {path: domains for path, domains in found.items() if path not in wrong}


def _refusals(place: str, path: str, values: Any, knobs: Mapping[str, Knob]) -> Iterator[str]:
    if path not in knobs:
        yield f"{place}: no such knob{did_you_mean(str(path), knobs) or '; all: python -m search list --knobs MODEL'}"
        return
    for value in values:
        try:
            knobs[path].read(value)
        except ValueError as error:
            yield f"{place} = {shown(value)}: {error}"


@dataclass(frozen=True, slots=True)
class Draft:
    """Space file that may be invalid: its text, which includes nothing, the space as far as it could be parsed (None
    without a model name), and every structural error."""

    where: str
    text: str
    space: Space | None
    faults: tuple[str, ...]


def read_draft(path: Path) -> Draft:
    """Reads a space file that may be invalid, joined with those that it includes. ConfigError only if it cannot be read
    or is not YAML."""
    text = read_text(path)
    tree = parse_yaml(text, str(path))
    missing: list[str] = []
    if isinstance(tree, Mapping) and INCLUDE in tree:
        tree, missing = with_includes(tree, path)
        # The text must say all by itself: a sweep goes on with it when the included files have changed.
        text = f"# {visible(path.name)}, joined with what it includes.\n{yaml_text(tree)}"
    space, faults = survey_space(tree, str(path))
    if missing:  # what else seems to be missing may be there
        return Draft(str(path), text, None, (*missing, *(fault for fault in faults if not fault.endswith(_MISSING))))
    return Draft(str(path), text, space, tuple(faults))


def read_space(path: Path) -> Space:
    """Reads a space from a YAML file and checks its structure; `Space.check` checks it against the model's knobs.
    ConfigError lists every problem."""
    draft = read_draft(path)
    if draft.faults or draft.space is None:
        raise ConfigError(draft.where, draft.faults)
    return draft.space


def parse_space(tree: object, where: str) -> Space:
    """Builds a space from parsed YAML. `where`: file for messages. ConfigError lists every structural error."""
    space, problems = survey_space(tree, where)
    if problems or space is None:
        raise ConfigError(where, problems)
    return space


def survey_space(tree: object, where: str) -> tuple[Space | None, list[str]]:
    """Parses as much of a space as possible. Returns the space, None if it names no model, and every structural error.
    `where`: file for messages."""
    if not isinstance(tree, Mapping):
        return None, [f"a space is a mapping with the keys {', '.join(SECTIONS)}"]
    problems = [
        f"{shown(key)}: no such section{did_you_mean(shown(key), SECTIONS)}; sections: {', '.join(SECTIONS)}"
        for key in tree
        if key not in SECTIONS
    ]
    if INCLUDE in tree:
        problems.append(f"{INCLUDE}: is for files of spaces, which are joined when they are read")
    problems += [f"{key}{_MISSING}" for key in ("model", "search") if key not in tree]
    sections = _sections_of(tree, problems)
    search, when = _entries("search", sections["search"], problems)
    narrowed = {name: _entries(f"narrow.{name}", part, problems) for name, part in sections["narrow"].items()}
    if not isinstance(tree.get("model", ""), str):
        problems.append(f"model must be text, not {shown(tree['model'])}")
    objectives, bounds = _texts("objective", tree, problems), _texts("limits", tree, problems)
    if not isinstance(tree.get("model"), str):
        return None, problems
    space = Space(
        model=tree["model"],
        objective=",".join(objectives) or "val/mpjpe_mm",
        limits=bounds,
        recipes=sections["recipes"] if "recipes" in tree else {DEFAULT: {}},
        base=sections["base"],
        search={path: domain for path, domain in search.items() if domain is not None},
        narrow={name: domains for name, (domains, _) in narrowed.items()},
        where=where,
        when=when,
        narrow_when={name: part for name, (_, part) in narrowed.items()},
        points=_points_of(tree, problems),
    )
    return space, problems


def _sections_of(tree: Mapping[str, Any], problems: list[str]) -> dict[str, Mapping[str, Any]]:
    """Returns the sections of a space as mappings; a malformed section becomes {} and is added to `problems`."""
    sections: dict[str, Mapping[str, Any]] = {}
    for key in ("recipes", "base", "search", "narrow"):
        value = tree.get(key) or {}
        if not isinstance(value, Mapping):
            problems.append(f"{key} must be a mapping, not {type(value).__name__}")
            value = {}
        sections[key] = value
    for key in ("recipes", "narrow"):
        bad = [name for name, part in sections[key].items() if not isinstance(part, Mapping)]
        problems += [f"{key}.{name} must be a mapping of dotted paths to values" for name in bad]
        sections[key] = {str(name): part for name, part in sections[key].items() if name not in bad}
    if "recipes" in tree and not sections["recipes"]:
        problems.append("recipes needs at least one entry; without recipes trial 0 is the model's default with base")
    return sections


def _texts(key: str, tree: Mapping[str, Any], problems: list[str]) -> tuple[str, ...]:
    """Returns an entry that is a text or a list of texts, () if it is not there; a malformed one is added to
    `problems`."""
    value = tree.get(key, [])
    texts = value if isinstance(value, list) else [value]
    if all(isinstance(text, str) for text in texts):
        return tuple(texts)
    problems.append(f"{key} must be text, or a list of texts, not {shown(value)}")
    return ()


def _points_of(tree: Mapping[str, Any], problems: list[str]) -> tuple[Mapping[str, Any], ...]:
    """Returns the points of a space; a malformed one is left out and added to `problems`."""
    points = tree.get("points") or []
    if not isinstance(points, list):
        problems.append("points must be a list of mappings of dotted paths to values")
        return ()
    for number, point in enumerate(points):
        if not isinstance(point, Mapping) or not point:
            problems.append(f"points[{number}] must be a mapping of dotted paths to values, found {shown(point)}")
    return tuple(point for point in points if isinstance(point, Mapping))


def _entries(
    table: str, entries: Mapping[str, Any], problems: list[str]
) -> tuple[dict[str, Domain | None], dict[str, When]]:
    """Reads the domains and conditions of `search`, or of a recipe in `narrow`; adds a message per fault to
    `problems`."""
    domains: dict[str, Domain | None] = {}
    conditions: dict[str, When] = {}
    for path, entry in entries.items():
        if entry is None and table != "search":
            domains[path] = None
            continue
        if entry is not None and not isinstance(entry, Mapping | list):
            problems.append(_lone(table, path, entry))
            continue
        plain, when = split_entry(entry)
        try:
            domains[path] = read_domain(plain)
        except ValueError as error:
            problems.append(f"{table}.{path}: {error}")
        try:
            if when is not None:
                conditions[path] = read_when(when)
        except ValueError as error:
            problems.append(f"{table}.{path}: {error}")
    return domains, conditions


def _lone(table: str, path: str, value: object) -> str:
    home = "base" if table == "search" else f"recipes.{table.removeprefix('narrow.')}"
    line = f"{path}: {shown(spelled(value))}"
    return f"{table}.{line} is a lone value, with nothing to search; put it in {home}, as the line '{line}'"
