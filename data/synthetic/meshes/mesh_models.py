"""Synthetic body and hand models by kind, and their files."""

from __future__ import annotations

import functools
from pathlib import Path

from ...bodies.body_model import BodyModel, MeshLevels
from ...formats.meshes.body_models import EXTRA_REGRESSOR, H36M_REGRESSOR, KINDS, write_models
from ...formats.meshes.mesh_sampling import made_levels
from .hand_mesh import made_hand
from .human_mesh import extra_regressor, h36m_regressor, made_body


def made_model(kind: str) -> BodyModel:
    """Builds the synthetic `body` or `hand`."""
    return made_body() if kind == "body" else made_hand()


@functools.lru_cache(maxsize=2)
def made_models(kind: str) -> tuple[BodyModel, MeshLevels]:
    """Builds the synthetic model with its levels, as `read_models` reads them from the files of `write_made_models`."""
    model = made_model(kind)
    edges, down = made_levels(model, KINDS[kind].levels)
    if kind == "hand":
        return model, MeshLevels(edges=edges, down=down)
    regressors = {"h36m_regressor": h36m_regressor(), "extra_regressor": extra_regressor()}
    return model, MeshLevels(edges=edges, down=down, **regressors)


def write_made_models(folder: Path, kind: str) -> None:
    """Writes the files of the synthetic model, under the names of the licensed ones."""
    rows = {H36M_REGRESSOR: h36m_regressor(), EXTRA_REGRESSOR: extra_regressor()} if kind == "body" else {}
    write_models(folder, kind, made_model(kind), rows)
