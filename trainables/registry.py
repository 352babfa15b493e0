"""The models that are here: one folder each under trainables/models, found, not listed."""

from __future__ import annotations

import dataclasses
import functools
import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from spaces.errors import ConfigError, did_you_mean

from .entry import Entry, Model, ModelConfig

FOLDER = Path(__file__).parent / "models"
SHOWN = "trainables/models"  # that folder in messages
HOOKS = {one.name: one for one in dataclasses.fields(Model) if one.metadata}

Kind = TypeVar("Kind", bound=ModelConfig)


def names() -> tuple[str, ...]:
    """Every model, by name."""
    return tuple(sorted(path.parent.name for path in FOLDER.glob("*/__init__.py")))


@functools.cache
def config(name: str) -> ModelConfig:
    """The part of a model that configuration needs, loaded without torch; ConfigError for an unknown model."""
    return _loaded(ModelConfig, name)


@functools.cache
def get(name: str) -> Model:
    """A whole model; ConfigError for an unknown one offers the nearest."""
    return _loaded(Model, name)


def about(name: str) -> str:
    """One line on a model, from the docstring of its package, without torch; ConfigError for an unknown model."""
    _entry(name)
    first = (importlib.import_module(f"trainables.models.{name}").__doc__ or "").strip().partition("\n")[0]
    return first.strip()


def _entry(name: str) -> Entry:
    """ENTRY of a model's package; ConfigError lists all that is no hook."""
    if name not in names():
        near = did_you_mean(name, names())
        raise ConfigError(f"model '{name}'", [f"is not here{near or '.'} Models: {', '.join(names())}"])
    found = getattr(importlib.import_module(f"trainables.models.{name}"), "ENTRY", None)
    where = f"{SHOWN}/{name}/__init__.py"
    if not isinstance(found, Mapping):
        raise ConfigError(where, [f"ENTRY must be a mapping of hooks to places, found {found!r}"])
    problems = [
        f"ENTRY has {key!r}, which is no hook{did_you_mean(str(key), HOOKS) or '; hooks: ' + ', '.join(HOOKS)}"
        for key in found
        if key not in HOOKS
    ]
    problems += [
        f"ENTRY has {key} = {value!r}, which is no place; write 'module:attribute'"
        for key, value in found.items()
        if key in HOOKS and "place" in HOOKS[key].metadata and not _is_place(value)
    ]
    if problems:
        raise ConfigError(where, problems)
    return found


def _is_place(value: object) -> bool:
    return isinstance(value, str) and all(part.isidentifier() for part in value.split(":")) and value.count(":") == 1


def _loaded(kind: type[Kind], name: str) -> Kind:
    """A model's record of this kind, its parts imported; ConfigError lists all that are missing."""
    given, problems = _entry(name), []
    values: dict[str, Any] = {"name": name}
    for hook in dataclasses.fields(kind):
        if "place" not in hook.metadata:
            values |= {hook.name: given[hook.name]} if hook.name in given else {}
        elif place := given.get(hook.name, hook.metadata["place"]):
            module, _, attribute = str(place).partition(":")
            if missing := _missing(name, module, attribute):
                remedy = f"define it, or name its place in ENTRY of __init__.py: {{'{hook.name}': 'module:attribute'}}"
                problems.append(f"{missing}, for the hook {hook.metadata['help']}; {remedy}")
            else:
                values[hook.name] = getattr(_module(name, module), attribute)
    if problems:
        raise ConfigError(f"{SHOWN}/{name}", problems)
    return kind(**values)


def _module(name: str, module: str) -> ModuleType:
    return importlib.import_module(f"trainables.models.{name}.{module}")


def _missing(name: str, module: str, attribute: str) -> str:
    """Why a model's package has no such part; '' if it has. A module that fails by itself keeps its traceback."""
    try:
        found = _module(name, module)
    except ModuleNotFoundError as error:
        if error.name != f"trainables.models.{name}.{module}":
            raise
        return f"there is no {module}.py with {attribute}"
    return "" if hasattr(found, attribute) else f"{module}.py has no {attribute}"
