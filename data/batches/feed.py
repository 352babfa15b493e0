"""Protocols of sources: suppliers of batch fields that are not arrays on the device (crops on disk, trunk features)."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Source(Protocol):
    """Supplier of one batch field for any samples of a split.

    Images are numbered in stored order: sample row r, view v of a split with V views is image r * V + v."""

    def fetch(self, part: str, rows: Tensor, is_mirrored: Tensor | None) -> Tensor:
        """Returns the field [B, V, ...] of images rows [B, V]; of the mirror image where is_mirrored [B] is true."""
        ...

    def expect(self, part: str, rows: Tensor) -> None:
        """Announces that images rows [B, V] will be fetched soon, so that reading can start; may do nothing."""
        ...


class ImageCrops(Source, Protocol):
    """Source of `image`: uint8 RGB crops [B, V, 3, Y, X] whose number and content are known."""

    def count(self, part: str) -> int:
        """Returns the number of images of a split."""
        ...

    def fingerprint(self, part: str) -> str:
        """Returns a digest that changes with any image of a split."""
        ...
