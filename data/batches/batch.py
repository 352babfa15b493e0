"""Batch, the record that every model reads, and the letters of its axes.

B batch, K lane, V view, F frame, J joint, P mesh point, T token, H head, C channel, Y X image."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..config import Sizes

__all__ = ["TARGETS", "Batch", "Sizes"]

TARGETS = ("pose3d", "window3d")  # fields that only a loss reads; scoring has the truth from `DataModule.truth`


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """B samples on one device; a field that the model does not read is None.

    pose2d [B, V, F, J, 2] screen units, x in [-1, 1]; with `data.scores` [B, V, F, J, 3], the third a score from 0 to
    1; pose3d [B, F', J, 3] metres in the axes of the first view's camera, or of the world (`data.axes`), root at zero;
    window3d [B, F, J, 3] the same for every frame of the window,
    edge frames repeated; root3d [B, F', 1, 3] metres, the root's own path; camera [B, V, 9] focal 2, centre 2,
    radial 3, tangential 2, normalised; action [B] int64 index into `DataModule.actions`.
    image [B, V, 3, Y, X] uint8 RGB, the pixels of a crop; crop2d [B, V, F, J, 2] keypoints in that crop, in [-1, 1]:
    x / (X / 2) - 1, y / (Y / 2) - 1; features [B, V, N] the four maps that a frozen trunk makes of the image, finest
    first, each flattened channel-first.
    joints2d [B, J, 3] x, y in a crop, in [-1, 1] as crop2d, and confidence; joints3d [B, J, 4] metres, and confidence;
    body_pose [B, 3 K] axis-angle of the K parts of a body model (body 72, hand 48), the root in the camera's frame;
    betas [B, 10] its shape; has [B, 3] 0 or 1: whether joints2d, joints3d, and pose with shape are known. The J joints
    of a mesh set are its own: 24 of a body, 21 of a hand.
    F' counts the target frames of a window: the chunk in its middle, one frame unless a reader says otherwise.
    """

    size: int
    pose2d: Tensor | None = None
    pose3d: Tensor | None = None
    window3d: Tensor | None = None
    root3d: Tensor | None = None
    camera: Tensor | None = None
    action: Tensor | None = None
    image: Tensor | None = None
    crop2d: Tensor | None = None
    features: Tensor | None = None
    joints2d: Tensor | None = None
    joints3d: Tensor | None = None
    body_pose: Tensor | None = None
    betas: Tensor | None = None
    has: Tensor | None = None
