"""Command-line options of `launch` that say what is tried first, and their validation."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...record.plan import Plan
from ...record.points.first import with_first_points
from ..places import find_sweep


def add_first_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options --enqueue and --from."""
    parser.add_argument(
        "--enqueue",
        action="append",
        default=[],
        metavar="CONFIG",
        help="a config, as `export` writes it, that is tried right after the recipe; may be given again",
    )
    parser.add_argument(
        "--from",
        metavar="SWEEP",
        help="an earlier sweep of the model (warm start): its best points are tried first, then what its sampler would "
        "draw next",
    )


def with_first(plan: Plan, options: argparse.Namespace) -> Plan:
    """Returns the plan with the points of --enqueue and --from. ConfigError lists every problem."""
    return with_first_points(plan, map(Path, options.enqueue), earlier_sweep(options))


def earlier_sweep(options: argparse.Namespace) -> Path | None:
    """Returns the folder of the sweep that --from names, if any. ConfigError if there is none of the name."""
    name = getattr(options, "from")
    return None if name is None else find_sweep(options.storage, name)
