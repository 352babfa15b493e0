"""One config trained under Ray Train: the only file that knows `ray.train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ray.train
from ray.train.torch import TorchTrainer

from trainables.device import pick_device
from trainables.engine import Report, SingleEngine
from trainables.folder import RunFolder
from trainables.options import TrainRequest
from trainables.train import train_alone
from trainables.verbs import open_data, state_to_resume, weights_to_start

from .journal import Journal


def train_group(request: TrainRequest, journal: Path, *, use_gpu: bool) -> None:
    """Trains one config in a Ray Train worker; the worker books its epochs in the journal, which must be unlocked.
    Raises what the worker raised."""
    folder = request.out.resolve()
    trainer = TorchTrainer(
        _worker,
        train_loop_config={
            "request": request,
            "data_root": str(Path(request.config.data.root).resolve()),
            "journal": str(journal.resolve()),
        },
        scaling_config=ray.train.ScalingConfig(num_workers=1, use_gpu=use_gpu),
        run_config=ray.train.RunConfig(
            name="ray",
            storage_path=str(folder),
            # The worker resumes from its own folder, so a restarted group repeats at most one epoch.
            failure_config=ray.train.FailureConfig(max_failures=2),
        ),
    )
    trainer.fit()


def _worker(task: dict[str, Any]) -> None:
    request: TrainRequest = task["request"]
    config, device = request.config, pick_device()
    folder = RunFolder(request.out, config)
    state = state_to_resume(request, folder)
    data = open_data(config, ("train", "val"), device, root=task["data_root"])
    journal = Journal(Path(task["journal"]))
    journal.lock()
    trial = journal.trials[0]
    journal.append("attempt", trial=0, attempt=trial.attempts + 1, after_epoch=trial.last_epoch)
    # Epochs that an interrupted run saved but did not book.
    for row in state["history"] if state is not None else ():
        if row["epoch"] > trial.last_epoch:
            _book(journal, row, {name: value for name, value in row.items() if "/" in name})

    def tell(report: Report) -> None:
        if report.losses.diverged:
            journal.append("end", trial=0, state="diverged", epoch=report.epoch, reason=report.losses.diverged)
        else:
            losses = {"loss": report.losses.mean, "lr": report.losses.lr}
            _book(journal, {"epoch": report.epoch, "seconds": report.seconds, **losses}, report.metrics)
        ray.train.report({"epoch": report.epoch, **report.metrics})

    engine = SingleEngine(device=device)
    train_alone(config, data, folder, engine, state, tell, None if state is not None else weights_to_start(request))
    if not journal.trials[0].has_ended:
        journal.append("end", trial=0, state="finished", epoch=config.loop.epochs, reason="")
    journal.unlock()


def _book(journal: Journal, row: dict[str, Any], metrics: dict[str, float]) -> None:
    fields = {name: row[name] for name in ("epoch", "seconds", "loss", "lr")}
    journal.append("epoch", trial=0, **fields, metrics=metrics)
