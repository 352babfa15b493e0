"""A trial as a Tune function trainable on one device; its process is reused by later trials."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ray import tune

from data.config import DataConfig
from data.module import DataModule, read_poses
from trainables.config import config_from
from trainables.device import pick_device
from trainables.engine import Report, SingleEngine
from trainables.folder import RunFolder
from trainables.train import Judge, fit

from .mirror import Mirror


@functools.lru_cache(maxsize=2)
def resident_data(config: DataConfig, device: torch.device) -> DataModule:
    """The data of a config, kept on the device from trial to trial of this process."""
    poses, split = read_poses(config, ("train", "val"))
    return DataModule(poses, split, config, device=device)


def train_trial(task: dict[str, Any]) -> None:
    """Trains one attempt. `task`: sweep, trial, after_epoch, folder and data_root (absolute), config (JSON text),
    checkpoints (fsspec URI or '').

    Every epoch is on disk before it is reported; epochs on disk that the driver never booked are reported again."""
    config = config_from(json.loads(task["config"]), f"trial {task['trial']}")
    folder = RunFolder(Path(task["folder"]), config, has_snapshots=False)
    mirror = Mirror(task["checkpoints"], task["sweep"], task["trial"]) if task["checkpoints"] else None
    if mirror is not None:
        mirror.fetch(folder.path)
    state = folder.resume_state()
    device = pick_device()
    data = resident_data(dataclasses.replace(config.data, root=task["data_root"]), device)
    folder.begin()
    engine = SingleEngine(device=device)
    engine.join(0, config, state)
    for row in state["history"] if state is not None else ():
        if row["epoch"] > task["after_epoch"]:
            _send(row, {name: value for name, value in row.items() if "/" in name})
    if state is not None and state["epoch"] >= config.loop.epochs:
        return
    judge = Judge()

    def offer(report: Report) -> None:
        if not report.losses.diverged:
            folder.record(report)
            if mirror is not None:
                mirror.send(folder.path, with_best=report.is_best)
        judge.hear(report)
        losses = {"loss": report.losses.mean, "lr": report.losses.lr}
        _send({"epoch": report.epoch, "seconds": report.seconds, **losses}, report.metrics, report.losses.diverged)

    fit(engine, data, offer, judge.verdicts)


def _send(row: Mapping[str, Any], metrics: Mapping[str, float], diverged: str = "") -> None:
    # One JSON text: Tune flattens nested results and adds bookkeeping of its own to the top level.
    fields = {name: row[name] for name in ("epoch", "seconds", "loss", "lr")}
    tune.report({"report": json.dumps({**fields, "metrics": dict(metrics), "diverged": diverged})})
