"""Network of GraFormer (CVPR 2022): attention and learnable graph layers between Chebyshev graph convolutions, one
frame.

Module names are the reference's state-dict names. Inside, tensors are joint-major, [J, B, C]."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from data.batches.batch import Batch, Sizes

from ...entry import Prediction
from ...kernels.functions import is_native, normed
from ...layers.attention import attend_to_self
from ...layers.dropout import Dropout, active
from ...layers.graph import ChebyshevConv, Spectrum, mix_joints, row_normalized_adjacency
from .config import NetworkConfig

EPS = 1e-6


class LayerNorm(nn.Module):
    """Layer norm a_2 (x - mean) / (std + 1e-6) + b_2 over the last axis: the deviation is unbiased, the 1e-6 outside
    its root."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.a_2 = nn.Parameter(torch.ones(width))
        self.b_2 = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """x [..., C] -> [..., C]."""
        if is_native(x):
            return normed(x, self.a_2, self.b_2, EPS, is_outside=True)
        width = x.shape[-1]
        # torch.std alone takes 5 times as long on CPU as all of this.
        centred = torch.sub(x, x.sum(-1, keepdim=True), alpha=1 / width)
        variance = (centred * centred).sum(-1, keepdim=True) / (width - 1)
        # 1e-30: the root of an exact 0 (all channels equal) has no slope. Far below the rounding of any other variance.
        inverse = 1 / ((variance + 1e-30).sqrt() + EPS)
        return torch.addcmul(self.b_2, centred * inverse, self.a_2)


class MultiHeadAttention(nn.Module):
    """Self-attention over the joints. `linears` are query, key, value and output."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.linears = nn.ModuleList(nn.Linear(width, width) for _ in range(4))
        self.dropout = Dropout(dropout)

    def forward(self, x_JBC: Tensor, drop: Dropout, residual_JBC: Tensor) -> Tensor:
        """Computes drop(attention(x)) + residual, all [J, B, C]."""
        *projections, output = (part for part in self.linears if isinstance(part, nn.Linear))
        weights, biases = [part.weight for part in projections], [part.bias for part in projections]
        mixed = attend_to_self(x_JBC, weights, biases, self.heads, drop=self.dropout)
        return drop.after(output, mixed, residual=residual_JBC)


class FullyConnected(nn.Module):
    """Wrapper of a linear layer, for the reference's state-dict names."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.fc = nn.Linear(in_features, out_features)


class GraphNet(nn.Module):
    """Two linear layers, each after the same learnable adjacency of joints, in place of a feed-forward."""

    def __init__(self, width: int, num_joints: int) -> None:
        super().__init__()
        self.A_hat = nn.Parameter(torch.eye(num_joints))
        self.gconv1 = FullyConnected(width, 2 * width)
        self.gconv2 = FullyConnected(2 * width, width)

    def mixer(self) -> Tensor:
        """Returns the normalised adjacency [J, J]; nan once a column of A_hat sums to less than -1e-5, as published."""
        scaling = (self.A_hat.sum(0) + 1e-5).rsqrt()
        return scaling[:, None] * self.A_hat * scaling

    def forward(self, x_JBC: Tensor, drop: Dropout, residual_JBC: Tensor) -> Tensor:
        """Computes drop(graph net(x)) + residual, all [J, B, C]."""
        mixer_JJ = self.mixer()
        hidden = active(self.gconv1.fc, mix_joints(mixer_JJ, x_JBC), relu)
        # Mixing commutes with a linear map: behind it there are half as many channels to mix.
        hidden = hidden @ self.gconv2.fc.weight.mT
        return drop.mixing(mixer_JJ, hidden, bias=self.gconv2.fc.bias, residual=residual_JBC)


