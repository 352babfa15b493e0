"""Knobs of PoseFormer. Defaults are the published network with the rates of its training runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from data.config import Sizes
from spaces.schema import knob


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkConfig:
    """PoseFormer's shape and rates. Its temporal width is embed_dim_ratio times the number of joints."""

    embed_dim_ratio: int = knob(32, least=1, help="channels of a joint; the temporal width is this times the joints")
    depth: int = knob(4, least=1, help="blocks of the spatial stack, and as many of the temporal one")
    heads: int = knob(8, least=1, help="attention heads of every block; must divide embed_dim_ratio")
    mlp_ratio: float = knob(2.0, above=0, help="hidden channels of a block's feed-forward, as a multiple of its width")
    qkv_bias: bool = knob(True, help="queries, keys and values have a bias")
    qk_scale: float = knob(0.0, least=0, help="factor on attention scores; 0: (channels of a head)^-1/2")
    dropout: float = knob(0.0, least=0, below=1, lane=True, help="dropout of embeddings, projections, feed-forwards")
    attention_dropout: float = knob(0.0, least=0, below=1, lane=True, help="dropout of the weights of attention")
    drop_path: float = knob(
        0.1, least=0, below=1, lane=True, help="stochastic depth of the last block; rises evenly from 0 in the first"
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        """Heads share the channels of a joint evenly; a block has at least one hidden channel."""
        width = self.embed_dim_ratio
        if width % self.heads:
            legal = [heads for heads in range(1, width + 1) if width % heads == 0]
            near = [max(heads for heads in legal if heads < self.heads)]
            near += [heads for heads in legal if heads > self.heads][:1]
            yield "heads", f"must divide embed_dim_ratio {width}; legal near it: {', '.join(map(str, near))}"
        if not hidden_of(width, self.mlp_ratio):
            yield "mlp_ratio", f"leaves no hidden channel of embed_dim_ratio {width}; least: {1 / width:g}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveConfig:
    """Nothing to choose: the loss is the mean joint distance."""


def laws(network: NetworkConfig, sizes: Sizes) -> Iterator[tuple[str, str]]:
    """One pose of one view from a window of any length; the network takes any number of joints."""
    if sizes.views != 1:
        yield "data.views", "must be 1: poseformer lifts a single view"
    if sizes.stride != 1:
        yield "data.stride", "must be 1: poseformer answers with one frame of its window"


def hidden_of(width: int, mlp_ratio: float) -> int:
    """Hidden channels of a block, rounded down."""
    # 1e-6: a ratio that was found as hidden / width must not fall one short by its rounding.
    return int(width * mlp_ratio + 1e-6)
