"""Stacked parameters of K networks of one shape: a matrix with a network in each row, and named views into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

ALIGN = 64  # numbers; every tensor begins at a multiple of so many, where the fast matrix kernels want it


class Rows:
    """Matrix [K, P] whose row k holds all parameters of network k. Nothing is ever reallocated."""

    def __init__(self, network: nn.Module, capacity: int, device: torch.device, dtype: torch.dtype) -> None:
        self.shapes = {name: parameter.shape for name, parameter in network.named_parameters()}
        ends, self._begin = 0, {}
        for name, shape in self.shapes.items():
            self._begin[name] = ends
            ends += -(-shape.numel() // ALIGN) * ALIGN
        self.values = torch.zeros(capacity, ends, device=device, dtype=dtype)
        self._places: dict[tuple[int, int], list[Tensor]] = {}  # views, which take as long to make as to fill

    def runs(self, kind: Callable[[str], str]) -> list[tuple[int, int, str]]:
        """Returns columns [low, high) of neighbouring parameters whose names are of one kind, with that kind; together
        they cover all columns."""
        found: list[tuple[int, int, str]] = []
        ends = [*list(self._begin.values())[1:], self.values.shape[1]]
        for (name, low), high in zip(self._begin.items(), ends, strict=True):
            if found and found[-1][2] == kind(name):
                low = found.pop()[0]
            found.append((low, high, kind(name)))
        return found

    def like(self) -> Tensor:
        """Returns a matrix of zeros of the same shape, for moments."""
        return torch.zeros_like(self.values)

    def views(self, matrix: Tensor, count: int) -> dict[str, Tensor]:
        """Returns views of the first `count` rows of `matrix` by name, [count, *shape]."""
        parts = {}
        for name, shape in self.shapes.items():
            low = self._begin[name]
            parts[name] = matrix[:count, low : low + shape.numel()].view(count, *shape)
        return parts

    def read(self, matrix: Tensor, row: int) -> dict[str, Tensor]:
        """Returns copies of the parts of one row, by name."""
        return {name: part[row].clone() for name, part in self.views(matrix, len(matrix)).items()}

    def write(self, matrix: Tensor, row: int, tensors: Mapping[str, Tensor]) -> None:
        """Copies tensors into the parts of one row; parts without one become 0."""
        matrix[row].zero_()
        for name, part in self.views(matrix, len(matrix)).items():
            if name in tensors:
                part[row].copy_(tensors[name])

    def collect(self, matrix: Tensor, parts: Sequence[Tensor | None], count: int) -> None:
        """Fills the first `count` rows of `matrix` with parts [count, *shape] in the order of the names; None is 0."""
        if matrix.is_cpu:  # a GPU would start a kernel for every part
            places = self._places.setdefault((matrix.data_ptr(), count), [])
            places += [] if places else self.views(matrix, count).values()
            found = [(place, part) for place, part in zip(places, parts, strict=True) if part is not None]
            matrix[:count].zero_()  # between the parts, too: clipping spreads the nan of a lane that diverged
            torch._foreach_copy_([place for place, _ in found], [part for _, part in found])
            return
        pieces = []
        for part, shape in zip(parts, self.shapes.values(), strict=True):
            size = shape.numel()
            pieces.append(matrix.new_zeros(count, size) if part is None else part.reshape(count, size))
            if rest := -size % ALIGN:
                pieces.append(matrix.new_zeros(count, rest))
        torch.cat(pieces, 1, out=matrix[:count])
