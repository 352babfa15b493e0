"""Options of `train` and `confirm`, which run given configs; checked without torch or Ray."""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass

from spaces.schema import knobs, load
from trainables.cli.train import TrainRequest, add_train_options, check_train

from ..record.plan import SweepConfig
from .command import Where, where_of
from .places import add_places

WORKER_KNOBS = ("workers", "cpus_per_worker", "gpus_per_worker")


@dataclass(frozen=True, kw_only=True, slots=True)
class RayTrainRequest:
    """A config to train under Ray Train, with an MLflow run. `words`: its workers' options as typed."""

    run: TrainRequest
    workers: int
    cpus: float
    gpus: float | None
    where: Where
    words: tuple[str, ...] = ()


def add_ray_train_options(parser: argparse.ArgumentParser) -> None:
    """Options of the bare `train`, and where Ray and MLflow are."""
    add_train_options(parser)
    for name in WORKER_KNOBS:
        spec = knobs(SweepConfig)[name]
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="X", help=f"{spec.help} (default {spec.default})")
    add_places(parser)


def check_ray_train(options: argparse.Namespace) -> RayTrainRequest:
    """The request with an absolute output folder, or ConfigError with all problems."""
    run = check_train(options)
    absolute = {name: path.resolve() for name in ("out", "resume", "init") if (path := getattr(run, name)) is not None}
    run = dataclasses.replace(run, **absolute)
    given = {name: value for name in WORKER_KNOBS if (value := getattr(options, name)) is not None}
    worker = load(SweepConfig, given, "train")
    return RayTrainRequest(
        run=run,
        workers=worker.workers,
        cpus=worker.cpus_per_worker,
        gpus=worker.gpus_per_worker,
        where=where_of(options),
        words=tuple(word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", value)),
    )
