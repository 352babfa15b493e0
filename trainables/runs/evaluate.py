"""`evaluate`: scores weights on the test split with the published protocol of their model."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from data.batches.samples import Samples, any_split_of, open_samples
from data.poses.splits import MeshSplit, Split, published_split, shared_members
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
    """Prints the paper's table, or its JSON."""
    if request.multiscale:
        # Not on the output that may be JSON.
        print(f"{len(RUNS)} passes over the images: --multiscale", file=sys.stderr, flush=True)
    result = evaluate_weights(request.config, request.weights, flip=request.flip, multiscale=request.multiscale)
    print(json.dumps(result, indent=1) if request.as_json else table_text(result))
    return OK


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """Weights in their network, on a device and in evaluation mode, beside the test split that scores them. `protocol`:
    what `evaluate --json` says of both."""

    config: TrainConfig
    network: nn.Module
    data: Samples
    protocol: dict[str, Any]


def open_weights(
    config: TrainConfig, weights: Path, *, flip: bool, multiscale: bool = False, beside: Opened | None = None
) -> Opened:
    """Loads weights, and the test split of their config. `beside`: weights whose data serve again where they are the
    same. ConfigError or DataError say what is missing."""
    check_run(config, is_fresh=False, parts=("test",))
    device = pick_device()
    network = registry.get(config.model).build(config.network, config.data.sizes)
    load_into(network, weights, config)
    made_by, facts = read_maker(weights)
    provide(config.data)
    if beside is not None and (beside.config.data, beside.config.traits.reads) == (config.data, config.traits.reads):
        data = beside.data
    else:
        data = open_samples(config.data, ("test",), device=device, reads=config.traits.reads)
    attach_features(data, config, Path(data.config.root))
    protocol = {
        "model": config.model,
        "config_id": config_id(config),
        "weights": str(weights),
        "weights_epoch": facts.get("epoch"),
        "data": config.data.name,
        "subjects": list(data.split.members("test")),
        "keypoints": config.data.keypoints,
        "joints": config.data.sizes.skeleton.num_joints,
        "frames": config.data.frames,
        "views": config.data.views,
        "axes": config.data.axes,
        "actions": list(data.actions),
        "flip": flip,
        "multiscale": multiscale,
        "mesh": config.data.sizes.mesh,
        "selection": selection_of(made_by, facts, data.split),
        "scored_poses": data.num_scored("test"),
    }
    return Opened(config=config, network=network.to(device).eval(), data=data, protocol=protocol)


def evaluate_weights(config: TrainConfig, weights: Path, *, flip: bool, multiscale: bool = False) -> dict[str, Any]:
    """Scores weights on the test split of the config; returns the table as `evaluate --json` prints it."""
    opened = open_weights(config, weights, flip=flip, multiscale=multiscale)
    sums = score(opened.network, config, opened.data, "test", flip=flip, multiscale=multiscale)
    return table(sums, opened.data, opened.protocol)


def selection_of(made_by: TrainConfig, facts: Mapping[str, Any], scored: Split | MeshSplit) -> str:
    """Returns how the epoch of the weights was chosen, and which of the scored subjects their training had seen."""
    if "imported_from" in facts:
        return "chosen by its authors"
    split, published = any_split_of(made_by.data), published_split(made_by.data.name)
    lowest, selecting = f"lowest {made_by.loop.select}", split.members("val")
    seen, trained = (shared_members(split, part, scored) for part in ("val", "train"))
    if made_by.loop.keep == "last":
        chosen = LAST
    elif seen and published is not None and published.members("val") == published.members("test") == selecting:
        chosen = f"{lowest}: selected on the test {split.unit}, as published"
    elif seen:
        chosen = f"{lowest}: selected on the scored {split.unit} {', '.join(seen)}"
    else:
        chosen = f"{lowest} of {', '.join(selecting)}, not scored here"
    return f"{chosen}; trained on {', '.join(trained)}, scored here" if trained else chosen
