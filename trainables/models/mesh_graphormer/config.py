"""Knobs of Mesh Graphormer. Defaults are the published body network and its training on Human3.6M."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from data.config import CROP_STEP, Sizes
from spaces.schema import LARGEST_RATIO, LARGEST_SIZE, MOST_LAYERS, knob

from ...entry import Traits
from ...layers.widths import near_heads

POSITIONS = 512  # tokens that the published position table has room for
TOKENS = {"body": 14 + 431, "hand": 21 + 195}  # joints and coarse vertices
BLOCKS = 3
REDUCED = {"tiny": 2}  # trunks that read crops so many times smaller, bordered to full steps of the grid
WIDTHS = {"tiny": 8, "w40": 40, "w64": 64}  # channels of the trunk's finest branch; coarser ones have twice as many
# Of each block, what takes no part in the forward pass; the published weights hold it.
DEAD = (
    *(f"embeddings.{table}_embeddings.weight" for table in ("word", "position", "token_type")),
    *(f"embeddings.LayerNorm.{name}" for name in ("weight", "bias")),
    *(f"pooler.dense.{name}" for name in ("weight", "bias")),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkConfig:
    """Knobs of the trunk, the three encoder blocks, and the kind of mesh."""

    mesh: str = knob("body", choices=("body", "hand"), help="what the mesh is of: a body (SMPL) or a hand (MANO)")
    body_files: str = knob(
        "", help="folder of the body or hand model, the mesh levels and joint regressors; empty: made ones"
    )
    trunk: str = knob(
        "w64", choices=("w64", "w40", "tiny"), help="HRNet that reads the crop; tiny: a narrow one, at half its size"
    )
    trunk_weights: str = knob("", help="file with the trunk's weights, from data.root; empty: from the seed")
    trunk_lr_factor: float = knob(1.0, above=0, lane=True, help="factor on the learning rate in the trunk")
    start: str = knob(
        "published",
        choices=("published", "template"),
        help="how upsampling and camera begin: published: at random; template: between the template's vertices, the "
        "camera on it",
    )
    hidden: tuple[int, ...] = knob((1024, 256, 64), least=2, most=LARGEST_SIZE, help="channels inside the three blocks")
    widths: tuple[int, ...] = knob((512, 128), least=1, most=LARGEST_SIZE, help="channels between them")
    layers: int = knob(4, least=1, most=MOST_LAYERS, help="layers of each block")
    heads: int = knob(4, least=1, most=LARGEST_SIZE, help="attention heads of every layer; must divide each of hidden")
    feed_forward: float = knob(
        2.0, above=0, most=LARGEST_RATIO, help="hidden channels of a feed-forward, as a multiple of its block's"
    )
    graph: tuple[bool, ...] = knob((False, False, True), help="which blocks have graph convolutions")
    dropout: float = knob(0.1, least=0, below=1, lane=True, help="dropout of embeddings, projections, feed-forwards")
    attention_dropout: float = knob(0.1, least=0, below=1, lane=True, help="dropout of the weights of attention")
    mask_rate: float = knob(
        0.3,
        least=0,
        below=1,
        lane=True,
        help="masked vertex modelling: most joints and vertices that are hidden, as a share",
    )
    compact: bool = knob(False, help="leave out the parts of the published weights that take no part")
    checkpointing: bool = knob(False, help="compute activations again in the backward pass: less memory, more time")

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yields (field, message) unless there are three blocks, and heads divide the channels, of which a graph block
        uses half."""
        for field, count in (("hidden", BLOCKS), ("widths", BLOCKS - 1), ("graph", BLOCKS)):
            found = getattr(self, field)
            if len(found) != count:
                yield field, f"must be {count} values: there are {BLOCKS} blocks, and this has {len(found)}"
        for width in dict.fromkeys(self.hidden):
            if width % self.heads:
                yield "heads", f"must divide the width {width} of hidden; {near_heads(width, self.heads)}"
        for width, has_graph in zip(self.hidden, self.graph, strict=False):
            if has_graph and width % 2:
                yield (
                    "hidden",
                    f"must be even where graph is on: {width} is odd; legal near it: {width - 1}, {width + 1}",
                )


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveConfig:
    """Knobs of the loss: weights of its terms."""

    joints3d: float = knob(1000.0, least=0, lane=True, help="weight of the 3D joints, predicted and of the mesh")
    vertices: float = knob(100.0, least=0, lane=True, help="weight of the vertices of all levels")
    joints2d: float = knob(100.0, least=0, lane=True, help="weight of the projected joints")
    coarse: float = knob(0.33, least=0, lane=True, help="share of the coarse mesh in the vertices")
    middle: float = knob(0.33, least=0, lane=True, help="share of the middle mesh, which a hand does not have")
    full: float = knob(0.33, least=0, lane=True, help="share of the full mesh")


def laws(network: NetworkConfig, sizes: Sizes) -> Iterator[tuple[str, str]]:
    """Yields (path, message) unless data is one image of this kind of mesh, and the position table holds its grid,
    joints and vertices."""
    if sizes.frames != 1:
        yield "data.frames", "must be 1: mesh_graphormer reads a single image"
    if sizes.views != 1:
        yield "data.views", "must be 1: mesh_graphormer reads a single view"
    if sizes.mesh not in ("", network.mesh):
        yield "network.mesh", f"must be {sizes.mesh}: the set of data.name has no other meshes"
    height, width = sizes.crop
    # The grid has a place for every CROP_STEP pixels that the trunk reads; the data sees to it that they divide crops.
    step = CROP_STEP * REDUCED.get(network.trunk, 1)
    tokens = TOKENS[network.mesh] + math.ceil(height / step) * math.ceil(width / step)
    if tokens > POSITIONS:
        yield "network.mesh", f"makes {tokens} tokens of a crop of {height} x {width}, at most {POSITIONS} have a place"


def traits(network: NetworkConfig) -> Traits:
    """Returns the batch fields read, and the learning-rate factors of its parts."""
    dead = {} if network.compact else dict.fromkeys(dead_names(network), 0.0)
    return Traits(
        reads=("image", "joints2d", "joints3d", "body_pose", "betas", "has"),
        unfusable="its trunk reads images: a crop for each lane and convolutions with weights of their own, "
        "which no device does faster together than one after the other",
        rate_factors={"backbone.": network.trunk_lr_factor, **dead},
    )


def dead_names(network: NetworkConfig) -> tuple[str, ...]:
    """Returns the tensors of the published weights that are unused, and that a compact network lacks."""
    blocks = [f"trans_encoder.{block}.bert." for block in range(BLOCKS)]
    return (
        *(f"backbone.classifier.{name}" for name in ("weight", "bias")),
        *(f"{block}{name}" for block in blocks for name in DEAD),
        *(
            f"{block}encoder.layer.{layer}.graph_conv.skip_conv.{name}"
            for block, has_graph in zip(blocks, network.graph, strict=True)
            if has_graph
            for layer in range(network.layers)
            for name in ("W", "b")
        ),
    )


def spares(network: NetworkConfig, sizes: Sizes) -> frozenset[str]:
    """Returns the published tensors that this network lacks."""
    return frozenset(dead_names(network)) if network.compact else frozenset()
