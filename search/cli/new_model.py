"""Command-line options of `new-model` and their validation."""

from __future__ import annotations

import argparse

from spaces.errors import ConfigError
from trainables.templates.skeleton import LONGEST, NewModel, name_problems


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
