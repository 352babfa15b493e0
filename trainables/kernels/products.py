"""Linear layers on the processor's matrix unit, where it has one: float32 as sums of three bfloat16 numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .functions import is_native
from .library import has_matrix_unit, kernel
from .native import Native, addresses, dense, once

# Below these the numbers are split for too few products each: torch's own are quicker.
LEAST_ROWS, LEAST_SIDE, LEAST_WEIGHTS = 96, 96, 2**16


def takes_product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> bool:
    """Returns whether `multiplied` is possible, and quicker than torch."""
    out, depth = weight.shape
    return (
        min(out, depth) >= LEAST_SIDE
        and out * depth >= LEAST_WEIGHTS
        and x.numel() >= LEAST_ROWS * depth
        and is_native(x, weight, bias)
        and has_matrix_unit()
    )


def multiplied(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Computes x weight^T + bias: x [..., C_in], weight [C_out, C_in], bias [C_out]. It rounds as often as torch does,
    but elsewhere; what is infinite becomes nan."""
    found: Tensor = _Multiplied.apply(1, x, weight, bias)
    return found


class _Multiplied(Native):
    @staticmethod
    def forward(lanes: int, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        x, weight, bias = x.contiguous(), weight.contiguous(), dense(bias)
        out, depth = weight.shape[-2:]
        found = x.new_empty(*x.shape[:-1], out)
        _product(lanes, (x, depth, 1), (weight, depth, 1), bias, found, depth)
        return found

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.lanes, x, weight, bias = inputs
        ctx.bias = None if bias is None else bias.shape
        ctx.save_for_backward(x, weight)

    @staticmethod
    @once
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        x, weight = (saved.contiguous() for saved in ctx.saved_tensors)
        grad = grad.contiguous()
        out, depth = weight.shape[-2:]
        grad_x = grad_weight = grad_bias = None
        if ctx.needs_input_grad[1]:
            grad_x = torch.empty_like(x)
            _product(ctx.lanes, (grad, out, 1), (weight, 1, depth), None, grad_x, out)
        if ctx.needs_input_grad[2]:
            grad_weight = torch.empty_like(weight)
            rows = x.numel() // depth // ctx.lanes
            _product(ctx.lanes, (grad, 1, out), (x, 1, depth), None, grad_weight, rows)
        if ctx.bias is not None:
            grad_bias = grad.view(ctx.lanes, -1, out).sum(1).view(ctx.bias)
        return None, grad_x, grad_weight, grad_bias


Factor = tuple[Tensor, int, int]  # its numbers, and how far apart rows lie, and what is summed over


def _product(lanes: int, left: Factor, right: Factor, bias: Tensor | None, out: Tensor, depth: int) -> None:
    """Computes the product of two dense factors of each lane, [rows, depth] and [columns, depth]."""
    sizes = [factor[0].numel() // depth // lanes for factor in (left, right)]
    tensors = addresses(left[0], right[0], bias, out)
    kernel("products")(*tensors, lanes, *sizes, depth, *left[1:], *right[1:])
