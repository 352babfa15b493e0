"""Dropout whose masks follow from (key, call, element): the same alone and as a lane of an array.

A draw from torch's generator depends on whoever drew before. Here each element's fate is a hash of its number, so a
lane's masks do not change with its neighbours, its device or a resumed run, and there is no random state to keep.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LEVELS = 65536  # of the 16 random bits that decide on one element; the chance to be kept is a multiple of 1 / LEVELS
DECISIONS = 4  # in one 64-bit random number

# Odd constants without a pattern: the golden ratio's fraction and the multipliers of SplitMix64 (Steele et al. 2014),
# as signed numbers.
_STRIDE = 0x9E3779B97F4A7C15 - 2**64
_FIRST = 0xBF58476D1CE4E5B9 - 2**64
_SECOND = 0x94D049BB133111EB - 2**64


class Stream:
    """What the dropouts of one network share: the key of the step and, in an array, their rates.

    off: places whose rate is known to be 0, in every lane.
    """

    def __init__(self) -> None:
        self.rates: Tensor | None = None
        self.off: frozenset[int] = frozenset()
        self._key: Tensor | None = None
        self._call = 0
        self._numbers: dict[tuple[int, torch.device], Tensor] = {}

    def begin(self, key: Tensor, rates: Tensor | None = None) -> None:
        """From here on masks follow from `key` (int64 scalar) and the number of the call: those of one forward pass.
        rates [S]: what each dropout takes for its rate, by its place; None: each has its own number."""
        self._key, self._call, self.rates = key, 0, rates

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
        return _mixed(self._numbers[count, device] + key)


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
        if self.place in stream.off if stream.rates is not None else self.rate == 0:
            stream.skip()
            return x
        bits = stream.bits(-(-x.numel() // DECISIONS), x.device)
        return x * _factor(x, self.rate if stream.rates is None else stream.rates[self.place], bits)


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


def _factor(x: Tensor, rate: float | Tensor, bits: Tensor) -> Tensor:
    """Shaped like x: 0 with probability `rate`, else 1 / (1 - rate). `bits` hold 16 for each element."""
    keep = 1 - rate
    kept_levels = torch.round(keep * LEVELS) if isinstance(keep, Tensor) else round(keep * LEVELS)
    level = bits.view(torch.int16)[: x.numel()].to(x.dtype)
    # Whole numbers, so clipping leaves 0 or 1. A comparison would give bools, 5 times slower to turn into a factor.
    is_kept = nn.functional.hardtanh_(kept_levels - LEVELS // 2 - level, 0.0, 1.0)
    return is_kept.mul_(1 / keep).view(x.shape)


def _mixed(bits: Tensor) -> Tensor:
    """Every bit of the result depends on every bit of the number: SplitMix64's finaliser, in place."""
    bits ^= bits >> 30
    bits *= _FIRST
    bits ^= bits >> 27
    bits *= _SECOND
    # Shifts copy the sign, which costs the first bit of what they are mixed into: not in the result.
    bits ^= (bits >> 31) & (2**33 - 1)
    return bits


def _wrapped(number: int) -> int:
    """The number modulo 2^64, as a signed one."""
    return (number + 2**63) % 2**64 - 2**63
