"""Models, recipes and knobs that are here, as rows of the tables of `list`. Needs no torch."""

from __future__ import annotations

import dataclasses
from typing import Any

from data.config import DataConfig, Sizes
from spaces.domain_text import entry_of, entry_text
from spaces.domains import typed
from spaces.schema import spelled, type_name
from spaces.space import Space, find_space, read_space
from spaces.yaml_text import comments_above, read_text
from trainables import registry
from trainables.config import knobs_of

# Sizes with which a model is asked whether it takes windows and several views.
_WINDOW, _VIEWS = 27, 4


def model_rows() -> list[dict[str, Any]]:
    """Lists the models: name, one line on each, what it reads (`data`: poses, images or meshes; `frames`, `views`: one
    or several in a sample), and its recipes."""
    return [
        {"model": name, "about": registry.about(name), **_reads(name), "recipes": list(_space(name).recipes)}
        for name in registry.names()
    ]


def _reads(name: str) -> dict[str, str]:
    model = registry.config(name)
    network, sizes = model.network(), DataConfig().sizes
    fields = model.traits(network).reads
    kind = "meshes" if "betas" in fields else "images" if {"image", "features"} & {*fields} else "poses"

    def takes(knob: str, asked: Sizes) -> str:
        return "one" if f"data.{knob}" in dict(model.laws(network, asked)) else "several"

    return {
        "data": kind,
        "frames": takes("frames", dataclasses.replace(sizes, frames=_WINDOW)),
        "views": takes("views", dataclasses.replace(sizes, views=_VIEWS)),
    }


def recipe_rows() -> list[dict[str, Any]]:
    """Lists the recipes of every model, the default of a sweep first: model, recipe, the split or set that it names
    (None: it names none), epochs, and what it is, from the comment above it in the model's space."""
    rows = []
    for name in registry.names():
        space, known = _space(name), knobs_of(name)
        notes = comments_above(read_text(find_space(name)), "recipes")
        for recipe in space.recipes:
            fixed = space.fixed(recipe)
            rows.append(
                {
                    "model": name,
                    "recipe": recipe,
                    "data": fixed.get("data.name"),
                    "epochs": fixed.get("loop.epochs", known["loop.epochs"].default),
                    "about": notes.get(recipe, ""),
                }
            )
    return rows


def knob_rows(model: str) -> list[dict[str, Any]]:
    """Lists the knobs of a model: dotted path, type, default as `--set` takes it (None: it has none), allowed values,
    unit, meaning, and `searched`: recipe -> the entry of the space that searches it from there, without those that do
    not. ConfigError for an unknown model."""
    space = _space(model)
    return [
        {
            "knob": path,
            "type": type_name(one.type),
            "default": None if one.default is dataclasses.MISSING else spelled(one.default),
            "allowed": one.allowed.removeprefix(type_name(one.type)).removeprefix(" and "),
            "unit": one.unit,
            "searched": _searched(space, path, one),
            "meaning": one.help,
        }
        for path, one in knobs_of(model).items()
    ]


def _searched(space: Space, path: str, knob: Any) -> dict[str, dict[str, Any]]:
    found = {}
    for recipe in space.recipes:
        domain, when = space.domains(recipe).get(path), space.conditions(recipe).get(path)
        if domain is not None:
            held = {} if when is None else {"when": {other: list(values) for other, values in when.items()}}
            found[recipe] = {**entry_of(typed(domain, knob)), **held}
    return found


def searched_text(searched: dict[str, dict[str, Any]], recipes: list[str]) -> str:
    """Formats where a knob is searched: its domain in the first of `recipes`, then `RECIPE: domain` of those with
    another, `-` where they do not search it; '' if none does."""
    if not searched:
        return ""
    texts = {recipe: _domain_text(searched[recipe]) if recipe in searched else "-" for recipe in recipes}
    usual = texts[recipes[0]]
    others: dict[str, list[str]] = {}
    for recipe, text in texts.items():
        if text != usual:
            others.setdefault(text, []).append(recipe)
    return "; ".join([usual, *(f"{', '.join(names)}: {text}" for text, names in others.items())])


def _domain_text(entry: dict[str, Any]) -> str:
    return entry_text({name: value for name, value in entry.items() if name != "when"}, entry.get("when"))


def recipes_of(model: str) -> list[str]:
    """Lists the recipes of a model, the default of a sweep first."""
    return list(_space(model).recipes)


def _space(model: str) -> Space:
    return read_space(find_space(model))
