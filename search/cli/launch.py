"""Options of every verb, and the checked requests made from them. No torch, no Ray: help and bad input are instant."""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.config import chosen_data
from spaces.errors import ConfigError, did_you_mean
from spaces.files import target_problems
from spaces.schema import knobs, load
from spaces.space import find_space, read_space
from trainables.options import add_set_option, read_changes

from ..record.journal import FILE, Journal, birth, sweeps
from ..record.plan import STORAGE, Plan, SweepConfig, make_plan, next_name, read_duration


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepRequest:
    """A sweep to launch (with its plan) or to resume (without)."""

    name: str
    plan: Plan | None
    folder: Path
    tracking_uri: str | None
    address: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LookRequest:
    """Sweeps to look at; `name` is empty for all."""

    name: str
    storage: Path
    as_json: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportRequest:
    """A trial to write as a complete config; without `trial` the best one."""

    journal: Path
    trial: int | None
    out: Path
    weights: Path | None
    force: bool


def add_storage(parser: argparse.ArgumentParser) -> None:
    """--storage."""
    parser.add_argument(
        "--storage",
        action=_Storage,
        default=Path(STORAGE),
        metavar="DIR",
        help=f"folder of sweeps (default {STORAGE}); of an fsspec URI only checkpoints go there",
    )


class _Storage(argparse.Action):
    """A folder is where journals and checkpoints are; of a URI only the checkpoints are."""

    def __call__(self, parser: Any, options: argparse.Namespace, text: Any, flag: str | None = None) -> None:
        scheme, is_uri, rest = text.partition("://")
        if is_uri and scheme != "file":
            options.checkpoints = text
        else:
            options.storage = Path(rest if is_uri else text)


