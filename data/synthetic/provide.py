"""First-use generation of the synthetic sets in the default data folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..config import DataConfig
from ..formats.source import available_sets
from ..poses.splits import set_of
from .images.images import IMAGES_DEFAULT
from .images.images import NAME as IMAGES
from .meshes.mesh_sets import SETS as MESH_SETS
from .poses import h36m, humaneva, mpi_inf_3dhp
from .store import write_image_set, write_meshes, write_sets

ROOT = DataConfig().root
SETS = (h36m.NAME, humaneva.NAME, mpi_inf_3dhp.NAME)


def provide(config: DataConfig, tell: Callable[[str], None] = print) -> None:
    """Writes the synthetic sets where one of them is asked for in the default folder and nothing of it is there yet, so
    that a first run needs no step before it. `tell`: is called with a line that says so."""
    if not is_due(config):
        return
    root, name = Path(config.root), set_of(config.name)
    if name in MESH_SETS:
        is_new = write_meshes(root, name, 0, 0, force=False) is not None
    elif name == IMAGES:
        is_new = write_image_set(root, 0, IMAGES_DEFAULT, force=False) is not None
    else:
        is_new = bool(write_sets(root, 0, force=False))
    if is_new:
        tell(f"wrote the synthetic set {name} of seed 0 to {root}; its table: python -m data describe --data {name}")


def is_due(config: DataConfig) -> bool:
    """Returns whether `provide` has something to write. A set that is there in part is left to the reader's error
    message."""
    root, name = Path(config.root), set_of(config.name)
    if config.root != ROOT or name not in (*SETS, IMAGES, *MESH_SETS):
        return False
    return not (any(root.glob(f"*_{name}*")) or (root / name).exists() or name in available_sets(root))
