"""Command-line options of `extend` and their validation."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from spaces.cli import whole_number
from spaces.errors import ConfigError
from spaces.schema import knobs

from ...record.journal import FILE, Journal, is_held
from ...record.plan import CONFIRMED, SweepConfig, plan_of
from ...record.records import ExtendRow, OpenRow, SweepRow
from ...record.trial import EPOCHS
from ...record.watcher import SILENT, Watcher
from ..command import Where, where_of
from ..places import add_places, add_progress, find_sweep
from ..storage import add_storage, check_uri
from .resume import add_limit, limits_of


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtendRequest:
    """Validated request of `extend`. `row`: the enlargement, without the trials that go on; `limits`: new ones;
    `watcher`: is told of the sweep as it runs; `progress`: what the terminal shows (None: the default)."""

    folder: Path
    row: ExtendRow
    limits: OpenRow
    where: Where
    watcher: Watcher = SILENT
    progress: str | None = None


def add_extend_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `extend`: NAME, --trials, --epochs, new limits, location."""
    parser.add_argument("name", metavar="NAME", help="the sweep")
    add_growth(parser)
    add_limit(parser)
    add_progress(parser)
    add_storage(parser)
    add_places(parser)


def add_growth(parser: argparse.ArgumentParser) -> None:
    """Adds the options --trials and --epochs of a sweep that is enlarged."""
    most = knobs(SweepConfig)["trials"].most
    parser.add_argument(
        "--trials", metavar="N", type=whole_number(1, int(most or 1)), help="trials in all (default: as before)"
    )
    parser.add_argument(
        "--epochs",
        metavar="E",
        type=whole_number(1, 1_000_000),
        help="epochs of each trial in all (default: as before)",
    )


def check_extend(options: argparse.Namespace) -> ExtendRequest:
    """Validates the options of `extend`. ConfigError for an unknown or running sweep, one that cannot be enlarged, and
    for sizes that are smaller than the present ones."""
    folder = find_sweep(options.storage, options.name)
    check_uri(options, folder, "extend", is_needed=True)
    sweep = Journal(folder / FILE).sweep
    problems = ["is being run by another process; wait for it or stop it"] if is_held(folder / FILE) else []
    problems += growth_problems(sweep, options.trials, options.epochs)
    row = ExtendRow(trials=options.trials, epochs=options.epochs)
    if not problems and not is_larger(sweep, row):
        has = f"has {sweep.trials} trials of {sweep.knob(EPOCHS)} epochs"
        problems.append(f"{has} already; give a larger --trials or --epochs, or go on with `resume`")
    if problems:
        raise ConfigError(f"sweep '{options.name}'", problems)
    plan_of(sweep.grown(row), str(folder / FILE))
    limits, where = limits_of(options, "extend"), where_of(options)
    return ExtendRequest(folder=folder.resolve(), row=row, limits=limits, where=where, progress=options.progress)


def is_larger(sweep: SweepRow, row: ExtendRow) -> bool:
    """Returns whether an enlargement adds trials or epochs to a sweep."""
    return sweep.grown(row) != sweep


def growth_problems(sweep: SweepRow, trials: int | None, epochs: int | None) -> list[str]:
    """Checks that a sweep can have so many trials and epochs in all; returns one message per problem. None: as
    before."""
    if sweep.single:
        return ["is one run of `train`, not a sweep; give the run more with `train --set loop.epochs=E --out DIR`"]
    if sweep.recipe == CONFIRMED:
        return ["is a confirmation; run `confirm` again with more --seeds and another --name"]
    problems = []
    if trials is not None and trials < sweep.trials:
        problems.append(f"--trials {trials}: has {sweep.trials} already; give that many or more, in all")
    if epochs is not None and EPOCHS in searched(sweep):
        problems.append(f"--epochs {epochs}: {EPOCHS} is a searched knob, of which each trial has a value of its own")
    elif epochs is not None and epochs < int(sweep.knob(EPOCHS)):
        problems.append(f"--epochs {epochs}: trials have {sweep.knob(EPOCHS)} already; give that many or more, in all")
    return problems


def searched(sweep: SweepRow) -> set[str]:
    """Returns the searched knobs of a recorded sweep, by dotted path."""
    return set(plan_of(sweep, f"sweep '{sweep.name}'").domains)
