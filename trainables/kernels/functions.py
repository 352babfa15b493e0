"""Differentiable calls of the native kernels. Tensors have a leading axis of lanes, 1 outside of an array: under vmap a
call of all lanes is one call."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from .library import kernel, library
from .native import Native, addresses, dense, once

Kind = Literal["", "relu", "gelu"]  # of an activation
KINDS: tuple[Kind, ...] = ("", "relu", "gelu")  # by the kernels' number
VECTOR = 16  # floats in a vector of the kernels, at most
MOST_JOINTS = 64  # that `mixed` takes


class Draw(NamedTuple):
    """Randomness of one call of dropout: key int64 [L] of the step, threshold and scale float32 [L, 2] of the rate, and
    the number of the call."""

    key: Tensor
    fate: Tensor
    call: int


UNDRAWN: tuple[None, None, int] = (None, None, 0)  # in the place of a Draw where nothing is dropped


def is_native(*tensors: Tensor | None) -> bool:
    """Returns whether the kernels take these tensors: float32 on CPU, for one thread, where a library could be made.

    They do not share their work among threads, and autocast would have chosen another type."""
    return (
        all(x is None or (x.dtype == torch.float32 and x.is_cpu) for x in tensors)
        and torch.get_num_threads() == 1
        and not torch.is_autocast_enabled("cpu")
        and library() is not None
    )


def masked(
    x: Tensor, draw: Draw | None, *, bias: Tensor | None = None, residual: Tensor | None = None, act: Kind = ""
) -> Tensor:
    """Computes residual + mask * act(x + bias): x, residual [..., C], bias [C]. GELU is the exact one, to 1e-7."""
    key, fate, call = draw or UNDRAWN
    assert residual is None or residual.shape == x.shape, (residual.shape, x.shape)
    found: Tensor = _Masked.apply(1, x, bias, residual, key, fate, call, KINDS.index(act))
    return found


def takes_mix(joints: int, numbers: int) -> bool:
    """Returns whether `mixed` takes so many joints, with so many numbers of each."""
    return joints <= MOST_JOINTS and numbers % (2 * VECTOR) == 0


def mixed(
    mixer: Tensor,
    x: Tensor,
    draw: Draw | None,
    *,
    bias: Tensor | None = None,
    residual: Tensor | None = None,
    is_relu: bool = False,
) -> Tensor:
    """Computes residual + mask * act(mixer x + bias), where act is ReLU or nothing: x, residual [J, ..., C], bias [C],
    mixer [J, J]; see `takes_mix`."""
    key, fate, call = draw or UNDRAWN
    assert residual is None or residual.shape == x.shape, (residual.shape, x.shape)
    found: Tensor = _Mixed.apply(1, mixer, x, bias, residual, key, fate, call, is_relu)
    return found


def attended(
    q: Tensor,
    k: Tensor | None,
    v: Tensor | None,
    bias: Tensor | None,
    heads: int,
    scale: float,
    draw: Draw | None,
    shift: Tensor | None = None,
) -> Tensor:
    """Computes attention of every head's channels: q [T, N, C], k and v [S, N, C] -> [T, N, C]; bias [T, S]. Without k
    and v, q [T, N, 3 C] holds all three, and `shift` [3 C] is added to it. The order of the mask's elements is [N,
    heads, T, S]."""
    assert shift is None or (k is None and shift.shape == q.shape[-1:]), "shifted are thirds of one product, whole"
    key, fate, call = draw or UNDRAWN
    assert k is None or (v is not None and k.shape == v.shape and k.shape[1:] == q.shape[1:]), q.shape
    found: Tensor = _Attended.apply(1, q, k, v, shift, bias, heads, scale, key, fate, call)[0]
    return found


def normed(x: Tensor, a: Tensor, b: Tensor, eps: float, *, is_outside: bool) -> Tensor:
    """Computes a (x - mean) / deviation + b over the last axis of x [..., C]. Is outside: the deviation is the unbiased
    one plus eps, else the root of the biased variance plus eps."""
    found: Tensor = _Normed.apply(1, x, a, b, eps, is_outside)
    return found


class _Masked(Native):
    @staticmethod
    def forward(
        lanes: int,
        x: Tensor,
        bias: Tensor | None,
        residual: Tensor | None,
        key: Tensor | None,
        fate: Tensor | None,
        call: int,
        act: int,
    ) -> Tensor:
        x, bias, residual = x.contiguous(), dense(bias), dense(residual)
        out = torch.empty_like(x)
        sizes = lanes, x.numel() // lanes, x.shape[-1]
        kernel("masked_forward")(*addresses(x, bias, residual, out), *sizes, *_drawn(key, call, fate), act)
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.lanes, x, bias, residual, key, fate, ctx.call, ctx.act = inputs
        assert residual is None or KINDS[ctx.act] != "relu", "a sum does not tell where its ReLU gave 0"
        ctx.bias, ctx.has_residual = None if bias is None else bias.shape, residual is not None
        seen = {"": None, "relu": output, "gelu": x}[KINDS[ctx.act]]
        ctx.save_for_backward(seen, bias if KINDS[ctx.act] == "gelu" else None, key, fate)

    @staticmethod
    @once
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        seen, bias, key, fate = ctx.saved_tensors
        grad_x, grad_bias, grad = grad, None, grad.contiguous()
        if seen is not None or fate is not None:
            grad_x, seen, bias = torch.empty_like(grad), dense(seen), dense(bias)
            sizes = ctx.lanes, grad.numel() // ctx.lanes, grad.shape[-1]
            kernel("masked_backward")(
                *addresses(grad, seen, bias, grad_x), *sizes, *_drawn(key, ctx.call, fate), ctx.act
            )
        if ctx.bias is not None:
            grad_bias = grad_x.reshape(ctx.lanes, -1, grad.shape[-1]).sum(1).view(ctx.bias)
        return None, grad_x, grad_bias, grad if ctx.has_residual else None, None, None, None, None


class _Mixed(Native):
    @staticmethod
    def forward(
        lanes: int,
        mixer: Tensor,
        x: Tensor,
        bias: Tensor | None,
        residual: Tensor | None,
        key: Tensor | None,
        fate: Tensor | None,
        call: int,
        is_relu: bool,
    ) -> Tensor:
        mixer, x, bias, residual = mixer.contiguous(), x.contiguous(), dense(bias), dense(residual)
        out = torch.empty_like(x)
        sizes = _mix_sizes(lanes, mixer, x)
        kernel("mixed_forward")(*addresses(mixer, x, bias, residual, out), *sizes, *_drawn(key, call, fate), is_relu)
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.lanes, mixer, x, bias, residual, key, fate, ctx.call, is_relu = inputs
        assert residual is None or not is_relu, "a sum does not tell where its ReLU gave 0"
        ctx.bias, ctx.has_residual = None if bias is None else bias.shape, residual is not None
        given = x if ctx.needs_input_grad[1] else None
        ctx.save_for_backward(mixer, given, output if is_relu else None, key, fate)

    @staticmethod
    @once
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        mixer, x, seen, key, fate = ctx.saved_tensors
        mixer, x, seen, slope = mixer.contiguous(), dense(x), dense(seen), grad.contiguous()
        grad_x = torch.empty_like(slope)
        grad_mixer = None if x is None else torch.empty_like(mixer)
        grad_bias = None if ctx.bias is None else slope.new_empty(ctx.bias)
        tensors = addresses(slope, seen, mixer, x, grad_x, grad_mixer, grad_bias)
        kernel("mixed_backward")(*tensors, *_mix_sizes(ctx.lanes, mixer, slope), *_drawn(key, ctx.call, fate))
        return None, grad_mixer, grad_x, grad_bias, grad if ctx.has_residual else None, None, None, None, None


class _Attended(Native):
    @staticmethod
    def forward(
        lanes: int,
        q: Tensor,
        k: Tensor | None,
        v: Tensor | None,
        shift: Tensor | None,
        bias: Tensor | None,
        heads: int,
        scale: float,
        key: Tensor | None,
        fate: Tensor | None,
        call: int,
    ) -> tuple[Tensor, Tensor]:
        q, k, v, shift, bias = q.contiguous(), *map(dense, (k, v, shift, bias))
        sizes = _sizes(lanes, q, k, heads)
        tokens, sequences, width = sizes[1], sizes[3], sizes[5]
        out = q.new_empty(*q.shape[:-1], heads * width)
        stats = q.new_empty(lanes, -(-sequences * heads // VECTOR), tokens, 2, VECTOR)
        kernel("attention_forward")(
            *_parts(q, k, v), *addresses(shift, bias, out, stats), *sizes, scale, *_drawn(key, call, fate)
        )
        return out, stats

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.lanes, q, k, v, shift, bias, ctx.heads, ctx.scale, key, fate, ctx.call = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(q, k, v, shift, bias, output[1], key, fate)

    @staticmethod
    @once
    def backward(ctx: Any, grad: Tensor, _: Any) -> tuple[Any, ...]:
        q, k, v, shift, bias, stats, key, fate = ctx.saved_tensors
        q, k, v, shift, bias, grad = q.contiguous(), *map(dense, (k, v, shift, bias)), grad.contiguous()
        grad_q, grad_k, grad_v, grad_bias = (None if x is None else torch.empty_like(x) for x in (q, k, v, bias))
        assert grad_q is not None, "there are always queries"
        kernel("attention_backward")(
            *_parts(q, k, v),
            *addresses(shift, bias, stats, grad),
            *_parts(grad_q, grad_k, grad_v),
            *addresses(grad_bias),
            *_sizes(ctx.lanes, q, k, ctx.heads),
            ctx.scale,
            *_drawn(key, ctx.call, fate),
        )
        grad_shift = None if shift is None else grad_q.view(ctx.lanes, -1, q.shape[-1]).sum(1).view(shift.shape)
        return None, grad_q, grad_k, grad_v, grad_shift, grad_bias, None, None, None, None, None


class _Normed(Native):
    @staticmethod
    def forward(lanes: int, x: Tensor, a: Tensor, b: Tensor, eps: float, is_outside: bool) -> Tensor:
        x, a, b = x.contiguous(), a.contiguous(), b.contiguous()
        out = torch.empty_like(x)
        kernel("norm_forward")(*addresses(x, a, b, out), *_rows(lanes, x), eps, is_outside)
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.lanes, x, a, _, ctx.eps, ctx.is_outside = inputs
        ctx.save_for_backward(x, a)

    @staticmethod
    @once
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        x, a = (saved.contiguous() for saved in ctx.saved_tensors)
        grad = grad.contiguous()
        grads = torch.empty_like(x), torch.empty_like(a), torch.empty_like(a)
        kernel("norm_backward")(*addresses(x, a, grad, *grads), *_rows(ctx.lanes, x), ctx.eps, ctx.is_outside)
        return None, *grads, None, None


def _drawn(key: Tensor | None, call: int, fate: Tensor | None) -> tuple[int | None, int, int | None]:
    return None if key is None else key.data_ptr(), call, None if fate is None else fate.data_ptr()


def _mix_sizes(lanes: int, mixer: Tensor, x: Tensor) -> tuple[int, int, int, int]:
    """Returns lanes, joints, the numbers of a joint and the columns of a bias."""
    joints = mixer.shape[-1]
    return lanes, joints, x.numel() // joints // lanes, x.shape[-1]


def _rows(lanes: int, x: Tensor) -> tuple[int, int, int]:
    return lanes, x.numel() // x.shape[-1] // lanes, x.shape[-1]


def _parts(q: Tensor, k: Tensor | None, v: Tensor | None) -> list[int | None]:
    """Returns where queries, keys and values begin: in tensors of their own, or in thirds of the rows of the first."""
    if k is not None:
        return addresses(q, k, v)
    third = q.shape[-1] // 3 * q.element_size()
    return [q.data_ptr() + i * third for i in range(3)]


def _sizes(lanes: int, q: Tensor, k: Tensor | None, heads: int) -> tuple[int, ...]:
    """Returns lanes, tokens of queries and keys, sequences, heads, the width of a head, and a sequence's numbers in a
    row."""
    row = q.shape[-1]
    width = (row if k is not None else row // 3) // heads
    return lanes, q.shape[-3], (q if k is None else k).shape[-3], q.shape[-2], heads, width, row