def add_places(parser: argparse.ArgumentParser) -> None:
    """--tracking-uri and --address."""
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="MLflow store or server (default MLFLOW_TRACKING_URI, else sqlite:///mlruns/mlflow.db)",
    )
    parser.add_argument(
        "--address", metavar="ADDR", help="a running Ray cluster (default: a Ray of our own on this machine)"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", dest="as_json", action="store_true", help="print the table as JSON")


def add_launch_options(parser: argparse.ArgumentParser) -> None:
    """Options of `launch`; defaults and bounds come from SweepConfig's knobs."""
    parser.add_argument("space", metavar="MODEL_OR_SPACE", help="a model (spaces/MODEL.yaml) or a space file")
    parser.add_argument(
        "--data", metavar="NAME", help="named split or set of files (default: the recipe's, else synthetic)"
    )
    parser.add_argument(
        "--data-root", metavar="DIR", default="data/store", help="folder of the data files (default data/store)"
    )
    for name, spec in knobs(SweepConfig).items():
        if name != "time_budget_s":
            default = f" (default {spec.default})" if spec.default not in (None, "") else ""
            allowed = f"; {spec.allowed}" if spec.choices else ""
            parser.add_argument(f"--{name.replace('_', '-')}", metavar="X", help=f"{spec.help}{allowed}{default}")
    parser.add_argument("--epochs", metavar="X", help="length of every trial (default: the recipe's)")
    parser.add_argument("--time-budget", metavar="2h", help="wall-clock limit of the sweep, e.g. 90s, 20m, 2h, 1h30m")
    parser.add_argument("--name", help="name of the sweep (default: the model's next free number)")
    add_set_option(parser)
    add_storage(parser)
    add_places(parser)


def check_launch(options: argparse.Namespace) -> SweepRequest:
    """The request, or ConfigError with all problems of options, space and config."""
    problems: list[str] = []
    space = _collect(problems, lambda: read_space(find_space(options.space)))
    given = {name: value for name in knobs(SweepConfig) if (value := getattr(options, name, None)) is not None}
    if space is not None:
        given.setdefault("objective", space.objective)
    if options.time_budget is not None:
        try:
            given["time_budget_s"] = read_duration(options.time_budget)
        except ValueError as error:
            problems.append(f"--time-budget: {error}")
    sweep = _collect(problems, lambda: load(SweepConfig, given, "launch")) or SweepConfig(
        recipe=given.get("recipe", "")
    )
    changes: dict[str, object] = {"data.root": options.data_root}
    if options.data is not None:
        changes |= chosen_data(options.data)
    if options.epochs is not None:
        changes["loop.epochs"] = options.epochs
    changes |= _collect(problems, lambda: read_changes(options.changes)) or {}
    name, plan = options.name or "unnamed", None
    if space is not None:
        name = options.name or next_name(options.storage, space.model)
        plan = _collect(problems, lambda: make_plan(name, sweep, options.space, changes))
    folder = options.storage / name
    problems += folder_problems(folder, name)
    if problems or plan is None:
        raise ConfigError("launch", problems)
    return SweepRequest(
        name=name, plan=plan, folder=folder.resolve(), tracking_uri=options.tracking_uri, address=options.address
    )


def _collect(problems: list[str], make: Any) -> Any:
    try:
        return make()
    except ConfigError as error:
        problems += error.problems_in("launch")
        return None


def folder_problems(folder: Path, name: str) -> list[str]:
    """What keeps a new sweep from that folder."""
    if not re.fullmatch(r"\w[\w.-]{0,99}", name):
        return [f"--name {name!r}: use letters, digits, '-', '_' and '.', at most 100, a letter or digit first"]
    # Path.exists raises where a folder above may not be entered; os.path.exists says no.
    if os.path.exists(folder):
        return [f"--name {name}: a sweep of this name exists in {folder.parent}; choose another, or `resume {name}`"]
    above = folder.parent
    while not os.path.exists(above):
        above = above.parent
    if not above.is_dir():
        return [f"--storage {folder.parent}: {above} is a file; give a folder"]
    try:
        # Rights do not say it all (a read-only disk, /proc): a file without a name is made and is gone.
        tempfile.TemporaryFile(dir=above).close()
    except OSError as error:
        return [f"--storage {folder.parent}: {above} cannot be written ({error.strerror}); give another folder"]
    return []


def add_resume_options(parser: argparse.ArgumentParser) -> None:
    """NAME and where to look for it."""
    parser.add_argument("name", metavar="NAME", help="the interrupted sweep")
    add_storage(parser)
    add_places(parser)


def check_resume(options: argparse.Namespace) -> SweepRequest:
    """The request, or ConfigError when there is no such sweep."""
    folder = find_sweep(options.storage, options.name)
    return SweepRequest(
        name=options.name,
        plan=None,
        folder=folder.resolve(),
        tracking_uri=options.tracking_uri,
        address=options.address,
    )


def find_sweep(storage: Path, name: str) -> Path:
    """The folder of a sweep; ConfigError offers the nearest name."""
    folder = storage / name
    if not name or not (folder / FILE).is_file() or birth(folder / FILE) is None:
        known = [found.name for found in sweeps(storage)]
        found = f"no such sweep in {storage}{did_you_mean(name, known)}"
        raise ConfigError(f"sweep '{name}'", [f"{found}; sweeps here: {', '.join(known) or 'none'}"])
    return folder


def add_list_options(parser: argparse.ArgumentParser) -> None:
    """Where to look, and how to print."""
    add_storage(parser)
    add_places(parser)
    add_json(parser)


def check_list(options: argparse.Namespace) -> LookRequest:
    """The request."""
    return LookRequest(name="", storage=options.storage, as_json=options.as_json)


def add_show_options(parser: argparse.ArgumentParser) -> None:
    """NAME, where to look, and how to print."""
    parser.add_argument("name", metavar="NAME", help="the sweep")
    add_list_options(parser)


def check_show(options: argparse.Namespace) -> LookRequest:
    """The request, or ConfigError when there is no such sweep."""
    find_sweep(options.storage, options.name)
    return LookRequest(name=options.name, storage=options.storage, as_json=options.as_json)


def add_export_options(parser: argparse.ArgumentParser) -> None:
    """NAME, --trial, --out, --weights, --force."""
    parser.add_argument("name", metavar="NAME", help="the sweep")
    parser.add_argument("--trial", metavar="ID", help="number of the trial (default: the best)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="YAML file to write")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="also copy the trial's best weights here")
    parser.add_argument("--force", action="store_true", help="replace existing files")
    add_storage(parser)
    add_places(parser)


def check_export(options: argparse.Namespace) -> ExportRequest:
    """The request, or ConfigError for an unknown sweep or trial, and for files that exist."""
    journal = Journal(find_sweep(options.storage, options.name) / FILE)
    problems = []
    if options.trial is not None and options.trial not in {str(number) for number in journal.trials}:
        here = f"0 to {len(journal.trials) - 1}" if journal.trials else "none"
        problems.append(f"--trial {options.trial}: no such trial; trials here: {here}")
    for path in filter(None, (options.out, options.weights)):
        problems += target_problems(path, force=options.force)
    if problems:
        raise ConfigError("export", problems)
    trial = None if options.trial is None else int(options.trial)
    return ExportRequest(
        journal=journal.path, trial=trial, out=options.out, weights=options.weights, force=options.force
    )
