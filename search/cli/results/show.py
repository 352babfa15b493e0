"""Command-line options of `list` and `show` and their validation."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from spaces.errors import ConfigError

from ...record.journal import FILE, Journal
from ..command import Where, where_of
from ..places import add_json, add_places, find_sweep, trial_problems
from ..storage import add_storage, check_uri, refuse_uri


@dataclass(frozen=True, kw_only=True, slots=True)
class LookRequest:
    """Validated request of `list` or `show`. `name`: the sweep, '' for all; `trial`: number of the one to show (None:
    the leaderboard); `has_advice`: whether advice on the sweep follows the leaderboard."""

    name: str
    storage: Path
    as_json: bool
    where: Where
    trial: int | None = None
    has_advice: bool = False


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
    """Adds the options of `show`: NAME, --trial, --advice, location and --json."""
    parser.add_argument("name", metavar="NAME", help="the sweep")
    parser.add_argument("--trial", metavar="ID", help="number of a trial, to print all that is known of it")
    parser.add_argument(
        "--advice", dest="has_advice", action="store_true", help="below the leaderboard, how to search on"
    )
    add_list_options(parser)


def check_show(options: argparse.Namespace) -> LookRequest:
    """Validates the options of `show`. ConfigError for an unknown sweep or trial, and for advice on a single trial."""
    folder = find_sweep(options.storage, options.name)
    check_uri(options, folder, "show")
    problems = [] if options.trial is None else trial_problems(options.trial, Journal(folder / FILE))
    if options.trial is not None and options.has_advice:
        problems.append("--advice is about a whole sweep; leave out --trial, or --advice")
    if problems:
        raise ConfigError("show", problems)
    return LookRequest(
        name=options.name,
        storage=options.storage,
        as_json=options.as_json,
        where=where_of(options),
        trial=None if options.trial is None else int(options.trial),
        has_advice=options.has_advice,
    )
