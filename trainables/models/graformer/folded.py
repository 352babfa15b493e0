"""GraFormer in evaluation mode, with everything folded into its weights that does not depend on the input: for scoring,
where no gradient is needed and the same weights see all samples.

Tensors are joint-major, [J, B, C], as in `network`, whose results these are up to rounding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from data.batches.stretch import Stretch

from ...devices.device import most_near
from ...entry import Prediction
from ...layers.attention import attend_packed
from ...layers.graph import ChebyshevConv, Spectrum, mix_joints
from .network import GraFormer, LayerNorm


@dataclass(frozen=True, slots=True)
class Attention:
    """Self-attention behind a layer norm."""

    heads: int
    norm: LayerNorm
    weight_CC: Tensor
    bias_C: Tensor
    output: tuple[Tensor, Tensor]

    @staticmethod
    def of(attention: Any, norm: LayerNorm) -> Attention:
        """Packs the queries, keys and values of an attention into one product."""
        *projections, output = attention.linears
        weight_CC = torch.cat([layer.weight for layer in projections]).mT.contiguous()
        bias_C = torch.cat([layer.bias for layer in projections])
        return Attention(attention.heads, norm, weight_CC, bias_C, (output.weight.mT.contiguous(), output.bias))

    def plus(self, x_JBC: Tensor) -> Tensor:
        """Returns x [J, B, C] with the branch added to it, in its place."""
        mixed = attend_packed(self.norm(x_JBC) @ self.weight_CC, self.bias_C, self.heads)
        weight_CC, bias_C = self.output
        x_JBC.flatten(0, 1).addmm_(mixed.flatten(0, 1), weight_CC).add_(bias_C)
        return x_JBC


@dataclass(frozen=True, slots=True)
class GraphNet:
    """Graph net behind a layer norm. relu(h + b) is max(h, -b) + b: the hidden layer needs only the floor -b, and
    `bias_JC` [J, 1, C] holds what b adds behind it."""

    norm: LayerNorm
    mixer_JJ: Tensor
    first_CC: Tensor
    floor_C: Tensor
    second_CC: Tensor
    bias_JC: Tensor

    @staticmethod
    def of(net: Any, norm: LayerNorm) -> GraphNet:
        """Folds the first bias of a graph net into the second layer."""
        mixer_JJ, first, second = net.mixer().contiguous(), net.gconv1.fc, net.gconv2.fc
        bias_JC = mixer_JJ.sum(1, keepdim=True) * (first.bias @ second.weight.mT) + second.bias
        weights = (layer.weight.mT.contiguous() for layer in (first, second))
        first_CC, second_CC = weights
        return GraphNet(norm, mixer_JJ, first_CC, -first.bias, second_CC, bias_JC.unsqueeze(1))

    def plus(self, x_JBC: Tensor) -> Tensor:
        """Returns x [J, B, C] with the branch added to it, in its place."""
        hidden = (mix_joints(self.mixer_JJ, self.norm(x_JBC)) @ self.first_CC).clamp_min_(self.floor_C)
        x_JBC.flatten(1).addmm_(self.mixer_JJ, (hidden @ self.second_CC).flatten(1))
        return x_JBC.add_(self.bias_JC)


@dataclass(frozen=True, slots=True)
class Convolution:
    """Chebyshev convolution: the weights [J, C_in, C_out] of every mode, the way to the modes and back, and a bias
    [C_out]."""

    analysis_JJ: Tensor
    weight_JCC: Tensor
    synthesis_JJ: Tensor
    bias_C: Tensor

    @staticmethod
    def of(layer: ChebyshevConv, spectrum: Spectrum) -> Convolution:
        """Adds up the polynomials of each mode."""
        to, back = spectrum.analysis.contiguous(), spectrum.synthesis.contiguous()
        return Convolution(to, layer.weights_of_modes(spectrum), back, layer.bias.flatten())

    def __call__(self, x_JBC: Tensor, *, is_relu: bool = False, residual_JBC: Tensor | None = None) -> Tensor:
        """x [J, B, in] -> [J, B, out], through a ReLU, plus a residual."""
        modes_JBC = torch.bmm(mix_joints(self.analysis_JJ, x_JBC), self.weight_JCC)
        return mix_joints(self.synthesis_JJ, modes_JBC, bias_C=self.bias_C, is_relu=is_relu, residual_JBC=residual_JBC)


@dataclass(frozen=True, slots=True)
class Residual:
    """Residual block of two convolutions."""

    first: Convolution
    second: Convolution

    @staticmethod
    def of(block: Any, spectrum: Spectrum) -> Residual:
        """Adds up the polynomials of both convolutions."""
        first, second = (Convolution.of(part.gconv, spectrum) for part in (block.gconv1, block.gconv2))
        return Residual(first, second)

    def plus(self, x_JBC: Tensor) -> Tensor:
        """Returns x [J, B, C] with the branch added to it."""
        return self.second(self.first(x_JBC, is_relu=True), is_relu=True, residual_JBC=x_JBC)


def slide(network: GraFormer) -> Callable[[Stretch], Prediction]:
    """Returns `network`, in evaluation mode and with its weights as they are now, as a function of a stretch of
    samples."""
    spectrum = network.spectrum
    first, last = (Convolution.of(layer, spectrum) for layer in (network.gconv_input, network.gconv_output))
    branches: list[Attention | GraphNet | Residual] = []
    pairs: list[tuple[Any, Any]] = list(zip(network.atten_layers, network.gconv_layers, strict=True))
    for layer, block in pairs:
        before, between = (branch.norm for branch in layer.sublayer)
        branches += Attention.of(layer.self_attn, before), GraphNet.of(layer.feed_forward, between)
        branches.append(Residual.of(block, spectrum))

    def lifted(x_BJC: Tensor) -> Tensor:
        x_JBC = first(x_BJC.transpose(0, 1))
        for branch in branches:
            x_JBC = branch.plus(x_JBC)
        return last(x_JBC).transpose(0, 1)

    def lift(stretch: Stretch) -> Prediction:
        x_BJC = stretch.pose2d[:, 0]
        parts = x_BJC.split(most_near(x_BJC.device, last.weight_JCC[..., 0].numel()))
        return Prediction(pose3d=torch.cat([lifted(part) for part in parts]).unsqueeze(1), root=network.root)

    return lift
