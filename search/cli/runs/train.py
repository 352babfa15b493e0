"""Command-line options of `train` and their validation, without importing torch or Ray."""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass

from spaces.schema import knobs, load
from trainables.cli.train import TrainRequest, add_train_options, check_train

from ...record.plan import SweepConfig
from ..command import Where, where_of
from ..places import add_places, add_progress

WORKER_KNOBS = ("workers", "cpus_per_worker", "gpus_per_worker")


@dataclass(frozen=True, kw_only=True, slots=True)
class RayTrainRequest:
    """Validated request of `train`: one config to train under Ray Train. `cpus`, `gpus`: of each worker (gpus None: 1
    where there are GPUs); `words`: the worker options as typed, for printed commands; `progress`: what the terminal
    shows (None: the default)."""

    run: TrainRequest
    workers: int
    cpus: float
    gpus: float | None
    where: Where
    words: tuple[str, ...] = ()
    progress: str | None = None


def add_ray_train_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `train`: those of `python -m trainables train`, the resources of the workers, what the
    terminal shows, and the location of Ray and MLflow."""
    add_train_options(parser)
    for name in WORKER_KNOBS:
        spec = knobs(SweepConfig)[name]
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="X", help=f"{spec.help} (default {spec.default})")
    add_progress(parser)
    add_places(parser)


def check_ray_train(options: argparse.Namespace) -> RayTrainRequest:
    """Validates the options of `train`; output, resume and init paths become absolute. ConfigError lists the problems
    of the first invalid part."""
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
        progress=options.progress,
        words=tuple(word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", value)),
    )
