"""Command-line options of `show` and their validation."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spaces.cli import whole_number
from spaces.errors import ConfigError

from ...record.journal import FILE, Journal
from ...record.plan import MOST_TRIALS
from ..command import Where, where_of
from ..places import add_json, add_places, find_sweep, trial_problems
from ..storage import add_storage, check_uri

# Option -> those that it does not go with, and why.
_APART = {
    "--csv": (
        ("--json", "--follow", "--trial", "--trials", "--wide", "--advice"),
        "it writes every trial with every knob",
    ),
    "--follow": (("--json", "--trial", "--trials", "--wide", "--advice"), "it prints events and no table"),
    "--wide": (("--json",), "JSON has every knob anyway"),
    "--trial": (("--trials", "--advice"), "it is about one trial"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ShowRequest:
    """Validated request of `show`. `trial`: number of the one to show (None: the leaderboard); `most`: number of the
    best trials to list (None: all); `is_wide`: all columns, however wide the terminal; `as_csv`: every trial as CSV;
    `follows`: the events of the sweep from now on; `has_advice`: advice on the sweep, below the leaderboard."""

    name: str
    storage: Path
    as_json: bool
    where: Where
    trial: int | None = None
    most: int | None = None
    is_wide: bool = False
    as_csv: bool = False
    follows: bool = False
    has_advice: bool = False


def add_show_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `show`: NAME, --trial, --trials, --wide, --csv, --follow, --advice, location and
    --json."""
    parser.add_argument("name", metavar="NAME", help="the sweep")
    parser.add_argument("--trial", metavar="ID", help="number of a trial, to print all that is known of it")
    parser.add_argument(
        "--trials", metavar="N", type=whole_number(1, MOST_TRIALS), help="list the N best trials (default: all)"
    )
    parser.add_argument(
        "--wide", action="store_true", help="all columns; without it a terminal gets those that fit its width"
    )
    parser.add_argument("--csv", action="store_true", help="print every trial with every knob, score and cost as CSV")
    parser.add_argument(
        "--follow", action="store_true", help="print what happens in the sweep as it is recorded, until it has closed"
    )
    parser.add_argument("--advice", action="store_true", help="below the leaderboard, how to search on")
    add_storage(parser)
    add_places(parser)
    add_json(parser)


def check_show(options: argparse.Namespace) -> ShowRequest:
    """Validates the options of `show`. ConfigError for an unknown sweep or trial, and for options that do not go
    together."""
    folder = find_sweep(options.storage, options.name)
    check_uri(options, folder, "show")
    problems = list(_clashes(options))
    if options.trial is not None:
        problems += trial_problems(options.trial, Journal(folder / FILE))
    if problems:
        raise ConfigError("show", problems)
    return ShowRequest(
        name=options.name,
        storage=options.storage,
        as_json=options.as_json,
        where=where_of(options),
        trial=None if options.trial is None else int(options.trial),
        most=options.trials,
        is_wide=options.wide,
        as_csv=options.csv,
        follows=options.follow,
        has_advice=options.advice,
    )


def _clashes(options: argparse.Namespace) -> Iterator[str]:
    given = {
        "--json": options.as_json,
        "--csv": options.csv,
        "--follow": options.follow,
        "--wide": options.wide,
        "--trial": options.trial is not None,
        "--trials": options.trials is not None,
        "--advice": options.advice,
    }
    for flag, (others, why) in _APART.items():
        found = [other for other in others if given[flag] and given[other]]
        if found:
            yield f"{flag} does not go with {', '.join(found)}: {why}; leave one out"
