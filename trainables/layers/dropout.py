"""Dropout whose masks follow from (key, call, element): the same alone and as a lane of an array.

A draw from torch's generator depends on whoever drew before. Here each element's fate is a hash of its number, so a
lane's masks do not change with its neighbours, its device or a resumed run, and there is no random state to keep.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

LEVELS = 65536  # of the 16 random bits that decide on one element; the chance to be kept is a multiple of 1 / LEVELS
DECISIONS = 4  # in one 64-bit random number

# Odd constants without a pattern: the golden ratio's fraction and the multipliers of SplitMix64 (Steele et al. 2014),
# as signed numbers.
_STRIDE = 0x9E3779B97F4A7C15 - 2**64
_FIRST = 0xBF58476D1CE4E5B9 - 2**64
_SECOND = 0x94D049BB133111EB - 2**64


class Fate(NamedTuple):
    """What a rate means for 16 random bits: below the threshold an element is kept and multiplied by the scale."""

    threshold: float | Tensor
    scale: float | Tensor

    @staticmethod
    def of_rate(rate: float) -> Fate:
        """The fate of one rate."""
        return Fate(round((1 - rate) * LEVELS) - LEVELS // 2, 1 / (1 - rate))

    @staticmethod
    def of_rates(rates: Tensor) -> list[Fate]:
        """The fates of the rates [S] of one lane."""
        keep = 1 - rates
        thresholds = torch.round(keep * LEVELS) - LEVELS // 2
        return [Fate(*pair) for pair in zip(thresholds.unbind(), keep.reciprocal().unbind(), strict=True)]


class Stream:
    """What the dropouts of one network share: the key of the step and, in an array, their rates.

    off: places whose rate is known to be 0, in every lane.
    """

    def __init__(self) -> None:
        self.off: frozenset[int] = frozenset()
        self.fates: list[Fate] | None = None
        self._key: Tensor | None = None
        self._call = 0
        self._numbers: dict[tuple[int, torch.device], Tensor] = {}

    def begin(self, key: Tensor, rates: Tensor | None = None) -> None:
        """From here on masks follow from `key` (int64 scalar) and the number of the call: those of one forward pass.
        rates [S]: what each dropout takes for its rate, by its place; None: each has its own number."""
        self._key, self._call = key, 0
        self.fates = None if rates is None else Fate.of_rates(rates)

    def skip(self) -> None:
        """Counts a call that needs no numbers, so that the next ones are the same whether a rate is 0 or not."""
        self._call += 1

    def bits(self, count: int, device: torch.device) -> Tensor:
        """Random numbers [count] int64, others at every call; without a key they come from torch's generator."""
        if self._key is None:
            key = torch.empty((), dtype=torch.int64, device=device).random_(-(2**63), None)
        else:
            # 2^40 numbers for each call: no two of a step are the same one.
            key = self._key + _wrapped((self._call << 40) * _STRIDE)
        self._call += 1
        if (count, device) not in self._numbers:
            self._numbers[count, device] = torch.arange(count, device=device) * _STRIDE
        return _scattered(self._numbers[count, device] + key)


class Dropout(nn.Module):
    """Zeroes elements with probability `rate` while training and scales the others to keep the mean."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.place = 0
        self.stream = Stream()

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape; in evaluation mode unchanged."""
        stream = self.stream
        if not self.training:
            return x
        if self.place in stream.off if stream.fates is not None else self.rate == 0:
            stream.skip()
            return x
        bits = stream.bits(-(-x.numel() // DECISIONS), x.device)
        return x * _factor(x, Fate.of_rate(self.rate) if stream.fates is None else stream.fates[self.place], bits)


def dropouts(network: nn.Module) -> list[Dropout]:
    """The dropouts of a network, by place once `shared_stream` has numbered them."""
    return [module for module in network.modules() if isinstance(module, Dropout)]


def shared_stream(network: nn.Module) -> Stream:
    """Numbers the dropouts of a network and gives them one stream, which is returned."""
    stream = Stream()
    for place, dropout in enumerate(dropouts(network)):
        dropout.place, dropout.stream = place, stream
    return stream


def step_keys(seed: int, rank: int, first: int, count: int) -> Tensor:
    """The keys [count] int64 of the steps first, first + 1, ... of a run; the ranks of a team have different ones."""
    steps = torch.arange(first, first + count) * _STRIDE
    return _mixed(_mixed(steps + _wrapped(seed * _FIRST)) + _wrapped(rank * _SECOND))


def _factor(x: Tensor, fate: Fate, bits: Tensor) -> Tensor:
    """Shaped like x: 0 or `fate.scale`, as 16 of `bits` for each element decide."""
    level = bits.view(torch.int16)[: x.numel()].to(x.dtype)
    # Whole numbers, so clipping leaves 0 or 1. A comparison would give bools, 5 times slower to turn into a factor.
    is_kept = nn.functional.hardtanh_(fate.threshold - level, 0.0, 1.0)
    return is_kept.mul_(fate.scale).view(x.shape)


def _scattered(bits: Tensor) -> Tensor:
    """Random bits from numbers that lie `_STRIDE` apart, in place; enough only behind a key of `_mixed`.

    Half of SplitMix64's finaliser. The sum at its end brings the good upper half of a product into the lower one;
    shifts copy the sign, so that a second xor would always clear the first bit."""
    bits ^= bits >> 32
    bits *= _FIRST
    bits += bits >> 32
    return bits


def _mixed(bits: Tensor) -> Tensor:
    """Every bit of the result depends on every bit of the number: SplitMix64's finaliser, in place."""
    bits ^= bits >> 30
    bits *= _FIRST
    bits ^= bits >> 27
    bits *= _SECOND
    bits ^= (bits >> 31) & (2**33 - 1)
    return bits


def _wrapped(number: int) -> int:
    """The number modulo 2^64, as a signed one."""
    return (number + 2**63) % 2**64 - 2**63
