"""Engine protocol: trains lanes. A lane is one trial: its config, weights, optimiser, step, data order and best
score."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from data.batches.batch import Batch
from data.batches.samples import Samples
from spaces.errors import ConfigError
from spaces.schema import config_id, dump

from ..config import TrainConfig
from ..entry import Model
from .optim import first_bad_step, learning_rates

State = dict[str, Any]
Moments = dict[str, dict[str, Tensor]]


@dataclass(frozen=True, slots=True)
class Losses:
    """Losses of one epoch: sample-weighted mean loss, the last learning rate, and why it diverged ('' when it did
    not)."""

    mean: float
    lr: float
    diverged: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """Result of one epoch of one lane, offered to the scheduler. `metrics` is empty after a divergence."""

    lane: int
    epoch: int
    losses: Losses
    metrics: dict[str, float]
    seconds: float
    is_best: bool
    is_last: bool
    engine: Engine


@dataclass(frozen=True, slots=True)
class Verdict:
    """Decision of the scheduler on a lane after the epoch it names: go on or stop."""

    lane: int
    epoch: int
    stop: bool


class Engine(Protocol):
    """Protocol of engines, as `fit` uses them. Calls that return a dict by lane cover all of `lanes`, or the lanes
    given."""

    @property
    def lanes(self) -> tuple[int, ...]: ...
    def join(
        self, lane: int, config: TrainConfig, state: State | None = None, weights: Mapping[str, Tensor] | None = None
    ) -> None: ...
    def train_epoch(self, data: Samples) -> dict[int, Losses]: ...
    def evaluate(self, data: Samples, lanes: Sequence[int]) -> dict[int, dict[str, float]]: ...
    def report(self, lane: int, losses: Losses, metrics: dict[str, float]) -> Report: ...
    def apply(self, verdict: Verdict) -> None: ...
    def state(self, lane: int) -> State: ...
    def export(self, lane: int) -> dict[str, Tensor]: ...
    def leave(self, lane: int) -> State: ...


@dataclass(slots=True)
class Lane:
    """Bookkeeping of a lane, common to all engines: epoch, step, best score, history; its tensors are the engine's."""

    number: int
    config: TrainConfig
    epoch: int = 0
    step: int = 0
    best_epoch: int = 0
    best_score: float = float("inf")
    started: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)

    def begin_epoch(self, steps: int) -> int:
        """Starts the next epoch of so many steps; returns the number of its first one, counted over all epochs."""
        self.started = time.perf_counter()
        self.epoch += 1
        self.step += steps
        return self.step - steps + 1

    @property
    def progress(self) -> float:
        """Share of training that was done when the current epoch began."""
        return (self.epoch - 1) / self.config.loop.epochs

    def losses(self, total: Tensor, counts: Tensor) -> Losses:
        """Returns the epoch's losses from each step's summed loss and number of samples, both [steps] float64 on the
        CPU."""
        means = total / counts
        bad = first_bad_step(means)
        step = self.step if bad is None else self.step - len(means) + bad + 1
        lr = float(learning_rates(self.config.optim, torch.tensor([self.step]), len(means), self.config.loop.epochs))
        reason = "" if bad is None else f"loss is {float(means[bad])} at step {step}, lr {lr:.1e}"
        return Losses(float(total.sum() / counts.sum()), lr, reason)

    def report(self, losses: Losses, metrics: dict[str, float], engine: Engine) -> Report:
        """Records the epoch in history and best score, and returns its report."""
        seconds = time.perf_counter() - self.started
        score = metrics.get(self.config.loop.select, float("nan"))
        is_better = math.isfinite(score) if self.config.loop.keep == "last" else score < self.best_score
        is_best = not losses.diverged and is_better
        if is_best:
            self.best_epoch, self.best_score = self.epoch, score
        self.history.append({"epoch": self.epoch, "lr": losses.lr, "loss": losses.mean, "seconds": seconds, **metrics})
        return Report(
            lane=self.number,
            epoch=self.epoch,
            losses=losses,
            metrics=metrics,
            seconds=seconds,
            is_best=is_best,
            is_last=self.epoch >= self.config.loop.epochs,
            engine=engine,
        )

    def state(self, network: Mapping[str, Tensor], moments: Moments) -> State:
        """Returns everything that `join` needs to resume, in any engine: plain types and tensors only. Masks and order
        follow from seed, step and epoch."""
        return {
            "config_id": config_id(self.config),
            "config": dump(self.config),
            "epoch": self.epoch,
            "step": self.step,
            "best_epoch": self.best_epoch,
            "best_score": self.best_score,
            "history": [dict(row) for row in self.history],
            "network": dict(network),
            "moments": moments,
        }

    def restore(self, state: State) -> None:
        """Restores the bookkeeping from a state; ConfigError when another config made it."""
        if state["config_id"] != config_id(self.config):
            found = f"belongs to config {state['config_id']}, not to {config_id(self.config)}"
            raise ConfigError("checkpoint", [f"{found}; resume with the config it was made with"])
        self.epoch, self.step = state["epoch"], state["step"]
        self.best_epoch, self.best_score = state["best_epoch"], state["best_score"]
        self.history = [dict(row) for row in state["history"]]


def inputs_of_step(data: Samples, index: Tensor, reads: Sequence[str]) -> tuple[Tensor, ...]:
    """Returns the input tensors of a recorded step for the training samples `index` [B]: the index, where the step
    gathers from the device itself; the fields in the order of `reads` where some are streamed."""
    if not data.is_streamed(reads):
        return (index,)
    batch = data.gather("train", index, reads)
    return tuple(getattr(batch, name) for name in reads)


def batch_of_step(data: Samples, inputs: Sequence[Tensor], reads: Sequence[str]) -> Batch:
    """Returns the batch that the tensors of `inputs_of_step` describe."""
    if not data.is_streamed(reads):
        return data.gather("train", inputs[0], reads)
    fields: dict[str, Any] = dict(zip(reads, inputs, strict=True))
    return Batch(size=len(inputs[0]), **fields)


def build_network(model: Model, config: TrainConfig) -> nn.Module:
    """Builds the network with the initial weights of the seed of `config`, on the CPU; torch's global generator is left
    unchanged."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.loop.seed)
        return model.build(config.network, config.data.sizes)


def summed(terms: Mapping[str, Tensor]) -> Tensor:
    """Returns the loss, the sum of its terms."""
    return torch.stack(list(terms.values())).sum()


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Returns the context in which a loss is computed; with precision bfloat16 its matrix products have that type."""
    # A cached cast would outlive the recorded step that made it.
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16", cache_enabled=False)
