"""Engines train lanes. A lane is one trial: its config, weights, optimiser, step, random state and best score."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from data.module import DataModule
from spaces.schema import ConfigError, config_id, dump

from . import registry
from .config import TrainConfig
from .evaluation import score
from .optim import first_bad_step, learning_rate, make_optimizer, take_step
from .team import Team

State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Losses:
    """One epoch of training: sample-weighted mean loss, the last rate, and why it diverged ('' when it did not)."""

    mean: float
    lr: float
    diverged: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """One epoch of one lane, offered for judgement. `metrics` is empty after a divergence."""

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
    """What becomes of a lane after the epoch it names."""

    lane: int
    epoch: int
    stop: bool


class Engine(Protocol):
    """What `fit` needs. Every call that answers by lane answers for all of `lanes`."""

    @property
    def lanes(self) -> tuple[int, ...]: ...
    def join(self, lane: int, config: TrainConfig, state: State | None = None) -> None: ...
    def train_epoch(self, data: DataModule) -> dict[int, Losses]: ...
    def evaluate(self, data: DataModule) -> dict[int, dict[str, float]]: ...
    def report(self, lane: int, losses: Losses, metrics: dict[str, float]) -> Report: ...
    def apply(self, verdict: Verdict) -> None: ...
    def state(self, lane: int) -> State: ...
    def export(self, lane: int) -> dict[str, Tensor]: ...
    def leave(self, lane: int) -> State: ...


@dataclass(slots=True)
class _Lane:
    number: int
    config: TrainConfig
    network: nn.Module
    optimizer: torch.optim.Optimizer
    random: Tensor
    cuda_random: Tensor | None
    epoch: int = 0
    step: int = 0
    best_epoch: int = 0
    best_score: float = float("inf")
    started: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)


class SingleEngine:
    """One lane on one device: an ordinary module and a torch optimiser, trained alone or by a team of ranks."""

    def __init__(
        self,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        team: Team | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.dtype = dtype
        self.team = team or Team()
        self._lane: _Lane | None = None

    @property
    def lanes(self) -> tuple[int, ...]:
        """The one lane's number while it trains, nothing before and after."""
        return () if self._lane is None else (self._lane.number,)

    def join(self, lane: int, config: TrainConfig, state: State | None = None) -> None:
        """Starts a lane from its seed, or where `state` (of `state` or `leave`) left it, bit for bit."""
        assert self._lane is None, f"lane {lane} finds lane {self.lanes} in the only place"
        model = registry.get(config.model)
        with torch.random.fork_rng(devices=self._cuda_devices()):
            torch.manual_seed(config.loop.seed)
            network = model.build(config.network, config.data.sizes).to(self.device, self.dtype)
            if self.team.rank:
                # All ranks start with the same weights, but their samples are not to be dropped out alike.
                torch.manual_seed(config.loop.seed + self.team.rank)
            random, cuda_random = torch.get_rng_state(), self._cuda_state()
        optimizer = make_optimizer(network.parameters(), config.optim)
        joined = _Lane(lane, config, network, optimizer, random, cuda_random)
        if state is not None:
            _restore(joined, state, self.team)
        self._lane = joined
        joined.network = self.team.wrap(network)

    def start_from(self, tensors: dict[str, Tensor]) -> None:
        """Puts weights into a lane that has not begun; optimiser, schedule and random state stay fresh."""
        assert self._lane is not None, "no lane has joined"
        assert self._lane.step == 0, f"lane is at step {self._lane.step}"
        _bare(self._lane.network).load_state_dict(tensors)

    def train_epoch(self, data: DataModule) -> dict[int, Losses]:
        """One pass over the training split."""
        lane = self._only()
        lane.started = time.perf_counter()
        lane.epoch += 1
        config, model = lane.config, registry.get(lane.config.model)
        network, parameters = lane.network.train(), list(lane.network.parameters())
        steps = data.num_batches("train", config.loop.batch)
        losses = torch.empty(steps, device=self.device, dtype=torch.float64)
        counts = torch.empty(steps, dtype=torch.float64)
        lr = config.optim.lr
        with self._random_stream(lane):
            batches = data.batches("train", lane.epoch, config.loop.seed, config.loop.batch)
            for i, (index, own, whole) in enumerate(batches):
                lane.step += 1
                batch = data.gather("train", index, model.reads)
                terms = model.terms(network(batch), batch, config.objective)
                loss = torch.stack(list(terms.values())).sum()
                lane.optimizer.zero_grad(set_to_none=True)
                # Ranks' gradients are averaged, whatever the size of their slices.
                (loss if own == whole else loss * (own * self.team.world / whole)).backward()
                lr = learning_rate(config.optim, lane.step)
                take_step(lane.optimizer, parameters, lr, config.optim.clip)
                losses[i], counts[i] = loss.detach() * own, whole
        losses = self.team.sum(losses).cpu()
        mean = float(losses.sum() / counts.sum())
        losses /= counts
        bad = first_bad_step(losses)
        diverged = (
            "" if bad is None else f"loss is {float(losses[bad])} at step {lane.step - steps + bad + 1}, lr {lr:.1e}"
        )
        return {lane.number: Losses(mean, lr, diverged)}

    def evaluate(self, data: DataModule) -> dict[int, dict[str, float]]:
        """`val/...` metrics of every lane: frame means."""
        lane = self._only()
        sums = score(_bare(lane.network), registry.get(lane.config.model), data, "val", self.team)
        return {lane.number: {f"val/{name}": value for name, value in sums.frame_mean().items()}}

    def report(self, lane: int, losses: Losses, metrics: dict[str, float]) -> Report:
        """Books the epoch in the lane's history and best score, and says so."""
        at = self._only()
        seconds = time.perf_counter() - at.started
        score_now = metrics.get(at.config.loop.select, float("nan"))
        is_best = not losses.diverged and score_now < at.best_score
        if is_best:
            at.best_epoch, at.best_score = at.epoch, score_now
        row = {"epoch": at.epoch, "lr": losses.lr, "loss": losses.mean, "seconds": seconds, **metrics}
        at.history.append(row)
        return Report(
            lane=lane,
            epoch=at.epoch,
            losses=losses,
            metrics=metrics,
            seconds=seconds,
            is_best=is_best,
            is_last=at.epoch >= at.config.loop.epochs,
            engine=self,
        )

    def apply(self, verdict: Verdict) -> None:
        """Stops the lane if the verdict says so."""
        if verdict.stop and verdict.lane in self.lanes:
            self.leave(verdict.lane)

    def state(self, lane: int) -> State:
        """Everything that `join` needs to go on: plain types and tensors only. All ranks of a team ask together."""
        at = self._only()
        return {
            "config_id": config_id(at.config),
            "config": dump(at.config),
            "epoch": at.epoch,
            "step": at.step,
            "best_epoch": at.best_epoch,
            "best_score": at.best_score,
            "history": [dict(row) for row in at.history],
            "network": _bare(at.network).state_dict(),
            "optimizer": at.optimizer.state_dict(),
            "random": self.team.gather(at.random),
            "cuda_random": None if at.cuda_random is None else self.team.gather(at.cuda_random),
        }

    def export(self, lane: int) -> dict[str, Tensor]:
        """A plain state dict that any bare module of this model loads."""
        return {name: value.detach().cpu().clone() for name, value in _bare(self._only().network).state_dict().items()}

    def leave(self, lane: int) -> State:
        """Takes the lane out, with all it carries."""
        state = self.state(lane)
        self._lane = None
        return state

    def _only(self) -> _Lane:
        assert self._lane is not None, "no lane has joined"
        return self._lane

    def _cuda_devices(self) -> list[torch.device]:
        return [self.device] if self.device.type == "cuda" else []

    def _cuda_state(self) -> Tensor | None:
        return torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None

    @contextlib.contextmanager
    def _random_stream(self, lane: _Lane) -> Iterator[None]:
        # Dropout draws from the process-wide generator: lent to the lane for one epoch, so that what else runs in
        # this process neither disturbs the lane nor is disturbed by it.
        with torch.random.fork_rng(devices=self._cuda_devices()):
            torch.set_rng_state(lane.random)
            if lane.cuda_random is not None:
                torch.cuda.set_rng_state(lane.cuda_random, self.device)
            yield
            lane.random, lane.cuda_random = torch.get_rng_state(), self._cuda_state()


def _bare(network: nn.Module) -> nn.Module:
    return network.module if isinstance(network, nn.parallel.DistributedDataParallel) else network


def _restore(lane: _Lane, state: State, team: Team) -> None:
    if state["config_id"] != config_id(lane.config):
        found = f"belongs to config {state['config_id']}, not to {config_id(lane.config)}"
        raise ConfigError("checkpoint", [f"{found}; resume with the config it was made with"])
    lane.network.load_state_dict(state["network"])
    lane.optimizer.load_state_dict(state["optimizer"])
    lane.epoch, lane.step = state["epoch"], state["step"]
    lane.best_epoch, lane.best_score = state["best_epoch"], state["best_score"]
    lane.history = [dict(row) for row in state["history"]]
    # A team of another size draws other samples to a rank, so there is no old stream for it to go on with.
    if len(state["random"]) == team.world:
        lane.random = state["random"][team.rank]
    if state["cuda_random"] is not None and len(state["cuda_random"]) == team.world:
        lane.cuda_random = state["cuda_random"][team.rank]
