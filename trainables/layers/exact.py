"""Constant tensors of a network that keep their precision when its dtype changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn


class Exact(nn.Module):
    """Constant tensors by name, as attributes, of the network's dtype and device, in no state dict: they follow from
    its config.

    Floating-point constants are always rounded once from the original: `.double()` of a float32 buffer would keep the
    rounding of float32."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._exact = {name: tensor.detach().cpu() for name, tensor in tensors.items()}
        for name, tensor in self._exact.items():
            kind = torch.get_default_dtype() if tensor.is_floating_point() else tensor.dtype
            self.register_buffer(name, tensor.to(kind), persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Exact:
        super()._apply(fn, recurse)
        for name, tensor in self._exact.items():
            setattr(self, name, tensor.to(getattr(self, name)))
        return self

    def __getattr__(self, name: str) -> Tensor:
        """Returns a constant as a Tensor; nn.Module's own signature is wider."""
        found: Tensor = super().__getattr__(name)  # type: ignore[assignment]
        return found
