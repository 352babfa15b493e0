"""Command-line options of `new-model` and their validation."""

from __future__ import annotations

import argparse
import importlib.util
import keyword
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spaces import space
from spaces.errors import ConfigError

from .. import registry

LONGEST = 40  # characters of a name; lines of the template have room for as many


@dataclass(frozen=True, kw_only=True, slots=True)
class NewModel:
    """The name of a model to be written."""

    name: str


def name_problems(name: str) -> list[str]:
    """Returns why no model of this name can be written here, one message per problem."""
    return list(_faults(name))


def _faults(name: str) -> Iterator[str]:
    if len(name) > LONGEST:
        yield f"has {len(name)} characters; at most {LONGEST} are allowed"
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        near = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_0123456789")[:LONGEST].rstrip("_")
        offer = f"; for example {near}" if near and not list(_faults(near)) else ""
        yield f"must be small letters, digits and single underscores, with a letter first{offer}"
        return
    if keyword.iskeyword(name):
        yield "is a keyword of Python; choose another name"
    elif importlib.util.find_spec(name) is not None:
        yield f"is a module that code imports as `import {name}`; choose another name"
    for path, shown in (
        (registry.FOLDER / name, f"trainables/models/{name}"),
        (space_file(name), f"spaces/{name}.yaml"),
    ):
        if path.exists():
            yield f"{shown} exists and is not overwritten; choose another name or remove it"
        elif not os.access(path.parent, os.W_OK | os.X_OK):
            yield f"{path.parent} is not writable; run this in a clone of the repository whose files are yours"


def space_file(name: str) -> Path:
    """Returns the path of a model's space."""
    return space.FOLDER / f"{name}.yaml"


def add_new_model_options(parser: argparse.ArgumentParser) -> None:
    """Adds the option of `new-model`: NAME."""
    parser.add_argument(
        "name",
        metavar="NAME",
        help=f"name of the model, its folder and its space: small letters, digits, underscores; at most {LONGEST}",
    )


def check_new_model(options: argparse.Namespace) -> NewModel:
    """Validates the options of `new-model`. ConfigError for an invalid name, one that is taken, or a folder that is not
    writable."""
    if problems := name_problems(options.name):
        raise ConfigError(f"new-model '{options.name}'", problems)
    return NewModel(name=options.name)
