"""Network of VideoPose3D (CVPR 2019): residual blocks of dilated convolutions over time, without padding.

Module names are the reference's state-dict names. Inside, tensors are channel-last, [B, T, C]: a convolution is one
matrix product on its taps side by side, which stays one product of matrices where lanes have weights of their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from data.batches.batch import Batch, Sizes
from data.batches.stretch import Stretch

from ...entry import Prediction
from ...layers.dropout import Dropout
from ...layers.linear import linear
from ...layers.norm import BatchNorm
from .config import NetworkConfig, widths_for


class Conv(nn.Conv1d):
    """Convolution parameters [C_out, C_in, K] with their initialisation, applied to frames whose taps are side by
    side."""

    def __init__(self, channels: int, out: int, size: int, *, bias: bool = True) -> None:
        super().__init__(channels, out, size, bias=bias)
        # In memory as the product takes it, [C_out, K, C_in]: neither the weights nor their gradients are copied.
        self.weight = nn.Parameter(self.weight.detach().transpose(1, 2).contiguous().transpose(1, 2))

    def forward(self, input: Tensor) -> Tensor:
        """[B, T, K * C_in], the tap the slower index -> [B, T, C_out]."""
        return linear(input, self.weight.transpose(1, 2).flatten(1), self.bias)


class VideoPose3D(nn.Module):
    """VideoPose3D for `joints` joints, dilated, or strided with the same parameters.

    Both give the same for a window of exactly the receptive field. The strided one leaves out the hidden frames that
    the single answer does not depend on; batch norm then sees fewer frames, as in the published training."""

    def __init__(
        self,
        config: NetworkConfig,
        widths: tuple[int, ...],
        joints: int,
        in_features: int = 2,
        *,
        causal: bool = False,
    ) -> None:
        super().__init__()
        channels, momentum = config.channels, config.final_momentum
        self.widths, self.causal, self.dense = widths, causal, config.dense
        self.dilations = [math.prod(widths[:i]) for i in range(len(widths))]
        kernels = [
            (width - 1) * dilation + 1 if config.dense else width
            for width, dilation in zip(widths, self.dilations, strict=True)
        ]
        self.expand_bn = BatchNorm(channels, momentum)
        self.shrink = Conv(channels, 3 * joints, 1)
        self.expand_conv = Conv(in_features * joints, channels, kernels[0], bias=False)
        self.layers_conv = nn.ModuleList(
            Conv(channels, channels, size, bias=False) for kernel in kernels[1:] for size in (kernel, 1)
        )
        self.layers_bn = nn.ModuleList(BatchNorm(channels, momentum) for _ in self.layers_conv)
        self.dropout = Dropout(config.dropout)

    @property
    def receptive_field(self) -> int:
        """The number of frames that one pose depends on."""
        return math.prod(self.widths)

    def forward(self, batch: Batch) -> Prediction:
        """Predicts F - RF + 1 poses from `batch.pose2d` [B, 1, F, J, 2], in the camera's frame."""
        assert batch.pose2d is not None, "videopose3d needs Batch.pose2d"
        x_BTJC = batch.pose2d[:, 0]
        return Prediction(pose3d=self.lift(x_BTJC, strided=x_BTJC.shape[1] == self.receptive_field and not self.dense))

    def lift(self, x_BTJC: Tensor, *, strided: bool) -> Tensor:
        """Lifts [B, T, J, in_features] screen units to [B, T - RF + 1, J, 3] metres; `strided` only where T is RF."""
        assert not (strided and (self.dense or x_BTJC.shape[1] != self.receptive_field)), (x_BTJC.shape, self.widths)
        x = self._active(self.expand_conv(self._taps(x_BTJC.flatten(2), 0, strided)), self.expand_bn)
        for i in range(1, len(self.widths)):
            at = 2 * i - 2
            hidden = self._active(self.layers_conv[at](self._taps(x, i, strided)), self.layers_bn[at])
            hidden = self._active(self.layers_conv[at + 1](hidden), self.layers_bn[at + 1])
            x = self._residual(x, i, strided) + hidden
        return self.shrink(x).unflatten(2, (-1, 3))

    def _active(self, x_BTC: Tensor, norm: nn.Module) -> Tensor:
        return self.dropout.behind(norm(x_BTC.flatten(0, 1)), act=relu).view(x_BTC.shape)

    def _taps(self, x_BTC: Tensor, i: int, strided: bool) -> Tensor:
        """Returns the input frames of filter i for each output frame, side by side: [B, T', K * C]."""
        width, step = self.widths[i], self.dilations[i]
        if strided:
            return x_BTC.unflatten(1, (-1, width)).flatten(2)
        count = x_BTC.shape[1] - (width - 1) * step
        if self.dense:
            width, step = (width - 1) * step + 1, 1
        return torch.cat([x_BTC[:, tap * step : tap * step + count] for tap in range(width)], 2)

    def _residual(self, x_BTC: Tensor, i: int, strided: bool) -> Tensor:
        """Returns the frames of the shortcut around block i: the middle of its filter, the last frame if causal."""
        width, dilation = self.widths[i], self.dilations[i]
        tap = width - 1 if self.causal else width // 2
        if strided:
            return x_BTC[:, tap::width]
        return x_BTC[:, tap * dilation : x_BTC.shape[1] - (width - 1 - tap) * dilation]


