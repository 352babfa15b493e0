"""Options of `pretrain`, and the checked request made from them. No torch: help is instant."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spaces.cli import number_above_0, whole_number
from spaces.errors import ConfigError
from spaces.files import target_problems

from ..config import TrainConfig, changed, knobs_of, read_config
from .changes import add_set_option, read_changes

# Whatever the run does with its trunk, here it is trained.
LIVE = {"network.features": "live", "network.trunk_lr_factor": 1.0}

# What the numbers of the options may be.
NUMBERS: Mapping[str, Callable[[str], float]] = {
    "epochs": whole_number(1, 1_000_000),
    "batch": whole_number(1, 1_000_000),
    "lr": number_above_0(1000),
    "sigma": number_above_0(1000),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class PretrainRequest:
    """Checked options of `pretrain`: a trunk to train on the 2D joints of the training crops. sigma: of the heatmaps'
    peaks, in cells."""

    config: TrainConfig
    out: Path
    epochs: int
    batch: int
    lr: float
    sigma: float


def add_pretrain_options(parser: argparse.ArgumentParser) -> None:
    """Adds CONFIG, --out, --epochs, --batch, --lr, --sigma, --force, --set."""
    parser.add_argument("config", metavar="CONFIG", help="YAML file of a run that reads images; its trunk and its data")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="safetensors file to write")
    parser.add_argument("--epochs", metavar="EPOCHS", default="10", help="passes over the training crops (default 10)")
    parser.add_argument("--batch", metavar="BATCH", default="32", help="crops in a step (default 32)")
    parser.add_argument("--lr", metavar="LR", default="2e-3", help="first learning rate; falls to 0 (default 2e-3)")
    parser.add_argument(
        "--sigma",
        metavar="SIGMA",
        default="2.0",
        help="width of a joint's peak, in cells of 4 pixels (default 2)",
    )
    parser.add_argument("--force", action="store_true", help="replace an existing file")
    add_set_option(parser)


def check_pretrain(options: argparse.Namespace) -> PretrainRequest:
    """Checks the options and returns the request; ConfigError with all problems."""
    config = changed(read_config(options.config), read_changes(options.changes), options.config)
    problems = target_problems(options.out, force=options.force)
    if options.out.suffix != ".safetensors":
        problems.append(f"--out {options.out}: must end in .safetensors")
    if not {"image", "features"} & set(config.traits.reads):
        problems.append(f"model {config.model} has no trunk that reads images")
    numbers: dict[str, Any] = {}
    for name, read in NUMBERS.items():
        try:
            numbers[name] = read(getattr(options, name))
        except argparse.ArgumentTypeError as error:
            problems.append(f"--{name}: {error}")
    if problems:
        raise ConfigError("pretrain", problems)
    known = knobs_of(config.model)
    live = {path: value for path, value in LIVE.items() if path in known}
    return PretrainRequest(
        config=changed(config, live, options.config),
        out=options.out,
        **numbers,
    )
