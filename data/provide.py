"""The embedded default set, there when it is asked for."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from .config import DataConfig
from .formats import h36m
from .module import split_of
from .synthetic.images import IMAGES_DEFAULT
from .synthetic.images import NAME as IMAGES
from .synthetic.mesh_sets import SETS
from .verbs import synth
from .verbs.synth_images import synth_images, synth_mesh

DEFAULT = DataConfig()


def provide(config: DataConfig) -> None:
    """Writes the synthetic sets where the default data is asked for in the default folder and nothing is there yet, so
    that a first run needs no step before it. A set that is there in part is left to be complained about."""
    root = Path(config.root)
    if config.name in SETS:
        if config.root == DEFAULT.root and not (root / config.name).exists():
            synth_mesh(root, config.name, 0, 0, force=False)
        return
    name = split_of(config).set
    if (name, config.root) == (IMAGES, DEFAULT.root) and not (root / name).exists():
        synth_images(root, 0, IMAGES_DEFAULT, force=False)
    if (name, config.root) != (split_of(DEFAULT).set, DEFAULT.root):
        return
    if not any(root.glob(f"*_{name}*")) and name not in h36m.available_sets(root):
        synth.run(Namespace(root=root, seed=0, force=False, images=0, mesh=""))
