"""Validation pictures of mesh models: predicted meshes over images of the validation split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from data.batches.meshes import MeshModule, read_mesh_sets
from data.formats.meshes.mesh_rows import picture_of
from data.images.crops import SCALE_PX
from spaces.files import replacing

from .. import registry
from ..config import TrainConfig
from ..entry import Scores
from ..scoring.metrics import heading, in_table
from ..weights.checkpoint import load_into
from .meshes import mesh_picture
from .sheets import tiled

SHOWN, COLUMNS = 6, 2  # images, evenly spaced over the split, and how many of them stand side by side


def has_pictures(config: TrainConfig) -> bool:
    """Returns whether runs of a config get validation pictures."""
    return registry.get(config.model).surface is not None and bool(config.data.sizes.mesh)


@torch.no_grad()
def draw_val(config: TrainConfig, weights: Path, target: Path) -> None:
    """Writes a PNG of the meshes that weights predict in SHOWN images of `val`, each with its name and its error in
    `loop.select`. On the CPU: whether the devices are free is not known. DataError or ConfigError say what is
    missing."""
    model = registry.get(config.model)
    assert model.meshes is not None, f"{config.model} has no meshes"
    assert model.surface is not None, f"{config.model} has no surface"
    network = model.build(config.network, config.data.sizes)
    load_into(network, weights, config)
    sets, _ = read_mesh_sets(config.data, ("val",))
    mesh_set = sets["val"]
    rows = np.unique(np.linspace(0, len(mesh_set) - 1, SHOWN).round().astype(np.int64))
    batch = MeshModule(sets, config.data).gather("val", torch.from_numpy(rows), config.traits.reads)
    prediction = network.eval()(batch)
    found, faces = model.meshes(prediction), model.surface(network).faces
    scores = {} if model.scores is None else model.scores(prediction)
    pictures = []
    for at, row in enumerate(rows.tolist()):
        label = mesh_set.label(row)
        pictures.append(
            mesh_picture(
                picture_of(mesh_set, row),
                found.vertices[at].numpy(),
                faces,
                found.camera[at].numpy(),
                (*label.center.tolist(), label.scale * SCALE_PX),
                f"{mesh_set.key(row)}{_told(scores, config.loop.select.removeprefix('val/'), at)}",
            )
        )
    with replacing(target) as file:
        tiled(pictures, COLUMNS).save(file, "png")


def _told(scores: Scores, name: str, at: int) -> str:
    """Returns the score of a sample as text; '' where its labels lack it."""
    values, weights = scores.get(name, (torch.zeros(1), torch.zeros(1)))
    return f"   {heading(name)} {in_table(name, float(values[at])):.1f}" if len(values) > at and weights[at] else ""
