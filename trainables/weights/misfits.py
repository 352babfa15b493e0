"""Comparison of a set of weights with a network: missing and unexpected names, wrong shapes."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


def misfits(network: nn.Module, tensors: Mapping[str, Tensor]) -> list[str]:
    """Returns every name that is missing or unexpected, and every shape that the network does not have, a line each."""
    own = network.state_dict()
    problems = [f"missing: {name}" for name in own if name not in tensors]
    problems += [f"unexpected: {name}" for name in tensors if name not in own]
    problems += [
        f"{name} has shape {tuple(tensors[name].shape)}, expected {tuple(value.shape)}"
        for name, value in own.items()
        if name in tensors and tensors[name].shape != value.shape
    ]
    return problems
