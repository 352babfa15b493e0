"""Slots: the places of a network's parameters and buffers, where the tensors of an array's lanes are put for a step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch._C import _functorch as functorch


class Slots:
    """Parameters and buffers `names` of a network, each with all modules that hold it.

    What `torch.func.functional_call` does by name at every call, at an eighth of a step of two small lanes, is looked
    up once here."""

    def __init__(self, network: nn.Module, names: Sequence[str]) -> None:
        named = dict(network.named_parameters()) | dict(network.named_buffers())
        numbers = {id(named[name]): number for number, name in enumerate(names)}
        tables: list[dict[str, Any]] = [x for each in network.modules() for x in (each._parameters, each._buffers)]
        self._slots = [(held, key, numbers[id(x)]) for held in tables for key, x in held.items() if id(x) in numbers]

    @contextmanager
    def of_lanes(self, tensors: Sequence[Tensor]) -> Iterator[None]:
        """Puts tensors [K, *shape], in the order of the names, into a network that runs under vmap over K lanes, where
        each lane sees its own part; the network's own ones return at the end."""
        level = functorch.current_level()
        own = [held[key] for held, key, _ in self._slots]
        parts = [functorch._add_batch_dim(x, 0, level) for x in tensors]
        try:
            for held, key, number in self._slots:
                held[key] = parts[number]
            yield
        finally:
            for (held, key, _), x in zip(self._slots, own, strict=True):
                held[key] = x
