"""CUDA graph capture of a training step, which replaces a thousand kernel launches from Python by one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

WARMUP = 3  # plain calls first: they are steps like any other, and libraries set themselves up in them


class Captured:
    """Callable that records `body` as a CUDA graph after three calls and replays it; without a device it calls `body`
    directly.

    `body` takes tensors of fixed shapes and does the same work at every call, on memory that stays where it is, without
    waiting for the device. The returned tensors are overwritten by the next call."""

    def __init__(self, body: Callable[..., Tensor], device: torch.device | None) -> None:
        self._body = body
        self._device = device
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: list[Tensor] = []
        self._output: Tensor | None = None

    def __call__(self, *inputs: Tensor) -> Tensor:
        if self._device is None:
            return self._body(*inputs)
        self._calls += 1
        if self._calls <= WARMUP:
            return self._run_aside(self._device, inputs)
        if self._graph is None:
            self._record(inputs)
        for own, given in zip(self._inputs, inputs, strict=True):
            own.copy_(given)
        assert self._graph is not None
        assert self._output is not None
        self._graph.replay()
        return self._output

    def _run_aside(self, device: torch.device, inputs: tuple[Tensor, ...]) -> Tensor:
        # Recording needs a stream of its own, and autograd remembers the stream on which it first saw a parameter.
        aside, here = torch.cuda.Stream(device), torch.cuda.current_stream(device)
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            output = self._body(*inputs)
        here.wait_stream(aside)
        return output

    def _record(self, inputs: tuple[Tensor, ...]) -> None:
        self._inputs = [given.clone() for given in inputs]
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._output = self._body(*self._inputs)
