"""View encoder of SGraFormer: attention among the joints of each frame, with bone biases and messages from the previous
view.

Module names are the published state-dict names. Tensors are token-major, [J, N, C]; N counts frames of all samples."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

from ...layers.attention import attend_by_head
from ...layers.dropout import Dropout, DropPath
from ...layers.norm import LayerNorm
from ...layers.transformer import EPS, FeedForward, SelfAttention, drop_path_rates
from ...layers.widths import hidden_of
from .config import SPATIAL_DEPTH, NetworkConfig
from .hops import HOPS

M = TypeVar("M", bound=nn.Module)


def idle(module: M) -> M:
    """Marks a module that is published but unused: it is kept for the checkpoints and never trained.

    Parameters without gradient are skipped by optimisers and by the ranks of a team."""
    module.requires_grad_(False)
    return module


class EdgeAttention(SelfAttention):
    """Self-attention whose scores get a bias from the bones' edge features."""

    def __init__(self, config: NetworkConfig, joints: int) -> None:
        super().__init__(
            config.embed_dim_ratio,
            config.heads,
            bias=config.qkv_bias,
            scale=config.qk_scale or None,
            dropout=config.dropout,
            attention_dropout=config.attention_dropout,
        )
        self.edge_embedding = nn.Linear(joints**2, joints**2)

    def with_edges(self, x_JNC: Tensor, edge: Tensor) -> Tensor:
        """Attends with bone biases: x [J, N, C] -> [J, N, C]; edge [J * J]."""
        return self(x_JNC, self.edge_embedding(edge).view(len(x_JNC), -1))


class CrossAttention(nn.Module):
    """Cross-attention: queries and keys from the previous view's message, values from this view."""

    def __init__(self, config: NetworkConfig, joints: int) -> None:
        super().__init__()
        width = config.embed_dim_ratio
        self.heads, self.scale = config.heads, config.qk_scale or None
        self.is_told = config.edge_bias_in_cross_attention
        # The reference leaves torch's 1e-5 to these three.
        self.Qnorm, self.Knorm, self.Vnorm = (LayerNorm(width) for _ in range(3))
        self.QLinear, self.KLinear, self.VLinear = (nn.Linear(width, width) for _ in range(3))
        self.qkv = idle(nn.Linear(width, 3 * width, bias=config.qkv_bias))
        self.attn_drop = Dropout(config.attention_dropout)
        self.proj = nn.Linear(width, width)
        self.proj_drop = Dropout(config.dropout)
        edges = nn.Linear(joints**2, joints**2)
        self.edge_embedding = edges if self.is_told else idle(edges)

    def forward(self, x_JNC: Tensor, message_JNC: Tensor, edge: Tensor) -> Tensor:
        """[J, N, C] -> [J, N, C]; edge [J * J]."""
        q, k = self.QLinear(self.Qnorm(message_JNC)), self.KLinear(self.Knorm(message_JNC))
        v = self.VLinear(self.Vnorm(x_JNC))
        bias = self.edge_embedding(edge).view(len(x_JNC), -1) if self.is_told else None
        mixed = attend_by_head(q, k, v, self.heads, scale=self.scale, bias=bias, drop=self.attn_drop)
        return self.proj_drop.after(self.proj, mixed)


