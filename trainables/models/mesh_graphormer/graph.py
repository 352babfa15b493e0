"""Graph residual block of Mesh Graphormer, on vertex-major tensors [V, B, C]. Names are the published ones."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, relu

from ...layers.graph import mix_joints
from ...layers.norm import LayerNorm

EPS = 1e-12  # of every norm of this network; torch's own default of 1e-5 moves published outputs by 1e-4


class GraphLinear(nn.Module):
    """Linear layer of each vertex, named as in the published weights: `W` [out, in], `b` [out]."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        bound = 1 / (channels * out)  # so small that a fresh block hardly changes its input
        self.W = nn.Parameter(torch.empty(out, channels).uniform_(-bound, bound))
        self.b = nn.Parameter(torch.empty(out).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in] -> [..., out]."""
        return linear(x, self.W, self.b)


class GraphConv(nn.Module):
    """Graph convolution A x W + b: every vertex averages itself and its neighbours. `weight` is stored [in, out]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        bound = 6 / math.sqrt(2 * channels)
        self.weight = nn.Parameter(torch.empty(channels, channels).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(channels).uniform_(-bound, bound))

    def forward(self, x_VBC: Tensor, adjacency: Tensor) -> Tensor:
        """x [V, B, C] on the row-normalised adjacency [V, V] -> [V, B, C]."""
        return mix_joints(adjacency, x_VBC @ self.weight) + self.bias


class GraphResBlock(nn.Module):
    """Residual block: a projection to half the channels, a graph convolution, and a projection back. `is_compact`
    leaves out `skip_conv`, which is unused and which published weights hold."""

    def __init__(self, channels: int, *, is_compact: bool) -> None:
        super().__init__()
        half = channels // 2
        self.lin1 = GraphLinear(channels, half)
        self.conv = GraphConv(half)
        self.lin2 = GraphLinear(half, channels)
        if not is_compact:
            self.skip_conv = GraphLinear(channels, channels)
        self.pre_norm = LayerNorm(channels, eps=EPS)
        self.norm1, self.norm2 = LayerNorm(half, eps=EPS), LayerNorm(half, eps=EPS)

    def forward(self, x_VBC: Tensor, adjacency: Tensor) -> Tensor:
        """x [V, B, C] on the row-normalised adjacency [V, V] -> [V, B, C]."""
        y = self.lin1(relu(self.pre_norm(x_VBC)))
        y = self.conv(relu(self.norm1(y)), adjacency)
        return x_VBC + self.lin2(relu(self.norm2(y)))
