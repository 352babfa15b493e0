"""Data-parallel ranks that train one lane together: one process alone, or several under torch.distributed (DDP)."""

from __future__ import annotations

import socket
import sys
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import timedelta
from typing import Any

import torch
import torch.distributed.rendezvous
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


def narrow_store() -> None:
    """Makes the store through which the ranks of this process's group find each other listen on the address that the
    ranks are given, and nowhere else: torch 2.13 opens it on every interface, and it asks nobody who they are."""
    module: Any = sys.modules["torch.distributed.rendezvous"]  # a function of the same name hides it

    def store(host: str, port: int, rank: int, world: int, timeout: timedelta, use_libuv: bool = True) -> Any:
        listening = None
        if rank == 0:
            # An address that is not this machine's own, behind a translation: torch's own way is left.
            with suppress(OSError):
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                listening = socket.create_server((host, port), family=family).detach()
        return module.TCPStore(
            host, port, world, rank == 0, timeout, multi_tenant=True, use_libuv=use_libuv, master_listen_fd=listening
        )

    module._create_c10d_store = store
