"""`train`: trains one run in this process."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from data.batches.samples import Samples, open_samples
from data.poses.splits import TRAINING_PARTS
from data.synthetic.provide import provide
from spaces.cli import FAILED, OK
from spaces.commands import command
from spaces.schema import config_id

from ..cli.train import TrainRequest
from ..config import TrainConfig
from ..devices.device import pick_device
from ..engines.engine import Report, State
from ..engines.single import SingleEngine
from ..weights.checkpoint import check_kinship, load_state, load_weights
from .demands import check_run
from .folder import RunFolder
from .loop import train_alone
from .names import CONFIG, LATEST, STATE


def open_data(
    config: TrainConfig,
    parts: tuple[str, ...],
    device: torch.device,
    root: str | None = None,
    shard: tuple[int, int] = (0, 1),
) -> Samples:
    """Opens the data of a run on its device, from `root` instead of `data.root` if given; DataError or ConfigError name
    the problems."""
    source = dataclasses.replace(config.data, root=root or config.data.root)
    return open_samples(source, parts, device=device, shard=shard, reads=config.traits.reads)


def state_to_resume(request: TrainRequest, folder: RunFolder) -> State | None:
    """Returns the state that the request continues, None for a fresh start."""
    own = folder.resume_state()
    if request.resume is None:
        return own
    path = request.resume
    return load_state(next((file for file in (path / LATEST, path / STATE) if file.exists()), path))


def weights_to_start(request: TrainRequest) -> dict[str, Tensor] | None:
    """Loads the weights of --init, checked to belong to this network; None without the option."""
    if request.init is None:
        return None
    tensors, made_by, _ = load_weights(request.init)
    check_kinship(request.config, made_by, request.init)
    return tensors


def train(request: TrainRequest) -> int:
    """Trains the run of the request; returns the exit code."""
    config, device = request.config, pick_device()
    folder = RunFolder(request.out, config)
    state = state_to_resume(request, folder)
    check_run(config, is_fresh=state is None and request.init is None)
    provide(config.data)
    data = open_data(config, TRAINING_PARTS, device)
    engine = SingleEngine(device=device)
    weights = None if state is not None else weights_to_start(request)
    folder.begin()
    print(
        f"config {config_id(config)}: {config.model} on {config.data.name}, {data.count('train')} training samples, "
        f"device {device}, output {request.out}"
    )
    is_sound = True

    def tell(report: Report) -> None:
        nonlocal is_sound
        is_sound = not report.losses.diverged
        print(epoch_line(config, report), flush=True)

    train_alone(config, data, folder, engine, state, tell, weights)
    if not is_sound:
        return FAILED
    line = command("trainables", "evaluate", folder.path / CONFIG, "--weights", folder.best)
    print(f"best epoch: {folder.best}; score it: {line}")
    return OK


def epoch_line(config: TrainConfig, report: Report) -> str:
    """Formats one epoch as one line."""
    if report.losses.diverged:
        return f"epoch {report.epoch}/{config.loop.epochs}: diverged, {report.losses.diverged}"
    score_now = report.metrics[config.loop.select]
    star = " *best" if report.is_best else ""
    return (
        f"epoch {report.epoch}/{config.loop.epochs}: loss {report.losses.mean:.6f}, {config.loop.select} "
        f"{score_now:.2f}, lr {report.losses.lr:.2e}, {report.seconds:.1f} s{star}"
    )
