"""Finds the YAML file of a space, and joins it with the files that it includes."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from .errors import ConfigError, did_you_mean, shown
from .yaml_text import read_yaml

FOLDER = Path(__file__).parent
INCLUDE = "include"
DEFAULT = "default"  # the recipe of a space without recipes
MOST_NESTED = 20  # files in one another


def _models() -> dict[str, Path]:
    return {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}


def find_space(name: str) -> Path:
    """Returns the file of a space. `name`: a model, or a path to a YAML file. ConfigError suggests the nearest
    model."""
    known = _models()
    if name in known:
        return known[name]
    path = Path(name)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        return path
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        raise ConfigError(
            name, ["there is no such space file; give a path to a YAML space or one of: " + ", ".join(known)]
        )
    raise ConfigError(f"model '{name}'", [f"is not here{did_you_mean(name, known) or '.'} Models: {', '.join(known)}"])


def with_includes(tree: Mapping[str, Any], path: Path) -> tuple[dict[str, Any], list[str]]:
    """Joins a space with the files that its key `include` names, and those with theirs: later files win over earlier
    ones, the space itself over all. Returns the joined tree, without the key, and a message per fault.

    `tree`: the parsed file; `path`: where it lies, as paths in it are relative to it."""
    return _Joiner().join(tree, path, ())


class _Joiner:
    """Joins files of spaces. Each is read once, however many others include it."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[dict[str, Any], list[str]]] = {}

    def join(self, tree: Mapping[str, Any], path: Path, above: tuple[Path, ...]) -> tuple[dict[str, Any], list[str]]:
        """Joins a tree with its includes. `above`: files that include this one, the outermost first."""
        joined: dict[str, Any] = {}
        faults: list[str] = []
        names = tree.get(INCLUDE) or []
        for name in names if isinstance(names, list) else [names]:
            try:
                below, found = self._read(name, path, (*above, path.resolve()))
            except ConfigError as error:
                below, found = {}, list(error.problems)
            joined = _over(joined, below)
            faults += [fault for fault in found if fault not in faults]
        return _over(joined, {key: value for key, value in tree.items() if key != INCLUDE}), faults

    def _read(self, name: object, path: Path, above: tuple[Path, ...]) -> tuple[dict[str, Any], list[str]]:
        """Reads an included file and joins it with its own includes. ConfigError, with `path` in it, if there is no
        such file, it is no space, or it lies in `above`."""
        file = _file_of(name, path)
        place = file.resolve()
        if place in above:
            names = " -> ".join(one.name for one in (*above[above.index(place) :], file))
            raise ConfigError(str(path), [f"include: {names}: these files include each other in a circle"])
        if len(above) > MOST_NESTED:
            deep = f"files include each other more than {MOST_NESTED} deep"
            raise ConfigError(str(path), [f"include: {file.name}: {deep}"])
        if place not in self._known:
            try:
                tree = read_yaml(file)
            except ConfigError as error:
                raise ConfigError(str(path), [f"include: {error}"]) from None
            if not isinstance(tree, Mapping):
                raise ConfigError(str(path), [f"include: {file}: is no space, which is a mapping"])
            self._known[place] = self.join(tree, file, above)
        return self._known[place]


def _file_of(name: object, path: Path) -> Path:
    """Returns the file that an include in the file `path` means: a model's space, or a path relative to that file.
    ConfigError if there is none."""
    known = _models()
    if isinstance(name, str) and name in known:
        return known[name]
    if not isinstance(name, str) or not name:
        raise ConfigError(str(path), [f"include needs a model or a path to a YAML file, found {shown(name)}"])
    file = path.parent / name
    if not file.is_file():
        near = did_you_mean(name, known) or f"; models: {', '.join(known)}"
        raise ConfigError(str(path), [f"include: {shown(name)}: there is no such file in {path.parent}{near}"])
    return file


def _over(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Joins two spaces, of which the upper one wins knob by knob: a knob that it fixes in `base` is no longer searched
    or set by a recipe below, one that it searches is no longer narrowed below, and where it was fixed, that is the
    recipes' value. One with an empty entry in its `search` is taken out. Other parts, and malformed ones, are replaced
    whole."""
    fixed, searched = _part(upper, "base"), _part(upper, "search")
    taken_out = [path for path, entry in searched.items() if entry is None and path in _part(lower, "search")]
    freed = {path: value for path, value in _part(lower, "base").items() if searched.get(path) is not None}
    joined = {**lower, **upper}
    for key, gone in (("base", freed), ("search", fixed)):
        if _are_mappings(lower, upper, key):
            joined[key] = {**_without(lower[key], gone), **_part(upper, key)}
    for key, gone in (("recipes", fixed), ("narrow", {**fixed, **searched})):
        if _are_mappings(lower, upper, key):
            below, own = {name: _without(one, gone) for name, one in lower[key].items()}, _part(upper, key)
            # Its own come first: the first recipe is the default.
            joined[key] = {name: _both(below, own, name) for name in {**own, **below}}
    if taken_out:
        joined["search"] = _without(joined["search"], taken_out)
    if freed:
        recipes = _part(joined, "recipes") or {DEFAULT: {}}
        joined["recipes"] = {
            name: {**freed, **one} if isinstance(one, Mapping) else one for name, one in recipes.items()
        }
    return joined


def _part(tree: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = tree.get(key)
    return part if isinstance(part, Mapping) else {}


def _are_mappings(lower: Mapping[str, Any], upper: Mapping[str, Any], key: str) -> bool:
    """Returns whether a part of the lower space is a mapping, and that of the upper one is, or is empty."""
    return isinstance(lower.get(key), Mapping) and isinstance(upper.get(key), Mapping | None)


def _without(part: Any, gone: Container[str]) -> Any:
    return {path: one for path, one in part.items() if path not in gone} if isinstance(part, Mapping) else part


def _both(below: Mapping[str, Any], own: Mapping[str, Any], name: str) -> Any:
    """Joins the entries of one recipe."""
    if name in below and isinstance(below[name], Mapping) and isinstance(own.get(name), Mapping | None):
        return {**below[name], **(own.get(name) or {})}
    return own[name]
