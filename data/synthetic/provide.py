"""The embedded synthetic sets, there when they are asked for."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from ..config import DataConfig
from ..formats.source import available_sets
from ..poses.splits import set_of
from ..verbs import synth
from ..verbs.synth_images import synth_images, synth_mesh
from .images.images import IMAGES_DEFAULT
from .images.images import NAME as IMAGES
from .meshes.mesh_sets import SETS as MESH_SETS
from .poses import h36m, humaneva, mpi_inf_3dhp

ROOT = DataConfig().root
SETS = (h36m.NAME, humaneva.NAME, mpi_inf_3dhp.NAME)


def provide(config: DataConfig) -> None:
    """Writes the synthetic sets where one of them is asked for in the default folder and nothing of it is there yet, so
    that a first run needs no step before it."""
    if not is_due(config):
        return
    root, name = Path(config.root), set_of(config.name)
    if name in MESH_SETS:
        synth_mesh(root, name, 0, 0, force=False)
    elif name == IMAGES:
        synth_images(root, 0, IMAGES_DEFAULT, force=False)
    else:
        synth.run(Namespace(root=root, seed=0, force=False, images=0, mesh=""))


def is_due(config: DataConfig) -> bool:
    """Whether `provide` has something to write. A set that is there in part is left to be complained about."""
    root, name = Path(config.root), set_of(config.name)
    if config.root != ROOT or name not in (*SETS, IMAGES, *MESH_SETS):
        return False
    return not (any(root.glob(f"*_{name}*")) or (root / name).exists() or name in available_sets(root))
