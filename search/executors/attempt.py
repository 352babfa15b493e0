"""Trains one attempt at a trial in a worker process, for both executors: a Tune trainable alone, or one rank of a
worker group."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from data.batches.samples import Samples, open_samples
from data.config import DataConfig
from trainables.config import TrainConfig, config_from
from trainables.devices.team import Team
from trainables.engines.engine import Report
from trainables.engines.single import SingleEngine
from trainables.runs.costs import costs_of
from trainables.runs.folder import RunFolder
from trainables.runs.loop import train_alone

from ..record.coding import to_text
from ..record.records import CostRow, EndRow, EpochRow
from .mirror import Mirror
from .output import output_kept
from .workers.recruit import SHARED

Send = Callable[[dict[str, Any]], None]


@functools.lru_cache(maxsize=2)
def resident_data(config: DataConfig, reads: tuple[str, ...], device: torch.device, shard: tuple[int, int]) -> Samples:
    """Loads the data of a config and keeps it on the device for later trials of this process (the last two data sets
    are cached); on the CPU, the trials of a Ray of our own hold it together. `reads`: fields that the network reads;
    `shard`: (rank, number of ranks)."""
    folder = os.environ.get(SHARED)
    return open_samples(config, device=device, shard=shard, reads=reads, kept_in=Path(folder) if folder else None)


def run_attempt(task: Mapping[str, Any], device: torch.device, team: Team, send: Send) -> None:
    """Trains one attempt, or this rank's part of it, and sends a report after each epoch.

    `task`: sweep, trial, attempt, after_epoch, folder and data_root (absolute paths), config (JSON text), checkpoints
    (fsspec URI or ''), parts (into which a batch is split beyond the config's), has_snapshots (whether epoch snapshots
    are saved), former (ids of the shorter configs whose training state is continued), costs (names of those to measure
    and send before the first epoch). `send`: receives each report.
    Every epoch is saved to disk before it is sent; saved epochs after `after_epoch`, which the driver has not recorded,
    are sent again. What the process prints is kept in the folder."""
    rank = f", rank {team.rank} of {team.world}" if team.world > 1 else ""
    with output_kept(Path(task["folder"]), team.rank, f"trial {task['trial']}, attempt {task['attempt']}{rank}"):
        _train(task, device, team, send)


def _train(task: Mapping[str, Any], device: torch.device, team: Team, send: Send) -> None:
    config: TrainConfig = config_from(json.loads(task["config"]), f"trial {task['trial']}")
    folder = RunFolder(Path(task["folder"]), config, has_snapshots=task["has_snapshots"], former=task["former"])
    mirror = Mirror(task["checkpoints"], task["sweep"], task["trial"]) if task["checkpoints"] else None
    if mirror is not None and team.rank == 0:
        mirror.fetch(folder.path)
    team.sum(torch.zeros(1))  # the others look for the state only once it is there
    if mirror is not None:
        mirror.fetch(folder.path)
    state = folder.resume_state()
    source = dataclasses.replace(config.data, root=task["data_root"])
    data = resident_data(source, config.traits.reads, device, (team.rank, team.world))
    if team.rank == 0:
        folder.begin()
    for row in state["history"] if state is not None else ():
        if row["epoch"] > task["after_epoch"]:
            send(message(saved_row(task["trial"], row)))

    def tell(report: Report) -> None:
        if mirror is not None and team.rank == 0 and not report.losses.diverged:
            mirror.send(folder.path, with_best=report.is_best)
        send(message(row_of(task["trial"], report)))

    def ready(engine: SingleEngine) -> None:
        if task["costs"]:
            # All ranks report together; what rank 0 reports counts.
            costs = costs_of(engine, config, data, task["costs"]) if team.rank == 0 else {}
            send(message(CostRow(trial=task["trial"], costs=costs)))

    engine = SingleEngine(device=device, team=team, parts=task["parts"])
    train_alone(config, data, folder, engine, state, tell, ready=ready)


def row_of(trial: int, report: Report) -> EpochRow | EndRow:
    """Builds the record of a completed epoch, or of the divergence that ends the trial."""
    losses = report.losses
    if losses.diverged:
        return EndRow(trial=trial, state="diverged", epoch=report.epoch, reason=losses.diverged)
    return EpochRow(
        trial=trial,
        epoch=report.epoch,
        metrics=report.metrics,
        seconds=report.seconds,
        lr=losses.lr,
        loss=losses.mean,
    )


def saved_row(trial: int, saved: Mapping[str, Any]) -> EpochRow:
    """Builds the record of an epoch from an entry of the saved training history. KeyError if the entry lacks a
    field."""
    metrics = {name: value for name, value in saved.items() if "/" in name}
    costs = {name: saved[name] for name in ("seconds", "lr", "loss")}
    return EpochRow(trial=trial, epoch=saved["epoch"], metrics=metrics, **costs)


def message(row: EpochRow | EndRow | CostRow) -> dict[str, str]:
    """Wraps a record as one JSON text: Tune flattens nested results and adds fields of its own."""
    return {"report": to_text(row)}
