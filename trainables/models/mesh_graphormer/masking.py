"""Masked vertex modelling: in training, some joints and vertices are hidden from the encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...layers.stream import Dialled

SHARES = 2**24  # steps of a uniform number, so many as float32 tells apart


class TokenMask(Dialled):
    """Mask that hides, of each group of `sizes` tokens, int(u rate size) random ones in a sample; u is uniform in [0,
    1), drawn for each sample and group, and the rate is the layer's dial."""

    def __init__(self, rate: float, sizes: Sequence[int]) -> None:
        super().__init__(rate)
        self.sizes = tuple(sizes)

    def forward(self, count: int, device: torch.device) -> Tensor | None:
        """Returns the mask [B, sum of the sizes], 0 where a token is hidden, else 1; None where the rate is 0."""
        if self.is_off:
            self.stream.skip()
            return None
        bits = self.stream.bits(count * (len(self.sizes) + sum(self.sizes)), device).view(count, -1)
        uniform = (bits[:, : len(self.sizes)] >> 40 & (SHARES - 1)).float() / SHARES
        tokens = bits[:, len(self.sizes) :].split(self.sizes, 1)
        rate = self._rate()
        shown = []
        for u, keys, size in zip(uniform.unbind(1), tokens, self.sizes, strict=True):
            hidden = (u * (rate * size)).floor()
            rank = keys.argsort(1).argsort(1)
            shown.append(rank >= hidden[:, None])
        return torch.cat(shown, 1).to(torch.uint8)

    def _rate(self) -> float | Tensor:
        if self.stream.dials is None:
            return self.dial
        return self.stream.once("dials", lambda dials: dials.unbind())[self.place]
