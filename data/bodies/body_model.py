"""Records of a body or hand model in SMPL format and of the coarser levels of its mesh, as read from files. Arrays
only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray

SHAPE_NUMBERS = 10  # shape coefficients in use; of those that newer files hold, the first


@dataclass(frozen=True, kw_only=True, slots=True)
class BodyModel:
    """SMPL-style body model with K parts, P vertices, n faces; metres, floats float64 or float32, integers int64.

    v_template [P, 3]; shapedirs [P, 3, 10] per unit of a shape coefficient; posedirs [P, 3, 9 (K - 1)] per entry of
    R - I of parts 1 .. K - 1, row-major; weights [P, K] of skinning, rows with the sum 1; joint_regressor [K, P]
    dense; parents [K], -1 for the root; faces [n, 3]; hands_mean [45], the pose that a hand's zero stands for, or
    None (body)."""

    v_template: Array
    shapedirs: Array
    posedirs: Array
    weights: Array
    joint_regressor: Array
    parents: Array
    faces: Array
    hands_mean: Array | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class MeshLevels:
    """Coarser levels of a mesh of P vertices, and regressors of joints that its model does not define.

    edges [2, E] int64: neighbours i < j of the coarsest level, each once, no self loops; down: finest first, each the
    indices int64 of the vertices that the next level keeps, within the level before (body: 1723 of 6890, 431 of these
    1723; hand: 195 of 778); h36m_regressor [17, P] and extra_regressor [14, P], dense, None for a hand."""

    edges: Array
    down: tuple[Array, ...]
    h36m_regressor: Array | None = None
    extra_regressor: Array | None = None
