"""Body models posed: linear blend skinning on numpy, for many people at once.

What networks are trained through is the torch form beside the model; tests hold the two together.
"""

from __future__ import annotations

import numpy as np

from data.body_model import BodyModel

from .signals import Signal

SMALLEST_ANGLE = 1e-12  # radians; below it there is no axis


def rotation_matrices(axis_angle: Signal) -> Signal:
    """Matrices [..., 3, 3] of rotations [..., 3], axis times angle in radians."""
    angle = np.linalg.norm(axis_angle, axis=-1, keepdims=True)
    axis = axis_angle / np.maximum(angle, SMALLEST_ANGLE)
    x, y, z = np.moveaxis(axis, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack((zero, -z, y, z, zero, -x, -y, x, zero), axis=-1).reshape(*x.shape, 3, 3)
    sine, cosine = np.sin(angle)[..., None], np.cos(angle)[..., None]
    found: Signal = np.eye(3) + sine * cross + (1 - cosine) * (cross @ cross)
    return found


def posed(model: BodyModel, pose: Signal, betas: Signal) -> tuple[Signal, Signal]:
    """Vertices [B, P, 3] and skeleton joints [B, K, 3], metres, of pose [B, 3 K] axis-angle and betas [B, 10].

    A hand's mean pose is added to all but the root."""
    if model.hands_mean is not None:
        pose = np.concatenate((pose[:, :3], pose[:, 3:] + model.hands_mean), axis=1)
    count, parts = len(pose), len(model.parents)
    turns = rotation_matrices(pose.reshape(count, parts, 3))
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
    moves = np.concatenate((spin, shift[..., None]), axis=-1).reshape(count, parts, 12)
    vertices = np.empty_like(shaped)
    for at in range(count):  # one at a time stays in the cache: 12 numbers for every vertex
        mixed = (model.weights @ moves[at]).reshape(-1, 3, 4)
        vertices[at] = np.einsum("pij,pj->pi", mixed[..., :3], shaped[at]) + mixed[..., 3]
    return vertices, joints
