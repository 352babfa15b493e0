"""Options of `list` and `show`, and the checked request made from them."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from .places import add_json, add_places, add_storage, find_sweep


@dataclass(frozen=True, kw_only=True, slots=True)
class LookRequest:
    """Sweeps to look at; `name` is empty for all."""

    name: str
    storage: Path
    as_json: bool


def add_list_options(parser: argparse.ArgumentParser) -> None:
    """Where to look, and how to print."""
    add_storage(parser)
    add_places(parser)
    add_json(parser)


def check_list(options: argparse.Namespace) -> LookRequest:
    """The request."""
    return LookRequest(name="", storage=options.storage, as_json=options.as_json)


def add_show_options(parser: argparse.ArgumentParser) -> None:
    """NAME, where to look, and how to print."""
    parser.add_argument("name", metavar="NAME", help="the sweep")
    add_list_options(parser)


def check_show(options: argparse.Namespace) -> LookRequest:
    """The request, or ConfigError when there is no such sweep."""
    find_sweep(options.storage, options.name)
    return LookRequest(name=options.name, storage=options.storage, as_json=options.as_json)
