"""Dropout that is cheap on CPU and may have its own rate in every lane of a fused run."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LEVELS = 65536  # of the 16 random bits that decide on one element; the chance to be kept is a multiple of 1 / LEVELS
DECISIONS = 4  # in one 64-bit random number


class Dropout(nn.Module):
    """Zeroes elements with probability `rate` while training and scales the others to keep the mean.

    On CPU torch's own dropout costs 6 times as much, in a small network more than all matrix products together.
    Safe under vmap with randomness="different".
    """

    lane_rate: Tensor | None

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.register_buffer("lane_rate", None, persistent=False)

    def carry_rate(self) -> None:
        """Turns the rate into a buffer, so that modules with different rates stack into one."""
        self.register_buffer("lane_rate", torch.tensor(self.rate), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape; in evaluation mode unchanged."""
        if not self.training or (self.lane_rate is None and self.rate == 0):
            return x
        return x * _factor(x, self.rate if self.lane_rate is None else self.lane_rate)


def rates_as_buffers(network: nn.Module) -> None:
    """Lets every dropout rate of a network be a lane's own: the buffers `...lane_rate` of a stack hold one for each."""
    for module in network.modules():
        if isinstance(module, Dropout):
            module.carry_rate()


def _factor(x: Tensor, rate: float | Tensor) -> Tensor:
    """Shaped like x: 0 with probability `rate`, else 1 / (1 - rate)."""
    keep = 1 - rate
    kept_levels = torch.round(keep * LEVELS) if isinstance(keep, Tensor) else round(keep * LEVELS)
    bits = x.new_empty(-(-x.numel() // DECISIONS), dtype=torch.int64).random_(-(2**63), None)
    level = bits.view(torch.int16)[: x.numel()].to(x.dtype)
    # Whole numbers, so clipping leaves 0 or 1. A comparison would give bools, 5 times slower to turn into a factor.
    is_kept = nn.functional.hardtanh_(kept_levels - LEVELS // 2 - level, 0.0, 1.0)
    return is_kept.mul_(1 / keep).view(x.shape)
