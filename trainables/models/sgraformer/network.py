"""Network of SGraFormer (AAAI 2024): a spatial encoder for each of several synchronised views, their fusion, a temporal
encoder.

Module names are the published state-dict names. Inside, tensors are token-major, [J, B F, C] and [F, B, J C]."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from data.batches.batch import Batch, Sizes
from data.batches.stretch import Stretch
from data.poses.skeleton import Skeleton

from ...devices.device import most_near
from ...entry import Prediction
from ...kernels.fusion import fused, takes_fusion
from ...layers.dropout import Dropout
from ...layers.norm import EPS as NORM_EPS
from ...layers.norm import MOMENTUM, BatchNorm, LayerNorm
from ...layers.transformer import EPS, stack
from .blocks import ViewEncoder, idle
from .config import NetworkConfig
from .hops import HOPS, normalised_hops, published_hops


class TemporalEncoder(nn.Module):
    """Temporal transformer of PoseFormer that returns every frame."""

    def __init__(self, config: NetworkConfig, frames: int, width: int) -> None:
        super().__init__()
        self.Temporal_pos_embed = nn.Parameter(torch.zeros(1, frames, width))
        self.pos_drop = Dropout(config.dropout)
        self.blocks = stack(config, width)
        self.Temporal_norm = LayerNorm(width, eps=EPS)
        self.weighted_mean = idle(nn.Conv1d(frames, 1, 1))

    def forward(self, x_FBC: Tensor) -> Tensor:
        """[F, B, C] -> [F, B, C]."""
        x_FBC = self.pos_drop(x_FBC + self.Temporal_pos_embed.transpose(0, 1))
        for block in self.blocks:
            x_FBC = block(x_FBC)
        out: Tensor = self.Temporal_norm(x_FBC)
        return out


class SGraFormer(nn.Module):
    """SGraFormer for windows of F frames, seen by V views in a fixed order."""

    hops: Tensor

    def __init__(
        self, config: NetworkConfig, *, views: int, frames: int, skeleton: Skeleton, in_channels: int = 2
    ) -> None:
        super().__init__()
        joints, self.root = skeleton.num_joints, skeleton.root
        wide = config.embed_dim_ratio * joints
        self.view_pos_embed = nn.Parameter(torch.zeros(1, views, frames, wide))
        for name in ("hop_w0", "hop_w1", "hop_w2", "hop_w3", "hop_w4", "hop_global"):
            self.register_parameter(name, nn.Parameter(torch.ones(joints, joints), requires_grad=False))
        for view in range(views):
            self.add_module(f"SF{view + 1}", ViewEncoder(config, joints, in_channels, is_first=view == 0))
        self.conv = _fusion(views, config.mvf_kernel)
        self.conv_hop = idle(_fusion(views, config.mvf_kernel))
        # The reference leaves torch's 1e-5 to these and to the head's.
        self.conv_norm = LayerNorm(wide)
        self.conv_hop_norm = idle(LayerNorm(wide))
        self.TF = TemporalEncoder(config, frames, wide)
        self.head = nn.Sequential(LayerNorm(wide), nn.Linear(wide, 3 * joints))
        self.linear_hop = idle(nn.Linear(8, 2))
        self.edge_embedding = nn.Linear(HOPS * joints**2, joints**2)
        hops = published_hops(skeleton) if config.hops == "published" else normalised_hops(skeleton)
        self.register_buffer("hops", hops, persistent=False)
        if config.compact:
            _drop_idle(self)

    @property
    def encoders(self) -> list[nn.Module]:
        """The view encoders, in the order of the views."""
        return [module for name, module in self.named_children() if name.startswith("SF")]

    def forward(self, batch: Batch) -> Prediction:
        """Predicts the poses of a window and the one in its middle from `batch.pose2d` [B, V, F, J, 2]."""
        assert batch.pose2d is not None, "sgraformer needs Batch.pose2d"
        window = self.lift(batch.pose2d)
        middle = window.shape[1] // 2
        return Prediction(pose3d=window[:, middle : middle + 1], window3d=window, root=self.root)

    def lift(self, x_BVFJC: Tensor, hops: Tensor | None = None) -> Tensor:
        """Lifts [B, V, F, J, in_channels] screen units to [B, F, J, 3] metres.

        `hops` [B, 4, J, J] are tables for each sample, instead of the network's own; only those of the first sample
        bias the attention, as published."""
        batch, views, frames, joints, _ = x_BVFJC.shape
        hops_SKJJ = self.hops.unsqueeze(0) if hops is None else hops
        x_VJNC = x_BVFJC.permute(1, 3, 0, 2, 4).reshape(views, joints, batch * frames, -1)
        if self._has_kernel(x_VJNC):
            tokens, hop_tokens = (_one_by_one(kind, batch) for kind in self.encoded(x_VJNC, hops_SKJJ))
        else:
            kinds = self.joints_mixed(x_VJNC, hops_SKJJ)
            tokens, hop_tokens = ([_by_frame(part, batch) for part in views] for views in kinds)
        return self.frames_mixed(tokens, hop_tokens)

    def joints_mixed(self, x_VJNC: Tensor, hops_SKJJ: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Encodes the joints of N frames, each for itself, from x [V, J, N, in_channels]: of joint tokens and of hop
        tokens the sum of the views [J, N, C], and the views side by side [J, N, C, V]."""
        # With the views innermost in memory torch's convolution over them takes a quarter of the time.
        return [(torch.stack(views).sum(0), torch.stack(views, -1)) for views in self.encoded(x_VJNC, hops_SKJJ)]

    def encoded(self, x_VJNC: Tensor, hops_SKJJ: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Encodes the joints as `joints_mixed` does: joint tokens and hop tokens [J, N, C] of each view."""
        edge = self.edge_embedding(hops_SKJJ[0].flatten())
        near_VJSNJ = _shares(x_VJNC).unflatten(2, (len(hops_SKJJ), -1))
        tokens, hop_tokens = [], []
        messages: list[Tensor] = []
        for encoder, x_JNC, near_JSNJ in zip(self.encoders, x_VJNC, near_VJSNJ, strict=True):
            t, q, messages = encoder(x_JNC, near_JSNJ, hops_SKJJ, edge, messages)
            tokens.append(t)
            hop_tokens.append(q)
        return tokens, hop_tokens

    def frames_mixed(self, tokens: Sequence[Tensor], hop_tokens: Sequence[Tensor]) -> Tensor:
        """Lifts windows of encoded frames: both kinds of tokens, each [B, F, J C] and [B, F, J C, V], to [B, F, J, 3]
        metres."""
        x_FBC = self.TF((self._fused(*tokens) * self._fused(*hop_tokens)).transpose(0, 1))
        return self.head(x_FBC).transpose(0, 1).unflatten(2, (-1, 3))

    def _fused(self, total_BFC: Tensor, x_BFCV: Tensor) -> Tensor:
        """Fuses the views to [B, F, J C]: a convolution over frames and channels that mixes them, added to their sum.
        Both kinds of tokens pass the same weights, one after the other, and so through the statistics of one batch
        norm, which are updated twice a step."""
        if self._has_kernel(x_BFCV):
            x_VBFC = x_BFCV.permute(3, 0, 1, 2) + self.view_pos_embed.transpose(0, 1)
            norm, conv, _ = self.conv
            assert isinstance(norm, BatchNorm), norm
            assert isinstance(conv, nn.Conv2d), conv
            mixed_BFC, mean, inverse = fused(x_VBFC, norm.weight, norm.bias, conv.weight, NORM_EPS)
            norm.learn(mean, inverse, mixed_BFC.numel())
        else:
            x_BFCV = x_BFCV + self.view_pos_embed.permute(0, 2, 3, 1)
            mixed_BFC = self.conv(x_BFCV.permute(0, 3, 1, 2)).squeeze(1)
        out: Tensor = self.conv_norm(mixed_BFC + total_BFC)
        return out

    def _has_kernel(self, x: Tensor) -> bool:
        conv = self.conv[1]
        assert isinstance(conv, nn.Conv2d), conv
        return self.training and takes_fusion(x, self.view_pos_embed.shape[-1], conv.weight)


def _by_frame(x_JNC: Tensor, batch: int) -> Tensor:
    """Reshapes [J, B F, C, ...] to [B, F, J C, ...]."""
    return x_JNC.unflatten(1, (batch, -1)).movedim(0, 2).flatten(2, 3)


def _one_by_one(views: Sequence[Tensor], batch: int) -> list[Tensor]:
    """Returns the sum of views [J, B F, C] as [B, F, J C], and the views as [B, F, J C, V], in memory one behind the
    other."""
    by_frame = [x_JNC.unflatten(1, (batch, -1)).movedim(0, 2) for x_JNC in views]
    x_VBFC = torch.stack(by_frame).flatten(3)
    return [x_VBFC.sum(0), x_VBFC.movedim(0, -1)]


def _fusion(views: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        BatchNorm(views, MOMENTUM), nn.Conv2d(views, 1, kernel, padding=kernel // 2, bias=False), nn.ReLU()
    )


def _shares(x_VJNC: Tensor) -> Tensor:
    """Computes [V, J, N, J]: each joint's squared distances to all joints, as shares of their sum; zeros where all
    coincide."""
    squares: Tensor = torch.zeros((), dtype=x_VJNC.dtype, device=x_VJNC.device)
    for x_VJN in x_VJNC.unbind(-1):
        squares = squares + (x_VJN.unsqueeze(-1) - x_VJN.transpose(1, 2).unsqueeze(1)).square()
    # The published code divides 0 by 0 for a detector's blank frame; any other sum is far above the least number.
    return squares / squares.sum(-1, keepdim=True).clamp_min(torch.finfo(squares.dtype).tiny)


def _drop_idle(network: nn.Module) -> None:
    """Removes the modules that `idle` marks. They were created and initialised first, so that everything else starts as
    beside them."""
    for module in list(network.modules()):
        for name, parameter in list(module.named_parameters(recurse=False)):
            if not parameter.requires_grad:
                delattr(module, name)
        for name, child in list(module.named_children()):
            own = list(child.parameters())
            if own and not any(parameter.requires_grad for parameter in own):
                delattr(module, name)


def slide(network: SGraFormer) -> Callable[[Stretch], Prediction]:
    """Returns the network as a function of a stretch of samples: every frame is encoded once, however many windows have
    it."""

    def lift(stretch: Stretch) -> Prediction:
        x_VJNC = stretch.pose2d.permute(1, 2, 0, 3)
        joints, device = x_VJNC.shape[1], x_VJNC.device
        hops_SKJJ = network.hops.unsqueeze(0)
        parts = x_VJNC.split(most_near(device, joints * width), 2)
        encoded = zip(*(network.joints_mixed(part, hops_SKJJ) for part in parts), strict=True)
        kinds = [[_by_frame(torch.cat(part, 1), 1)[0] for part in zip(*kind, strict=True)] for kind in encoded]
        window = torch.arange(frames, device=device)
        poses = []
        for starts in stretch.starts.split(most_near(device, frames * joints * width)):
            index = starts.unsqueeze(1) + window
            tokens, hop_tokens = ([part[index] for part in kind] for kind in kinds)
            poses.append(network.frames_mixed(tokens, hop_tokens)[:, frames // 2, None])
        return Prediction(pose3d=torch.cat(poses), root=network.root)

    frames, width = network.view_pos_embed.shape[2], network.view_pos_embed.shape[3] // len(network.hops[0])
    return lift


def build(config: NetworkConfig, sizes: Sizes) -> SGraFormer:
    """Builds the network for a window of a skeleton in some views; `config.laws` checks stride and causality."""
    return SGraFormer(config, views=sizes.views, frames=sizes.frames, skeleton=sizes.skeleton)


def spares(config: NetworkConfig, sizes: Sizes) -> frozenset[str]:
    """Returns the published tensors that a compact network lacks."""
    if not config.compact:
        return frozenset()
    whole, compact = (build(dataclasses.replace(config, compact=flag), sizes).state_dict() for flag in (False, True))
    return frozenset(whole.keys() - compact.keys())


def infer(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, object]:
    """Infers sizes and biases from the shapes of weights; heads, scale, rates and the kind of hops cannot be
    inferred."""
    found: dict[str, object] = {}
    if len(shape := shapes.get("SF1.Spatial_pos_embed", ())) == 3:
        found |= {"network.embed_dim_ratio": shape[2], "data.joints": shape[1]}
    if len(shape := shapes.get("view_pos_embed", ())) == 4:
        found |= {"data.views": shape[1], "data.frames": shape[2]}
    if len(shape := shapes.get("conv.1.weight", ())) == 4:
        found["network.mvf_kernel"] = shape[2]
    if blocks := {name.split(".")[2] for name in shapes if name.startswith("TF.blocks.")}:
        found["network.depth"] = len(blocks)
        found["network.qkv_bias"] = "TF.blocks.0.attn.qkv.bias" in shapes
        if "linear_hop.weight" not in shapes:
            found["network.compact"] = True  # whole weights may be wanted compact
    # Of the wider stack: there the ratio is rounded down less.
    if len(shape := shapes.get("TF.blocks.0.mlp.fc1.weight", ())) == 2:
        found["network.mlp_ratio"] = shape[0] / shape[1]
    return found
