"""Trains every model in worker groups: for each number of workers in one group, that of `train --workers`.

    python tests/faults/train_in_groups.py FOLDER 1 2

FOLDER/<model>-<workers> holds a run of one epoch as `train --workers` leaves it, and the MLflow store FOLDER/mlflow.db
has it. FOLDER/last-<workers> is the run that the command itself asks for, of ten epochs: its group trains the others
before. A group that is started again goes on where the last has ended.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # started as a file, Python looks beside it only

from search.environment.variables import settle_environment

settle_environment()  # Ray reads it when it is imported

from tests.made.images import NAME as IMAGES
from tests.made.images import made_images
from tests.made.small import tiny_run, write_tiny
from tests.made.small_meshes import MODEL as MESHES
from tests.made.small_meshes import hand_run, write_hands

from data.batches.samples import facts_of
from search.__main__ import posesweep
from search.cli.command import Where
from search.cli.runs.train import RayTrainRequest
from search.executors import group
from search.record.journal import FILE, Journal
from search.record.provenance import facts_of_run
from search.sweep import train
from search.sweep.place import Place, spool_of
from search.sweep.place import place_of as sweep_place
from spaces.schema import dump
from trainables import registry
from trainables.cli.train import TrainRequest
from trainables.config import TrainConfig
from trainables.runs.folder import RunFolder


def config_of(model: str, folder: Path) -> TrainConfig:
    """One epoch on data that the model reads: poses, images or meshes, in folders of their own."""
    whole = {"loop__batch": 300, "loop__epochs": 1}
    if model == MESHES:
        return hand_run(folder / "meshes", data__downsample=2, **whole)
    if model == "context_aware_poseformer":
        parts = {"train_subjects": "S1", "val_subjects": "S8", "test_subjects": "S9"}
        changes = {"name": IMAGES, "joints": 17, "crop_height": 64, "crop_width": 64, **parts}
        return tiny_run(
            model, folder / "images", **whole, **{f"data__{knob}": value for knob, value in changes.items()}
        )
    return tiny_run(model, folder / "poses", **whole)


def place_of(out: Path) -> Place:
    """Where a run is kept and shown."""
    return sweep_place(out, Where(tracking_uri=f"sqlite:///{out.parent}/mlflow.db"))


def task_of(config: TrainConfig, out: Path) -> dict[str, Any]:
    """What a worker is told; the run's folder and journal are begun."""
    request = TrainRequest(config=config, out=out, resume=None, init=None)
    RunFolder(out, config).begin()
    whole = RayTrainRequest(run=request, workers=1, cpus=1.0, gpus=None, where=Where())
    train._journal_of_run(place_of(out), whole, facts_of_run(facts_of(config.data))).unlock()
    return {"request": request, "data_root": config.data.root, "journal": str(out / FILE)}


def train_all(task: dict[str, Any]) -> None:
    """A worker's part of every run that is not over yet, one after the other."""
    for one in task["tasks"]:
        if not Journal(Path(one["journal"])).trials[0].has_ended:
            group._run_worker(one)


def show(request: TrainRequest) -> None:
    """Sends a run to MLflow, all of it."""
    spool = spool_of(request.out / FILE, request.config.loop.select, place_of(request.out))
    assert spool.send_all(), spool.trouble
    assert not spool.problems, spool.problems


def train_last(folder: Path, workers: int, tasks: list[dict[str, Any]]) -> int:
    """Types `train` for the last run, in whose group the others are trained first; returns its exit code."""
    config = folder / "last.yaml"
    config.write_text(dump(tiny_run("graformer", folder / "poses", loop__epochs=10, loop__batch=8)))
    plain = group._trainer

    def trainer(kind: Any, worker: Any, task: dict[str, Any], *place: Any, **options: Any) -> Any:
        return plain(kind, train_all, {"tasks": [*tasks, task]}, *place, **options)

    store = f"sqlite:///{folder}/mlflow.db"
    line = [str(config), "--out", f"{folder}/last-{workers}", "--workers", str(workers), "--tracking-uri", store]
    with mock.patch.object(group, "_trainer", trainer), mock.patch.object(sys, "argv", ["search", "train", *line]):
        return posesweep(prog="")


def main(folder: Path, counts: list[int]) -> int:
    write_tiny(folder / "poses", frames=12)
    made_images(folder / "images")
    write_hands(folder / "meshes")
    for workers in counts:
        tasks = [task_of(config_of(name, folder), folder / f"{name}-{workers}") for name in registry.names()]
        if code := train_last(folder, workers, tasks):
            return code
        for task in tasks:
            show(task["request"])
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), [int(word) for word in sys.argv[2:]]))
