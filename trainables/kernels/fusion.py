"""Fusion of views: batch norm and a convolution of all views into one with ReLU, in one call of a native kernel."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .functions import is_native
from .library import kernel
from .native import Native, addresses, once

SIDE = 7  # of the kernel's convolution
FEWEST_COLUMNS = 16  # a vector of them


def takes_fusion(x: Tensor, columns: int, weight: Tensor) -> bool:
    """Returns whether `fused` takes views like x of so many columns, and the weights of a convolution [1, V, Y, X]."""
    return weight.shape[2:] == (SIDE, SIDE) and columns >= FEWEST_COLUMNS and is_native(x, weight)


def fused(x: Tensor, scale: Tensor, shift: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Computes the ReLU of a convolution, weight [1, V, 7, 7], over frames and channels of the views x [V, B, F, C],
    each normalised to the mean `shift` and deviation `scale` [V]: out [B, F, C]. Also returns the means and inverse
    deviations [V] of the views, which have no gradients."""
    out, mean, inverse = _Fused.apply(1, x, scale, shift, weight, eps)
    return out, mean, inverse


class _Fused(Native):
    @staticmethod
    def forward(
        lanes: int, x: Tensor, scale: Tensor, shift: Tensor, weight: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        x, scale, shift, weight = x.contiguous(), scale.contiguous(), shift.contiguous(), weight.contiguous()
        out, mean, inverse = torch.empty_like(x.select(-4, 0)), torch.empty_like(scale), torch.empty_like(scale)
        tensors = addresses(x, scale, shift, weight, out, mean, inverse)
        kernel("fusion_forward")(*tensors, lanes, *x.shape[-4:], eps)
        return out, mean, inverse

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
        ctx.lanes, x, scale, shift, weight, _ = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, scale, shift, weight, *output)

    @staticmethod
    @once
    def backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Any, ...]:
        given = [saved.contiguous() for saved in ctx.saved_tensors]
        grads = [torch.empty_like(each) for each in given[:4]]
        tensors = addresses(*given, grad.contiguous(), *grads)
        kernel("fusion_backward")(*tensors, ctx.lanes, *given[0].shape[-4:])
        return None, *grads, None
