"""Graph layers over joints: adjacency from bones, and Chebyshev graph convolutions in the graph's eigenbasis.

Tensors are joint-major here, [J, B, C]: mixing joints and mixing channels are then each one matrix product."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from ..kernels.functions import is_native, mixed, takes_mix
from .exact import Exact


def row_normalized_adjacency(edges: Sequence[tuple[int, int]], num_joints: int) -> Tensor:
    """Returns D^-1 (E + I), [J, J] float32: bones in both directions and self loops, every row with the sum 1."""
    links = torch.eye(num_joints)
    for one, other in edges:
        links[one, other] = links[other, one] = 1
    return links / links.sum(1, keepdim=True)


class Spectrum(Exact):
    """Eigenbasis of the Laplacian L = I - d^-1/2 A d^-1/2 (d: row sums of A), with Chebyshev polynomials T0, T1, T2.

    `analysis` [J, J] maps joints to modes, `synthesis` [J, J] maps modes to joints, column k of `powers` [J, 3] is T_k
    of each eigenvalue: T_k(L) = synthesis diag(powers[:, k]) analysis. `adjacency` is any A = D^-1 (E + I) with
    symmetric E."""

    analysis: Tensor
    synthesis: Tensor
    powers: Tensor

    def __init__(self, adjacency: Tensor) -> None:
        super().__init__(_decompose(adjacency.detach().cpu().double()))


def _decompose(adjacency: Tensor) -> dict[str, Tensor]:
    """Returns the tensors of `Spectrum` for an adjacency [J, J] in float64."""
    scaling = adjacency.sum(1).rsqrt()
    walk = scaling[:, None] * adjacency * scaling
    # The diagonal of D^-1 (E + I) is 1 / degree, and its root makes the walk symmetric: real, stable eigenvectors.
    balance = adjacency.diagonal().rsqrt()
    symmetric = balance[:, None] * walk / balance
    assert torch.allclose(symmetric, symmetric.mT), f"no undirected graph with self loops: {adjacency}"
    walk_values, modes = torch.linalg.eigh((symmetric + symmetric.mT) / 2)
    value = 1 - walk_values
    return {
        "analysis": modes.mT * balance,
        "synthesis": modes / balance[:, None],
        "powers": torch.stack((torch.ones_like(value), value, 2 * value * value - 1), dim=1),
    }


def mix_joints(
    mixer_JJ: Tensor,
    x_JBC: Tensor,
    *,
    bias_C: Tensor | None = None,
    is_relu: bool = False,
    residual_JBC: Tensor | None = None,
) -> Tensor:
    """Mixes joints: returns [J, B, C] in which joint j is the combination of all joints by row j of `mixer_JJ`, plus a
    bias, through a ReLU, plus a residual; a ReLU and a residual together have no gradient."""
    if takes_mix(len(mixer_JJ), x_JBC[0].numel()) and is_native(mixer_JJ, x_JBC, bias_C, residual_JBC):
        return mixed(mixer_JJ, x_JBC, None, bias=bias_C, residual=residual_JBC, is_relu=is_relu)
    mixed_JBC = (mixer_JJ @ x_JBC.flatten(1)).view_as(x_JBC)
    mixed_JBC = mixed_JBC if bias_C is None else mixed_JBC + bias_C
    mixed_JBC = relu(mixed_JBC) if is_relu else mixed_JBC
    return mixed_JBC if residual_JBC is None else mixed_JBC + residual_JBC


class ChebyshevConv(nn.Module):
    """Chebyshev graph convolution: sum over k = 0, 1, 2 of T_k(L) x W_k, plus bias. `weight` [3, 1, in, out], `bias`
    [1, 1, out]."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(3, 1, in_features, out_features))
        self.bias = nn.Parameter(torch.zeros(1, 1, out_features))
        # The published fans are those of the 4-D tensor: std = (2 in out)^-1/2.
        nn.init.xavier_normal_(self.weight)

    def forward(self, x_JBC: Tensor, spectrum: Spectrum) -> Tensor:
        """x [J, B, in] -> [J, B, out]."""
        return mix_joints(spectrum.synthesis, self.in_modes(x_JBC, spectrum), bias_C=self.bias.flatten())

    def weights_of_modes(self, spectrum: Spectrum) -> Tensor:
        """Returns the weights [J, in, out] of the graph's modes."""
        # In the eigenbasis the three terms of a mode are one: a third of the multiplications of the plain sum.
        return (spectrum.powers @ self.weight.flatten(1)).view(-1, *self.weight.shape[2:])

    def in_modes(self, x_JBC: Tensor, spectrum: Spectrum) -> Tensor:
        """Returns the convolution without its bias, in the graph's modes: x [J, B, in] -> [J, B, out]."""
        return torch.bmm(mix_joints(spectrum.analysis, x_JBC), self.weights_of_modes(spectrum))
