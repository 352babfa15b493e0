"""VideoPose3D (CVPR 2019): dilated temporal convolutions with residuals, and the strided twin that trains one frame.

Module names are the reference's state-dict names. Inside, tensors are [B, T, C], and a convolution is one matrix
product: torch's own becomes a grouped convolution under vmap, which is slow on CPU.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from data.batch import Batch, Sizes
from trainables.entry import Prediction
from trainables.layers.dropout import Dropout
from trainables.layers.norm import BatchNorm

from .config import WIDTH, NetworkConfig, filter_widths


@dataclass(frozen=True, slots=True)
class Stage:
    """One residual stage: filter width, dilation, taps of its kernel, frames it costs on each side, causal shift."""

    width: int
    dilation: int
    taps: int
    pad: int
    shift: int


def _stages(widths: Sequence[int], causal: bool, dense: bool) -> list[Stage]:
    stages, dilation = [], widths[0]
    for width in widths[1:]:
        pad = (width - 1) * dilation // 2
        taps = 2 * pad + 1 if dense else width
        shift = width // 2 * dilation if causal else 0
        stages.append(Stage(width, 1 if dense else dilation, taps, pad, shift))
        dilation *= width
    return stages


class TemporalModel(nn.Module):
    """The published network; as many input frames as filters see, or more, give one pose or more."""

    def __init__(
        self, config: NetworkConfig, widths: Sequence[int], num_joints: int, *, causal: bool, in_features: int = 2
    ) -> None:
        super().__init__()
        channels, self.widths, self.causal = config.channels, tuple(widths), causal
        self.stages = _stages(widths, causal, config.dense)
        self.is_dense = config.dense
        self.drop = Dropout(config.dropout)
        self.expand_bn = BatchNorm(channels, config.final_momentum)
        self.shrink = nn.Conv1d(channels, 3 * num_joints, 1)
        self.expand_conv = nn.Conv1d(in_features * num_joints, channels, widths[0], bias=False)
        kernels = [size for stage in self.stages for size in (stage.taps, 1)]
        self.layers_conv = nn.ModuleList(nn.Conv1d(channels, channels, size, bias=False) for size in kernels)
        self.layers_bn = nn.ModuleList(BatchNorm(channels, config.final_momentum) for _ in kernels)

    @property
    def receptive_field(self) -> int:
        """Frames that one pose sees."""
        return math.prod(self.widths)

    def forward(self, batch: Batch) -> Prediction:
        """Poses for `batch.pose2d` [B, 1, F, J, 2]: one for every frame that has a whole window."""
        assert batch.pose2d is not None, "videopose3d needs Batch.pose2d"
        return Prediction(pose3d=self.lift(batch.pose2d[:, 0]))

    def lift(self, x_BTJC: Tensor, *, strided: bool | None = None) -> Tensor:
        """[B, T, J, in_features] screen units -> [B, T - receptive field + 1, J, 3] metres.

        `strided`: computes only what one pose needs, three times faster at 27 frames; its answer is the same, its
        batch statistics are not. Unless told, single windows are computed so, as the reference trains.
        """
        if strided is None:
            strided = x_BTJC.shape[1] == self.receptive_field and not self.is_dense
        assert not (strided and self.is_dense), "dense kernels have no strided form"
        x = x_BTJC.flatten(2)
        x = self._act(_convolve(x, self.expand_conv, 1, self.widths[0] if strided else 1), self.expand_bn)
        for i, stage in enumerate(self.stages):
            across, within = self.layers_conv[2 * i], self.layers_conv[2 * i + 1]
            if strided:
                middle = stage.width // 2 * (2 if self.causal else 1)
                kept, y = x[:, middle :: stage.width], _convolve(x, across, 1, stage.width)
            else:
                low, high = stage.pad + stage.shift, x.shape[1] - stage.pad + stage.shift
                kept, y = x[:, low:high], _convolve(x, across, stage.dilation, 1)
            y = self._act(y, self.layers_bn[2 * i])
            x = kept + self._act(_convolve(y, within, 1, 1), self.layers_bn[2 * i + 1])
        poses = linear(x, self.shrink.weight.squeeze(-1), self.shrink.bias)
        return poses.unflatten(-1, (-1, 3))

    def _act(self, x_BTC: Tensor, norm: nn.Module) -> Tensor:
        return self.drop(norm(x_BTC.flatten(0, 1)).relu()).view_as(x_BTC)


def _convolve(x_BTC: Tensor, convolution: nn.Module, dilation: int, stride: int) -> Tensor:
    """Valid convolution of [B, T, C] with `convolution.weight` [out, C, taps], stride 1 or as wide as the kernel."""
    weight = convolution.weight
    assert isinstance(weight, Tensor), type(weight)
    out, channels, taps = weight.shape
    kernel = weight.transpose(1, 2).reshape(out, taps * channels)
    if taps == 1:
        return linear(x_BTC, kernel)
    if stride == taps:
        # The taps of a frame lie side by side already.
        return linear(x_BTC.reshape(x_BTC.shape[0], -1, taps * channels), kernel)
    assert stride == 1, (stride, taps)
    length = x_BTC.shape[1] - (taps - 1) * dilation
    pieces = [x_BTC[:, tap * dilation : tap * dilation + length] for tap in range(taps)]
    return linear(torch.cat(pieces, -1), kernel)


def build(config: NetworkConfig, sizes: Sizes) -> TemporalModel:
    """The network for a skeleton and the frames of its windows."""
    widths = filter_widths(config, sizes.frames)
    return TemporalModel(config, widths, sizes.skeleton.num_joints, causal=sizes.causal)


def rename(name: str) -> str:
    """Our name of a published weight: the same, less the level that saving from several GPUs adds."""
    return name.removeprefix("module.")


def infer(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, object]:
    """Channels, filter widths, frames and joints as the shapes of weights tell them; whether a network is causal and
    its dropout leave no trace, and dense kernels are not told from wide ones."""
    found: dict[str, object] = {}
    first = shapes.get("expand_conv.weight", ())
    if len(first) == 3:
        widths = [first[2]]
        while len(shape := shapes.get(f"layers_conv.{2 * len(widths) - 2}.weight", ())) == 3:
            widths.append(shape[2])
        given = () if set(widths) == {WIDTH} else tuple(widths)
        found |= {"network.channels": first[0], "network.widths": given, "data.frames": math.prod(widths)}
    if len(shape := shapes.get("shrink.bias", ())) == 1:
        found["data.joints"] = shape[0] // 3
    return found
