"""Options of `train`, and the checked request made from them. No torch: help is instant."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from spaces.errors import ConfigError
from spaces.schema import config_id

from ..config import TrainConfig, changed, read_config
from .changes import add_set_option, read_changes

RUNS = Path("mlruns/train")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainRequest:
    """Checked options of `train`: a run into `out`, resumed from `out` or `resume`, or started from the weights
    `init`."""

    config: TrainConfig
    out: Path
    resume: Path | None
    init: Path | None


def add_train_options(parser: argparse.ArgumentParser) -> None:
    """Adds CONFIG, --out, --resume, --init, --set."""
    parser.add_argument("config", metavar="CONFIG", help="YAML file of one run, as `export` writes it")
    parser.add_argument(
        "--out", type=Path, help="output folder (default mlruns/train/<config_id>); run again, it resumes"
    )
    parser.add_argument(
        "--resume", type=Path, metavar="PATH", help="continue from this state.pt, or the folder around it"
    )
    parser.add_argument("--init", type=Path, metavar="FILE", help="start from these weights with a fresh optimiser")
    add_set_option(parser)


def check_train(options: argparse.Namespace) -> TrainRequest:
    """Checks the options and returns the request; ConfigError with all problems."""
    config = changed(read_config(options.config), read_changes(options.changes), options.config)
    if options.resume is not None and options.init is not None:
        raise ConfigError("train", ["--resume continues a run and --init starts one; give one of them"])
    missing = [
        f"{path}: there is no such file" for path in (options.resume, options.init) if path and not path.exists()
    ]
    if missing:
        raise ConfigError("train", missing)
    if options.out is not None and not str(options.out).isprintable():
        raise ConfigError(f"--out {str(options.out)!r}", ["holds a control character; give another folder"])
    out = options.out or RUNS / config_id(config)
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out {out}", ["is a file; give a folder"])
    return TrainRequest(config=config, out=out, resume=options.resume, init=options.init)
