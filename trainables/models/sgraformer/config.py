"""Knobs of SGraFormer. Defaults are the published network with the rates of its training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from data.config import Sizes
from spaces.schema import LARGEST_RATIO, LARGEST_SIZE, MOST_LAYERS, knob

from ...entry import Traits
from ...layers.widths import width_problems

SPATIAL_DEPTH = 4  # blocks of a view's encoder, in every published configuration


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkConfig:
    """Knobs of SGraFormer's network: sizes, rates, and which slips of the published code to keep. Its temporal width is
    embed_dim_ratio times the number of joints; its views are those of the data."""

    embed_dim_ratio: int = knob(
        32, least=1, most=LARGEST_SIZE, help="channels of a joint; the temporal width is this times the joints"
    )
    depth: int = knob(
        4, least=1, most=MOST_LAYERS, help="blocks of the temporal stack, at least 4; each view has 4 spatial ones"
    )
    heads: int = knob(8, least=1, most=LARGEST_SIZE, help="attention heads of every block; must divide embed_dim_ratio")
    mlp_ratio: float = knob(
        2.0, above=0, most=LARGEST_RATIO, help="hidden channels of a block's feed-forward, as a multiple of its width"
    )
    mvf_kernel: int = knob(7, least=1, most=LARGEST_SIZE, help="side of the kernel that fuses the views, odd")
    qkv_bias: bool = knob(True, help="queries, keys and values have a bias")
    qk_scale: float = knob(0.0, least=0, help="factor on attention scores; 0: (channels of a head)^-1/2")
    dropout: float = knob(0.0, least=0, below=1, lane=True, help="dropout of embeddings, projections, feed-forwards")
    attention_dropout: float = knob(0.0, least=0, below=1, lane=True, help="dropout of the weights of attention")
    drop_path: float = knob(
        0.1, least=0, below=1, lane=True, help="stochastic depth of the last block; rises evenly from 0 in the first"
    )
    hops: str = knob(
        "published",
        choices=("published", "normalised"),
        help="tables of joints k bones apart: with the published slips, or each divided by its own sums",
    )
    edge_bias_in_cross_attention: bool = knob(
        False, help="attention between views gets the edge bias too; the published code computes it and leaves it out"
    )
    compact: bool = knob(False, help="leave out the published tensors that take no part: the same function, smaller")

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yields (field, message) for illegal widths, an even kernel, or too few blocks."""
        yield from width_problems(self.embed_dim_ratio, self.heads, self.mlp_ratio)
        if self.mvf_kernel % 2 == 0:
            yield "mvf_kernel", f"must be odd; legal near it: {self.mvf_kernel - 1}, {self.mvf_kernel + 1}"
        if self.depth < SPATIAL_DEPTH:
            told = f"the {SPATIAL_DEPTH} spatial blocks take their drop path from the temporal ones"
            yield "depth", f"must be at least {SPATIAL_DEPTH}: {told}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveConfig:
    """No knobs: the loss is the mean joint distance over the window."""


def laws(network: NetworkConfig, sizes: Sizes) -> Iterator[tuple[str, str]]:
    """Yields (path, message) unless the window has a middle frame; one to four views of any skeleton are legal."""
    if sizes.stride != 1:
        yield "data.stride", "must be 1: sgraformer is scored on the middle frame of its window"
    if sizes.causal:
        yield "data.causal", "must be false: sgraformer is scored on the middle frame of its window"


def traits(network: NetworkConfig) -> Traits:
    """Its loss is over the poses of the whole window."""
    return Traits(reads=("pose2d", "window3d"))
