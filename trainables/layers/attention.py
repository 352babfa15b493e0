"""Multi-head attention, shared by all models: a native kernel for short sequences on CPU, else written out, as torch's
fused kernel has no vmap batching rule on CPU."""

from __future__ import annotations

import torch
from torch import Tensor

from ..kernels.functions import attended
from ..kernels.library import is_native
from .dropout import Dropout

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
    """Applies `attend` to every head's channels separately: [T, N, C] each -> [T, N, C]."""
    tokens, count, width = q_TNC.shape
    scale = (width // heads) ** -0.5 if scale is None else scale
    is_small = tokens * len(k_TNC) <= MOST_SCORES and width // heads <= MOST_WIDTH
    if is_small and (drop is None or drop.is_drawable) and is_native(q_TNC, k_TNC, v_TNC, bias):
        return attended(q_TNC, k_TNC, v_TNC, bias, heads, scale, None if drop is None else drop.draw())
    q, k, v = (part.view(tokens, count * heads, -1).transpose(0, 1) for part in (q_TNC, k_TNC, v_TNC))
    mixed = attend(q, k, v, scale=scale, bias=bias, drop=drop)
    return mixed.transpose(0, 1).reshape(tokens, count, width)
