"""Command-line options of `launch` and their validation. Imports no torch and no Ray, so that help and errors are
instant."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from data.config import chosen_data
from spaces.errors import ConfigError
from spaces.schema import knobs, load
from spaces.space import find_space, read_draft
from trainables.cli.changes import add_set_option, read_changes

from ...record.durations import read_duration
from ...record.options.choices import PBT
from ...record.options.sampling import UNTAUGHT
from ...record.plan import Plan, SweepConfig, next_name, plan_from
from ...record.records import NO_LIMITS, OpenRow
from ...record.watcher import SILENT, Watcher
from ..command import Where, where_of
from ..places import add_places, add_progress, collect, folder_problems
from ..storage import add_storage, uri_problems
from .first import add_first_options, earlier_sweep, with_first


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepRequest:
    """Validated request of `launch` (with `plan`) or `resume` (`plan` is None: it is in the journal). `limits`:
    new limits of a resumed sweep; `is_named`: the user chose the name, so it is kept or refused;
    `watcher`: is told of the sweep as it runs; `words`: verb and arguments for the record (None: those of this
    process); `progress`: what the terminal shows (None: the default); `earlier`: folder of the sweep from which this
    one starts warm."""

    name: str
    plan: Plan | None
    folder: Path
    where: Where
    limits: OpenRow = NO_LIMITS
    is_named: bool = True
    watcher: Watcher = SILENT
    words: tuple[str, ...] | None = None
    progress: str | None = None
    earlier: Path | None = None


def add_launch_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `launch`; their defaults and bounds come from SweepConfig."""
    parser.add_argument("space", metavar="MODEL_OR_SPACE", help="a model (spaces/MODEL.yaml) or a space file")
    parser.add_argument(
        "--data", metavar="NAME", help="named split or set of files (default: the recipe's, else synthetic)"
    )
    parser.add_argument(
        "--data-root", metavar="DIR", default="data/store", help="folder of the data files (default data/store)"
    )
    for name, spec in knobs(SweepConfig).items():
        if name != "time_budget_s":
            default = f" (default {spec.default})" if spec.default not in (None, "", ()) else ""
            allowed = f"; {spec.allowed}" if spec.choices else ""
            action = "append" if spec.default == () else "store"
            text = f"{spec.help}{allowed}{default}"
            parser.add_argument(f"--{name.replace('_', '-')}", metavar="X", action=action, help=text)
    parser.add_argument("--epochs", metavar="X", help="length of every trial (default: the recipe's)")
    parser.add_argument("--time-budget", metavar="2h", help="wall-clock limit of the sweep, e.g. 90s, 20m, 2h, 1h30m")
    parser.add_argument("--name", help="name of the sweep (default: the model's next free number)")
    add_first_options(parser)
    add_set_option(parser)
    add_progress(parser)
    add_storage(parser)
    add_places(parser)


def check_launch(options: argparse.Namespace) -> SweepRequest:
    """Validates the options of `launch`, the space and the config. ConfigError lists every problem."""
    problems: list[str] = []
    draft = collect(problems, lambda: read_draft(find_space(options.space)))
    space = None if draft is None else draft.space
    given = {name: value for name in knobs(SweepConfig) if (value := getattr(options, name, None)) is not None}
    if space is not None:
        given.setdefault("objective", space.objective)
        given.setdefault("limit", space.limits)
    if given.get("scheduler") == PBT:
        given.setdefault("sampler", UNTAUGHT)
    if options.time_budget is not None:
        try:
            given["time_budget_s"] = read_duration(options.time_budget)
        except ValueError as error:
            problems.append(f"--time-budget: {error}")
    problems += uri_problems(options.checkpoints)
    sweep = collect(problems, lambda: load(SweepConfig, given, "launch")) or SweepConfig(recipe=given.get("recipe", ""))
    changes: dict[str, object] = {"data.root": options.data_root}
    if options.data is not None:
        changes |= chosen_data(options.data)
    if options.epochs is not None:
        changes["loop.epochs"] = options.epochs
    changes |= collect(problems, lambda: read_changes(options.changes)) or {}
    name, plan = options.name or "unnamed", None
    if draft is not None:
        name = options.name or (next_name(options.storage, space.model) if space is not None else name)
        plan = collect(problems, lambda: with_first(plan_from(draft, name, sweep, changes), options))
    folder = options.storage / name
    problems += folder_problems(folder, name, where_of(options))
    if problems or plan is None:
        raise ConfigError("launch", problems)
    return SweepRequest(
        name=name,
        plan=plan,
        folder=folder.resolve(),
        where=where_of(options),
        is_named=bool(options.name),
        progress=options.progress,
        earlier=earlier_sweep(options),
    )
