"""Command-line options of `resume` and their validation."""

from __future__ import annotations

import argparse

from spaces.errors import ConfigError
from spaces.schema import load

from ...record.durations import read_duration
from ...record.plan import SweepConfig
from ...record.records import OpenRow
from ..command import where_of
from ..places import add_places, add_progress, find_sweep
from ..storage import add_storage, check_uri
from .launch import SweepRequest


def add_resume_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `resume`: NAME, new limits, location."""
    parser.add_argument("name", metavar="NAME", help="the interrupted sweep")
    add_limit(parser)
    add_progress(parser)
    add_storage(parser)
    add_places(parser)


def add_limit(parser: argparse.ArgumentParser) -> None:
    """Adds the options --time-budget and --gpu-hours of a sweep that goes on."""
    parser.add_argument(
        "--time-budget", metavar="2h", help="a new wall-clock limit, from now on (default: what is left of the sweep's)"
    )
    parser.add_argument(
        "--gpu-hours", metavar="X", help="a new limit of device-hours, from now on (default: what is left of it)"
    )


def check_resume(options: argparse.Namespace) -> SweepRequest:
    """Validates the options of `resume`. ConfigError for an unknown sweep or an invalid limit."""
    folder = find_sweep(options.storage, options.name)
    check_uri(options, folder, "resume", is_needed=True)
    return SweepRequest(
        name=options.name,
        plan=None,
        folder=folder.resolve(),
        where=where_of(options),
        limits=limits_of(options, "resume"),
        progress=options.progress,
    )


def limits_of(options: argparse.Namespace, verb: str) -> OpenRow:
    """Reads --time-budget and --gpu-hours, the new limits of a sweep that goes on. ConfigError lists what is no
    duration and no number above 0."""
    problems: list[str] = []
    seconds = hours = None
    if options.time_budget is not None:
        try:
            seconds = read_duration(options.time_budget)
        except ValueError as error:
            problems.append(f"--time-budget: {error}")
        if seconds is not None and seconds <= 0:
            problems.append(f"--time-budget {options.time_budget}: must be above 0")
    if options.gpu_hours is not None:
        try:
            hours = load(SweepConfig, {"gpu_hours": options.gpu_hours}, verb).gpu_hours
        except ConfigError as error:
            problems += error.problems_in(verb)
    if problems:
        raise ConfigError(verb, problems)
    return OpenRow(time_budget_s=seconds, gpu_hours=hours)
