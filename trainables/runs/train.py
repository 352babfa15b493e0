"""What `train` and `evaluate` do once their options are checked."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from data.mesh_module import read_mesh_sets
from data.module import DataModule
from data.provide import provide
from data.samples import Samples, open_samples
from data.source import read_poses, split_of
from data.splits import MeshSplit, Split, mesh_split_named, split_named
from spaces.cli import FAILED, OK
from spaces.schema import config_id

from .. import registry
from ..cli.evaluate import EvaluateRequest
from ..cli.train import TrainRequest
from ..config import TrainConfig
from ..devices.device import pick_device
from ..engines.engine import Report, State
from ..engines.single import SingleEngine
from ..scoring.evaluation import score
from ..scoring.multiscale import RUNS
from ..scoring.tables import table, table_text
from ..weights.checkpoint import check_kinship, load_into, load_state, load_weights, read_maker
from .demands import check_run
from .features import attach_features
from .folder import STATE, RunFolder
from .loop import train_alone

LAST = "the last epoch, selected by nothing"


def open_data(
    config: TrainConfig,
    parts: tuple[str, ...],
    device: torch.device,
    root: str | None = None,
    shard: tuple[int, int] = (0, 1),
) -> Samples:
    """The data of a run on its device, from `root` instead of `data.root` if given; DataError or ConfigError say what
    is wrong with it."""
    source = dataclasses.replace(config.data, root=root or config.data.root)
    return open_samples(source, parts, device=device, shard=shard, reads=config.traits.reads)


def state_to_resume(request: TrainRequest, folder: RunFolder) -> State | None:
    """The state that the request continues, None for a fresh start."""
    own = folder.resume_state()
    if request.resume is None:
        return own
    path = request.resume
    return load_state(next((file for file in (path / "latest" / STATE, path / STATE) if file.exists()), path))


def weights_to_start(request: TrainRequest) -> dict[str, Tensor] | None:
    """The weights of --init, checked to belong to this network; None without the option."""
    if request.init is None:
        return None
    tensors, made_by, _ = load_weights(request.init)
    check_kinship(request.config, made_by, request.init)
    return tensors


def train(request: TrainRequest) -> int:
    """Trains one run in this process."""
    config, device = request.config, pick_device()
    folder = RunFolder(request.out, config)
    state = state_to_resume(request, folder)
    check_run(config, is_fresh=state is None and request.init is None)
    provide(config.data)
    data = open_data(config, ("train", "val"), device)
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
    print(
        f"best epoch: {folder.best}; score it: python -m trainables evaluate {folder.path / 'config.yaml'} "
        f"--weights {folder.best}"
    )
    return OK


def epoch_line(config: TrainConfig, report: Report) -> str:
    """One epoch in one line."""
    if report.losses.diverged:
        return f"epoch {report.epoch}/{config.loop.epochs}: diverged, {report.losses.diverged}"
    score_now = report.metrics[config.loop.select]
    star = " *best" if report.is_best else ""
    return (
        f"epoch {report.epoch}/{config.loop.epochs}: loss {report.losses.mean:.6f}, {config.loop.select} "
        f"{score_now:.2f}, lr {report.losses.lr:.2e}, {report.seconds:.1f} s{star}"
    )


def evaluate(request: EvaluateRequest) -> int:
    """Prints the paper's table."""
    if request.multiscale:
        # Not on the output that may be JSON.
        print(f"{len(RUNS)} passes over the images: --multiscale", file=sys.stderr, flush=True)
    result = evaluate_weights(request.config, request.weights, flip=request.flip, multiscale=request.multiscale)
    print(json.dumps(result, indent=1) if request.as_json else table_text(result))
    return OK


def evaluate_weights(config: TrainConfig, weights: Path, *, flip: bool, multiscale: bool = False) -> dict[str, Any]:
    """The table of contract JSON form for weights on the test subjects of the config's split."""
    check_run(config, is_fresh=False, parts=("test",))
    device = pick_device()
    network = registry.get(config.model).build(config.network, config.data.sizes)
    load_into(network, weights, config)
    made_by, facts = read_maker(weights)
    provide(config.data)
    data, scored = _test_data(config, device)
    attach_features(data, config, Path(data.config.root))
    protocol = {
        "model": config.model,
        "config_id": config_id(config),
        "weights": str(weights),
        "weights_epoch": facts.get("epoch"),
        "data": config.data.name,
        "subjects": [scored.test] if isinstance(scored, MeshSplit) else list(scored.test),
        "keypoints": config.data.keypoints,
        "joints": config.data.sizes.skeleton.num_joints,
        "frames": config.data.frames,
        "views": config.data.views,
        "axes": config.data.axes,
        "actions": list(data.actions),
        "flip": flip,
        "multiscale": multiscale,
        "mesh": config.data.sizes.mesh,
        "selection": selection_of(made_by, facts, scored),
        "scored_poses": data.num_scored("test"),
    }
    sums = score(network.to(device), config, data, "test", flip=flip, multiscale=multiscale)
    return table(sums, data, protocol)


def _test_data(config: TrainConfig, device: torch.device) -> tuple[Samples, Split | MeshSplit]:
    """The data to score on, and its split."""
    reads = config.traits.reads
    if config.data.sizes.mesh:
        _, mesh = read_mesh_sets(config.data, ("test",))
        return open_samples(config.data, ("test",), device=device, reads=reads), mesh
    poses, split = read_poses(config.data, ("test",))
    return DataModule(poses, split, config.data, parts=("test",), device=device, reads=reads), split


def selection_of(made_by: TrainConfig, facts: Mapping[str, Any], scored: Split | MeshSplit) -> str:
    """How the epoch of the weights was chosen, and what of the scored subjects their training had seen."""
    if "imported_from" in facts:
        return "chosen by its authors"
    is_last, lowest = made_by.loop.keep == "last", f"lowest {made_by.loop.select}"
    if is_last and isinstance(scored, MeshSplit):
        return LAST
    if isinstance(scored, MeshSplit):
        mesh = mesh_split_named(made_by.data.name)
        assert mesh is not None, made_by.data.name
        is_same = mesh.val == scored.test
        return f"{lowest}: selected on the test images, as published" if is_same else f"{lowest} of {mesh.val}"
    split = split_of(made_by.data)
    is_same = split.set == scored.set
    seen, trained = ([one for one in scored.test if is_same and one in part] for part in (split.val, split.train))
    named = split_named(made_by.data.name)
    if is_last:
        chosen = LAST
    elif seen and named is not None and named.val == named.test == split.val:
        chosen = f"{lowest}: selected on the test subjects, as published"
    elif seen:
        chosen = f"{lowest}: selected on the scored subjects {', '.join(seen)}"
    else:
        chosen = f"{lowest} of {', '.join(split.val)}, not scored here"
    return f"{chosen}; trained on {', '.join(trained)}, scored here" if trained else chosen