def slide(network: VideoPose3D) -> Callable[[Stretch], Prediction]:
    """Returns the network as a function of a stretch of samples: whatever windows share is computed once, as if the
    stretch were one long window."""

    def lift(stretch: Stretch) -> Prediction:
        poses = network.lift(stretch.pose2d[:, 0].unsqueeze(0), strided=False)[0]
        return Prediction(pose3d=poses.index_select(0, stretch.starts).unsqueeze(1))

    return lift


def build(config: NetworkConfig, sizes: Sizes) -> VideoPose3D:
    """Builds the network for a skeleton and a window; `config.laws` checks that they go together."""
    widths = config.widths or widths_for(sizes.frames)
    assert widths is not None, sizes.frames
    return VideoPose3D(config, widths, sizes.skeleton.num_joints, sizes.channels, causal=sizes.causal)


def infer(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, object]:
    """Infers channels, joints, scores and, where no `dense` network has such kernels, filter widths and window from the
    shapes of weights; causality and the dropout rate cannot be inferred."""
    found: dict[str, object] = {}
    expand, shrink = (shapes.get(f"{name}.weight", ()) for name in ("expand_conv", "shrink"))
    if len(expand) == 3:
        found["network.channels"] = expand[0]
        blocks = len([name for name in shapes if name.startswith("layers_conv.") and name.endswith(".weight")]) // 2
        kernels = [expand, *(shapes.get(f"layers_conv.{2 * i}.weight", ()) for i in range(blocks))]
        widths = tuple(shape[2] for shape in kernels if len(shape) == 3)
        if len(widths) == len(kernels) and not _may_be_dense(widths):
            frames = math.prod(widths)
            # Threes alone are what an empty list means, in every recipe.
            found |= {"network.widths": () if widths == widths_for(frames) else widths, "data.frames": frames}
    if len(shrink) == 3:
        joints = shrink[0] // 3
        found["data.joints"] = joints
        if len(expand) == 3 and expand[1] == 3 * joints:
            found["data.scores"] = True
    return found


def _may_be_dense(kernels: tuple[int, ...]) -> bool:
    """Returns whether a `dense` network of other filter widths has these kernels: (3, 7) is that of the widths (3, 3)
    too."""
    reach, differs = kernels[0], False
    for kernel in kernels[1:]:
        steps, rest = divmod(kernel - 1, reach)
        if rest or steps % 2:
            return False
        differs |= steps + 1 != kernel
        reach *= steps + 1
    return differs
