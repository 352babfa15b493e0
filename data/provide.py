"""The embedded default set, there when it is asked for."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from .config import DataConfig
from .formats import h36m
from .module import split_of
from .verbs import synth

DEFAULT = DataConfig()


def provide(config: DataConfig) -> None:
    """Writes the synthetic sets where the default data is asked for in the default folder and nothing is there yet, so
    that a first run needs no step before it. A set that is there in part is left to be complained about."""
    name = split_of(config).set
    if (name, config.root) != (split_of(DEFAULT).set, DEFAULT.root):
        return
    root = Path(config.root)
    if not any(root.glob(f"*_{name}*")) and name not in h36m.available_sets(root):
        synth.run(Namespace(root=root, seed=0, force=False))
