"""FusedEngine: many lanes of one shape trained as one vmapped step on one device; lanes join and leave between two
epochs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from data.batches.batch import Batch
from data.batches.samples import Samples
from spaces.errors import ConfigError

from .. import registry
from ..config import TrainConfig, array_knobs, lane_knobs
from ..devices.capture import Captured
from ..devices.device import keep_freed_memory, spare_collections
from ..layers.stream import dialled, shared_stream, step_keys
from ..scoring.evaluation import Poses, predict, predicted, score_poses
from .engine import Lane, Losses, Report, State, Verdict, autocast, batch_of_step, build_network, inputs_of_step, summed
from .optim import Run, StepSettings, moment_kinds, prefix_of, settings_table, step_rows
from .rows import Rows
from .slots import Slots


class FusedEngine:
    """Engine of at most `capacity` lanes whose configs differ in lane knobs only.

    A lane is a row of every tensor, and the rows in use are the first ones. Its losses, masks and order are those of
    its solo run, up to rounding, whatever the other lanes. On a GPU the step is recorded once for all rows, in use or
    not."""

    def __init__(
        self, capacity: int, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> None:
        assert capacity >= 1, capacity
        self.capacity = capacity
        self.device = torch.device(device)
        self.dtype = dtype
        self._lanes: list[Lane] = []
        self._array: _Array | None = None
        spare_collections()
        if self.device.type == "cpu":
            keep_freed_memory()

    @property
    def lanes(self) -> tuple[int, ...]:
        """The lanes in training, by row."""
        return tuple(books.number for books in self._lanes)

    @property
    def room(self) -> int:
        """The number of free rows."""
        return self.capacity - len(self._lanes)

    def join(
        self, lane: int, config: TrainConfig, state: State | None = None, weights: Mapping[str, Tensor] | None = None
    ) -> None:
        """Puts a lane into the next row: from its seed, from `weights`, or from a `state` of any engine.

        ConfigError when its shape is not that of the lanes present; an empty array takes any shape."""
        assert self.room, f"no place for lane {lane} beside {self.lanes}"
        assert lane not in self.lanes, f"lane {lane} is here already"
        books = Lane(lane, config)
        if reason := config.traits.unfusable:
            raise ConfigError(f"lane {lane}", [f"{config.model} cannot be a lane of an array: {reason}"])
        if state is not None:
            books.restore(state)
        if self._array is None or not self._array.takes(config):
            self._check_kinship(lane, config)
            self._array = _Array(config, self.capacity, self.device, self.dtype)
        self._array.write(len(self._lanes), config, state, weights)
        self._lanes.append(books)

    def _check_kinship(self, lane: int, config: TrainConfig) -> None:
        if not self._lanes:
            return
        ours, theirs = array_knobs(config), array_knobs(self._lanes[0].config)
        differing = [path for path in ours | theirs if ours.get(path) != theirs.get(path)]
        raise ConfigError(
            f"lane {lane}",
            [
                f"{path} = {ours.get(path)} beside lanes with {theirs.get(path)}; such lanes need an array of their own"
                for path in differing
            ],
        )

    def train_epoch(self, data: Samples) -> dict[int, Losses]:
        """Trains one pass over the training split, every lane in its own order."""
        array, height, batch = self._trained(), self._height(), self._lanes[0].config.loop.batch
        steps = data.num_batches("train", batch)
        first = {books.number: books.begin_epoch(steps) for books in self._lanes}
        # Rows that are not in use repeat the first lane's plan; nobody reads what they come to.
        plans = self._lanes + self._lanes[:1] * (height - len(self._lanes))
        orders = torch.stack([data.order("train", at.epoch, at.config.loop.seed, batch) for at in plans])
        keys = torch.stack([step_keys(at.config.loop.seed, 0, first[at.number], steps) for at in plans], 1)
        tables = [
            settings_table(at.config.optim, first[at.number], steps, steps, at.config.loop.epochs) for at in plans
        ]
        settings = torch.stack(tables, 2)
        keys, settings = keys.to(self.device), settings.transpose(0, 1).to(self.device)
        progress = torch.tensor([at.progress for at in plans], device=self.device, dtype=self.dtype)
        total = torch.empty(steps, height, device=self.device, dtype=torch.float64)
        counts = torch.empty(steps, dtype=torch.float64)
        for i, index in enumerate(orders.split(data.batch_samples("train", batch), 1)):
            counts[i] = index.shape[1]
            total[i] = array.step(data, index, keys[i], progress, settings[i]) * index.shape[1]
        columns = total.cpu().unbind(1)[: len(self._lanes)]
        return {books.number: books.losses(own, counts) for books, own in zip(self._lanes, columns, strict=True)}

    def evaluate(self, data: Samples, lanes: Sequence[int]) -> dict[int, dict[str, float]]:
        """Returns the `val/...` metrics of the lanes: frame means."""
        if not lanes:
            return {}
        array = self._trained()
        low, high = data.span("val")
        # A GPU waits for the host that starts its kernels, a CPU for memory: there each lane for itself is faster.
        is_stacked = self.device.type == "cuda" or array.model.slide is None
        stacked = predict(array.poses(self._height()), array.reads, data, "val", low, high) if is_stacked else None
        found = {}
        for lane in lanes:
            row = self._row(lane)
            if stacked is not None:
                poses = stacked[row]
            else:
                poses = predicted(array.network_of(row), self._lanes[row].config, data, "val", low, high)
            sums = score_poses(poses, data, "val", low, low, high)
            found[lane] = {f"val/{name}": value for name, value in sums.frame_mean().items()}
        return found

    def report(self, lane: int, losses: Losses, metrics: dict[str, float]) -> Report:
        """Records the epoch in the lane's history and best score, and returns its report."""
        return self._lanes[self._row(lane)].report(losses, metrics, self)

    def apply(self, verdict: Verdict) -> None:
        """Stops the lane if the verdict says so."""
        if verdict.stop and verdict.lane in self.lanes:
            self.leave(verdict.lane)

    def state(self, lane: int) -> State:
        """Returns everything that `join` of any engine needs to resume: plain types and tensors only."""
        array, row = self._trained(), self._row(lane)
        moments = {kind: array.rows.read(matrix, row) for kind, matrix in array.moments.items()}
        return self._lanes[row].state(array.network_state(row), moments)

    def export(self, lane: int) -> dict[str, Tensor]:
        """Returns a plain state dict that any bare module of this model loads."""
        return {name: value.cpu() for name, value in self._trained().network_state(self._row(lane)).items()}

    def leave(self, lane: int) -> State:
        """Removes the lane and returns its state; the last lane takes over its row."""
        state, row, last = self.state(lane), self._row(lane), self._lanes.pop()
        self._trained().vacate(row, len(self._lanes))
        if row < len(self._lanes):
            self._lanes[row] = last
        return state

    def _height(self) -> int:
        """Returns the number of rows that take part in a step."""
        return self.capacity if self.device.type == "cuda" else len(self._lanes)

    def _row(self, lane: int) -> int:
        return self.lanes.index(lane)

    def _trained(self) -> _Array:
        assert self._array is not None, "no lane has joined"
        return self._array


