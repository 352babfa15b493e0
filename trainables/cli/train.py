"""Options of `train` and `evaluate`, and the checked requests made from them. No torch: help is instant."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from data.config import NO_MIRROR, chosen_data
from spaces.errors import ConfigError
from spaces.schema import config_id

from .. import registry
from ..config import TrainConfig, changed, read_config

RUNS = Path("mlruns/train")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainRequest:
    """One run to train: into `out`, from where `out` or `resume` left it, or from the weights `init`."""

    config: TrainConfig
    out: Path
    resume: Path | None
    init: Path | None


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateRequest:
    """Weights to score with the published protocol of their model."""

    config: TrainConfig
    weights: Path
    flip: bool
    multiscale: bool
    as_json: bool


def add_train_options(parser: argparse.ArgumentParser) -> None:
    """CONFIG, --out, --resume, --init, --set."""
    parser.add_argument("config", metavar="CONFIG", help="YAML file of one run, as `export` writes it")
    parser.add_argument(
        "--out", type=Path, help="output folder (default mlruns/train/<config_id>); run again, it resumes"
    )
    parser.add_argument(
        "--resume", type=Path, metavar="PATH", help="continue from this state.pt, or the folder around it"
    )
    parser.add_argument("--init", type=Path, metavar="FILE", help="start from these weights with a fresh optimiser")
    add_set_option(parser)


def add_multiscale_option(parser: argparse.ArgumentParser) -> None:
    """--multiscale."""
    parser.add_argument(
        "--multiscale",
        action="store_true",
        help="meshes of hands: average 95 passes over larger, smaller and turned crops, as FreiHAND is published",
    )


def add_set_option(parser: argparse.ArgumentParser) -> None:
    """--set knob=value, repeatable."""
    parser.add_argument(
        "--set",
        dest="changes",
        action="append",
        default=[],
        metavar="KNOB=VALUE",
        help="change one knob, e.g. optim.lr=3e-4",
    )


def read_changes(changes: Iterable[str]) -> dict[str, str]:
    """knob -> text of every --set; ConfigError for those without '='."""
    pairs = [change.partition("=") for change in changes]
    bad = [f"'{knob}' has no '='; write --set KNOB=VALUE" for knob, equals, _ in pairs if not equals]
    if bad:
        raise ConfigError("--set", bad)
    return {knob.strip(): value.strip() for knob, _, value in pairs}


def check_train(options: argparse.Namespace) -> TrainRequest:
    """The request, or ConfigError with all problems."""
    config = changed(read_config(options.config), read_changes(options.changes), options.config)
    if options.resume is not None and options.init is not None:
        raise ConfigError("train", ["--resume continues a run and --init starts one; give one of them"])
    missing = [
        f"{path}: there is no such file" for path in (options.resume, options.init) if path and not path.exists()
    ]
    if missing:
        raise ConfigError("train", missing)
    out = options.out or RUNS / config_id(config)
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out {out}", ["is a file; give a folder"])
    return TrainRequest(config=config, out=out, resume=options.resume, init=options.init)


def add_evaluate_options(parser: argparse.ArgumentParser) -> None:
    """CONFIG, --weights, --data, --data-root, --actions, --flip, --multiscale, --json."""
    parser.add_argument("config", metavar="CONFIG", help="YAML file of the run that made the weights")
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE", help="best.safetensors of the run")
    parser.add_argument("--data", metavar="NAME", help="split or set to score on (default: the config's)")
    parser.add_argument("--data-root", metavar="DIR", help="folder of the data files (default: the config's)")
    parser.add_argument("--actions", metavar="A,B", help="only these actions, by exact name")
    parser.add_argument(
        "--flip", action="store_true", help="average with the mirrored prediction of the mirrored input"
    )
    add_multiscale_option(parser)
    parser.add_argument("--json", dest="as_json", action="store_true", help="print the table as JSON")
    add_set_option(parser)


def check_evaluate(options: argparse.Namespace) -> EvaluateRequest:
    """The request, or ConfigError with all problems."""
    wanted = {"data.root": options.data_root, "data.actions": options.actions}
    values: dict[str, object] = {path: value for path, value in wanted.items() if value is not None}
    if options.data is not None:
        values |= chosen_data(options.data)
        # Subjects belong to the set that the config was trained on; another set brings its own.
        values |= {f"data.{part}_subjects": () for part in ("train", "val", "test")}
    config = changed(read_config(options.config), values | read_changes(options.changes), options.config)
    if problems := flip_problems(options.flip, config) + multiscale_problems(options.multiscale, config):
        raise ConfigError("evaluate", problems)
    return EvaluateRequest(
        config=config, weights=options.weights, flip=options.flip, multiscale=options.multiscale,
        as_json=options.as_json,
    )  # fmt: skip


def flip_problems(flip: bool, config: TrainConfig) -> list[str]:
    """Why --flip cannot be had with this config."""
    if not flip:
        return []
    if not registry.config(config.model).can_flip:
        return [f"--flip: {config.model} is not scored from mirrored input; leave it out"]
    return [f"--flip: data.axes = world, and {NO_MIRROR}; leave it out"] if config.data.axes == "world" else []


def multiscale_problems(multiscale: bool, config: TrainConfig) -> list[str]:
    """Why --multiscale cannot be had with this config."""
    if not multiscale or config.data.sizes.mesh == "hand":
        return []
    what = "bodies" if config.data.sizes.mesh else f"poses, which {config.model} gives"
    return [f"--multiscale: is published for meshes of hands, not for {what}; leave it out"]
