"""Convolution with batch norm: two layers in training, folded into one kernel when both are frozen or in evaluation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.backends import mkldnn
from torch.nn.functional import conv2d


class Conv(nn.Conv2d):
    """Convolution that can fold the following batch norm into its weights."""

    def __init__(self, channels: int, out: int, size: int, *, stride: int = 1, bias: bool = False) -> None:
        super().__init__(channels, out, size, stride, size // 2, bias=bias)
        self._kept: tuple[list[tuple[int, int]], list[Tensor], Tensor, Tensor] | None = None

    def train(self, mode: bool = True) -> Conv:
        """Switches the mode and drops the folded weights: a recorded training step changes weights without raising
        their version."""
        if mode:
            self._kept = None
        return super().train(mode)

    @torch.no_grad()
    def folded(self, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
        """Returns weight and bias of convolution and norm folded together, recomputed when a tensor of either has
        changed."""
        mean, variance = norm.running_mean, norm.running_var
        # Torch does not note that training moves the running statistics, but that it counts their batches.
        tensors = (self.weight, self.bias, norm.weight, norm.bias, mean, variance, norm.num_batches_tracked)
        made_of = [x for x in tensors if x is not None]
        mark = [(x.data_ptr(), x._version) for x in made_of]
        if self._kept is None or self._kept[0] != mark:
            assert mean is not None, "batch norm without statistics"
            assert variance is not None, "batch norm without statistics"
            factor = norm.weight * (variance + norm.eps).rsqrt()
            weight = self.weight * factor[:, None, None, None]
            if weight.is_cpu:
                weight = weight.contiguous(memory_format=torch.channels_last)
            bias = norm.bias - mean * factor
            if self.bias is not None:
                bias = bias + self.bias * factor
            # What it was made of is held, so that no other tensor can come to lie at its address.
            self._kept = mark, [x.detach() for x in made_of], weight, bias
        return self._kept[2:]


def normed(conv: Conv, norm: nn.BatchNorm2d, x: Tensor, add: Tensor | None = None, *, is_active: bool) -> Tensor:
    """Applies a convolution and its batch norm, plus `add`, then ReLU where active. `add` may be overwritten: a block
    needs its input no more."""
    if norm.training or torch.is_grad_enabled():
        out: Tensor = norm(conv(x))
    elif _has_one_kernel(x):
        return _at_once(x, *conv.folded(norm), conv, add, is_active=is_active)
    else:
        out = conv2d(x, *conv.folded(norm), conv.stride, conv.padding)
    if add is not None:
        out = out.add_(add)
    return out.relu_() if is_active else out


def _has_one_kernel(x: Tensor) -> bool:
    return x.is_cpu and x.dtype == torch.float32 and mkldnn.is_available() and not torch.is_autocast_enabled("cpu")


def _at_once(x: Tensor, weight: Tensor, bias: Tensor, conv: Conv, add: Tensor | None, *, is_active: bool) -> Tensor:
    """Applies oneDNN's kernel that fuses addition and ReLU: a fifth faster on CPU than one after the other."""
    ops, shape, last = torch.ops.mkldnn, (conv.padding, conv.stride, conv.dilation, 1), "relu" if is_active else None
    if add is None:
        found: Tensor = ops._convolution_pointwise(x, weight, bias, *shape, last or "none", [], "")
    else:
        found = ops._convolution_pointwise_.binary(add, x, weight, bias, *shape, "add", 1.0, last, [], "")
    return found


class Step(nn.Sequential):
    """Convolution, batch norm and, where active, ReLU."""

    def __init__(
        self, channels: int, out: int, size: int, *, stride: int = 1, bias: bool = False, is_active: bool = True
    ) -> None:
        super().__init__(Conv(channels, out, size, stride=stride, bias=bias), nn.BatchNorm2d(out))
        self.is_active = is_active

    def forward(self, x: Tensor, add: Tensor | None = None) -> Tensor:
        """x [B, C, Y, X]; `add` as in `normed`."""
        conv, norm = self[0], self[1]
        assert isinstance(conv, Conv), conv
        assert isinstance(norm, nn.BatchNorm2d), norm
        return normed(conv, norm, x, add, is_active=self.is_active)
