"""Pre-norm transformer block of PoseFormer and its descendants, on token-major tensors [T, N, C].

Module names are the published state-dict names. N counts sequences of T tokens; with the tokens in front, a linear
layer's output splits into heads as a view, so that attention copies nothing before the heads are joined."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from .attention import attend_to_self
from .dropout import Dropout, DropPath
from .norm import LayerNorm
from .widths import hidden_of

EPS = 1e-6  # of every norm inside these transformers; torch's own default of 1e-5 moves published outputs by 1e-4


class SelfAttention(nn.Module):
    """Attention among the tokens of a sequence. The rows of `qkv` are all queries, all keys, all values, in this order,
    each split into heads; `scale` None is (width / heads)^-1/2."""

    def __init__(
        self, width: int, heads: int, *, bias: bool, scale: float | None, dropout: float, attention_dropout: float
    ) -> None:
        super().__init__()
        self.heads = heads
        self.scale = scale
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.attn_drop = Dropout(attention_dropout)
        self.proj = nn.Linear(width, width)
        self.proj_drop = Dropout(dropout)

    def forward(self, x_TNC: Tensor, bias_TT: Tensor | None = None, residual: Tensor | None = None) -> Tensor:
        """x [T, N, C] -> [T, N, C]; `bias_TT` [T, T] is added to the scores, `residual` [T, N, C] to the result."""
        weights = self.qkv.weight.chunk(3)
        biases = None if self.qkv.bias is None else self.qkv.bias.chunk(3)
        mixed = attend_to_self(x_TNC, weights, biases, self.heads, scale=self.scale, bias=bias_TT, drop=self.attn_drop)
        return self.proj_drop.after(self.proj, mixed, residual=residual)


class FeedForward(nn.Module):
    """Two linear layers around the exact (erf) GELU, dropout behind each. The published name is Mlp."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, width)
        self.drop = Dropout(dropout)

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """x [..., C] -> [..., C]; `residual` [..., C] is added to the result."""
        return self.drop.after(self.fc2, self.drop.after(self.fc1, x, act=self.act), residual=residual)


class Block(nn.Module):
    """Pre-norm attention, then feed-forward, each added to its input; training drops either branch of a whole sequence
    at the rate `drop_path`, drawn for each branch separately."""

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        *,
        qkv_bias: bool = True,
        scale: float | None = None,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm1 = LayerNorm(width, eps=EPS)
        self.attn = SelfAttention(
            width, heads, bias=qkv_bias, scale=scale, dropout=dropout, attention_dropout=attention_dropout
        )
        self.norm2 = LayerNorm(width, eps=EPS)
        self.mlp = FeedForward(width, hidden, dropout)
        self.drop_path = DropPath(drop_path, axis=1)  # every call draws anew

    def forward(self, x_TNC: Tensor) -> Tensor:
        """x [T, N, C] -> [T, N, C]."""
        x_TNC = self.drop_path.beside(x_TNC, lambda residual: self.attn(self.norm1(x_TNC), residual=residual))
        return self.drop_path.beside(x_TNC, lambda residual: self.mlp(self.norm2(x_TNC), residual))


def drop_path_rates(last: float, depth: int) -> list[float]:
    """Returns rates rising evenly from 0 in the first block to `last` in the last; 0 where there is only one."""
    return [last * i / max(depth - 1, 1) for i in range(depth)]


class Knobs(Protocol):
    """Protocol of the config fields that a transformer stack reads."""

    @property
    def depth(self) -> int: ...
    @property
    def heads(self) -> int: ...
    @property
    def mlp_ratio(self) -> float: ...
    @property
    def qkv_bias(self) -> bool: ...
    @property
    def qk_scale(self) -> float: ...
    @property
    def dropout(self) -> float: ...
    @property
    def attention_dropout(self) -> float: ...
    @property
    def drop_path(self) -> float: ...


def stack(config: Knobs, width: int) -> nn.ModuleList:
    """Builds the blocks of one stack."""
    return nn.ModuleList(
        Block(
            width,
            config.heads,
            hidden_of(width, config.mlp_ratio),
            qkv_bias=config.qkv_bias,
            scale=config.qk_scale or None,
            dropout=config.dropout,
            attention_dropout=config.attention_dropout,
            drop_path=rate,
        )
        for rate in drop_path_rates(config.drop_path, config.depth)
    )
