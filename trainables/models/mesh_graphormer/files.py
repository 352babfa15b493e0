"""Loader of the body or hand model of a network: from its folder, or synthetic."""

from __future__ import annotations

import functools
from pathlib import Path

from data.bodies.body_model import BodyModel, MeshLevels
from data.formats.meshes.body_models import KINDS, read_models
from data.formats.meshes.mesh_sampling import made_levels
from data.synthetic.meshes.human_mesh import extra_regressor, h36m_regressor
from data.synthetic.meshes.mesh_models import made_model


def models_of(kind: str, folder: str) -> tuple[BodyModel, MeshLevels]:
    """Reads the model of a `body` or `hand` and its levels from a folder; without one, returns the synthetic ones.
    DataError lists every file that is missing and every fault."""
    return read_models(Path(folder), kind) if folder else _made(kind)


@functools.cache
def _made(kind: str) -> tuple[BodyModel, MeshLevels]:
    model, is_body = made_model(kind), kind == "body"
    edges, down = made_levels(model, KINDS[kind].levels)
    levels = MeshLevels(
        edges=edges,
        down=down,
        h36m_regressor=h36m_regressor() if is_body else None,
        extra_regressor=extra_regressor() if is_body else None,
    )
    return model, levels
