"""Knobs of VideoPose3D. Defaults are the published network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from data.config import Sizes
from spaces.schema import knob

WIDTH = 3  # of every filter unless widths are given
POWERS = tuple(WIDTH**n for n in range(6))


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkConfig:
    """VideoPose3D's shape, dropout and the end of its batch norm's momentum."""

    channels: int = knob(1024, least=1, help="channels of the convolutions")
    widths: tuple[int, ...] = knob(
        (), least=1, help="filter widths, odd, their product is data.frames; empty: as many threes as that takes"
    )
    dropout: float = knob(0.25, least=0, below=1, lane=True, help="dropout behind every convolution")
    final_momentum: float = knob(
        0.001, above=0, most=1, lane=True, help="batch norm's momentum falls geometrically from 0.1 to this"
    )
    dense: bool = knob(False, help="full kernels in the place of dilated ones (an ablation, many more weights)")

    def problems(self) -> Iterator[tuple[str, str]]:
        """A filter has a middle."""
        even = [width for width in self.widths if width % 2 == 0]
        if even:
            yield "widths", f"must be odd numbers; even: {', '.join(map(str, even))}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveConfig:
    """Nothing to choose: the loss is the mean per-joint position error."""


def filter_widths(network: NetworkConfig, frames: int) -> tuple[int, ...]:
    """The filter widths of a network that sees so many frames."""
    return network.widths or (WIDTH,) * round(math.log(frames, WIDTH)) or (1,)


def laws(network: NetworkConfig, sizes: Sizes) -> Iterator[tuple[str, str]]:
    """One view; the filters see exactly the frames of a window."""
    if sizes.views != 1:
        yield "data.views", "must be 1: videopose3d lifts a single view"
    if network.widths and math.prod(network.widths) != sizes.frames:
        product = math.prod(network.widths)
        yield (
            "network.widths",
            f"see {product} frames, but data.frames = {sizes.frames}; set data.frames={product}, or other widths",
        )
    elif not network.widths and sizes.frames not in POWERS:
        near = sorted(POWERS, key=lambda power: abs(power - sizes.frames))[:2]
        yield (
            "data.frames",
            f"must be a power of 3 where network.widths is empty; legal near it: {', '.join(map(str, sorted(near)))}",
        )
