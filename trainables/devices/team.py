"""Data-parallel ranks that train one lane together: one process alone, or several under torch.distributed (DDP)."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, distributed, nn

RUNNING = "running_"  # begins the names of what a norm keeps, torch's and ours


class Team:
    """Team of one process, rank 0 of 1. Every method is a collective call: all ranks of a team make it."""

    rank = 0
    world = 1

    def wrap(self, network: nn.Module) -> nn.Module:
        """Returns the network, wrapped so that gradients are means over the team's batch."""
        return network

    def apart(self, network: nn.Module) -> AbstractContextManager[None]:
        """Returns a context in which gradients are not exchanged; the first backward pass after it exchanges the sum
        (gradient accumulation)."""
        return nullcontext()

    def agree(self, network: nn.Module) -> None:
        """Averages the running statistics of batch norms over all ranks."""

    def sum(self, tensor: Tensor) -> Tensor:
        """Returns the sum over all ranks."""
        return tensor


class DistributedTeam(Team):
    """Team of all ranks of the initialised process group; `device` is where its backend takes tensors."""

    def __init__(self, device: torch.device) -> None:
        self.rank = distributed.get_rank()
        self.world = distributed.get_world_size()
        self._device = device

    def wrap(self, network: nn.Module) -> nn.Module:
        """Wraps the network in DDP: gradients are averaged over ranks, so a rank weighs its loss by its share of the
        batch."""
        # It would send the buffers of rank 0 in every step, and so lose what the others keep of their samples.
        return nn.parallel.DistributedDataParallel(network, broadcast_buffers=False)

    def apart(self, network: nn.Module) -> AbstractContextManager[None]:
        """Returns DDP's `no_sync` context."""
        assert isinstance(network, nn.parallel.DistributedDataParallel), type(network)
        return network.no_sync()

    @torch.no_grad()
    def agree(self, network: nn.Module) -> None:
        """Averages in one exchange for all norms. Those in evaluation mode, of a frozen trunk, are left alone, bit for
        bit."""
        kept = [
            buffer
            for module in network.modules()
            if module.training
            for name, buffer in module.named_buffers(recurse=False)
            if name.startswith(RUNNING)
        ]
        if not kept:
            return
        means = self.sum(torch.cat([buffer.flatten() for buffer in kept])) / self.world
        for buffer, mean in zip(kept, means.split([buffer.numel() for buffer in kept]), strict=True):
            buffer.copy_(mean.view_as(buffer))

    def sum(self, tensor: Tensor) -> Tensor:
        """Returns the sum over all ranks."""
        total = tensor.to(self._device, copy=True)
        distributed.all_reduce(total)
        return total.to(tensor.device)
