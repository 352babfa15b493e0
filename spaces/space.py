"""Search space: a YAML file with a model's published recipes and the domains of the knobs to search around them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .domain_text import read_domain
from .domains import Choice, Domain, Float, Int, typed
from .errors import ConfigError, did_you_mean, shown
from .includes import FOLDER, find_space
from .schema import Knob
from .yaml_text import parse_yaml, read_text, read_yaml

__all__ = [
    "FOLDER",
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
_SECTIONS = ("model", "objective", "recipes", "base", "search", "narrow")


@dataclass(frozen=True, kw_only=True, slots=True)
class Space:
    """Search space of a sweep. `recipes`: recipe -> (dotted path -> fixed value), the first is the default; `base`:
    fixed values of all recipes; `search`: dotted path -> domain; `where`: the file, for messages.

    `narrow`: recipe -> domains that replace those of `search` (None: not searched), so that a small recipe searches
    small networks."""

    model: str
    objective: str
    recipes: Mapping[str, Mapping[str, Any]]
    base: Mapping[str, Any]
    search: Mapping[str, Domain]
    narrow: Mapping[str, Mapping[str, Domain | None]]
    where: str

    def fixed(self, recipe: str) -> dict[str, Any]:
        """Returns the fixed values of a recipe, dotted path -> value: the config of trial 0 before options override it.
        KeyError for an unknown recipe."""
        return dict(self.base) | dict(self.recipes[recipe])

    def domains(self, recipe: str) -> dict[str, Domain]:
        """Returns the domains that a sweep from this recipe searches, by dotted path."""
        joined = dict(self.search) | dict(self.narrow.get(recipe, {}))
        return {path: domain for path, domain in joined.items() if domain is not None}

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
                ends = (
                    () if domain is None else domain.values if isinstance(domain, Choice) else (domain.low, domain.high)
                )
                yield from _refusals(f"{table}.{path}", path, ends, knobs)
        for path in self.base.keys() & self.search.keys():
            yield f"{path} stands in base and in search; keep one"
        for name in self.narrow.keys() - self.recipes.keys():
            yield f"narrow.{name}: no such recipe{did_you_mean(name, self.recipes)}; recipes: {', '.join(self.recipes)}"


def _refusals(place: str, path: str, values: Any, knobs: Mapping[str, Knob]) -> Iterator[str]:
    if path not in knobs:
        yield f"{place}: no such knob{did_you_mean(str(path), knobs) or '; see the table of knobs in README.md'}"
        return
    for value in values:
        try:
            knobs[path].read(value)
        except ValueError as error:
            yield f"{place} = {shown(value)}: {error}"


@dataclass(frozen=True, slots=True)
class Draft:
    """Space file that may be invalid: its text, the space as far as it could be parsed (None without a model name), and
    every structural error."""

    where: str
    text: str
    space: Space | None
    faults: tuple[str, ...]


def read_draft(path: Path) -> Draft:
    """Reads a space file that may be invalid. ConfigError only if it cannot be read or is not YAML."""
    text = read_text(path)
    space, faults = survey_space(parse_yaml(text, str(path)), str(path))
    return Draft(str(path), text, space, tuple(faults))


def read_space(path: Path) -> Space:
    """Reads a space from a YAML file and checks its structure; `Space.check` checks it against the model's knobs.
    ConfigError lists every problem."""
    return parse_space(read_yaml(path), str(path))


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
        return None, [f"a space is a mapping with the keys {', '.join(_SECTIONS)}"]
    problems = [
        f"{shown(key)}: no such section{did_you_mean(shown(key), _SECTIONS)}; sections: {', '.join(_SECTIONS)}"
        for key in tree
        if key not in _SECTIONS
    ]
    problems += [f"{key} is missing" for key in ("model", "recipes", "search") if key not in tree]
    sections = _sections_of(tree, problems)
    search = _domains("search", sections["search"], problems)
    narrow = {name: _domains(f"narrow.{name}", part, problems) for name, part in sections["narrow"].items()}
    for name in ("model", "objective"):
        if not isinstance(tree.get(name, ""), str):
            problems.append(f"{name} must be text, not {shown(tree[name])}")
    if not isinstance(tree.get("model"), str):
        return None, problems
    objective = tree.get("objective")
    space = Space(
        model=tree["model"],
        objective=objective if isinstance(objective, str) else "val/mpjpe_mm",
        recipes=sections["recipes"],
        base=sections["base"],
        search={path: domain for path, domain in search.items() if domain is not None},
        narrow=narrow,
        where=where,
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
        problems.append("recipes needs at least one entry: trial 0 of a sweep is a recipe")
    return sections


def _domains(table: str, entries: Mapping[str, Any], problems: list[str]) -> dict[str, Domain | None]:
    found: dict[str, Domain | None] = {}
    for path, entry in entries.items():
        try:
            found[path] = None if entry is None and table != "search" else read_domain(entry)
        except ValueError as error:
            problems.append(f"{table}.{path}: {error}")
    return found
