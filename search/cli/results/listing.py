"""Command-line options of `list` and their validation."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from spaces.errors import ConfigError
from trainables.config import knobs_of

from ..command import Where, where_of
from ..places import add_json, add_places
from ..storage import add_storage, refuse_uri

# What `list` lists.
SWEEPS, MODELS, RECIPES, KNOBS = "sweeps", "models", "recipes", "knobs"


@dataclass(frozen=True, kw_only=True, slots=True)
class ListRequest:
    """Validated request of `list`. `what`: SWEEPS, MODELS, RECIPES or KNOBS; `model`: whose knobs, else ''."""

    what: str
    model: str
    storage: Path
    as_json: bool
    where: Where


def add_list_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `list`: --models, --recipes, --knobs, location and --json."""
    parser.add_argument("--models", action="store_true", help="instead of the sweeps: the models, and what they read")
    parser.add_argument("--recipes", action="store_true", help="instead of the sweeps: the recipes of every model")
    parser.add_argument(
        "--knobs",
        metavar="MODEL",
        help="instead of the sweeps: a model's knobs, and where its space searches them",
    )
    add_storage(parser)
    add_places(parser)
    add_json(parser)


def check_list(options: argparse.Namespace) -> ListRequest:
    """Validates the options of `list`. ConfigError for two tables at once, an unknown model, and a --storage URI:
    sweeps are looked up in a folder."""
    given = {
        f"--{MODELS}": options.models,
        f"--{RECIPES}": options.recipes,
        f"--{KNOBS}": options.knobs is not None,
    }
    chosen = [flag for flag, is_given in given.items() if is_given]
    if len(chosen) > 1:
        raise ConfigError("list", [f"{' and '.join(chosen)} are tables of their own; give one of them at a time"])
    refuse_uri(options, "list")
    if options.knobs is not None:
        knobs_of(options.knobs)
    return ListRequest(
        what=chosen[0].removeprefix("--") if chosen else SWEEPS,
        model=options.knobs or "",
        storage=options.storage,
        as_json=options.as_json,
        where=where_of(options),
    )
