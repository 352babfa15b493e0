"""Knobs of PoseFormer. Defaults are the published network with the rates of its training runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from data.config import Sizes
from spaces.schema import LARGEST_RATIO, LARGEST_SIZE, MOST_LAYERS, knob

from ...layers.widths import width_problems


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkConfig:
    """Knobs of PoseFormer's network: sizes and rates. Its temporal width is embed_dim_ratio times the number of
    joints."""

    embed_dim_ratio: int = knob(
        32, least=1, most=LARGEST_SIZE, help="channels of a joint; the temporal width is this times the joints"
    )
    depth: int = knob(4, least=1, most=MOST_LAYERS, help="blocks of the spatial stack, and as many of the temporal one")
    heads: int = knob(8, least=1, most=LARGEST_SIZE, help="attention heads of every block; must divide embed_dim_ratio")
    mlp_ratio: float = knob(
        2.0, above=0, most=LARGEST_RATIO, help="hidden channels of a block's feed-forward, as a multiple of its width"
    )
    qkv_bias: bool = knob(True, help="queries, keys and values have a bias")
    qk_scale: float = knob(0.0, least=0, help="factor on attention scores; 0: (channels of a head)^-1/2")
    dropout: float = knob(0.0, least=0, below=1, lane=True, help="dropout of embeddings, projections, feed-forwards")
    attention_dropout: float = knob(0.0, least=0, below=1, lane=True, help="dropout of the weights of attention")
    drop_path: float = knob(
        0.1, least=0, below=1, lane=True, help="stochastic depth of the last block; rises evenly from 0 in the first"
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yields (field, message) for illegal widths."""
        yield from width_problems(self.embed_dim_ratio, self.heads, self.mlp_ratio)


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveConfig:
    """No knobs: the loss is the mean joint distance."""


def laws(network: NetworkConfig, sizes: Sizes) -> Iterator[tuple[str, str]]:
    """Yields (path, message) unless data is one pose of one view from a window, of any length and number of joints."""
    if sizes.views != 1:
        yield "data.views", "must be 1: poseformer lifts a single view"
    if sizes.stride != 1:
        yield "data.stride", "must be 1: poseformer answers with one frame of its window"
