"""Knobs of lifter.

A knob is one line: type, default, bounds, help. There is no torch here, because spaces are checked without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from data.config import Sizes
from spaces.schema import LARGEST_SIZE, MOST_LAYERS, knob


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkConfig:
    """Shape and dropout of the network."""

    width: int = knob(1024, least=1, most=LARGEST_SIZE, help="channels of the hidden layers")
    blocks: int = knob(2, least=1, most=MOST_LAYERS, help="residual blocks of two layers each")
    # lane=True lets trials that differ in this knob train as lanes of one array. All lanes run the network that was
    # built for the first of them, so only a knob that a layer with a dial takes (Dropout, DropPath) may have it.
    dropout: float = knob(0.25, least=0, below=1, lane=True, help="dropout behind every activation")


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveConfig:
    """Nothing to choose: the loss is the mean joint distance."""


def laws(network: NetworkConfig, sizes: Sizes) -> Iterator[tuple[str, str]]:
    """One frame of one view; the network takes any number of joints."""
    for name, size in (("frames", sizes.frames), ("views", sizes.views), ("stride", sizes.stride)):
        if size != 1:
            yield f"data.{name}", "must be 1: lifter lifts one frame of one view"
