"""Network of PoseFormer (ICCV 2021): a spatial transformer over the joints of each frame, a temporal one over the
frames.

Module names are the reference's state-dict names. Inside, tensors are token-major, [J, B F, C] and [F, B, J C]."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from data.batches.batch import Batch, Sizes
from data.batches.stretch import Stretch

from ...devices.device import most_near
from ...entry import Prediction
from ...layers.dropout import Dropout
from ...layers.norm import LayerNorm
from ...layers.transformer import EPS, stack
from .config import NetworkConfig


class PoseFormer(nn.Module):
    """PoseFormer for windows of F frames of J joints with `in_channels` numbers each."""

    def __init__(self, config: NetworkConfig, *, frames: int, joints: int, in_channels: int = 2) -> None:
        super().__init__()
        width = config.embed_dim_ratio
        wide = width * joints
        self.Spatial_pos_embed = nn.Parameter(torch.zeros(1, joints, width))
        self.Temporal_pos_embed = nn.Parameter(torch.zeros(1, frames, wide))
        self.Spatial_patch_to_embedding = nn.Linear(in_channels, width)
        self.pos_drop = Dropout(config.dropout)
        self.Spatial_blocks = stack(config, width)
        self.blocks = stack(config, wide)
        self.Spatial_norm = LayerNorm(width, eps=EPS)
        self.Temporal_norm = LayerNorm(wide, eps=EPS)
        self.weighted_mean = nn.Conv1d(frames, 1, 1)
        # The reference leaves torch's 1e-5 to this norm alone.
        self.head = nn.Sequential(LayerNorm(wide), nn.Linear(wide, 3 * joints))

    def forward(self, batch: Batch) -> Prediction:
        """Predicts poses from `batch.pose2d` [B, 1, F, J, 2], in the camera's frame."""
        assert batch.pose2d is not None, "poseformer needs Batch.pose2d"
        return Prediction(pose3d=self.lift(batch.pose2d[:, 0]))

    def lift(self, x_BFJC: Tensor) -> Tensor:
        """Lifts [B, F, J, in_channels] screen units to [B, 1, J, 3] metres."""
        batch, frames, joints, channels = x_BFJC.shape
        x = self.joints_mixed(x_BFJC.permute(2, 0, 1, 3).reshape(joints, batch * frames, channels))
        return self.frames_mixed(x.view(joints, batch, frames, -1).permute(2, 1, 0, 3).reshape(frames, batch, -1))

    def joints_mixed(self, x_JNC: Tensor) -> Tensor:
        """Encodes the joints of N frames, each for itself: [J, N, in_channels] -> [J, N, C]."""
        x_JNC = self.pos_drop(self.Spatial_patch_to_embedding(x_JNC) + self.Spatial_pos_embed.transpose(0, 1))
        for block in self.Spatial_blocks:
            x_JNC = block(x_JNC)
        out: Tensor = self.Spatial_norm(x_JNC)
        return out

    def frames_mixed(self, x_FBC: Tensor) -> Tensor:
        """Lifts windows of encoded frames: [F, B, J C] -> [B, 1, J, 3] metres."""
        x_FBC = self.pos_drop(x_FBC + self.Temporal_pos_embed.transpose(0, 1))
        for block in self.blocks:
            x_FBC = block(x_FBC)
        x_BC = self._mean_over_frames(self.Temporal_norm(x_FBC))
        return self.head(x_BC).view(len(x_BC), 1, -1, 3)

    def _mean_over_frames(self, x_FBC: Tensor) -> Tensor:
        """Returns [B, C], the weighted mean over frames: a convolution of F channels into one, as a matrix product; the
        weights need not add up to 1."""
        frames, batch, width = x_FBC.shape
        weight, bias = self.weighted_mean.weight, self.weighted_mean.bias
        assert bias is not None, "Conv1d has one unless told otherwise"
        return (weight.view(1, frames) @ x_FBC.reshape(frames, batch * width)).view(batch, width) + bias


def slide(network: PoseFormer) -> Callable[[Stretch], Prediction]:
    """Returns the network as a function of a stretch of samples: every frame is encoded once, however many windows have
    it."""

    def lift(stretch: Stretch) -> Prediction:
        x_JNC = stretch.pose2d[:, 0].transpose(0, 1)
        joints, device = len(x_JNC), x_JNC.device
        encoded = [network.joints_mixed(part) for part in x_JNC.split(most_near(device, joints * width), 1)]
        x_NC = torch.cat(encoded, 1).transpose(0, 1).flatten(1)
        window = torch.arange(frames, device=device).unsqueeze(1)
        parts = stretch.starts.split(most_near(device, frames * joints * width))
        poses = [network.frames_mixed(x_NC[window + starts]) for starts in parts]
        return Prediction(pose3d=torch.cat(poses))

    frames, width = network.Temporal_pos_embed.shape[1], network.Spatial_pos_embed.shape[2]
    return lift


def build(config: NetworkConfig, sizes: Sizes) -> PoseFormer:
    """Builds the network for a window of a skeleton; `config.laws` checks views and stride."""
    return PoseFormer(config, frames=sizes.frames, joints=sizes.skeleton.num_joints)


def infer(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, object]:
    """Infers sizes and biases from the shapes of weights; heads, scale and rates cannot be inferred."""
    found: dict[str, object] = {}
    if len(shape := shapes.get("Spatial_pos_embed", ())) == 3:
        found |= {"network.embed_dim_ratio": shape[2], "data.joints": shape[1]}
    if len(shape := shapes.get("Temporal_pos_embed", ())) == 3:
        found["data.frames"] = shape[1]
    if blocks := {name.split(".")[1] for name in shapes if name.startswith(("blocks.", "Spatial_blocks."))}:
        found["network.depth"] = len(blocks)
        found["network.qkv_bias"] = any(name.endswith(".attn.qkv.bias") for name in shapes)
    # Of the wider stack: there the ratio is rounded down less.
    if len(shape := shapes.get("blocks.0.mlp.fc1.weight", ())) == 2:
        found["network.mlp_ratio"] = shape[0] / shape[1]
    return found
