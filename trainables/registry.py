"""The models that are here: one folder each under trainables/models, found, not listed."""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from typing import Any

from spaces.errors import ConfigError, did_you_mean

from .entry import Model, ModelConfig, ModelEntry, Traits

FOLDER = Path(__file__).parent / "models"


@functools.cache
def names() -> tuple[str, ...]:
    """Every model, by name."""
    return tuple(sorted(path.parent.name for path in FOLDER.glob("*/__init__.py")))


def entry(name: str) -> ModelEntry:
    """A model's record; ConfigError for an unknown one offers the nearest."""
    if name not in names():
        near = did_you_mean(name, names())
        raise ConfigError(f"model '{name}'", [f"is not here{near or '.'} Models: {', '.join(names())}"])
    found = importlib.import_module(f"trainables.models.{name}").ENTRY
    assert isinstance(found, ModelEntry), f"trainables/models/{name}/__init__.py: ENTRY is {found!r}"
    assert found.name == name, f"trainables/models/{name}: ENTRY is named {found.name}"
    return found


def _part(name: str, part: str) -> Any:
    module, _, attribute = part.partition(":")
    return getattr(importlib.import_module(f"trainables.models.{name}.{module}"), attribute)


@functools.cache
def config(name: str) -> ModelConfig:
    """What configuration needs of a model, without torch."""
    found = entry(name)
    fixed = Traits(reads=found.reads, unfusable=found.unfusable)
    return ModelConfig(
        network=_part(name, found.network),
        objective=_part(name, found.objective),
        laws=_part(name, found.laws),
        traits=_part(name, found.traits) if found.traits else lambda network: fixed,
        selectable=found.selectable,
        can_flip=not found.scores,
    )


@functools.cache
def get(name: str) -> Model:
    """A model whole."""
    found, light = entry(name), config(name)
    return Model(
        name=name,
        network=light.network,
        objective=light.objective,
        laws=light.laws,
        traits=light.traits,
        build=_part(name, found.build),
        rename=_part(name, found.rename),
        terms=_part(name, found.terms),
        poses=_part(name, found.poses),
        scores=_part(name, found.scores) if found.scores else None,
        meshes=_part(name, found.meshes) if found.meshes else None,
        surface=_part(name, found.surface) if found.surface else None,
        tiny=found.tiny,
        strangers=found.strangers,
        demands=_part(name, found.demands) if found.demands else None,
        begin=_part(name, found.begin) if found.begin else None,
        trunk=_part(name, found.trunk) if found.trunk else None,
        infer=_part(name, found.infer) if found.infer else None,
        spares=_part(name, found.spares) if found.spares else None,
    )
