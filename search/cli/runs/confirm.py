"""Command-line options of `confirm` and their validation."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spaces.cli import whole_number
from spaces.errors import ConfigError
from spaces.schema import WHOLE, config_id, diff, knobs, load
from trainables.cli.changes import add_set_option, read_changes
from trainables.config import TrainConfig, changed, config_from, read_config

from ...record.confirmed import SEED
from ...record.history import CONFIRM
from ...record.journal import FILE, Journal, has_begun, leads_out
from ...record.plan import CONFIRMED, MOST_TRIALS, Plan, SweepConfig
from ...record.points.seeds import confirm_plan, holds
from ...record.records import KEEP_LAST
from ..command import Where, where_of
from ..places import add_places, add_progress, find_sweep, folder_problems, is_new_name
from ..storage import add_storage, check_uri, held_uri, uri_problems
from .train import WORKER_KNOBS

TOP = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfirmRequest:
    """Validated request of `confirm`: one config, or the best of a sweep, to train with several seeds. `folder` may
    hold an interrupted confirmation of the same configs; `progress`: what the terminal shows (None: the default)."""

    plan: Plan
    folder: Path
    where: Where
    progress: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Chosen:
    """What is confirmed: the base config, the points of the candidates, the first seed, the name that it is kept under,
    and where the candidates come from."""

    base: TrainConfig
    seed: int
    name: str
    candidates: tuple[Mapping[str, Any], ...] = ({},)
    origin: dict[str, str] | None = None


def add_confirm_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `confirm`: CONFIG or NAME, --top, --seeds, resources, location."""
    parser.add_argument(
        "config", metavar="CONFIG_OR_NAME", help="YAML file of one run, as `export` writes it; or a sweep"
    )
    parser.add_argument(
        "--top",
        metavar="K",
        type=whole_number(1, MOST_TRIALS),
        help=f"of a sweep: how many of its best trials, beside the recipe (default {TOP})",
    )
    help_of_seeds = "how many seeds; of a config from its own on, of a sweep the next ones (default 5)"
    parser.add_argument("--seeds", metavar="S", default="5", help=help_of_seeds)
    for name in ("concurrent", *WORKER_KNOBS):
        spec = knobs(SweepConfig)[name]
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="X", help=f"{spec.help} (default {spec.default})")
    parser.add_argument("--name", help="name under which it is kept (default confirm-<config_id>, confirm-NAME)")
    add_set_option(parser)
    add_progress(parser)
    add_storage(parser)
    add_places(parser)


def check_confirm(options: argparse.Namespace) -> ConfirmRequest:
    """Validates the options of `confirm`. ConfigError lists every problem. If the folder holds the same configs and
    seeds, that confirmation continues."""
    chosen = _config(options) if _is_file(options.config) else _best_of_sweep(options)
    config, name = chosen.base, options.name or chosen.name
    given = {knob: value for knob in ("concurrent", *WORKER_KNOBS) if (value := getattr(options, knob)) is not None}
    # Each seed's weights are scored on the test subjects when all have ended.
    fixed = {"trials": options.seeds, "scheduler": "none", "objective": config.loop.select, "recipe": CONFIRMED}
    fixed["keep"] = KEEP_LAST
    folder = options.storage / name
    is_there = is_new_name(name) and not leads_out(folder) and has_begun(folder)
    problems = uri_problems(options.checkpoints)
    checkpoints = held_uri(folder) if is_there else options.checkpoints
    kept = {"checkpoints": checkpoints} if checkpoints else {}
    try:
        seeds = load(SweepConfig, {**given, **fixed, **kept, "seed": chosen.seed}, "confirm").trials
        trials = seeds * len(chosen.candidates)
        sweep = load(SweepConfig, {**given, **fixed, **kept, "seed": chosen.seed, "trials": trials}, "confirm")
    except ConfigError as error:
        raise ConfigError("confirm", [*problems, *error.problems_in("confirm")]) from None
    last = sweep.seed + seeds - 1
    if last not in WHOLE:
        raise ConfigError("confirm", [*problems, f"--seeds {seeds}: seed {last} is beyond 64 bits; lower loop.seed"])
    plan = confirm_plan(name, sweep, config, chosen.candidates, chosen.origin)
    if is_there:
        check_uri(options, folder, "confirm", is_needed=True)
        if not holds(Journal(folder / FILE).sweep, plan):
            problems.append(f"{folder} holds other configs or other seeds; give another --name")
    else:
        problems += folder_problems(folder, name, where_of(options))
    if problems:
        raise ConfigError("confirm", problems)
    return ConfirmRequest(plan=plan, folder=folder.resolve(), where=where_of(options), progress=options.progress)


def _is_file(text: str) -> bool:
    """Returns whether CONFIG_OR_NAME names a file: what looks like one, or is one."""
    path = Path(text)
    return path.suffix in (".yaml", ".yml") or len(path.parts) > 1 or path.is_file()


def _config(options: argparse.Namespace) -> _Chosen:
    if options.top is not None:
        raise ConfigError("confirm", [f"--top {options.top}: is for a sweep, and {options.config} is one config"])
    config = changed(read_config(options.config), read_changes(options.changes), options.config)
    return _Chosen(base=config, seed=config.loop.seed, name=f"confirm-{config_id(config)}")


def _best_of_sweep(options: argparse.Namespace) -> _Chosen:
    """Chooses the recipe and the best trials of a sweep, with seeds that it has not used: its own chose them."""
    folder = find_sweep(options.storage, options.config)
    journal = Journal(folder / FILE)
    sweep, where = journal.sweep, f"sweep '{options.config}'"
    if sweep.single or sweep.recipe == CONFIRMED:
        raise ConfigError(where, ["is no search; give an exported config, or the sweep that it comes from"])
    changes = read_changes(options.changes)
    base = changed(config_from(sweep.base, str(journal.path)), changes, where)
    listed = journal.leaderboard(sweep.objective)
    ranked = [trial for trial in listed if trial.score(sweep.objective) is not None and not trial.broken]
    best = [trial for trial in ranked if trial.number][: options.top or TOP]
    if 0 not in journal.trials or not best:
        raise ConfigError(where, ["has no trial with a score besides the recipe; `resume` it, or `extend` it"])
    candidates = []
    for trial in (journal.trials[0], *best):
        config = changed(config_from(trial.config, f"trial {trial.number}"), changes, where)
        candidates.append({path: theirs for path, (theirs, _) in diff(config, base).items() if path != SEED})
    trials = [journal.trials[0], *best]
    scores = ("" if (score := trial.score(sweep.objective)) is None else repr(score) for trial in trials)
    origin = {
        "as": CONFIRM,
        "sweep": sweep.name,
        "id": sweep.id,
        "trials": ",".join(str(trial.number) for trial in trials),
        "scores": ",".join(scores),
    }
    name = f"confirm-{options.config}"
    return _Chosen(base=base, seed=base.loop.seed + 1, name=name, candidates=tuple(candidates), origin=origin)
