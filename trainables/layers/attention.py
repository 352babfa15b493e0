"""Multi-head attention, shared by all models, written out: torch's fused kernel has no vmap batching rule on CPU."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    scale: float | None = None,
    bias: Tensor | None = None,
    drop: Callable[[Tensor], Tensor] | None = None,
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
