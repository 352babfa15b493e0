"""Command-line options of `list` and `show` and their validation."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from .command import Where, where_of
from .places import add_json, add_places, find_sweep
from .storage import add_storage, check_uri, refuse_uri


@dataclass(frozen=True, kw_only=True, slots=True)
class LookRequest:
    """Validated request of `list` or `show`. `name`: the sweep, '' for all."""

    name: str
    storage: Path
    as_json: bool
    where: Where


def add_list_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `list`: location and --json."""
    add_storage(parser)
    add_places(parser)
    add_json(parser)


def check_list(options: argparse.Namespace) -> LookRequest:
    """Validates the options of `list`. ConfigError for a --storage URI: sweeps are looked up in a folder."""
    refuse_uri(options, "list")
    return LookRequest(name="", storage=options.storage, as_json=options.as_json, where=where_of(options))


def add_show_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `show`: NAME, location and --json."""
    parser.add_argument("name", metavar="NAME", help="the sweep")
    add_list_options(parser)


def check_show(options: argparse.Namespace) -> LookRequest:
    """Validates the options of `show`. ConfigError for an unknown sweep."""
    check_uri(options, find_sweep(options.storage, options.name), "show")
    return LookRequest(name=options.name, storage=options.storage, as_json=options.as_json, where=where_of(options))
