"""SingleEngine: one lane on one device, an ordinary module and a torch optimiser, trained alone or by a team of
ranks."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from data.batches.samples import Samples

from .. import registry
from ..config import TrainConfig
from ..devices.capture import Captured
from ..devices.device import keep_freed_memory, spare_collections
from ..devices.team import Team
from ..entry import Model
from ..layers.stream import Stream, shared_stream, step_keys
from ..scoring.evaluation import score
from .engine import (
    Lane,
    Losses,
    Moments,
    Report,
    State,
    Verdict,
    autocast,
    batch_of_step,
    build_network,
    inputs_of_step,
    summed,
)
from .optim import Stepper, learning_rates, make_optimizer, parameter_groups


@dataclass(slots=True)
class _Place:
    """Tensors of the lane. `network` is wrapped where a team trains it, `bare` is not."""

    books: Lane
    model: Model
    bare: nn.Module
    network: nn.Module
    parameters: list[nn.Parameter]
    optimizer: torch.optim.Optimizer
    stepper: Stepper
    stream: Stream


class SingleEngine:
    """Engine of one lane. On a GPU, without a team, its steps are recorded as CUDA graphs unless `is_captured` is
    False. `parts`: number of parts into which a batch is split beyond `loop.accumulate`, for less memory at the same
    batch size."""

    def __init__(
        self,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        team: Team | None = None,
        is_captured: bool = True,
        parts: int = 1,
    ) -> None:
        self._parts = parts
        self.device = torch.device(device)
        self.dtype = dtype
        self.team = team or Team()
        is_recorded = is_captured and self.device.type == "cuda" and self.team.world == 1
        self._recorder = self.device if is_recorded else None
        self._place: _Place | None = None
        self._steps: dict[tuple[int, float], Captured] = {}
        self._data: Samples | None = None
        spare_collections()
        if self.device.type == "cpu":
            keep_freed_memory()

    @property
    def lanes(self) -> tuple[int, ...]:
        """The one lane's number while it trains, nothing before and after."""
        return () if self._place is None else (self._place.books.number,)

    def join(
        self, lane: int, config: TrainConfig, state: State | None = None, weights: Mapping[str, Tensor] | None = None
    ) -> None:
        """Starts a lane from its seed, from `weights` with a fresh optimiser and schedule, or from a `state` of any
        engine, bit for bit."""
        assert self._place is None, f"lane {lane} finds lane {self.lanes} in the only place"
        books, model = Lane(lane, config), registry.get(config.model)
        if state is not None:
            books.restore(state)
            weights = state["network"]
        bare = build_network(model, config).to(self.device, self.dtype)
        if weights is not None:
            bare.load_state_dict(weights)
        groups = parameter_groups(bare, config.traits.rate_factors)
        optimizer = make_optimizer(groups, config.optim, self.device)
        if state is not None:
            _put_moments(bare, optimizer, state)
        stepper, stream = Stepper(optimizer, config.optim.clip), shared_stream(bare)
        trained = [parameter for group in groups for parameter in group["params"]]
        self._place = _Place(books, model, bare, self.team.wrap(bare), trained, optimizer, stepper, stream)

    def train_epoch(self, data: Samples) -> dict[int, Losses]:
        """Trains one pass over the training split."""
        place = self._only()
        if data is not self._data:  # a recorded step reads the arrays it was recorded with
            self._data, self._steps = data, {}
        books, loop = place.books, place.books.config.loop
        steps = data.num_batches("train", loop.batch)
        first = books.begin_epoch(steps)
        place.network.train()
        keys = step_keys(loop.seed, self.team.rank, first, steps).to(self.device)
        rates = learning_rates(books.config.optim, torch.arange(first, first + steps), steps, loop.epochs)
        progress = torch.tensor(books.progress, device=self.device, dtype=self.dtype)
        rates = rates.to(self.device, torch.float32) if self.device.type == "cuda" else rates
        total = torch.empty(steps, device=self.device, dtype=torch.float64)
        counts = torch.empty(steps, dtype=torch.float64)
        reads = books.config.traits.reads
        batches = data.batches("train", books.epoch, loop.seed, loop.batch)
        for i, (index, own, whole) in enumerate(batches):
            # Ranks' gradients are averaged, whatever the size of their slices.
            step = self._step(len(index), own * self.team.world / whole)
            inputs = inputs_of_step(data, index, reads)
            total[i], counts[i] = step(keys[i], progress, rates[i], *inputs) * own, whole
        self.team.agree(place.bare)
        return {books.number: books.losses(self.team.sum(total).cpu(), counts)}

    def _step(self, size: int, share: float) -> Captured:
        if (size, share) not in self._steps:
            # A replay of activations sets random states, which cannot be recorded.
            is_plain = bool(self._only().books.config.data.sizes.mesh)
            recorder = None if is_plain else self._recorder
            self._steps[size, share] = Captured(functools.partial(self._take_step, share), recorder)
        return self._steps[size, share]

    def _take_step(self, share: float, key: Tensor, progress: Tensor, lr: Tensor, *inputs: Tensor) -> Tensor:
        place = self._only()
        assert self._data is not None, "no epoch has begun"
        config, size = place.books.config, len(inputs[0])
        place.stepper.forget()
        split = zip(*(given.tensor_split(config.loop.accumulate * self._parts) for given in inputs), strict=True)
        parts = [part for part in split if len(part[0])]
        losses = []
        for i, part in enumerate(parts):
            place.stream.begin(key, progress, part=i)
            with nullcontext() if i == len(parts) - 1 else self.team.apart(place.network):
                loss = self._loss(self._data, part)
                # Weighted by its samples, so that parts together are the batch where the loss is a mean over samples.
                weight = share * len(part[0]) / size
                (loss if weight == 1 else loss * weight).backward()
            losses.append(loss.detach() if len(parts) == 1 else loss.detach() * (len(part[0]) / size))
        place.stepper.take(lr)
        return losses[0] if len(parts) == 1 else torch.stack(losses).sum()

    def _loss(self, data: Samples, inputs: Sequence[Tensor]) -> Tensor:
        place, config = self._only(), self._only().books.config
        batch = batch_of_step(data, inputs, config.traits.reads)
        with autocast(self.device, config.loop.precision):
            return summed(place.model.terms(place.network(batch), batch, config.objective))

    def rehearse(self, data: Samples) -> int:
        """Runs a forward and a backward pass of the largest part of a batch, without a trace, to measure memory;
        returns its number of samples. All ranks of a team do so together."""
        place, config = self._only(), self._only().books.config
        index, _, _ = next(data.batches("train", 1, config.loop.seed, config.loop.batch))
        part = index.tensor_split(config.loop.accumulate * self._parts)[0]
        before = {name: buffer.clone() for name, buffer in place.bare.named_buffers()}
        place.network.train()
        place.stream.begin(torch.zeros((), dtype=torch.int64, device=self.device))
        self._loss(data, inputs_of_step(data, part, config.traits.reads)).backward()
        place.stepper.forget()
        for name, buffer in place.bare.named_buffers():
            buffer.copy_(before[name])
        return len(part)

    @property
    def network(self) -> nn.Module:
        """The network, not wrapped for a team."""
        return self._only().bare

    @property
    def trained(self) -> tuple[nn.Parameter, ...]:
        """The parameters that the optimiser changes."""
        return tuple(self._only().parameters)

    def evaluate(self, data: Samples, lanes: Sequence[int]) -> dict[int, dict[str, float]]:
        """Returns the `val/...` metrics of the lanes: frame means."""
        if not lanes:
            return {}
        place = self._only()
        sums = score(place.bare, place.books.config, data, "val", self.team)
        return {lanes[0]: {f"val/{name}": value for name, value in sums.frame_mean().items()}}

    def report(self, lane: int, losses: Losses, metrics: dict[str, float]) -> Report:
        """Records the epoch in the lane's history and best score, and returns its report."""
        return self._only().books.report(losses, metrics, self)

    def apply(self, verdict: Verdict) -> None:
        """Stops the lane if the verdict says so."""
        if verdict.stop and verdict.lane in self.lanes:
            self.leave(verdict.lane)

    def state(self, lane: int) -> State:
        """Returns everything that `join` needs to resume: plain types and tensors only."""
        place = self._only()
        return place.books.state(place.bare.state_dict(), _moments(place.bare, place.optimizer))

    def export(self, lane: int) -> dict[str, Tensor]:
        """Returns a plain state dict that any bare module of this model loads."""
        return {name: value.detach().cpu().clone() for name, value in self._only().bare.state_dict().items()}

    def leave(self, lane: int) -> State:
        """Removes the lane and returns its state."""
        state = self.state(lane)
        self._place, self._steps, self._data = None, {}, None
        return state

    def _only(self) -> _Place:
        assert self._place is not None, "no lane has joined"
        return self._place


def _moments(network: nn.Module, optimizer: torch.optim.Optimizer) -> Moments:
    """Returns the optimiser's moments by parameter; a parameter that never had a gradient has none."""
    named = [(name, optimizer.state[p]) for name, p in network.named_parameters() if p in optimizer.state]
    kinds = [kind for kind, value in (named[0][1] if named else {}).items() if kind != "step"]
    return {kind: {name: state[kind] for name, state in named} for kind in kinds}


def _put_moments(network: nn.Module, optimizer: torch.optim.Optimizer, state: State) -> None:
    moments, step = state["moments"], torch.tensor(float(state["step"]))
    names = {parameter: name for name, parameter in network.named_parameters()}
    grouped = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    # The optimiser's kernel walks through memory: moments lie in it as their parameters do.
    entries = {
        i: {
            "step": step.clone(),
            **{kind: torch.empty_like(p).copy_(tensors[names[p]]) for kind, tensors in moments.items()},
        }
        for i, p in enumerate(grouped)
        if all(names[p] in tensors for tensors in moments.values()) and moments
    }
    optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})
