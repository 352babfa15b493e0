"""Mesh constants of a body or a hand: template tokens, adjacency of the coarse mesh, joint regressors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from data.bodies.body_model import BodyModel, MeshLevels

from ...layers.graph import row_normalized_adjacency
from ...layers.smpl import BodyLayer, hand_joints, hand_regressor

# Published: not pi. The turn about x that makes SMPL's rest pose stand upright in an image, y down.
UPRIGHT = 3.1416
# The 14 joints that are trained and scored, right ankle to head: among Human3.6M's 17, and among the 24 of the sets.
OF_H36M = (3, 2, 1, 4, 5, 6, 16, 15, 14, 11, 12, 13, 8, 10)
OF_UNION = (*range(13), 18)
PELVIS, WRIST = 0, 0  # rows of the roots: among Human3.6M's 17 joints, and among the 21 of a hand
HIPS = (2, 3)  # among the 14


@dataclass(frozen=True, kw_only=True, slots=True)
class Mesh:
    """Mesh of P vertices with J joints, and coarser levels down to V vertices.

    template [J + V, 3] float64 metres, the root at zero; adjacency [V, V] float32, row-normalised, with self loops;
    down: indices that select each coarser level from the one before; regressor [J, P]: joints of a mesh; root [P]: its
    root joint; annotated: the J among the joints of a set; middle: joints whose mid point is subtracted in losses and
    scores."""

    template: Tensor
    adjacency: Tensor
    down: tuple[Tensor, ...]
    regressor: Tensor
    root: Tensor
    annotated: tuple[int, ...]
    middle: tuple[int, ...]

    @property
    def num_joints(self) -> int:
        """J."""
        return len(self.regressor)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Vertices of every level, coarsest first."""
        return (*(len(index) for index in reversed(self.down)), self.regressor.shape[1])


def coarser(vertices: Tensor, down: Sequence[Tensor]) -> list[Tensor]:
    """Returns a mesh [B, P, 3] on every level, coarsest first, itself last."""
    levels = [vertices]
    for index in down:
        levels.append(levels[-1].index_select(-2, index))
    return levels[::-1]


def adjacency_of(levels: MeshLevels) -> Tensor:
    """Returns the adjacency [V, V] float32 of the coarsest level: rounded once, and kept so in float64 runs, as
    published."""
    return row_normalized_adjacency([(int(i), int(j)) for i, j in levels.edges.T], len(levels.down[-1]))


def body_mesh(levels: MeshLevels, vertices: Tensor) -> Mesh:
    """Returns a body whose template is the mesh `vertices` [P, 3] in float64."""
    assert levels.h36m_regressor is not None, "a body needs Human3.6M's joint regressor"
    every = torch.from_numpy(np.asarray(levels.h36m_regressor)).double()
    regressor, root = every[list(OF_H36M)], every[PELVIS]
    return _mesh(levels, vertices, regressor @ vertices, root @ vertices, regressor, root, OF_UNION, HIPS)


def hand_mesh(levels: MeshLevels, body: BodyModel, vertices: Tensor, joints: Tensor) -> Mesh:
    """Returns a hand whose template is the mesh `vertices` [P, 3] with the 21 `joints`, in float64."""
    regressor = torch.from_numpy(hand_regressor(body)).double()
    root = regressor[WRIST]
    order = tuple(range(len(joints)))
    return _mesh(levels, vertices, joints, joints[WRIST], regressor, root, order, (WRIST,))


def _mesh(
    levels: MeshLevels,
    vertices: Tensor,
    joints: Tensor,
    origin: Tensor,
    regressor: Tensor,
    root: Tensor,
    annotated: tuple[int, ...],
    middle: tuple[int, ...],
) -> Mesh:
    down = tuple(torch.from_numpy(np.asarray(index)).long() for index in levels.down)
    return Mesh(
        template=torch.cat((joints, coarser(vertices, down)[0])) - origin,
        adjacency=adjacency_of(levels),
        down=down,
        regressor=regressor,
        root=root,
        annotated=annotated,
        middle=middle,
    )


def mesh_of(kind: str, body: BodyModel, levels: MeshLevels) -> Mesh:
    """Returns the mesh of a body or hand model, its template of mean shape: a body upright, a hand in its mean pose."""
    layer = BodyLayer(body).double()
    pose, betas = torch.zeros(1, 3 * len(body.parents)).double(), torch.zeros(1, body.shapedirs.shape[-1]).double()
    pose[0, 0] = UPRIGHT if kind == "body" else 0.0
    vertices, parts = layer(pose, betas)
    if kind == "body":
        return body_mesh(levels, vertices[0])
    return hand_mesh(levels, body, vertices[0], hand_joints(parts, vertices)[0])
