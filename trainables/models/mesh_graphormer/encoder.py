"""Encoder blocks of Mesh Graphormer: post-norm transformers on token-major tensors [T, B, C] with a linear shortcut.
Module names are the published state-dict names."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from ...layers.attention import attend_to_self
from ...layers.dropout import Dropout, active
from ...layers.norm import LayerNorm
from ...layers.replay import replayed
from .config import POSITIONS
from .graph import EPS, GraphResBlock

START = 0.02  # deviation of every weight at the start
WORDS, KINDS = 30522, 2  # rows of the tables that came with the language model, and that nothing reads
HIDDEN = 0.01  # in every channel of a masked token


class Tokens(Protocol):
    """Protocol of a token sequence that is only read through linear layers."""

    def through(self, layer: nn.Linear) -> Tensor:
        """Returns the sequence after a linear layer, [T, B, out]."""
        ...


@dataclass(frozen=True, slots=True)
class Plain:
    """Token sequence stored as x [T, B, C]."""

    x_TBC: Tensor

    def through(self, layer: nn.Linear) -> Tensor:
        """Returns the sequence after a linear layer, [T, B, out]."""
        return layer(self.x_TBC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Queries:
    """Token sequence of Q queries, each a position of the template and the image feature, then the grid; never
    materialised: a linear layer is applied to the feature once for a sample, not once for each query.

    places [Q, 3]; feature [B, C - 3]; grid [G, B, C]; mask [B, Q], 0 where a query is `HIDDEN` in all channels; or
    None."""

    places: Tensor
    feature: Tensor
    grid: Tensor
    mask: Tensor | None

    def through(self, layer: nn.Linear) -> Tensor:
        """Returns the sequence after a linear layer, [T, B, out]."""
        near, far = layer.weight.split((self.places.shape[1], self.feature.shape[1]), 1)
        seen = linear(self.places, near).unsqueeze(1) + linear(self.feature, far, layer.bias)
        if self.mask is not None:
            hidden = HIDDEN * layer.weight.sum(1) + layer.bias
            seen = torch.where(self.mask.mT.unsqueeze(-1) == 0, hidden.to(seen.dtype), seen)
        return torch.cat((seen, layer(self.grid)))


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockShape:
    """Sizes of one block: channels of its input, of its inside and of its output, layers, heads, feed-forward `scale`
    times as wide as the inside, graph convolution or not. `words` and `positions`: rows of embedding tables; rates of
    dropout."""

    channels: int
    hidden: int
    out: int
    layers: int
    heads: int
    scale: float
    has_graph: bool
    is_compact: bool = False
    dropout: float = 0.1
    attention_dropout: float = 0.1
    words: int = WORDS
    positions: int = POSITIONS


class SelfAttention(nn.Module):
    """Multi-head self-attention; the layer's `output` projects the joined heads."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.query, self.key, self.value = (nn.Linear(shape.hidden, shape.hidden) for _ in range(3))
        self.dropout = Dropout(shape.attention_dropout)

    def forward(self, x_TBC: Tensor) -> Tensor:
        """x [T, B, C] -> [T, B, C]."""
        projections = self.query, self.key, self.value
        weights, biases = [part.weight for part in projections], [part.bias for part in projections]
        return attend_to_self(x_TBC, weights, biases, self.heads, drop=self.dropout)


class Output(nn.Module):
    """Linear layer and dropout, then layer norm of the sum with the shortcut."""

    def __init__(self, channels: int, out: int, dropout: float) -> None:
        super().__init__()
        self.dense = nn.Linear(channels, out)
        self.LayerNorm = LayerNorm(out, eps=EPS)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, around: Tensor) -> Tensor:
        """x [..., channels], around [..., out] -> [..., out]."""
        out: Tensor = self.LayerNorm(self.dropout.after(self.dense, x, residual=around))
        return out


class Layer(nn.Module):
    """Encoder layer: attention, the graph block of the vertex tokens where there is one, and the feed-forward; a norm
    behind each."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        width, hidden = shape.hidden, int(shape.hidden * shape.scale)
        self.attention = nn.ModuleDict({"self": SelfAttention(shape), "output": Output(width, width, shape.dropout)})
        if shape.has_graph:
            self.graph_conv = GraphResBlock(width, is_compact=shape.is_compact)
        self.has_graph = shape.has_graph
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, hidden)})
        self.output = Output(hidden, width, shape.dropout)

    def forward(self, x_TBC: Tensor, adjacency: Tensor, joints: int) -> Tensor:
        """x [T, B, C] -> [T, B, C]; `joints` tokens, then one for each row of the adjacency [V, V], then others."""
        x = self.attention["output"](self.attention["self"](x_TBC), x_TBC)
        if self.has_graph:
            vertices = len(adjacency)
            before, mesh, after = x.split((joints, vertices, len(x) - joints - vertices))
            x = torch.cat((before, self.graph_conv(mesh, adjacency), after))
        dense = self.intermediate["dense"]
        assert isinstance(dense, nn.Linear), dense
        return self.output(active(dense, x, nn.functional.gelu), x)


class DeadEmbeddings(nn.Module):
    """Embedding tables and norm of the language model. Nothing reads them; published weights hold them."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(shape.words, shape.hidden)
        self.position_embeddings = nn.Embedding(shape.positions, shape.hidden)
        self.token_type_embeddings = nn.Embedding(KINDS, shape.hidden)
        self.LayerNorm = LayerNorm(shape.hidden, eps=EPS)


class Bert(nn.Module):
    """Transformer encoder: projection of the tokens to its width, a learned position embedding, and the layers."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        if not shape.is_compact:
            self.embeddings = DeadEmbeddings(shape)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(Layer(shape) for _ in range(shape.layers))})
        if not shape.is_compact:
            self.pooler = nn.ModuleDict({"dense": nn.Linear(shape.hidden, shape.hidden)})
        self.position_embeddings = nn.Embedding(shape.positions, shape.hidden)
        self.img_embedding = nn.Linear(shape.channels, shape.hidden)
        self.dropout = Dropout(shape.dropout)

    def forward(self, tokens: Tokens, adjacency: Tensor, joints: int, *, is_replayed: bool = False) -> Tensor:
        """Tokens of so many channels -> [T, B, hidden]; `is_replayed` keeps only the input of every layer for the
        backward pass and computes the rest again."""
        x = tokens.through(self.img_embedding)
        x = self.dropout(x + self.position_embeddings.weight[: len(x)].unsqueeze(1))
        for layer in self.encoder["layer"].children():
            x = replayed(layer, x, adjacency, joints) if is_replayed else layer(x, adjacency, joints)
        return x


class Block(nn.Module):
    """One of the three blocks: the transformer's output plus a linear map of its input."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.bert = Bert(shape)
        self.cls_head = nn.Linear(shape.hidden, shape.out)
        self.residual = nn.Linear(shape.channels, shape.out)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=START)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def forward(self, tokens: Tokens, adjacency: Tensor, joints: int, *, is_replayed: bool = False) -> Tensor:
        """Tokens of so many channels -> [T, B, out]; the rest as in `Bert`."""
        inner = self.bert(tokens, adjacency, joints, is_replayed=is_replayed)
        return self.cls_head(inner) + tokens.through(self.residual)


def stack_of(shapes: Sequence[BlockShape]) -> nn.ModuleList:
    """Builds the blocks, each of which reads the output of the one before."""
    for one, following in itertools.pairwise(shapes):
        assert one.out == following.channels, shapes
    return nn.ModuleList(Block(shape) for shape in shapes)
