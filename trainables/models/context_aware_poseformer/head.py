"""Lifting head of Context-Aware PoseFormer: per joint one token from its 2D position and four from trunk features
sampled at and around it.

Module names are the reference's state-dict names. Inside, tensors are level-major [L, B, J, C]: level 0 is the 2D pose,
levels 1 to 4 are the maps, finest first."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample

from ...layers.dropout import Dropout, DropPath
from ...layers.norm import LayerNorm
from ...layers.transformer import Block, FeedForward, drop_path_rates
from ...layers.widths import hidden_of
from .config import LEVELS, NetworkConfig

FIRST_OFFSET = 0.01  # distance of a head's first point at the start, in half crops; the k-th lies k times as far


class LiftingHead(nn.Module):
    """Published lifting head for J joints and maps of so many channels."""

    def __init__(self, config: NetworkConfig, channels: Sequence[int], joints: int) -> None:
        super().__init__()
        assert len(channels) == LEVELS, channels
        width = config.embed_dim
        wide = width * (LEVELS + 1)
        self.Spatial_pos_embed = nn.Parameter(torch.zeros(1, LEVELS + 1, joints, width))
        self.coord_embed = nn.Linear(2, width)
        self.feat_embed = nn.ModuleList(nn.Linear(count, width) for count in channels)
        self.pos_drop = Dropout(config.dropout)
        rates = drop_path_rates(config.drop_path, config.depth)
        is_blind = config.features == "none"
        self.feat_embed.requires_grad_(not is_blind)
        looks = rates if config.context and not is_blind else []
        self.context_blocks = nn.ModuleList(ContextBlock(config, channels, rate) for rate in looks)
        self.res_blocks = nn.ModuleList(_block(config, width, rate) for rate in rates)
        self.joint_blocks = nn.ModuleList(_block(config, wide, rate) for rate in rates)
        # The reference leaves torch's 1e-5 to this norm and to those of the context blocks.
        self.head = nn.Sequential(LayerNorm(wide), nn.Linear(wide, 3))

    def forward(self, pose_BJC: Tensor, ref_BJC: Tensor | None, maps: Sequence[Tensor]) -> Tensor:
        """Lifts 2D poses [B, J, 2] in screen units, the same joints in the crop [B, J, 2] in [-1, 1], and maps
        [B, C, Y, X] to [B, J, 3] metres. Without maps the context tokens are the `Spatial_pos_embed` of their
        places."""
        batch, joints, _ = pose_BJC.shape
        pose = self.coord_embed(pose_BJC)
        if ref_BJC is None:
            tokens = [torch.zeros_like(pose)] * LEVELS
        else:
            seen = (sample(x, ref_BJC, "zeros").mT for x in maps)
            tokens = [embed(x) for embed, x in zip(self.feat_embed, seen, strict=True)]
        x_LBJC = torch.stack([pose, *tokens]) + self.Spatial_pos_embed.transpose(0, 1)
        x_LBJC = self.pos_drop(x_LBJC)
        for context in self.context_blocks:
            x_LBJC = context(x_LBJC, ref_BJC, maps)
        x_LNC = x_LBJC.flatten(1, 2)
        for block in self.res_blocks:
            x_LNC = block(x_LNC)
        x_JBC = x_LNC.view(LEVELS + 1, batch, joints, -1).permute(2, 1, 0, 3).reshape(joints, batch, -1)
        for block in self.joint_blocks:
            x_JBC = block(x_JBC)
        pose_JBC: Tensor = self.head(x_JBC)
        return pose_JBC.transpose(0, 1)


class ContextBlock(nn.Module):
    """Deformable attention: every context token samples its level's map at a few places around the joint; the 2D token
    is unchanged."""

    def __init__(self, config: NetworkConfig, channels: Sequence[int], drop_path: float) -> None:
        super().__init__()
        width, self.heads = config.embed_dim, config.context_heads
        count = self.heads * config.points
        self.norm1 = LayerNorm(width)
        self.attention_weights = nn.Linear(width, count)
        self.sampling_offsets = nn.Linear(width, 2 * count)
        self.embed_proj = nn.ModuleList(nn.Linear(level, width // self.heads) for level in channels)
        self.norm2 = LayerNorm(width)
        self.mlp = FeedForward(width, hidden_of(width, config.mlp_ratio), config.dropout)
        self.drop_path = DropPath(drop_path)
        self._start(config.points)

    @torch.no_grad()
    def _start(self, points: int) -> None:
        """Initialises the sampling: equal weights; head k samples in direction 2 pi k / heads, each of its points
        farther than the one before."""
        for linear in (self.attention_weights, self.sampling_offsets):
            nn.init.zeros_(linear.weight)
        nn.init.zeros_(self.attention_weights.bias)
        angle = torch.arange(self.heads) * (2 * math.pi / self.heads)
        direction = torch.stack((angle.cos(), angle.sin()), 1)
        direction /= direction.abs().amax(1, keepdim=True)
        steps = FIRST_OFFSET * torch.arange(1, points + 1)
        self.sampling_offsets.bias.copy_((direction[:, None] * steps[:, None]).flatten())

    def forward(self, x_LBJC: Tensor, ref_BJC: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """x [5, B, J, C] -> the same shape."""
        pose, x = x_LBJC[:1], x_LBJC[1:]
        levels, batch, joints, _ = x.shape
        query = self.norm1(x + pose)
        weights = self.attention_weights(query).view(levels, batch, joints, self.heads, -1).softmax(-1)
        offsets = self.sampling_offsets(query).view(levels, batch, joints * self.heads, -1, 2).tanh()
        places = ref_BJC.repeat_interleave(self.heads, 1)[:, :, None] + offsets
        looks = [
            self._look(project, level, place, weight)
            for project, level, place, weight in zip(self.embed_proj, maps, places, weights, strict=True)
        ]
        x = x + self._kept(torch.stack(looks))
        x = x + self._kept(self.mlp(self.norm2(x)))
        return torch.cat((pose, x))

    def _look(self, project: nn.Module, level_BCYX: Tensor, place: Tensor, weight_BJHP: Tensor) -> Tensor:
        """Returns [B, J, C]: each head's weighted mean of one map at its places [B, J H, P, 2]."""
        batch, joints = weight_BJHP.shape[:2]
        seen = grid_sample(level_BCYX, place, "bilinear", "border", align_corners=True)
        # The weights of a head add up to 1: the mean of projections is the projection of the mean.
        mean_BCN = (seen * weight_BJHP.flatten(1, 2).unsqueeze(1)).sum(-1)
        looked: Tensor = project(mean_BCN.mT)
        return looked.reshape(batch, joints, -1)

    def _kept(self, branch_LBJC: Tensor) -> Tensor:
        """Returns the branch of a sample, or zeros (stochastic depth)."""
        kept: Tensor = self.drop_path(branch_LBJC.transpose(0, 1))
        return kept.transpose(0, 1)


def sample(map_BCYX: Tensor, place_BNC: Tensor, padding: str) -> Tensor:
    """Samples a map at places [B, N, 2] bilinearly to [B, C, N]; x before y, -1 and 1 the middles of the outermost
    cells; `padding` outside: zeros or border."""
    return grid_sample(map_BCYX, place_BNC[:, :, None], "bilinear", padding, align_corners=True).squeeze(-1)


def _block(config: NetworkConfig, width: int, drop_path: float) -> Block:
    return Block(
        width,
        config.heads,
        hidden_of(width, config.mlp_ratio),
        dropout=config.dropout,
        attention_dropout=config.attention_dropout,
        drop_path=drop_path,
    )
