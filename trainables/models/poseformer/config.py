"""Knobs of PoseFormer. Defaults are the published network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from data.config import Sizes
from spaces.schema import knob


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkConfig:
    """PoseFormer's shape and what it drops."""

    embed_dim_ratio: int = knob(32, least=1, help="channels of a joint; a frame has so many for each of its joints")
    depth: int = knob(4, least=1, help="blocks over joints, and as many over frames")
    heads: int = knob(8, least=1, help="attention heads; must divide embed_dim_ratio")
    mlp_ratio: float = knob(2.0, above=0, help="hidden channels of a block's perceptron, in its width")
    qkv_bias: bool = knob(True, help="biases in the query, key and value projections")
    qk_scale: float = knob(
        0.0, least=0, help="factor on the attention scores; 0: one over the root of a head's channels"
    )
    dropout: float = knob(0.0, least=0, below=1, lane=True, help="dropout of embeddings, projections and perceptrons")
    attention_dropout: float = knob(0.0, least=0, below=1, lane=True, help="dropout of the attention weights")
    drop_path: float = knob(
        0.1, least=0, below=1, lane=True, help="stochastic depth of the last block, from 0 linearly"
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        """Heads share the channels evenly."""
        if self.embed_dim_ratio % self.heads:
            legal = [heads for heads in range(1, self.embed_dim_ratio + 1) if self.embed_dim_ratio % heads == 0]
            near = [max(heads for heads in legal if heads < self.heads)]
            near += [heads for heads in legal if heads > self.heads][:1]
            told = ", ".join(map(str, near))
            yield "heads", f"must divide embed_dim_ratio {self.embed_dim_ratio}; legal near it: {told}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveConfig:
    """Nothing to choose: the loss is the mean per-joint position error."""


def laws(network: NetworkConfig, sizes: Sizes) -> Iterator[tuple[str, str]]:
    """One view, one pose a window."""
    if sizes.views != 1:
        yield "data.views", "must be 1: poseformer lifts a single view"
    if sizes.stride != 1:
        yield "data.stride", "must be 1: poseformer gives one pose for a window"
