"""Command-line options of `fork` and their validation."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from spaces.errors import ConfigError

from ...record.journal import FILE, Journal, is_held
from ...record.records import ExtendRow
from ...terminal.modes import QUIET
from ..command import Where, where_of
from ..places import add_places, add_progress, find_sweep, folder_problems
from ..storage import add_storage, check_uri
from .extend import ExtendRequest, add_growth, growth_problems, is_larger
from .resume import add_limit, limits_of


@dataclass(frozen=True, kw_only=True, slots=True)
class ForkRequest:
    """Validated request of `fork`. `source`: folder of the old sweep; `folder`: that of the new one; `growth`: how the
    new one is enlarged at once (None: it is only made)."""

    source: Path
    folder: Path
    growth: ExtendRequest | None
    where: Where

    @property
    def progress(self) -> str | None:
        """Returns what the terminal shows: of a sweep that is only made, its last words."""
        return QUIET if self.growth is None else self.growth.progress


def add_fork_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `fork`: NAME, --name, --trials, --epochs, new limits, location."""
    parser.add_argument("source", metavar="NAME", help="the sweep to start from, which is not changed")
    parser.add_argument("--name", metavar="NEW", required=True, help="name of the new sweep")
    add_growth(parser)
    add_limit(parser)
    add_progress(parser)
    add_storage(parser)
    add_places(parser)


def check_fork(options: argparse.Namespace) -> ForkRequest:
    """Validates the options of `fork`. ConfigError for an unknown or running sweep, a taken name, and sizes that are
    smaller than those of the old one."""
    source = find_sweep(options.storage, options.source)
    check_uri(options, source, "fork", is_needed=True)
    sweep = Journal(source / FILE).sweep
    folder = options.storage / options.name
    problems = folder_problems(folder, options.name, where_of(options))
    if is_held(source / FILE):
        problems.append(f"sweep '{options.source}' is being run by another process; wait for it or stop it")
    told = growth_problems(sweep, options.trials, options.epochs)
    problems += [f"sweep '{options.source}' {problem}" for problem in told]
    if problems:
        raise ConfigError("fork", problems)
    row, limits = ExtendRow(trials=options.trials, epochs=options.epochs), limits_of(options, "fork")
    target, where = folder.resolve(), where_of(options)
    growth = ExtendRequest(folder=target, row=row, limits=limits, where=where, progress=options.progress)
    return ForkRequest(
        source=source.resolve(), folder=target, growth=growth if is_larger(sweep, row) else None, where=where
    )
