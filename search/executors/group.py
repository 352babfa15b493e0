"""Ray Train executor: trains a trial of a sweep, or one config (`train`), in a group of workers. The only file that
imports `ray.train`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch
import torch
from ray import tune
from ray.train.torch import TorchConfig, TorchTrainer
from ray.train.torch.config import _TorchBackend
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2._internal.execution.scaling_policy import FixedScalingPolicy
from ray.train.v2._internal.execution.worker_group import WorkerGroup
from ray.train.v2._internal.execution.worker_group.placement_group_handle import DefaultPlacementGroupHandle
from ray.util import get_current_placement_group

from trainables.cli.train import TrainRequest
from trainables.devices.device import pick_device
from trainables.devices.team import DistributedTeam, Team, narrow_store
from trainables.engines.engine import Report
from trainables.engines.single import SingleEngine
from trainables.runs.folder import RunFolder
from trainables.runs.loop import train_alone
from trainables.runs.train import open_data, state_to_resume, weights_to_start

from ..cluster.claims import Demand
from ..cluster.sessions import RAY
from ..record.journal import Journal
from ..record.records import AttemptRow, EndRow
from .attempt import row_of, run_attempt, saved_row
from .faults import losses_reported

RESTARTS = 2  # of `train`'s group after a worker died; each goes on from the last epoch on disk


def resources_of_group(driver: dict[str, float], demand: Demand) -> tune.PlacementGroupFactory:
    """Returns the resources of a trial in a group: a bundle for its own process, `driver`, then one for each worker."""
    return tune.PlacementGroupFactory([driver, *([_bundle(demand)] * demand.workers)])


def train_trial_in_group(task: dict[str, Any]) -> None:
    """Trains one attempt in a Ray Train worker group, as a light Tune trainable: it waits for the group and forwards
    its reports. `task` as in `run_attempt`, and `demand`: the group's Demand.

    Returns None, because Tune would count a returned value as one more report."""
    # Beside the trial's own folder, which holds nothing but its run. The name is the same at every attempt.
    storage = Path(task["folder"]).parents[1] / RAY
    name = f"group-{task['trial']:04d}"
    with losses_reported(task["trial"], tune.report):
        # The conductor starts a lost group again, as it does a lost process.
        _trainer(_TrialTrainer, _attempt_worker, task, storage, name, task["demand"], restarts=0).fit()


def train_group(request: TrainRequest, journal: Path, demand: Demand) -> None:
    """Trains one config in a Ray Train worker group. `journal`: must be unlocked; rank 0 locks it and records the
    epochs. `demand`: workers, and CPUs and GPUs of each. Raises what a worker raised."""
    task = {
        "request": request,
        "data_root": str(Path(request.config.data.root).resolve()),
        "journal": str(journal.resolve()),
    }
    _trainer(_Trainer, _run_worker, task, request.out.resolve(), RAY, demand, restarts=RESTARTS).fit()


class _Backend(_TorchBackend):
    """Ray Train's set-up of a group under torch.distributed, whose store listens on the workers' own address only."""

    def on_start(self, worker_group: Any, backend_config: Any) -> None:
        """Narrows the store of every worker, and sets the group up."""
        worker_group.execute(narrow_store)
        super().on_start(worker_group, backend_config)


class _GroupConfig(TorchConfig):
    @property
    def backend_cls(self) -> type[_Backend]:
        return _Backend


class _Policy(FixedScalingPolicy):
    """Scaling policy that asks for a group's resources by its placement group alone, which an autoscaler sees. Ray 2.60
    starts a process to ask for them a second time, and waits for it before it starts the group."""

    def _send_resource_request(self) -> None:
        pass

    def _maybe_send_resource_request(self) -> None:
        pass

    def _cancel_resource_request(self) -> None:
        pass


class _Trainer(TorchTrainer):
    """Trainer without the parts of Ray 2.60 that start a process each and have no use here: the callback for Ray's own
    data sets, a second request for resources, and a watch over the placement group, which outlives neither the job of
    `train` nor the trial whose it is."""

    def _create_default_callbacks(self) -> list[Any]:
        made = super()._create_default_callbacks()  # type: ignore[misc]  # of the second Ray Train
        return [one for one in made if not isinstance(one, DatasetsCallback | PlacementGroupCleanerCallback)]

    def _initialize_and_run_controller(self, **parts: Any) -> Any:
        return self._run({**parts, "scaling_policy": _Policy(parts["scaling_policy"].scaling_config)})

    def _run(self, parts: dict[str, Any]) -> Any:
        return super()._initialize_and_run_controller(**parts)  # type: ignore[misc]


class _Forward(ray.train.UserCallback):
    """Forwards what rank 0 reports to Tune."""

    def after_report(self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: Any) -> None:
        tune.report(metrics[0])


class _Handle(DefaultPlacementGroupHandle):
    def shutdown(self) -> None:
        """Leaves the placement group to Tune, which removes it with the trial."""


class _TrialGroup(WorkerGroup):
    """Worker group in the placement group of its trial, beside the trial's own bundle. One of its own would stay when
    the trial's process is killed, as Tune does it to a trial that is stopped."""

    def _create_placement_group(self, *parts: Any) -> _Handle:
        placed = get_current_placement_group()
        assert placed is not None, "Tune places every trial"
        return _Handle(placed)

    def _create_workers(self, *parts: Any, **more: Any) -> Any:
        more["placement_group_bundle_indices"] = list(range(1, self._worker_group_context.num_workers + 1))
        return super()._create_workers(*parts, **more)


