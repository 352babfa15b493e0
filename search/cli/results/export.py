"""Command-line options of `export` and their validation."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from spaces.errors import ConfigError
from spaces.files import target_problems

from ...record.journal import FILE, Journal
from ..command import Where, where_of
from ..places import add_places, find_sweep, trial_problems
from ..storage import add_storage, check_uri


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportRequest:
    """Validated request of `export`. `trial`: number of the trial to write as a config (None: the best); `out`: YAML
    file to write; `weights`: file to copy the weights to (None: no copy)."""

    journal: Path
    trial: int | None
    out: Path
    weights: Path | None
    force: bool
    where: Where


def add_export_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `export`: NAME, --trial, --out, --weights, --force, location."""
    parser.add_argument("name", metavar="NAME", help="the sweep")
    parser.add_argument("--trial", metavar="ID", help="number of the trial (default: the best)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="YAML file to write")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="also copy the trial's best weights here")
    parser.add_argument("--force", action="store_true", help="replace existing files")
    add_storage(parser)
    add_places(parser)


def check_export(options: argparse.Namespace) -> ExportRequest:
    """Validates the options of `export`. ConfigError for an unknown sweep or trial, and for files that exist already or
    cannot be written."""
    folder = find_sweep(options.storage, options.name)
    check_uri(options, folder, "export", is_needed=options.weights is not None)
    journal = Journal(folder / FILE)
    problems = [] if options.trial is None else trial_problems(options.trial, journal)
    for path in filter(None, (options.out, options.weights)):
        problems += target_problems(path, force=options.force)
    if problems:
        raise ConfigError("export", problems)
    trial = None if options.trial is None else int(options.trial)
    return ExportRequest(
        journal=journal.path,
        trial=trial,
        out=options.out,
        weights=options.weights,
        force=options.force,
        where=where_of(options),
    )
