"""Command-line options of `stop` and their validation."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from spaces.errors import ConfigError

from ...record.journal import FILE, Journal
from ..command import Where, where_of
from ..places import add_tracking_uri, find_sweep, trial_problems
from ..storage import add_storage, check_uri


@dataclass(frozen=True, kw_only=True, slots=True)
class StopRequest:
    """Validated request of `stop`: ends the trial `trial` of the sweep in `folder`."""

    folder: Path
    trial: int
    where: Where


def add_stop_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `stop`: NAME, --trial, location."""
    parser.add_argument("name", metavar="NAME", help="the sweep")
    parser.add_argument("--trial", metavar="N", required=True, help="number of the trial to end for good")
    add_storage(parser)
    add_tracking_uri(parser)


def check_stop(options: argparse.Namespace) -> StopRequest:
    """Validates the options of `stop`. ConfigError for an unknown sweep or trial, and for one that has ended."""
    folder = find_sweep(options.storage, options.name)
    check_uri(options, folder, "stop")
    journal = Journal(folder / FILE)
    problems = [f"sweep '{options.name}' is one run of `train`; end its process"] if journal.sweep.single else []
    problems += trial_problems(options.trial, journal)
    if not problems and (trial := journal.trials[int(options.trial)]).has_ended:
        problems.append(f"--trial {trial.number}: is {trial.state} already, after epoch {trial.last_epoch}")
    if problems:
        raise ConfigError("stop", problems)
    return StopRequest(folder=folder.resolve(), trial=int(options.trial), where=where_of(options))
