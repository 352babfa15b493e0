"""Command-line options of `clean` and their validation."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from ..places import add_json, find_sweep
from ..storage import add_storage, check_uri, refuse_uri


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanRequest:
    """Validated request of `clean`. `name`: the sweep, '' for all of `storage` and for what Ray has left on this
    machine; `weights`: whether weights of trials that are not the best go, too; `is_agreed`: nobody is asked."""

    name: str
    storage: Path
    weights: bool
    is_agreed: bool
    as_json: bool


def add_clean_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `clean`: NAME, --weights, --yes, --storage, --json."""
    parser.add_argument(
        "name", metavar="NAME", nargs="?", default="", help="only this sweep (default: all, and what Ray left here)"
    )
    parser.add_argument(
        "--weights", action="store_true", help="also the weights of ended trials other than their sweep's best"
    )
    parser.add_argument("--yes", action="store_true", help="remove what is found without asking")
    add_storage(parser)
    add_json(parser)


def check_clean(options: argparse.Namespace) -> CleanRequest:
    """Validates the options of `clean`. ConfigError for an unknown sweep, or a --storage URI that is not its own."""
    if options.name:
        check_uri(options, find_sweep(options.storage, options.name), "clean")
    else:
        refuse_uri(options, "clean")
    return CleanRequest(
        name=options.name,
        storage=options.storage,
        weights=options.weights,
        is_agreed=options.yes,
        as_json=options.as_json,
    )
