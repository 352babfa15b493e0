"""Counter-based random numbers for layers (`Stream`), and per-lane layer values ("dials": dropout rates, momenta).

A draw from torch's generator depends on earlier draws. Here every number is a hash of (key, call, element), so a lane's
masks do not change with its neighbours, its device or a resumed run, and there is no random state to keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")

# Odd constants without a pattern: the golden ratio's fraction and the multipliers of SplitMix64 (Steele et al. 2014),
# as signed numbers.
_STRIDE = 0x9E3779B97F4A7C15 - 2**64
_FIRST = 0xBF58476D1CE4E5B9 - 2**64
_SECOND = 0x94D049BB133111EB - 2**64


PART_CALLS = 2**16  # calls that a part of a batch may make; no network makes so many


class Stream:
    """Random bits, training progress and dials, shared by the layers of one network; an engine restarts it before every
    forward pass in training.

    dials [S]: the dial of each `Dialled` layer by its place, where lanes have their own; None: each has its number.
    progress: share of training that is done, a scalar in [0, 1); None outside an engine. off: places whose dial is
    known to be 0, in every lane."""

    def __init__(self) -> None:
        self.dials: Tensor | None = None
        self.progress: Tensor | None = None
        self.off: frozenset[int] = frozenset()
        self._key: Tensor | None = None
        self._call = 0
        self._once: dict[str, Any] = {}
        self._numbers: dict[tuple[int, torch.device], Tensor] = {}

    def begin(self, key: Tensor, progress: Tensor | None = None, dials: Tensor | None = None, *, part: int = 0) -> None:
        """Restarts the stream: random bits now depend on `key` (int64 scalar), the part of the batch, and the number of
        the call."""
        self._key, self._call, self._once = key, part * PART_CALLS, {}
        self.progress, self.dials = progress, dials

    def once(self, name: str, make: Callable[[Tensor], T]) -> T:
        """Returns `make` applied to the dials, computed once for all layers of this step."""
        assert self.dials is not None, "lanes have no dials of their own here"
        if name not in self._once:
            self._once[name] = make(self.dials)
        found: T = self._once[name]
        return found

    @property
    def has_key(self) -> bool:
        """Whether bits come from a key, not from torch's generator."""
        return self._key is not None

    def draw(self) -> tuple[Tensor, int]:
        """Counts a call and returns what its bits depend on, key and number, for a kernel that draws them itself."""
        assert self._key is not None, "a stream without a key has no numbers to repeat"
        self._call += 1
        return self._key, self._call - 1

    def skip(self) -> None:
        """Counts a call that needs no numbers, so that the next ones are the same whether a dial is 0 or not."""
        self._call += 1

    def mark(self) -> tuple[Tensor | None, int]:
        """Returns the position of the stream, from which `go_to` repeats the same numbers."""
        return self._key, self._call

    def go_to(self, mark: tuple[Tensor | None, int]) -> None:
        """Moves the stream back: the next call is the one that followed `mark`."""
        self._key, self._call = mark

    def bits(self, count: int, device: torch.device) -> Tensor:
        """Returns random numbers [count] int64, new at every call; without a key they come from torch's generator."""
        if self._key is None:
            key = torch.empty((), dtype=torch.int64, device=device).random_(-(2**63), None)
        else:
            # 2^40 numbers for each call: no two of a step are the same one.
            key = self._key + _wrapped((self._call << 40) * _STRIDE)
        self._call += 1
        if (count, device) not in self._numbers:
            self._numbers[count, device] = torch.arange(count, device=device) * _STRIDE
        return _scattered(self._numbers[count, device] + key)


class Dialled(nn.Module):
    """Base of layers with one number, the dial, that every lane of an array may set for itself (a rate, a momentum)."""

    def __init__(self, dial: float) -> None:
        super().__init__()
        self.dial = dial
        self.place = 0
        self.stream = Stream()

    @property
    def is_off(self) -> bool:
        """Whether the dial is known to be 0, in every lane."""
        return self.dial == 0 if self.stream.dials is None else self.place in self.stream.off


def dialled(network: nn.Module) -> list[Dialled]:
    """Returns the layers of a network that have a dial, by place once `shared_stream` has numbered them."""
    return [module for module in network.modules() if isinstance(module, Dialled)]


def shared_stream(network: nn.Module) -> Stream:
    """Numbers the layers that have a dial and gives them one common stream, which is returned."""
    stream = Stream()
    for place, layer in enumerate(dialled(network)):
        layer.place, layer.stream = place, stream
    return stream


def step_keys(seed: int, rank: int, first: int, count: int) -> Tensor:
    """Returns the keys [count] int64 of the steps first, first + 1, ... of a run; the ranks of a team have different
    ones."""
    steps = torch.arange(first, first + count) * _STRIDE
    return _mixed(_mixed(steps + _wrapped(seed * _FIRST)) + _wrapped(rank * _SECOND))


def _scattered(bits: Tensor) -> Tensor:
    """Hashes numbers that lie `_STRIDE` apart to random bits, in place; sufficient only behind a key of `_mixed`.

    Half of SplitMix64's finaliser. The sum at its end brings the good upper half of a product into the lower one;
    shifts copy the sign, so that a second xor would always clear the first bit."""
    bits ^= bits >> 32
    bits *= _FIRST
    bits += bits >> 32
    return bits


def _mixed(bits: Tensor) -> Tensor:
    """Hashes numbers by SplitMix64's finaliser, in place: every bit of the result depends on every bit of the
    number."""
    bits ^= bits >> 30
    bits *= _FIRST
    bits ^= bits >> 27
    bits *= _SECOND
    bits ^= (bits >> 31) & (2**33 - 1)
    return bits


def _wrapped(number: int) -> int:
    """Returns the number modulo 2^64, as a signed one."""
    return (number + 2**63) % 2**64 - 2**63
