"""PoseFormer (ICCV 2021): attention over the joints of each frame, then over the frames of the window.

Module names are the reference's state-dict names.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from data.batch import Batch, Sizes
from trainables.entry import Prediction
from trainables.layers.dropout import Dropout
from trainables.layers.transformer import EPS, Block, depth_rates

from .config import NetworkConfig


class PoseFormer(nn.Module):
    """The published network: one pose, that of the middle frame, for a window of F frames."""

    def __init__(self, config: NetworkConfig, frames: int, num_joints: int, in_features: int = 2) -> None:
        super().__init__()
        width, wide = config.embed_dim_ratio, config.embed_dim_ratio * num_joints
        self.Spatial_patch_to_embedding = nn.Linear(in_features, width)
        self.Spatial_pos_embed = nn.Parameter(torch.zeros(1, num_joints, width))
        self.Temporal_pos_embed = nn.Parameter(torch.zeros(1, frames, wide))
        self.spatial_drop, self.temporal_drop = Dropout(config.dropout), Dropout(config.dropout)
        self.Spatial_blocks = _blocks(config, width)
        self.blocks = _blocks(config, wide)
        self.Spatial_norm = nn.LayerNorm(width, eps=EPS)
        self.Temporal_norm = nn.LayerNorm(wide, eps=EPS)
        self.weighted_mean = nn.Conv1d(frames, 1, 1)
        self.head = nn.Sequential(nn.LayerNorm(wide), nn.Linear(wide, 3 * num_joints))

    def forward(self, batch: Batch) -> Prediction:
        """The pose of the middle frame for `batch.pose2d` [B, 1, F, J, 2], in the camera's frame."""
        assert batch.pose2d is not None, "poseformer needs Batch.pose2d"
        return Prediction(pose3d=self.lift(batch.pose2d[:, 0]))

    def lift(self, x_BFJC: Tensor) -> Tensor:
        """[B, F, J, in_features] screen units -> [B, 1, J, 3] metres."""
        batch, frames, joints, _ = x_BFJC.shape
        x = self.Spatial_patch_to_embedding(x_BFJC.flatten(0, 1)) + self.Spatial_pos_embed
        x = self.spatial_drop(x)
        for block in self.Spatial_blocks:
            x = block(x)
        x = self.Spatial_norm(x).view(batch, frames, -1)
        x = self.temporal_drop(x + self.Temporal_pos_embed)
        for block in self.blocks:
            x = block(x)
        x = self.Temporal_norm(x)
        # A convolution of width 1 over frames as channels is this weighted sum, and a matrix product is faster.
        x = self.weighted_mean.weight[:, :, 0] @ x + self.weighted_mean.bias
        return self.head(x).view(batch, 1, joints, 3)


def _blocks(config: NetworkConfig, width: int) -> nn.ModuleList:
    return nn.ModuleList(
        Block(
            width,
            config.heads,
            mlp_ratio=config.mlp_ratio,
            qkv_bias=config.qkv_bias,
            qk_scale=config.qk_scale,
            dropout=config.dropout,
            attention_dropout=config.attention_dropout,
            drop_path=rate,
        )
        for rate in depth_rates(config.drop_path, config.depth)
    )


def build(config: NetworkConfig, sizes: Sizes) -> PoseFormer:
    """The network for a skeleton and the frames of its windows."""
    return PoseFormer(config, sizes.frames, sizes.skeleton.num_joints)


def rename(name: str) -> str:
    """Our name of a published weight: the same, less the level that saving from several GPUs adds."""
    return name.removeprefix("module.")


def infer(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, object]:
    """Width, depth, frames, joints and the kind of perceptron and projection as the shapes of weights tell them; heads
    and rates leave no trace."""
    found: dict[str, object] = {}
    if len(shape := shapes.get("Spatial_pos_embed", ())) == 3:
        found |= {"data.joints": shape[1], "network.embed_dim_ratio": shape[2]}
    if len(shape := shapes.get("Temporal_pos_embed", ())) == 3:
        found["data.frames"] = shape[1]
    if depth := len({name.split(".")[1] for name in shapes if name.startswith("blocks.")}):
        found["network.depth"] = depth
        found["network.qkv_bias"] = "blocks.0.attn.qkv.bias" in shapes
    if len(shape := shapes.get("blocks.0.mlp.fc1.weight", ())) == 2:
        found["network.mlp_ratio"] = shape[0] / shape[1]
    return found