class SpatialBlock(nn.Module):
    """Block of joint tokens t and hop tokens q of one view; their common message m also goes to the next view's
    block."""

    def __init__(self, config: NetworkConfig, joints: int, drop_path: float, *, is_first: bool) -> None:
        super().__init__()
        width, hidden = config.embed_dim_ratio, hidden_of(config.embed_dim_ratio, config.mlp_ratio)
        self.norm1 = LayerNorm(width, eps=EPS)
        self.attn = EdgeAttention(config, joints)
        if not is_first:
            idle(self.norm1)
            idle(self.attn)
            self.cva_attn = CrossAttention(config, joints)
        self.drop_path = DropPath(drop_path, axis=1)  # every call draws anew
        self.norm2 = LayerNorm(width, eps=EPS)
        self.mlp = FeedForward(width, hidden, config.dropout)
        self.norm_hop1 = LayerNorm(width, eps=EPS)
        self.norm_hop2 = LayerNorm(width, eps=EPS)
        self.mlp_hop = FeedForward(width, hidden, config.dropout)

    def forward(
        self, t_JNC: Tensor, q_JNC: Tensor, message_JNC: Tensor | None, edge: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns t, q and m [J, N, C] behind the block; `message_JNC` is the m of the view before, None in the first
        view."""
        if message_JNC is None:
            mixed = self.attn.with_edges(self.norm1(t_JNC), edge)
        else:
            mixed = self.cva_attn(t_JNC, message_JNC, edge)
        m_JNC = self.norm_hop1(q_JNC) * self.drop_path(mixed)
        t_JNC = t_JNC + m_JNC
        t_JNC = self.drop_path.beside(t_JNC, lambda residual: self.mlp(self.norm2(t_JNC), residual))
        q_JNC = q_JNC + m_JNC
        q_JNC = self.drop_path.beside(q_JNC, lambda residual: self.mlp_hop(self.norm_hop2(q_JNC), residual))
        return t_JNC, q_JNC, m_JNC


class ViewEncoder(nn.Module):
    """Encoder of one view: the published SF1, and SF2 to SF4."""

    def __init__(self, config: NetworkConfig, joints: int, in_channels: int, *, is_first: bool) -> None:
        super().__init__()
        width = config.embed_dim_ratio
        self.Spatial_pos_embed = nn.Parameter(torch.zeros(1, joints, width))
        self.hop_pos_embed = nn.Parameter(torch.zeros(1, joints, width))
        self.Spatial_patch_to_embedding = nn.Linear(in_channels, width)
        self.hop_to_embedding = nn.Linear(HOPS * joints, width)
        self.pos_drop = Dropout(config.dropout)
        rates = drop_path_rates(config.drop_path, config.depth)[:SPATIAL_DEPTH]
        self.block1, self.block2, self.block3, self.block4 = (
            SpatialBlock(config, joints, rate, is_first=is_first) for rate in rates
        )
        self.Spatial_norm = LayerNorm(width, eps=EPS)
        self.hop_norm = LayerNorm(width, eps=EPS)

    def forward(
        self, x_JNC: Tensor, near_JSNJ: Tensor, hops_SKJJ: Tensor, edge: Tensor, messages: list[Tensor]
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Returns t and q [J, N, C] of a view, and its four messages; `messages` are those of the view before, none
        in the first. x [J, N, in_channels]; near [J, S, N / S, J]: distances of each joint to every other, as shares
        of 1."""
        t = self.pos_drop(self.Spatial_patch_to_embedding(x_JNC) + self.Spatial_pos_embed.transpose(0, 1))
        q = self.pos_drop(self._hop_tokens(near_JSNJ, hops_SKJJ) + self.hop_pos_embed.transpose(0, 1))
        own = []
        for number, block in enumerate((self.block1, self.block2, self.block3, self.block4)):
            t, q, message = block(t, q, messages[number] if messages else None, edge)
            own.append(message)
        return self.Spatial_norm(t), self.hop_norm(q), own

    def _hop_tokens(self, near_JSNJ: Tensor, hops_SKJJ: Tensor) -> Tensor:
        """Returns [J, N, C]: the published embedding of near * hops, with the four tables folded into the weights
        first."""
        joints = len(near_JSNJ)
        weight_CKJ = self.hop_to_embedding.weight.view(-1, HOPS, joints)
        mixer_JSJC = torch.einsum("skij,ckj->isjc", hops_SKJJ, weight_CKJ)
        tokens: Tensor = (near_JSNJ @ mixer_JSJC).flatten(1, 2) + self.hop_to_embedding.bias
        return tokens
