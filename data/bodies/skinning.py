"""Linear blend skinning of body models in numpy, for many people at once.

Networks train through its torch form beside the model; tests compare the two."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .axis_angle import matrices
from .body_model import BodyModel

Numbers = NDArray[np.float64]


def posed(model: BodyModel, pose: Numbers, betas: Numbers) -> tuple[Numbers, Numbers]:
    """Poses a body model by linear blend skinning: returns vertices [B, P, 3] and skeleton joints [B, K, 3], metres, of
    pose [B, 3 K] axis-angle and betas [B, 10].

    A hand's mean pose is added to all parts but the root."""
    if model.hands_mean is not None:
        pose = np.concatenate((pose[:, :3], pose[:, 3:] + model.hands_mean), axis=1)
    count, parts = len(pose), len(model.parents)
    turns = matrices(pose.reshape(count, parts, 3))
    shaped = model.v_template + (model.shapedirs.reshape(-1, betas.shape[1]) @ betas.T).T.reshape(count, -1, 3)
    rest = model.joint_regressor @ shaped
    if model.posedirs.any():
        bends = (turns[:, 1:] - np.eye(3)).reshape(count, -1)
        shaped = shaped + (bends @ model.posedirs.reshape(-1, bends.shape[1]).T).reshape(shaped.shape)
    spin, joints = turns.copy(), rest.copy()
    for part, parent in enumerate(model.parents.tolist()):
        if parent >= 0:
            spin[:, part] = spin[:, parent] @ turns[:, part]
            bone = rest[:, part] - rest[:, parent]
            joints[:, part] = joints[:, parent] + (spin[:, parent] @ bone[..., None])[..., 0]
    shift = joints - (spin @ rest[..., None])[..., 0]
    # A person's part by columns, then its shift: what is multiplied with x, y, z and 1.
    moves = np.concatenate((spin.swapaxes(-1, -2), shift[:, :, None]), axis=2).reshape(count, parts, 12)
    vertices = np.empty_like(shaped)
    for at in range(count):  # one at a time stays in the cache: 12 numbers for every vertex
        mixed = (model.weights @ moves[at]).reshape(-1, 4, 3)
        vertices[at] = mixed[:, 3]
        for axis in range(3):
            vertices[at] += mixed[:, axis] * shaped[at, :, axis, None]
    return vertices, joints
