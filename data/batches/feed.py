"""What a batch takes from elsewhere than the arrays on the device: pixels from a cache, maps of a trunk."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor


class Source(Protocol):
    """One field of a batch, for any samples of a split.

    Row r, view v of a split with V views is its image number r * V + v, in the order of its stored frames."""

    def fetch(self, part: str, rows: Tensor, is_mirrored: Tensor | None) -> Tensor:
        """The field [B, V, ...] of images rows [B, V], of the mirror image where is_mirrored [B] says so."""
        ...


@runtime_checkable
class ReadsAhead(Protocol):
    """A source that can begin with the next batch while the step of this one runs."""

    def expect(self, part: str, rows: Tensor) -> None:
        """Says that images rows [B, V] will be fetched soon; it is never wrong to say it, or not to."""
        ...