class Sublayer(nn.Module):
    """Residual branch with pre-norm and dropout."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = LayerNorm(width)
        self.dropout = Dropout(dropout)

    def forward(self, x_JBC: Tensor, branch: nn.Module) -> Tensor:
        """x [J, B, C] -> [J, B, C]."""
        out: Tensor = branch(self.norm(x_JBC), self.dropout, x_JBC)
        return out


class AttentionLayer(nn.Module):
    """Pre-norm attention and graph net, each added to its input."""

    def __init__(self, config: NetworkConfig, num_joints: int) -> None:
        super().__init__()
        self.self_attn = MultiHeadAttention(config.width, config.heads, config.attention_dropout)
        self.feed_forward = GraphNet(config.width, num_joints)
        self.sublayer = nn.ModuleList(Sublayer(config.width, config.dropout) for _ in range(2))

    def forward(self, x_JBC: Tensor) -> Tensor:
        """x [J, B, C] -> [J, B, C]."""
        around_attention, around_graph_net = self.sublayer
        return around_graph_net(around_attention(x_JBC, self.self_attn), self.feed_forward)


class ActiveConv(nn.Module):
    """Chebyshev convolution, ReLU, dropout. The reference's second ReLU finds nothing negative and is left out."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.gconv = ChebyshevConv(width, width)
        self.dropout = Dropout(dropout)

    def forward(self, x_JBC: Tensor, spectrum: Spectrum) -> Tensor:
        """x [J, B, C] -> [J, B, C]."""
        bias = self.gconv.bias.flatten()
        return self.dropout.mixing(spectrum.synthesis, self.gconv.in_modes(x_JBC, spectrum), bias=bias, act=relu)


class ResidualConv(nn.Module):
    """Residual block of two active convolutions."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.gconv1 = ActiveConv(width, dropout)
        self.gconv2 = ActiveConv(width, dropout)

    def forward(self, x_JBC: Tensor, spectrum: Spectrum) -> Tensor:
        """x [J, B, C] -> [J, B, C]."""
        return x_JBC + self.gconv2(self.gconv1(x_JBC, spectrum), spectrum)


class GraFormer(nn.Module):
    """GraFormer for any graph of joints; `adjacency` [J, J] as `row_normalized_adjacency` returns it."""

    def __init__(self, config: NetworkConfig, adjacency: Tensor, in_features: int = 2, root: int = 0) -> None:
        super().__init__()
        self.root = root
        width, layers = config.width, range(config.layers)
        attention_layers = [AttentionLayer(config, len(adjacency)) for _ in layers]
        if config.tied_init:
            _tie(attention_layers)
        self.gconv_input = ChebyshevConv(in_features, width)
        self.gconv_layers = nn.ModuleList(ResidualConv(width, config.graph_dropout) for _ in layers)
        self.atten_layers = nn.ModuleList(attention_layers)
        self.gconv_output = ChebyshevConv(width, 3)
        self.spectrum = Spectrum(adjacency)

    def forward(self, batch: Batch) -> Prediction:
        """Predicts poses from `batch.pose2d` [B, 1, 1, J, 2], in the camera's frame."""
        assert batch.pose2d is not None, "graformer needs Batch.pose2d"
        return Prediction(pose3d=self.lift(batch.pose2d[:, 0, 0]).unsqueeze(1), root=self.root)

    def lift(self, x_BJC: Tensor) -> Tensor:
        """Lifts [B, J, in_features] screen units to [B, J, 3] metres."""
        x_JBC = self.gconv_input(x_BJC.transpose(0, 1), self.spectrum)
        for attention, convolution in zip(self.atten_layers, self.gconv_layers, strict=True):
            x_JBC = convolution(attention(x_JBC), self.spectrum)
        return self.gconv_output(x_JBC, self.spectrum).transpose(0, 1)


def _tie(layers: list[AttentionLayer]) -> None:
    """Initialises as published: all layers are copies of one, and so are the four projections within it."""
    projection = layers[0].self_attn.linears[0].state_dict()
    graph_net = layers[0].feed_forward.state_dict()
    for layer in layers:
        layer.feed_forward.load_state_dict(graph_net)
        for linear in layer.self_attn.linears:
            linear.load_state_dict(projection)


def build(config: NetworkConfig, sizes: Sizes) -> GraFormer:
    """Builds the network for a skeleton; `config.laws` checks frames and views."""
    skeleton = sizes.skeleton
    return GraFormer(config, row_normalized_adjacency(skeleton.edges, skeleton.num_joints), root=skeleton.root)


def infer(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, object]:
    """Infers width, layers and joints from the shapes of weights; heads and dropout rates cannot be inferred."""
    found: dict[str, object] = {}
    if len(shape := shapes.get("gconv_input.weight", ())) == 4:
        found["network.width"] = shape[3]
    if layers := {name.split(".")[1] for name in shapes if name.startswith(("atten_layers.", "gconv_layers."))}:
        found["network.layers"] = len(layers)
    if len(shape := shapes.get("atten_layers.0.feed_forward.A_hat", ())) == 2:
        found["data.joints"] = shape[0]
    return found
