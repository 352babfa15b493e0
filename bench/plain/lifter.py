"""A graph-attention lifter in plain PyTorch, and its training with DataLoaders: what the scripts beside it tune.
Imports nothing of the product."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class GraphConv(nn.Module):
    """Chebyshev graph convolution: the sum over three polynomials of the Laplacian [3, J, J], each with weights."""

    def __init__(self, inputs: int, outputs: int, polynomials: Tensor) -> None:
        super().__init__()
        self.register_buffer("polynomials", polynomials)
        self.weight = nn.Parameter(torch.empty(3, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.xavier_normal_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, J, in] -> [B, J, out]."""
        return sum(self.polynomials[k] @ x @ self.weight[k] for k in range(3)) + self.bias


class Attention(nn.Module):
    """Multi-head self-attention over joints, with dropout of its weights."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, J, C] -> [B, J, C]."""
        batch, joints, width = x.shape
        q, k, v = (
            part(x).view(batch, joints, self.heads, -1).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        mixed = self.dropout(scores.softmax(-1)) @ v
        return self.output(mixed.transpose(1, 2).reshape(batch, joints, width))


class GraphNet(nn.Module):
    """Two linear layers, each behind a learnable adjacency."""

    def __init__(self, width: int, joints: int) -> None:
        super().__init__()
        self.adjacency = nn.Parameter(torch.eye(joints))
        self.first, self.second = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, J, C] -> [B, J, C]."""
        scaling = (self.adjacency.sum(0) + 1e-5).rsqrt()
        mixer = scaling[:, None] * self.adjacency * scaling
        return self.second(mixer @ self.first(mixer @ x).relu())


class Layer(nn.Module):
    """Attention, graph net and two graph convolutions, each a residual branch; the first two behind a norm."""

    def __init__(self, width: int, heads: int, dropout: float, polynomials: Tensor) -> None:
        super().__init__()
        self.attention = Attention(width, heads, dropout)
        self.graph_net = GraphNet(width, polynomials.shape[-1])
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.convolutions = nn.ModuleList(GraphConv(width, width, polynomials) for _ in range(2))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, J, C] -> [B, J, C]."""
        x = x + self.dropout(self.attention(self.norms[0](x)))
        x = x + self.dropout(self.graph_net(self.norms[1](x)))
        around = x
        for convolution in self.convolutions:
            x = self.dropout(convolution(x).relu())
        return around + x


class Lifter(nn.Module):
    """Lifts 2D joints [B, J, 2] to 3D [B, J, 3]."""

    def __init__(self, width: int, layers: int, heads: int, dropout: float, polynomials: Tensor) -> None:
        super().__init__()
        self.first = GraphConv(2, width, polynomials)
        self.layers = nn.ModuleList(Layer(width, heads, dropout, polynomials) for _ in range(layers))
        self.last = GraphConv(width, 3, polynomials)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, J, 2] -> [B, J, 3]."""
        x = self.first(x)
        for layer in self.layers:
            x = layer(x)
        return self.last(x)


def epochs_of(data: Path, knobs: dict[str, float], epochs: int, seed: int) -> Iterator[float]:
    """Trains a lifter, and yields its validation MPJPE in mm after each epoch. `data`: file of the tensors; knobs:
    width, layers, heads, batch, lr, weight_decay, dropout."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    sets = torch.load(data, weights_only=True)
    network = Lifter(
        int(knobs["width"]), int(knobs["layers"]), int(knobs["heads"]), knobs["dropout"], sets["polynomials"]
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=knobs["lr"], weight_decay=knobs["weight_decay"])
    batch = int(knobs["batch"])
    training = DataLoader(TensorDataset(*sets["train"]), batch, shuffle=True)
    validation = DataLoader(TensorDataset(*sets["val"]), batch)
    for _ in range(epochs):
        network.train()
        for x, y in training:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(network(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
        network.eval()
        total = 0.0
        with torch.no_grad():
            for x, y in validation:
                total += float((network(x) - y).norm(dim=-1).mean(-1).sum())
        yield 1000 * total / len(validation.dataset)  # type: ignore[arg-type]
