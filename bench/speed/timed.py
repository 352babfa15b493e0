"""Times a training step and the scoring of an epoch of one checkout, turn by turn: python timed.py CHECKOUT TASK

A process of bench/step.py. TASK is JSON: model, changes (knobs), steps (of a timed epoch), poses (that are scored). It
answers each line `train` or `score` on its input with a line of JSON: the process time and wall time of one step, or of
one scoring, in seconds. CHECKOUT may be an older one, whose modules had other names.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch


def attribute(name: str, *modules: str) -> Any:
    """Returns an attribute of the first of these modules that the checkout has: today's name and earlier ones."""
    for module in modules:
        try:
            return getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            # Only a module that has moved may be missing, not one that a module of the checkout needs.
            if not module.startswith(str(error.name)):
                raise
    raise SystemExit(f"{sys.argv[1]} has no {name} in {' or '.join(modules)}; give a checkout of this project")


def pose_set(task: dict[str, Any], batch: int, views: int) -> tuple[Any, Any]:
    """Returns noise of two subjects, and its split: `steps` full batches to train on, `poses` to score."""
    noise_set, replace = attribute("noise_set", "gather"), dataclasses.replace
    a_frame = 4 // views  # samples of a frame of the four cameras
    train, val = (noise_set(clips=1, frames=-(-count // a_frame)) for count in (task["steps"] * batch, task["poses"]))
    scored = tuple(replace(clip, subject="S5") for clip in val.sequences)
    split = attribute("Split", "data.poses.splits", "data.splits")
    return replace(train, sequences=(*train.sequences, *scored)), split(
        name="noise", set="noise", train=("S1",), val=("S5",), test=()
    )


def main() -> None:
    checkout, task = Path(sys.argv[1]), json.loads(sys.argv[2])
    sys.path[:0] = [str(checkout), str(checkout / "bench")]
    torch.set_num_threads(1)
    knobs = {**task["changes"], "data.name": "noise", "data.joints": 17, "loop.epochs": 1000}
    config = attribute("default_config", "trainables.config")(task["model"], knobs, "bench")
    poses, split = pose_set(task, config.loop.batch, config.data.views)
    module = attribute("DataModule", "data.batches.poses", "data.module")
    data = module(poses, split, config.data, parts=("train", "val"), device="cpu")
    engine = attribute("SingleEngine", "trainables.engines.single", "trainables.single")()
    engine.join(0, config)
    steps = data.num_batches("train", config.loop.batch)
    kinds = {
        "train": (lambda: engine.train_epoch(data), steps),
        "score": (lambda: engine.evaluate(data, engine.lanes), 1),
    }
    for line in sys.stdin:
        run, count = kinds[line.strip()]
        wall, process = time.perf_counter(), time.process_time()
        run()
        process, wall = time.process_time() - process, time.perf_counter() - wall
        print(json.dumps({"process": process / count, "wall": wall / count, "scored": data.count("val")}), flush=True)


if __name__ == "__main__":
    main()
