"""Command-line options of `report` and their validation."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from spaces.errors import ConfigError
from spaces.files import target_problems

from ..command import Where, where_of
from ..places import add_places, find_sweep
from ..storage import add_storage, refuse_uri


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportRequest:
    """Validated request of `report`. `names`: the sweeps; `out`: HTML file to write; `has_scores`: weights are scored
    on the test subjects, where they have not been."""

    names: tuple[str, ...]
    storage: Path
    out: Path
    has_scores: bool
    where: Where


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `report`: NAME, --out, --force, --no-scores, location."""
    parser.add_argument("names", metavar="NAME", nargs="+", help="the sweep, or several to put side by side")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="HTML file to write")
    parser.add_argument("--force", action="store_true", help="replace an existing file")
    parser.add_argument(
        "--no-scores",
        dest="has_scores",
        action="store_false",
        help="do not score the best trial and the recipe on the test subjects; scores that an earlier report has kept "
        "are shown all the same, and of several sweeps those alone",
    )
    add_storage(parser)
    add_places(parser)


def check_report(options: argparse.Namespace) -> ReportRequest:
    """Validates the options of `report`. ConfigError for unknown sweeps, one that is named twice, and a file that
    exists already or cannot be written."""
    refuse_uri(options, "report")
    problems = []
    for name in dict.fromkeys(options.names):
        try:
            find_sweep(options.storage, name)
        except ConfigError as error:
            problems += error.problems_in("report")
        if (count := options.names.count(name)) > 1:
            problems.append(f"{name}: named {count} times; name each sweep once")
    problems += target_problems(options.out, force=options.force)
    if problems:
        raise ConfigError("report", problems)
    return ReportRequest(
        names=tuple(options.names),
        storage=options.storage,
        out=options.out,
        has_scores=options.has_scores,
        where=where_of(options),
    )
