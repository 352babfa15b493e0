"""Options of `evaluate`, and the checked request made from them."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from data.config import NO_MIRROR, chosen_data
from data.poses.splits import PARTS
from spaces.errors import ConfigError

from .. import registry
from ..config import TrainConfig, changed, read_config
from .changes import add_set_option, read_changes


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateRequest:
    """Checked options of `evaluate`: weights to score with the published protocol of their model."""

    config: TrainConfig
    weights: Path
    flip: bool
    multiscale: bool
    as_json: bool


def add_multiscale_option(parser: argparse.ArgumentParser) -> None:
    """Adds --multiscale."""
    parser.add_argument(
        "--multiscale",
        action="store_true",
        help="meshes of hands: average 95 passes over larger, smaller and turned crops, as FreiHAND is published",
    )


def add_evaluate_options(parser: argparse.ArgumentParser) -> None:
    """Adds CONFIG, --weights, --data, --data-root, --actions, --flip, --multiscale, --json."""
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
    """Checks the options and returns the request; ConfigError with all problems."""
    wanted = {"data.root": options.data_root, "data.actions": options.actions}
    values: dict[str, object] = {path: value for path, value in wanted.items() if value is not None}
    if options.data is not None:
        values |= chosen_data(options.data)
        # Subjects belong to the set that the config was trained on; another set brings its own.
        values |= {f"data.{part}_subjects": () for part in PARTS}
    config = changed(read_config(options.config), values | read_changes(options.changes), options.config)
    if problems := flip_problems(options.flip, config) + multiscale_problems(options.multiscale, config):
        raise ConfigError("evaluate", problems)
    return EvaluateRequest(
        config=config, weights=options.weights, flip=options.flip, multiscale=options.multiscale,
        as_json=options.as_json,
    )  # fmt: skip


def flip_problems(flip: bool, config: TrainConfig) -> list[str]:
    """Returns why --flip is impossible with this config."""
    if not flip:
        return []
    if not registry.config(config.model).can_flip:
        return [f"--flip: {config.model} is not scored from mirrored input; leave it out"]
    return [f"--flip: data.axes = world, and {NO_MIRROR}; leave it out"] if config.data.axes == "world" else []


def multiscale_problems(multiscale: bool, config: TrainConfig) -> list[str]:
    """Returns why --multiscale is impossible with this config."""
    if not multiscale or config.data.sizes.mesh == "hand":
        return []
    what = "bodies" if config.data.sizes.mesh else f"poses, which {config.model} gives"
    return [f"--multiscale: is published for meshes of hands, not for {what}; leave it out"]
