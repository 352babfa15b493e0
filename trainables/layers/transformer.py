"""The pre-norm transformer block that the lifters share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from .attention import attend
from .dropout import Dropout, DropPath

EPS = 1e-6  # of the norms of these blocks; torch's default is 1e-5


class Attention(nn.Module):
    """Multi-head self-attention. `qkv` holds query, key and value one after the other, each split into heads."""

    def __init__(
        self, width: int, heads: int, *, bias: bool, scale: float, attention_dropout: float, dropout: float
    ) -> None:
        super().__init__()
        self.heads = heads
        self.scale = scale or (width // heads) ** -0.5
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.attn_drop = Dropout(attention_dropout)
        self.proj = nn.Linear(width, width)
        self.proj_drop = Dropout(dropout)

    def forward(self, x_BTC: Tensor) -> Tensor:
        """x [B, T, C] -> [B, T, C]."""
        batch, tokens, width = x_BTC.shape
        heads = self.qkv(x_BTC).view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4).flatten(1, 2)
        mixed_BHTC = attend(*heads.unbind(0), scale=self.scale, drop=self.attn_drop)
        mixed = mixed_BHTC.view(batch, self.heads, tokens, -1).transpose(1, 2).reshape(batch, tokens, width)
        out: Tensor = self.proj_drop(self.proj(mixed))
        return out


class Perceptron(nn.Module):
    """Two linear layers with the exact GELU between them."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)
        self.drop1, self.drop2 = Dropout(dropout), Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """x [..., C] -> [..., C]."""
        out: Tensor = self.drop2(self.fc2(self.drop1(gelu(self.fc1(x)))))
        return out


class Block(nn.Module):
    """x + path(attn(norm1 x)), then x + path(mlp(norm2 x)); stochastic depth drops entries of axis 0."""

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        mlp_ratio: float,
        qkv_bias: bool,
        qk_scale: float,
        dropout: float,
        attention_dropout: float,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.attn = Attention(
            width, heads, bias=qkv_bias, scale=qk_scale, attention_dropout=attention_dropout, dropout=dropout
        )
        self.norm2 = nn.LayerNorm(width, eps=EPS)
        self.mlp = Perceptron(width, int(width * mlp_ratio), dropout)
        self.path1, self.path2 = DropPath(drop_path), DropPath(drop_path)

    def forward(self, x_BTC: Tensor) -> Tensor:
        """x [B, T, C] -> [B, T, C]."""
        x_BTC = x_BTC + self.path1(self.attn(self.norm1(x_BTC)))
        out: Tensor = x_BTC + self.path2(self.mlp(self.norm2(x_BTC)))
        return out


def depth_rates(rate: float, depth: int) -> list[float]:
    """The rates of stochastic depth of `depth` blocks: from 0 to `rate` in even steps."""
    return torch.linspace(0, rate, depth, dtype=torch.float64).tolist()