class _Array:
    """Tensors of K lanes of one shape, and the step that trains them."""

    def __init__(self, config: TrainConfig, capacity: int, device: torch.device, dtype: torch.dtype) -> None:
        self.model = registry.get(config.model)
        self.knobs = array_knobs(config)
        self.reads = config.traits.reads
        self.precision = config.loop.precision
        self.device = device
        # Its own parameters hold no lane: every call puts rows in their place.
        self.network = build_network(self.model, config).to(device, dtype)
        self.stream = shared_stream(self.network)
        self.rows = Rows(self.network, capacity, device, dtype)
        self.moments = {kind: self.rows.like() for kind in moment_kinds(config.optim)}
        self.grads = self.rows.like()
        persistent = self.network.state_dict().keys()
        # What a state dict does not hold follows from the config's shape (graphs, positions): all lanes share it.
        self.buffers = {
            name: buffer.expand(capacity, *buffer.shape).clone()
            for name, buffer in self.network.named_buffers()
            if name in persistent
        }
        self.slots = Slots(self.network, [*self.rows.shapes, *self.buffers])
        self.dials = torch.zeros(capacity, len(dialled(self.network)), device=device, dtype=dtype)
        self.objective = config.objective
        prefix = "objective."
        weights = [path.removeprefix(prefix) for path in lane_knobs(config.model) if path.startswith(prefix)]
        self.weights = {name: torch.zeros(capacity, device=device, dtype=dtype) for name in weights}
        factors = config.traits.rate_factors
        assert all(factors.values()), f"frozen parameters have no place in an array: {factors}"
        self.rates = {prefix: torch.ones(capacity, device=device, dtype=torch.float64) for prefix in factors}
        self.runs = self.rows.runs(lambda name: prefix_of(name, self.rates)) if self.rates else []
        self._leaves: dict[int, dict[str, Tensor]] = {}
        self._steps: dict[torch.Size, Captured] = {}
        self._data: Samples | None = None

    def takes(self, config: TrainConfig) -> bool:
        """Returns whether a lane of this config has the array's shape."""
        return array_knobs(config) == self.knobs

    def write(self, row: int, config: TrainConfig, state: State | None, weights: Mapping[str, Tensor] | None) -> None:
        """Fills a row of every tensor."""
        network = build_network(self.model, config)
        weights = state["network"] if state is not None else weights
        if weights is not None:
            network.to(self.rows.values.dtype).load_state_dict(weights)
        self.rows.write(self.rows.values, row, dict(network.named_parameters()))
        for kind, matrix in self.moments.items():
            self.rows.write(matrix, row, {} if state is None else state["moments"][kind])
        found = dict(network.named_buffers())
        for name, stacked in self.buffers.items():
            stacked[row].copy_(found[name])
        self.dials[row] = torch.tensor([layer.dial for layer in dialled(network)], dtype=torch.float64)
        for name, stacked in self.weights.items():
            stacked[row] = getattr(config.objective, name)
        for prefix, factor in config.traits.rate_factors.items():
            self.rates[prefix][row] = factor
        self._note_silence()

    def vacate(self, row: int, last: int) -> None:
        """Moves the lane of row `last` to `row`."""
        matrices = (self.rows.values, *self.moments.values(), self.dials)
        for stacked in (*matrices, *self.buffers.values(), *self.weights.values(), *self.rates.values()):
            stacked[row] = stacked[last]
        self.dials[last] = 0
        self._note_silence()

    def network_state(self, row: int) -> dict[str, Tensor]:
        """Returns a copy of one lane's state dict."""
        tensors = self.rows.read(self.rows.values, row)
        tensors |= {name: stacked[row].clone() for name, stacked in self.buffers.items()}
        return {name: tensors[name] for name in self.network.state_dict()}

    def network_of(self, row: int) -> nn.Module:
        """Returns the network with the weights of a row, in evaluation mode, until the next call."""
        self.network.load_state_dict(self.network_state(row))
        return self.network.eval()

    def _note_silence(self) -> None:
        # A recorded step cannot leave out a dropout that the next lane may need.
        silent = () if self.device.type == "cuda" else (self.dials == 0).all(0).nonzero().flatten().tolist()
        self.stream.off = frozenset(silent)

    def step(self, data: Samples, index: Tensor, key: Tensor, progress: Tensor, settings: Tensor) -> Tensor:
        """Takes one step of the first n rows and returns their losses [n]: index [n, B], key [n], progress [n],
        settings [fields, n]."""
        if data is not self._data:  # a recorded step reads the arrays it was recorded with
            self._data, self._steps = data, {}
        if index.shape not in self._steps:
            recorder = self.device if self.device.type == "cuda" else None
            self._steps[index.shape] = Captured(self._take_step, recorder)
        inputs = inputs_of_step(data, index.flatten(), self.reads)
        return self._steps[index.shape](key, progress, settings, *inputs)

    def _take_step(self, key: Tensor, progress: Tensor, settings: Tensor, *inputs: Tensor) -> Tensor:
        assert self._data is not None, "no epoch has begun"
        batch = batch_of_step(self._data, inputs, self.reads)
        count, size = len(key), batch.size // len(key)
        named = [(field.name, getattr(batch, field.name)) for field in dataclasses.fields(batch)]
        fields = {name: x.view(count, size, *x.shape[1:]) for name, x in named if isinstance(x, Tensor)}
        if not self.network.training:
            self.network.train()
        parameters, buffers = self._of_rows(count)
        tensors = [*parameters.values(), *buffers.values()]
        weights = {name: stacked[:count] for name, stacked in self.weights.items()}

        def lane_loss(fields: Any, weights: Any, *step: Tensor) -> Tensor:
            self.stream.begin(*step)
            objective = dataclasses.replace(self.objective, **weights) if weights else self.objective
            batch = Batch(size=size, **fields)
            with self.slots.of_lanes(tensors), autocast(self.device, self.precision):
                return summed(self.model.terms(self.network(batch), batch, objective))

        step = (key, progress, self.dials[:count])
        losses = vmap(lane_loss)(fields, weights, *step)
        grads = torch.autograd.grad(losses.sum(), list(parameters.values()), allow_unused=True)
        self._update(grads, count, settings)
        return losses.detach()

    def _update(self, grads: Sequence[Tensor | None], count: int, settings: Tensor) -> None:
        self.rows.collect(self.grads, grads, count)
        # A parameter that takes no part in the loss does not decay either.
        leaves = self._leaves[count].values()
        idle = [(leaf.detach(), leaf.clone()) for leaf, grad in zip(leaves, grads, strict=True) if grad is None]
        moments = [matrix[:count] for matrix in self.moments.values()]
        runs = [Run(low, high, self.rates[kind][:count] if kind else None) for low, high, kind in self.runs]
        step_rows(self.rows.values[:count], self.grads[:count], moments, StepSettings(*settings), runs)
        for view, before in idle:
            view.copy_(before)

    def _of_rows(self, count: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Returns parameters and buffers of the first rows; the parameters are leaves that require gradients."""
        if count not in self._leaves:
            views = self.rows.views(self.rows.values, count)
            self._leaves[count] = {name: view.detach().requires_grad_() for name, view in views.items()}
        return self._leaves[count], {name: stacked[:count] for name, stacked in self.buffers.items()}

    def poses(self, count: int) -> Poses:
        """Returns a function from a Batch to scored poses [count, B, F, J, 3] of the first rows; all see the same
        batch."""
        tensors = self._of_rows(count)
        self.network.eval()

        def lane_poses(tensors: Any, batch: Batch) -> Tensor:
            return self.model.poses(functional_call(self.network, tensors, (batch,)))

        return lambda batch: vmap(lambda own: lane_poses(own, batch))(tensors)
