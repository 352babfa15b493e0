"""Knobs of Context-Aware PoseFormer. Defaults are the published network with the HRNet-W32 trunk on Human3.6M."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from data.config import Sizes
from spaces.schema import LARGEST_RATIO, LARGEST_SIZE, MOST_LAYERS, knob

from ...entry import Traits
from ...layers.widths import hidden_of, near_heads

LEVELS = 4  # maps of a trunk, and context tokens of a joint
WIDTHS = {"tiny": 8, "w32": 32, "w48": 48}  # channels of the finest map; each coarser one has twice as many


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkConfig:
    """Knobs of trunk and lifting head. A joint has embed_dim channels on each of five levels, and all of them side by
    side."""

    trunk: str = knob("w32", choices=("w32", "w48", "tiny", "cpn"), help="network that reads the crop")
    trunk_weights: str = knob(
        "trunks", help="file of the trunk's weights, or folder of the published ones, from data.root; empty: by seed"
    )
    trunk_lr_factor: float = knob(
        0.0, least=0, help="factor on the learning rate in the trunk; 0: frozen, in evaluation mode"
    )
    features: str = knob(
        "live",
        choices=("live", "cached", "none"),
        help="run the trunk in every step, or once over all crops, for a frozen one; none: lift the 2D pose alone",
    )
    feature_store: str = knob(
        "auto", choices=("auto", "device", "file"), help="where cached maps lie; auto: on the device when they fit"
    )
    context: bool = knob(True, help="blocks that look around a joint; without: the MPI-INF-3DHP variant")
    embed_dim: int = knob(128, least=1, most=LARGEST_SIZE, help="channels of a level of a joint")
    depth: int = knob(4, least=1, most=MOST_LAYERS, help="blocks of each stack: context, levels of a joint, joints")
    heads: int = knob(
        8, least=1, most=LARGEST_SIZE, help="attention heads among levels and joints; must divide embed_dim"
    )
    context_heads: int = knob(4, least=1, most=LARGEST_SIZE, help="heads of the context blocks; must divide embed_dim")
    points: int = knob(4, least=1, most=LARGEST_SIZE, help="places that a head of a context block looks at")
    mlp_ratio: float = knob(
        2.0, above=0, most=LARGEST_RATIO, help="hidden channels of a block's feed-forward, as a multiple of its width"
    )
    dropout: float = knob(0.0, least=0, below=1, lane=True, help="dropout of embeddings, projections, feed-forwards")
    attention_dropout: float = knob(0.0, least=0, below=1, lane=True, help="dropout of the weights of attention")
    drop_path: float = knob(
        0.2, least=0, below=1, lane=True, help="stochastic depth of the last block; rises evenly from 0 in the first"
    )
    offset_lr_factor: float = knob(
        1.0, above=0, lane=True, help="factor on the learning rate of what places the points"
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yields (field, message) where the trunk is not available, heads do not divide the channels, the feed-forward
        is empty, or features of a trained trunk are to be cached."""
        if self.trunk == "cpn":
            yield (
                "trunk",
                "is not here: what is known of the cascaded pyramid network does not tell its layers; take w32 or w48",
            )
        for field in ("heads", "context_heads"):
            heads = getattr(self, field)
            if self.embed_dim % heads:
                yield field, f"must divide embed_dim {self.embed_dim}; {near_heads(self.embed_dim, heads)}"
        if not hidden_of(self.embed_dim, self.mlp_ratio):
            yield "mlp_ratio", f"leaves no hidden channel of embed_dim {self.embed_dim}; least: {1 / self.embed_dim:g}"
        if self.features == "cached" and self.trunk_lr_factor:
            yield "features", "must be live where trunk_lr_factor trains the trunk: cached maps would not follow it"
        if self.features != "none" and self.trunk_lr_factor == 0 and not self.trunk_weights:
            yield "trunk_weights", "is empty, and a frozen trunk would keep the weights of its seed; name a file"


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveConfig:
    """No knobs: the loss is the mean joint distance."""


def laws(network: NetworkConfig, sizes: Sizes) -> Iterator[tuple[str, str]]:
    """Yields (path, message) unless data is one pose of one view from one image."""
    if sizes.frames != 1:
        yield "data.frames", "must be 1: context_aware_poseformer reads a single image"
    if sizes.views != 1:
        yield "data.views", "must be 1: context_aware_poseformer reads a single view"
    if sizes.stride != 1:
        yield "data.stride", "must be 1: context_aware_poseformer answers with one pose"


def traits(network: NetworkConfig) -> Traits:
    """Returns the batch fields read, and the learning-rate factor of the trunk."""
    if network.features == "none":
        return Traits(reads=("pose2d", "pose3d"))
    is_cached = network.features == "cached"
    factors = {} if is_cached else {"backbone.": network.trunk_lr_factor}
    if network.context:
        offsets = (f"volume_net.context_blocks.{i}.sampling_offsets." for i in range(network.depth))
        factors |= dict.fromkeys(offsets, network.offset_lr_factor)
    return Traits(
        reads=("pose2d", "crop2d", "features" if is_cached else "image", "pose3d"),
        unfusable="" if is_cached else "its trunk reads images; network.features = cached makes the head alone a lane",
        rate_factors=factors,
    )
