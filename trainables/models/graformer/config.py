"""Knobs of GraFormer. Defaults are the published network with the dropout of the original repository."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from data.config import Sizes
from spaces.schema import LARGEST_SIZE, MOST_LAYERS, knob

from ...layers.widths import near_heads


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkConfig:
    """Knobs of GraFormer's network: sizes, dropout and initialisation."""

    width: int = knob(96, least=2, most=LARGEST_SIZE, help="channels of a joint")
    layers: int = knob(
        5, least=1, most=MOST_LAYERS, help="attention layers, each followed by two Chebyshev convolutions"
    )
    heads: int = knob(4, least=1, most=LARGEST_SIZE, help="attention heads; must divide the width")
    dropout: float = knob(0.25, least=0, below=1, lane=True, help="dropout of the attention and graph branches")
    attention_dropout: float = knob(0.1, least=0, below=1, lane=True, help="dropout of the attention weights")
    graph_dropout: float = knob(0.1, least=0, below=1, lane=True, help="dropout behind a Chebyshev convolution")
    tied_init: bool = knob(True, help="all attention layers, and the projections within, start alike")

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yields (field, message) where heads do not divide the channels."""
        if self.width % self.heads:
            yield "heads", f"must divide the width {self.width}; {near_heads(self.width, self.heads)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveConfig:
    """No knobs: the loss is the mean squared error."""


def laws(network: NetworkConfig, sizes: Sizes) -> Iterator[tuple[str, str]]:
    """Yields (path, message) unless data is one frame of one view; any number of joints is legal."""
    for name, size in (("frames", sizes.frames), ("views", sizes.views), ("stride", sizes.stride)):
        if size != 1:
            yield f"data.{name}", "must be 1: graformer lifts a single frame of a single view"
