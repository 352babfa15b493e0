"""The made models by kind, and their files."""

from __future__ import annotations

from pathlib import Path

from data.body_model import BodyModel
from data.formats.body_models import EXTRA_REGRESSOR, H36M_REGRESSOR, write_models

from .hand_mesh import made_hand
from .human_mesh import extra_regressor, h36m_regressor, made_body


def made_model(kind: str) -> BodyModel:
    """The made `body` or `hand`."""
    return made_body() if kind == "body" else made_hand()


def write_made_models(folder: Path, kind: str) -> None:
    """The files of the made model, under the names of the licensed ones."""
    rows = {H36M_REGRESSOR: h36m_regressor(), EXTRA_REGRESSOR: extra_regressor()} if kind == "body" else {}
    write_models(folder, kind, made_model(kind), rows)
