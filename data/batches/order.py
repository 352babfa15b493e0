"""In what order samples come, and which of them are a rank's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor


def seed_of(*key: int) -> int:
    """A number that depends on all of these."""
    return int(np.random.SeedSequence(key).generate_state(1)[0])


def shuffled(count: int, epoch: int, seed: int) -> Tensor:
    """The numbers below `count` in an order that depends on epoch and seed only."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed_of(seed, epoch)))


def share(count: int, rank: int, world: int) -> tuple[int, int]:
    """The part [low, high) of `count` things that a rank has; the parts of all ranks make the whole."""
    return count * rank // world, count * (rank + 1) // world


def slices(batches: Sequence[Tensor], shard: tuple[int, int]) -> Iterator[tuple[Tensor, int, int, Tensor | None]]:
    """A rank's slice of every batch of indices, how many are its own, of how many, and its slice of the next batch.

    A rank without a sample of its own gets one of another rank's, to be counted as none: all ranks take every step
    together."""
    rank, world = shard
    parts = [share(len(batch), rank, world) for batch in batches]
    own = [
        batch[low : max(high, low + 1)] if low < len(batch) else batch[-1:]
        for batch, (low, high) in zip(batches, parts, strict=True)
    ]
    for at, (low, high) in enumerate(parts):
        yield own[at], high - low, len(batches[at]), own[at + 1] if at + 1 < len(own) else None
