"""Sample order of an epoch, and its division among data-parallel ranks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor


def seed_of(*key: int) -> int:
    """Hashes integers to a 32-bit seed."""
    return int(np.random.SeedSequence(key).generate_state(1)[0])


def shuffled(count: int, epoch: int, seed: int) -> Tensor:
    """Returns a random permutation [count] that depends on epoch and seed only."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed_of(seed, epoch)))


def share(count: int, rank: int, world: int) -> tuple[int, int]:
    """Returns the part [low, high) of `count` items that belongs to a rank; the parts of all ranks make up the
    whole."""
    return count * rank // world, count * (rank + 1) // world


def slices(batches: Sequence[Tensor], shard: tuple[int, int]) -> Iterator[tuple[Tensor, int, int, Tensor | None]]:
    """Yields a rank's slice of every batch of indices, its own count, that of all ranks, and its slice of the next
    batch.

    A rank without a sample of its own gets one of another rank's, counted as 0: all ranks take every step together."""
    rank, world = shard
    parts = [share(len(batch), rank, world) for batch in batches]
    own = [
        batch[low : max(high, low + 1)] if low < len(batch) else batch[-1:]
        for batch, (low, high) in zip(batches, parts, strict=True)
    ]
    for at, (low, high) in enumerate(parts):
        yield own[at], high - low, len(batches[at]), own[at + 1] if at + 1 < len(own) else None
