"""Command-line options of `confirm` and their validation."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from spaces.errors import ConfigError
from spaces.schema import WHOLE, config_id, knobs, load
from trainables.cli.changes import add_set_option, read_changes
from trainables.config import changed, read_config

from ...record.journal import FILE, Journal, has_begun, leads_out
from ...record.plan import CONFIRMED, Plan, SweepConfig, confirm_plan, holds
from ...record.records import KEEP_LAST
from ..command import Where, where_of
from ..places import add_places, folder_problems, is_new_name
from ..storage import add_storage, check_uri, held_uri, uri_problems
from .train import WORKER_KNOBS


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfirmRequest:
    """Validated request of `confirm`: one config to train with several seeds. `folder` may hold an interrupted
    confirmation of the same config."""

    plan: Plan
    folder: Path
    where: Where


def add_confirm_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `confirm`: CONFIG, --seeds, resources, location."""
    parser.add_argument("config", metavar="CONFIG", help="YAML file of one run, as `export` writes it")
    parser.add_argument("--seeds", metavar="S", default="5", help="how many seeds, from the config's on (default 5)")
    for name in ("concurrent", *WORKER_KNOBS):
        spec = knobs(SweepConfig)[name]
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="X", help=f"{spec.help} (default {spec.default})")
    parser.add_argument("--name", help="name under which it is kept (default confirm-<config_id>)")
    add_set_option(parser)
    add_storage(parser)
    add_places(parser)


def check_confirm(options: argparse.Namespace) -> ConfirmRequest:
    """Validates the options of `confirm`. ConfigError lists every problem. If the folder holds the same config and
    seeds, that confirmation continues."""
    config = changed(read_config(options.config), read_changes(options.changes), options.config)
    given = {name: value for name in ("concurrent", *WORKER_KNOBS) if (value := getattr(options, name)) is not None}
    # Each seed's weights are scored on the test subjects when all have ended.
    fixed = {"trials": options.seeds, "scheduler": "none", "objective": config.loop.select, "recipe": CONFIRMED}
    fixed["keep"] = KEEP_LAST
    name = options.name or f"confirm-{config_id(config)}"
    folder = options.storage / name
    is_there = is_new_name(name) and not leads_out(folder) and has_begun(folder)
    problems = uri_problems(options.checkpoints)
    checkpoints = held_uri(folder) if is_there else options.checkpoints
    kept = {"checkpoints": checkpoints} if checkpoints else {}
    try:
        sweep = load(SweepConfig, {**given, **fixed, **kept, "seed": config.loop.seed}, "confirm")
    except ConfigError as error:
        raise ConfigError("confirm", [*problems, *error.problems_in("confirm")]) from None
    last = sweep.seed + sweep.trials - 1
    if last not in WHOLE:
        raise ConfigError(
            "confirm", [*problems, f"--seeds {sweep.trials}: seed {last} is beyond 64 bits; lower loop.seed"]
        )
    plan = confirm_plan(name, sweep, config)
    if is_there:
        check_uri(options, folder, "confirm", is_needed=True)
        if not holds(Journal(folder / FILE).sweep, plan):
            problems.append(f"{folder} holds another config or other seeds; give another --name")
    else:
        problems += folder_problems(folder, name, where_of(options))
    if problems:
        raise ConfigError("confirm", problems)
    return ConfirmRequest(plan=plan, folder=folder.resolve(), where=where_of(options))
