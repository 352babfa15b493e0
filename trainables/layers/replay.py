"""Activation checkpointing: activations of a part are discarded and recomputed in the backward pass.

The recomputation uses the same random bits, and batch norm updates its statistics in the first pass only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from .stream import Stream, dialled


def replayed(part: nn.Module, *inputs: Any) -> Any:
    """Computes `part(*inputs)` and keeps only the inputs for the backward pass."""
    if not torch.is_grad_enabled():
        return part(*inputs)
    streams = {id(layer.stream): layer.stream for layer in dialled(part)}
    marks = [(stream, stream.mark()) for stream in streams.values()]

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _again(part, marks)

    return checkpoint(part, *inputs, use_reentrant=False, context_fn=contexts)


@contextmanager
def _again(part: nn.Module, marks: list[tuple[Stream, Any]]) -> Iterator[None]:
    norms = [module for module in part.modules() if isinstance(module, nn.BatchNorm2d)]
    now = [stream.mark() for stream, _ in marks]
    for stream, mark in marks:
        stream.go_to(mark)
    kept = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0  # a mean that learns nothing
        norm.num_batches_tracked = None
    try:
        yield
    finally:
        for norm, momentum, count in kept:
            norm.momentum, norm.num_batches_tracked = momentum, count
        for (stream, _), mark in zip(marks, now, strict=True):
            stream.go_to(mark)
