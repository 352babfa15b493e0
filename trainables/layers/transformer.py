"""The pre-norm transformer block of PoseFormer and its descendants, on token-major tensors [T, N, C].

Module names are the published state-dict names. N counts sequences of T tokens; with the tokens in front, a linear
layer's output splits into heads as a view, so that attention copies nothing before the heads are joined.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import linear

from .attention import attend
from .dropout import Dropout, DropPath

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

    def forward(self, x_TNC: Tensor) -> Tensor:
        """x [T, N, C] -> [T, N, C]."""
        tokens, count, width = x_TNC.shape
        weights = self.qkv.weight.chunk(3)
        biases = (None, None, None) if self.qkv.bias is None else self.qkv.bias.chunk(3)
        # Three products: of one with 3 C columns, sequence and head could not become one axis without a copy.
        parts = (linear(x_TNC, weight, bias) for weight, bias in zip(weights, biases, strict=True))
        q, k, v = (part.view(tokens, count * self.heads, -1).transpose(0, 1) for part in parts)
        mixed = attend(q, k, v, scale=self.scale, drop=self.attn_drop)
        joined: Tensor = self.proj_drop(self.proj(mixed.transpose(0, 1).reshape(tokens, count, width)))
        return joined


class FeedForward(nn.Module):
    """Two linear layers around the exact (erf) GELU, dropout behind each. The published name is Mlp."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, width)
        self.drop = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """x [..., C] -> [..., C]."""
        out: Tensor = self.drop(self.fc2(self.drop(self.act(self.fc1(x)))))
        return out


class Block(nn.Module):
    """Attention, then the feed-forward, each behind a norm and added to its input; training drops either branch of a
    whole sequence at the rate `drop_path`, drawn for each on its own."""

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
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.attn = SelfAttention(
            width, heads, bias=qkv_bias, scale=scale, dropout=dropout, attention_dropout=attention_dropout
        )
        self.norm2 = nn.LayerNorm(width, eps=EPS)
        self.mlp = FeedForward(width, hidden, dropout)
        self.drop_path = DropPath(drop_path)  # every call draws anew

    def forward(self, x_TNC: Tensor) -> Tensor:
        """x [T, N, C] -> [T, N, C]."""
        x_TNC = x_TNC + self._kept(self.attn(self.norm1(x_TNC)))
        return x_TNC + self._kept(self.mlp(self.norm2(x_TNC)))

    def _kept(self, branch_TNC: Tensor) -> Tensor:
        """The branch of a sequence, or zeros; stochastic depth goes by the first axis."""
        kept: Tensor = self.drop_path(branch_TNC.transpose(0, 1))
        return kept.transpose(0, 1)


def drop_path_rates(last: float, depth: int) -> list[float]:
    """Rates rising evenly from 0 in the first block to `last` in the last; 0 where there is only one."""
    return [last * i / max(depth - 1, 1) for i in range(depth)]
