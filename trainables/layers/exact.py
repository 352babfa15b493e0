"""Constants of a network that keep their precision when its type changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn


class Exact(nn.Module):
    """Tensors by name, as attributes, of the network's type and device, in no state dict: they follow from its config.

    Those of a floating type are always rounded once from what was given: `.double()` of a float32 buffer would keep the
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
        """The buffers; nn.Module promises less of what they are."""
        found: Tensor = super().__getattr__(name)  # type: ignore[assignment]
        return found
