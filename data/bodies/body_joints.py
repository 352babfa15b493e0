"""Joints that mesh sets label and networks are scored on, regressed from the vertices of body and hand models."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .body_model import BodyModel, MeshLevels

Numbers = NDArray[np.float64]

# Where the 24 labelled joints of a body stand in the 24 of its model followed by the 14 of the extra regressor.
BODY_JOINTS = (8, 5, 29, 30, 4, 7, 21, 19, 17, 16, 18, 20, 31, 32, 33, 34, 35, 36, 37, 24, 26, 25, 28, 27)
# Where the 21 labelled joints of a hand stand in the 16 of its model followed by five tips.
HAND_JOINTS = (0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20)
HAND_TIPS = (745, 317, 444, 556, 673)  # vertices at the tips of thumb, index, middle, ring and little finger


def labelled_joints(model: BodyModel, levels: MeshLevels, vertices: Numbers, skeleton: Numbers) -> Numbers:
    """Computes the joints [B, 24 or 21, 3] of posed vertices [B, P, 3] and the posed skeleton [B, K, 3], in label
    order.

    A body's joints are regressed from the vertices; a hand's are those of its skeleton, and vertices at the
    fingertips."""
    if levels.extra_regressor is None:
        return np.concatenate((skeleton, vertices[:, list(HAND_TIPS)]), axis=1)[:, list(HAND_JOINTS)]
    rows = np.concatenate((model.joint_regressor, levels.extra_regressor))[list(BODY_JOINTS)]
    joints: Numbers = rows @ vertices
    return joints
