"""Differentiable SMPL and MANO layers: pose and shape to a mesh, in metres.

SMPL and MANO share one computation: shaped rest mesh, pose blend shapes, skinning along a tree of K parts. A hand adds
its mean pose, and has joints of its own: the skeleton and five fingertips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from data.bodies.body_model import BodyModel

from .exact import Exact

ANGLE_EPS = 1e-8  # added to each component before the norm, which keeps the slope at the zero rotation finite

# Finger tips among the vertices of MANO, thumb first. The middle finger's differs between the layer and the regressor
# of the published code; both are kept.
TIPS = (745, 317, 444, 556, 673)
REGRESSOR_TIPS = (745, 317, 445, 556, 673)
# Of the 16 parts and 5 tips: wrist, then thumb, index, middle, ring, pinky, from base to tip.
HAND_ORDER = (0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20)
# Of SMPL's 24 parts and 14 further joints: the union of the joints that the mesh sets annotate, from the right ankle to
# the right ear.
UNION_24 = (8, 5, 29, 30, 4, 7, 21, 19, 17, 16, 18, 20, 31, 32, 33, 34, 35, 36, 37, 24, 26, 25, 28, 27)


def rotations(pose_BKC: Tensor) -> Tensor:
    """Converts axis-angle vectors [..., 3] to matrices [..., 3, 3], through unit quaternions."""
    angle = (pose_BKC + ANGLE_EPS).norm(dim=-1, keepdim=True)
    quaternion = torch.cat(((angle / 2).cos(), (angle / 2).sin() * (pose_BKC / angle)), -1)
    # The axis is not quite of length 1 beside that angle; without this, matrices are off by 1e-8.
    w, x, y, z = (quaternion / quaternion.norm(dim=-1, keepdim=True)).unbind(-1)
    entries = (
        *(w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (w * y + x * z)),
        *(2 * (w * z + x * y), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (w * x + y * z), w * w - x * x - y * y + z * z),
    )
    matrices: Tensor = torch.stack(entries, -1).unflatten(-1, (3, 3))
    return matrices


class BodyLayer(nn.Module):
    """Body model layer: mesh of a pose and a shape, without parameters; `constants` are those of the model's file."""

    def __init__(self, body: BodyModel) -> None:
        super().__init__()
        self.parents: tuple[int, ...] = tuple(int(parent) for parent in body.parents)
        assert self.parents[0] == -1, body.parents
        assert all(parent < part for part, parent in enumerate(self.parents)), body.parents
        arrays = {
            "v_template": body.v_template,
            "shapedirs": body.shapedirs,
            "posedirs": body.posedirs,
            "weights": body.weights,
            "joint_regressor": body.joint_regressor,
        }
        mean = np.zeros(3 * len(self.parents))
        if body.hands_mean is not None:
            mean[3:] = body.hands_mean
        self.constants = Exact({name: torch.from_numpy(np.asarray(x)) for name, x in {**arrays, "mean": mean}.items()})

    def forward(self, pose: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
        """pose [B, 3 K] axis-angle, betas [B, 10] -> vertices [B, P, 3] and the places of the parts [B, K, 3]."""
        own = self.constants
        rotation = rotations((pose + own.mean).unflatten(-1, (-1, 3)))
        shaped = own.v_template + (own.shapedirs @ betas[:, None, :, None]).squeeze(-1)
        rest = own.joint_regressor @ shaped
        bent = rotation[:, 1:] - torch.eye(3, dtype=rotation.dtype, device=rotation.device)
        posed = shaped + (own.posedirs.flatten(0, 1) @ bent.flatten(1).mT).mT.unflatten(-1, (-1, 3))
        turn, place = self._placed(rotation, rest)
        # Of a vertex: the mean of where each part would carry it, by its weights.
        shift = place - (turn @ rest.unsqueeze(-1)).squeeze(-1)
        carried = own.weights @ torch.cat((turn.flatten(2), shift), -1)
        moved = carried[..., :9].unflatten(-1, (3, 3)) @ posed.unsqueeze(-1)
        return moved.squeeze(-1) + carried[..., 9:], place

    def _placed(self, rotation: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
        """Returns rotation [B, K, 3, 3] and position [B, K, 3] of every part, from its rotation against its parent."""
        turns, places = [rotation[:, 0]], [rest[:, 0]]
        for part, parent in enumerate(self.parents[1:], 1):
            turns.append(turns[parent] @ rotation[:, part])
            bone = (rest[:, part] - rest[:, parent]).unsqueeze(-1)
            places.append(places[parent] + (turns[parent] @ bone).squeeze(-1))
        return torch.stack(turns, 1), torch.stack(places, 1)


def hand_joints(parts: Tensor, vertices: Tensor, tips: Sequence[int] = TIPS) -> Tensor:
    """Returns the 21 joints [B, 21, 3] of a hand, from its parts [B, 16, 3] and its vertices [B, P, 3]."""
    every = torch.cat((parts, vertices[:, list(tips)]), 1)
    return every[:, list(HAND_ORDER)]


def hand_regressor(body: BodyModel, tips: Sequence[int] = REGRESSOR_TIPS) -> np.ndarray:
    """Returns the regressor [21, P] of a hand's joints as means of its vertices, for meshes without pose parameters."""
    picks = np.zeros((len(tips), body.joint_regressor.shape[1]), body.joint_regressor.dtype)
    picks[np.arange(len(tips)), list(tips)] = 1
    return np.concatenate((body.joint_regressor, picks))[list(HAND_ORDER)]


def body_joints(vertices: Tensor, joint_regressor: Tensor, extra_regressor: Tensor) -> Tensor:
    """Regresses the 24 joints [B, 24, 3] of the label set from a posed body [B, P, 3], by the regressors [24, P] and
    [14, P]."""
    return (torch.cat((joint_regressor, extra_regressor)) @ vertices)[:, list(UNION_24)]
