"""`evaluate`: weights scored on the test subjects with the published protocol of their model."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from data.batches.meshes import read_mesh_sets
from data.batches.poses import DataModule
from data.batches.samples import Samples, open_samples
from data.formats.source import read_poses, split_of
from data.poses.splits import MeshSplit, Split, mesh_split_named, split_named
from data.synthetic.provide import provide
from spaces.cli import OK
from spaces.schema import config_id

from .. import registry
from ..cli.evaluate import EvaluateRequest
from ..config import TrainConfig
from ..devices.device import pick_device
from ..scoring.evaluation import score
from ..scoring.multiscale import RUNS
from ..scoring.tables import table, table_text
from ..weights.checkpoint import load_into, read_maker
from .demands import check_run
from .features import attach_features

LAST = "the last epoch, selected by nothing"


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
