"""Knobs of VideoPose3D. Defaults are the published network; its window is `data.frames`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from data.config import Sizes
from spaces.schema import LARGEST_SIZE, knob

from ...entry import Traits


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkConfig:
    """Knobs of VideoPose3D's network: sizes, dropout and batch norm."""

    channels: int = knob(1024, least=1, most=LARGEST_SIZE, help="channels of a frame")
    widths: tuple[int, ...] = knob(
        (),
        least=1,
        most=LARGEST_SIZE,
        help="filter widths, odd, with the product data.frames; empty: as many threes as that takes",
    )
    dropout: float = knob(0.25, least=0, below=1, lane=True, help="dropout behind every convolution but the last")
    dense: bool = knob(False, help="plain convolutions as wide as the dilated ones reach, instead of these")
    final_momentum: float = knob(
        0.001, least=0, most=1, lane=True, help="momentum of batch norm at the end of training; 0.1 at the start"
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yields (field, message) for even filter widths."""
        even = [width for width in self.widths if width % 2 == 0]
        if even:
            near = ", ".join(f"{width - 1} or {width + 1}" for width in even)
            yield "widths", f"must be odd; in place of {', '.join(map(str, even))}: {near}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveConfig:
    """No knobs: the loss is the mean joint distance."""


def widths_for(frames: int) -> tuple[int, ...] | None:
    """Returns the filter widths of 3 whose product is `frames`; (1,) for a single frame; None where there are none."""
    count = round(math.log(frames, 3))
    return ((3,) * count or (1,)) if 3**count == frames else None


def traits(network: NetworkConfig) -> Traits:
    """Traits of the network: the momentum of batch norm falls over all epochs, and scores are a third feature."""
    return Traits(paced=("final_momentum",), takes_scores=True)


def laws(network: NetworkConfig, sizes: Sizes) -> Iterator[tuple[str, str]]:
    """Yields (path, message) unless data is one view, whose window is the receptive field."""
    if sizes.views != 1:
        yield "data.views", "must be 1: videopose3d lifts a single view"
    if network.widths:
        product = math.prod(network.widths)
        if product != sizes.frames:
            yield "network.widths", f"see {product} frames (their product), but data.frames = {sizes.frames}; set both"
    elif widths_for(sizes.frames) is None:
        power = 3 ** math.floor(math.log(sizes.frames, 3))
        remedy = f"legal near it: {power}, {3 * power}; other windows need network.widths"
        yield "data.frames", f"must be a power of 3 while network.widths is empty; {remedy}"
