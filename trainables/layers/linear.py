"""Linear layers' product: on the CPU's matrix unit where it has one and the layer is wide, else torch's."""

from __future__ import annotations

import torch
from torch import Tensor

from ..kernels.products import multiplied, takes_product


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Computes x weight^T + bias: x [..., C_in], weight [C_out, C_in], bias [C_out]."""
    if takes_product(x, weight, bias):
        return multiplied(x, weight, bias)
    return torch.nn.functional.linear(x, weight, bias)
