"""Dropout and stochastic depth whose masks depend on seed and step only, alike in a solo run and as a lane of an
array."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .stream import Dialled

LEVELS = 65536  # of the 16 random bits that decide on one element; the chance to be kept is a multiple of 1 / LEVELS
DECISIONS = 4  # in one 64-bit random number


class Fate(NamedTuple):
    """Threshold and scale that a dropout rate means for 16 random bits: below the threshold an element is kept, scaled
    by minus `scale`."""

    threshold: float | Tensor
    scale: float | Tensor

    @staticmethod
    def of_rate(rate: float) -> Fate:
        """Returns the threshold and scale of one rate."""
        return Fate(round((1 - rate) * LEVELS) - LEVELS // 2, -1 / (1 - rate))

    @staticmethod
    def of_rates(rates: Tensor) -> list[Fate]:
        """Returns the thresholds and scales of the rates [S] of one lane."""
        keep = 1 - rates
        thresholds = torch.round(keep * LEVELS) - LEVELS // 2
        return [Fate(*pair) for pair in zip(thresholds.unbind(), (-1 / keep).unbind(), strict=True)]


class Dropout(Dialled):
    """Zeroes elements with probability `rate`, its dial, while training and scales the others to keep the mean."""

    def __init__(self, rate: float) -> None:
        super().__init__(rate)

    def forward(self, x: Tensor) -> Tensor:
        """Drops elements of x of any shape; in evaluation mode unchanged."""
        if not self.training:
            return x
        if self.is_off:
            self.stream.skip()
            return x
        return x * self.factor(x)

    def factor(self, x: Tensor) -> Tensor:
        """Returns the mask, shaped like x: 0, or the scale that keeps the mean."""
        stream = self.stream
        bits = stream.bits(-(-x.numel() // DECISIONS), x.device)
        fate = Fate.of_rate(self.dial) if stream.dials is None else stream.once("fates", Fate.of_rates)[self.place]
        level = bits.view(torch.int16)[: x.numel()].to(x.dtype)
        # Whole numbers, so clipping leaves -1 or 0; a comparison gives bools, 5 times slower to turn into a factor.
        is_kept = nn.functional.hardtanh_(level.sub_(fate.threshold), -1.0, 0.0)
        return is_kept.mul_(fate.scale).view(x.shape)


class DropPath(Dropout):
    """Stochastic depth: drops whole samples, the entries of `axis`, of a residual branch (Huang et al. 2016)."""

    def __init__(self, rate: float, axis: int = 0) -> None:
        super().__init__(rate)
        self.axis = axis

    def factor(self, x: Tensor) -> Tensor:
        """Returns the mask: 0, or the scale that keeps the mean, for each sample; axes of length 1 stand for the
        others."""
        return super().factor(x[tuple(slice(None) if axis == self.axis else slice(0, 1) for axis in range(x.ndim))])
