"""Multi-head attention, shared by all models: a native kernel for short sequences on CPU, else written out, as torch's
fused kernel has no vmap batching rule on CPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..kernels.functions import attended, is_native
from .dropout import Dropout
from .linear import linear

MOST_SCORES, MOST_WIDTH = 1024, 32  # of a head: beyond them matrix products are quicker than the kernel


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    scale: float | None = None,
    bias: Tensor | None = None,
    drop: Dropout | None = None,
) -> Tensor:
    """Computes scaled dot-product attention: values [..., T, C] for query [..., T, C] and key, value [..., S, C];
    leading axes hold batch and head.

    The weights are softmax(scale query key^T + bias) over S, passed through `drop`; `scale` is C^-1/2 unless given,
    `bias` [T, S] the same for every batch entry and head."""
    # matmul of three axes is bmm behind four views, and behind eight under vmap.
    product = torch.bmm if query.ndim == 3 else torch.matmul
    scores = product(query * (query.shape[-1] ** -0.5 if scale is None else scale), key.mT)
    weights = (scores if bias is None else scores + bias).softmax(-1)
    return product(weights if drop is None else drop(weights), value)


def attend_by_head(
    q_TNC: Tensor,
    k_TNC: Tensor,
    v_TNC: Tensor,
    heads: int,
    *,
    scale: float | None = None,
    bias: Tensor | None = None,
    drop: Dropout | None = None,
) -> Tensor:
    """Applies `attend` to every head's channels separately: q [T, N, C], k and v [S, N, C] -> [T, N, C]."""
    tokens, count, width = q_TNC.shape
    if has_kernel(q_TNC, len(k_TNC), heads, bias, drop):
        scale = (width // heads) ** -0.5 if scale is None else scale
        return attended(q_TNC, k_TNC, v_TNC, bias, heads, scale, None if drop is None else drop.draw())
    q, k, v = (part.view(len(part), count * heads, -1).transpose(0, 1) for part in (q_TNC, k_TNC, v_TNC))
    mixed = attend(q, k, v, scale=scale, bias=bias, drop=drop)
    return mixed.transpose(0, 1).reshape(tokens, count, width)


def attend_to_self(
    x_TNC: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor] | None,
    heads: int,
    *,
    scale: float | None = None,
    bias: Tensor | None = None,
    drop: Dropout | None = None,
) -> Tensor:
    """Applies `attend_by_head` to the queries, keys and values that three weights [C, C] and biases [C] make of x
    [T, N, C]."""
    if has_kernel(x_TNC, len(x_TNC), heads, bias, drop):
        scale = (x_TNC.shape[-1] // heads) ** -0.5 if scale is None else scale
        # A product with a bias first copies the bias to every row.
        packed, shift = linear(x_TNC, torch.cat(list(weights))), None if biases is None else torch.cat(list(biases))
        return attended(packed, None, None, bias, heads, scale, None if drop is None else drop.draw(), shift)
    # Three products: of one with 3 C columns, sequence and head could not become one axis without a copy.
    q, k, v = (linear(x_TNC, weight, own) for weight, own in zip(weights, biases or (None,) * 3, strict=True))
    return attend_by_head(q, k, v, heads, scale=scale, bias=bias, drop=drop)


def attend_packed(qkv_TNC: Tensor, bias_C: Tensor, heads: int) -> Tensor:
    """Applies `attend_by_head` to queries, keys and values side by side that lack their biases: [T, N, 3 C], bias [3 C]
    -> [T, N, C]."""
    if has_kernel(qkv_TNC, len(qkv_TNC), 3 * heads, None, None):
        scale = (qkv_TNC.shape[-1] // 3 // heads) ** -0.5
        return attended(qkv_TNC, None, None, None, heads, scale, None, bias_C)
    q, k, v = (part.contiguous() for part in (qkv_TNC + bias_C).chunk(3, -1))
    return attend_by_head(q, k, v, heads)


def has_kernel(q_TNC: Tensor, sources: int, heads: int, bias: Tensor | None, drop: Dropout | None) -> bool:
    """Returns whether the native kernel takes attention of these queries to so many keys."""
    is_small = len(q_TNC) * sources <= MOST_SCORES and q_TNC.shape[-1] // heads <= MOST_WIDTH
    return is_small and (drop is None or drop.is_drawable) and is_native(q_TNC, bias)
