"""Convolutions with a batch norm behind them: two layers while either learns, one kernel where neither does."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.backends import mkldnn
from torch.nn.functional import conv2d


class Conv(nn.Conv2d):
    """A convolution that does the work of the batch norm behind it as well, where neither learns."""

    def __init__(self, channels: int, out: int, size: int, *, stride: int = 1, bias: bool = False) -> None:
        super().__init__(channels, out, size, stride, size // 2, bias=bias)
        self._kept: tuple[list[tuple[int, int]], list[Tensor], Tensor, Tensor] | None = None

    def train(self, mode: bool = True) -> Conv:
        """Training moves the weights, in a recorded step without a mark."""
        if mode:
            self._kept = None
        return super().train(mode)

    @torch.no_grad()
    def folded(self, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
        """Weight and bias of convolution and norm together, made again when a tensor of either has changed."""
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
    """A convolution and its batch norm, plus `add`, then ReLU where active. `add` may be written over: a block has no
    more use for its input then."""
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
    """The kernel of oneDNN that adds and cuts off while it writes: a fifth faster on CPU than one after the other."""
    ops, shape, last = torch.ops.mkldnn, (conv.padding, conv.stride, conv.dilation, 1), "relu" if is_active else None
    if add is None:
        found: Tensor = ops._convolution_pointwise(x, weight, bias, *shape, last or "none", [], "")
    else:
        found = ops._convolution_pointwise_.binary(add, x, weight, bias, *shape, "add", 1.0, last, [], "")
    return found


class Step(nn.Sequential):
    """Convolution, norm and, where active, ReLU."""

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
