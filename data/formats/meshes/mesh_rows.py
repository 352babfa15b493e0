"""Decoded images and bounding boxes of mesh-set rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from spaces.commands import command

from ...errors import DataError
from ...images.crops import decode
from ...images.mesh_crops import Boxed
from .mesh_tsv import MeshSet


def picture_of(mesh_set: MeshSet, number: int) -> Image.Image:
    """Decodes the RGB image of a sample; DataError names the row when it is broken."""
    content = mesh_set.jpeg(number)
    try:
        return decode(content)
    except ValueError as error:
        others = command("data", "check tsv", mesh_set.path.parent)
        remedy = f"take the row out of the linelist; `{others}` finds others"
        raise DataError(mesh_set.image_place(number), [f"its image is broken or cut off ({error}); {remedy}"]) from None


def boxed_rows(mesh_set: MeshSet, numbers: Sequence[int]) -> Boxed:
    """Decodes the images of samples, with the boxes of their labels."""
    boxes = [mesh_set.box(number) for number in numbers]
    return Boxed(
        images=tuple(picture_of(mesh_set, number) for number in numbers),
        center=np.stack([center for center, _ in boxes]),
        scale=np.array([scale for _, scale in boxes]),
    )