class _Controller(TrainController):
    worker_group_cls = _TrialGroup


class _TrialTrainer(_Trainer):
    """Trainer of a trial, in whose process the group is controlled. Ray 2.60 would start one process for that and one
    to hand the reports to Tune."""

    def _create_default_callbacks(self) -> list[Any]:
        forward: Any = _Forward()
        self.run_config.callbacks = [forward]
        return super()._create_default_callbacks()

    def _run(self, parts: dict[str, Any]) -> Any:
        controller = _Controller(**parts)
        asyncio.run(controller.run())
        return controller.get_result()


def _bundle(demand: Demand) -> dict[str, float]:
    return {"CPU": demand.cpus, **({"GPU": demand.gpus} if demand.gpus else {})}


def _trainer(
    kind: type[_Trainer], worker: Any, task: dict[str, Any], storage: Path, name: str, demand: Demand, *, restarts: int
) -> TorchTrainer:
    return kind(
        worker,
        train_loop_config=task,
        torch_config=_GroupConfig(),
        scaling_config=ray.train.ScalingConfig(
            num_workers=demand.workers,
            use_gpu=demand.gpus > 0,
            resources_per_worker=_bundle(demand),
        ),
        run_config=ray.train.RunConfig(
            name=name,
            storage_path=str(storage),
            failure_config=ray.train.FailureConfig(max_failures=restarts),
        ),
    )


def _team() -> tuple[torch.device, Team]:
    device = ray.train.torch.get_device() if torch.cuda.is_available() else pick_device()
    is_alone = ray.train.get_context().get_world_size() == 1
    return device, Team() if is_alone else DistributedTeam(device)


def _attempt_worker(task: dict[str, Any]) -> None:
    run_attempt(task, *_team(), ray.train.report)


def _run_worker(task: dict[str, Any]) -> None:
    request: TrainRequest = task["request"]
    config, (device, team) = request.config, _team()
    folder = RunFolder(request.out, config)
    state = state_to_resume(request, folder)
    shard = (team.rank, team.world)
    data = open_data(config, ("train", "val"), device, root=task["data_root"], shard=shard)
    book = _Book(Path(task["journal"])) if team.rank == 0 else None
    if book is not None:
        book.begin(state["history"] if state is not None else [])

    def tell(report: Report) -> None:
        if book is not None:
            book.epoch(report)
        ray.train.report({"epoch": report.epoch, **report.metrics})

    engine = SingleEngine(device=device, team=team)
    train_alone(config, data, folder, engine, state, tell, None if state is not None else weights_to_start(request))
    if book is not None:
        book.finish(config.loop.epochs)


class _Book:
    """Journal writer of a single run, used by rank 0 only. Holds the journal's lock until `finish`."""

    def __init__(self, path: Path) -> None:
        self._journal = Journal(path)
        self._journal.lock()

    def begin(self, history: list[dict[str, Any]]) -> None:
        """Records the attempt, and the epochs that an interrupted run saved but did not record. `history`: saved
        training history."""
        trial = self._journal.trials[0]
        self._journal.append(AttemptRow(trial=0, attempt=trial.attempts + 1, after_epoch=trial.last_epoch))
        for row in history:
            if row["epoch"] > trial.last_epoch:
                self._journal.append(saved_row(0, row))

    def epoch(self, report: Report) -> None:
        """Records one epoch, or the divergence that ends the run."""
        self._journal.append(row_of(0, report))

    def finish(self, epochs: int) -> None:
        """Records the run as finished, unless it has ended already, and unlocks the journal for the driver."""
        if not self._journal.trials[0].has_ended:
            self._journal.append(EndRow(trial=0, state="finished", epoch=epochs, reason=""))
        self._journal.unlock()
