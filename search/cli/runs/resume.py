"""Command-line options of `resume` and their validation."""

from __future__ import annotations

import argparse

from spaces.errors import ConfigError

from ...record.durations import read_duration
from ..command import where_of
from ..places import add_places, find_sweep
from ..storage import add_storage, check_uri
from .launch import SweepRequest


def add_resume_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `resume`: NAME, --time-budget, location."""
    parser.add_argument("name", metavar="NAME", help="the interrupted sweep")
    add_limit(parser)
    add_storage(parser)
    add_places(parser)


def add_limit(parser: argparse.ArgumentParser) -> None:
    """Adds the option --time-budget of a sweep that goes on."""
    parser.add_argument(
        "--time-budget", metavar="2h", help="a new wall-clock limit, from now on (default: what is left of the sweep's)"
    )


def check_resume(options: argparse.Namespace) -> SweepRequest:
    """Validates the options of `resume`. ConfigError for an unknown sweep or an invalid time limit."""
    folder = find_sweep(options.storage, options.name)
    check_uri(options, folder, "resume", is_needed=True)
    return SweepRequest(
        name=options.name,
        plan=None,
        folder=folder.resolve(),
        where=where_of(options),
        time_budget_s=limit_of(options, "resume"),
    )


def limit_of(options: argparse.Namespace, verb: str) -> float | None:
    """Reads --time-budget in seconds; None without it. ConfigError for anything but a duration above 0."""
    if options.time_budget is None:
        return None
    try:
        seconds = read_duration(options.time_budget)
    except ValueError as error:
        raise ConfigError(verb, [f"--time-budget: {error}"]) from None
    if seconds <= 0:
        raise ConfigError(verb, [f"--time-budget {options.time_budget}: must be above 0"])
    return seconds
