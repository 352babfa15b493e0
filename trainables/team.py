"""The ranks that train one lane together: one process alone, or several under torch.distributed."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, distributed, nn


class Team:
    """One process alone; rank 0 of 1. Every method is a collective call: all ranks of a team make it."""

    rank = 0
    world = 1

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network whose gradients are means over the team's batch."""
        return network

    def apart(self, network: nn.Module) -> AbstractContextManager[None]:
        """In this context gradients stay a rank's own; the first backward pass after it adds them to the mean."""
        return nullcontext()

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all ranks."""
        return tensor


class DistributedTeam(Team):
    """All ranks of the process group that is initialised; `device` is where its backend takes tensors."""

    def __init__(self, device: torch.device) -> None:
        self.rank = distributed.get_rank()
        self.world = distributed.get_world_size()
        self._device = device

    def wrap(self, network: nn.Module) -> nn.Module:
        """DDP: gradients are averaged over ranks, so a rank weighs its loss by its share of the batch."""
        return nn.parallel.DistributedDataParallel(network)

    def apart(self, network: nn.Module) -> AbstractContextManager[None]:
        """DDP waits with the exchange."""
        assert isinstance(network, nn.parallel.DistributedDataParallel), type(network)
        return network.no_sync()

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all ranks."""
        total = tensor.to(self._device, copy=True)
        distributed.all_reduce(total)
        return total.to(tensor.device)
