"""Options of `new-model`, and the checked request made from them."""

from __future__ import annotations

import argparse

from spaces.errors import ConfigError
from trainables.templates.skeleton import LONGEST, NewModel, name_problems


def add_new_model_options(parser: argparse.ArgumentParser) -> None:
    """NAME."""
    parser.add_argument(
        "name",
        metavar="NAME",
        help=f"name of the model, its folder and its space: small letters, digits, underscores; at most {LONGEST}",
    )


def check_new_model(options: argparse.Namespace) -> NewModel:
    """The request, or ConfigError with all that is wrong with the name or the place."""
    if problems := name_problems(options.name):
        raise ConfigError(f"new-model '{options.name}'", problems)
    return NewModel(name=options.name)
