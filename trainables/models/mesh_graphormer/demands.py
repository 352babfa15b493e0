"""Preflight check of the files that a Mesh Graphormer is built from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from data.config import DataConfig
from spaces.errors import InputError

from .config import NetworkConfig
from .files import models_of

MADE = ("synthetic_body", "synthetic_hand")  # sets that the made models label
MODELS = {"body": "SMPL", "hand": "MANO"}


def demands(network: NetworkConfig, data: DataConfig, is_fresh: bool) -> Iterator[str]:
    """Yields what is missing: the body model of the set, and the trunk's weights where a run starts from them."""
    folder, weights = network.body_files, Path(data.root) / network.trunk_weights
    if not folder and data.name not in MADE:
        found = (
            f"network.body_files is empty, and a made {network.mesh} has other vertices than {data.name} is labelled by"
        )
        yield f"{found}; name the folder of the {MODELS[network.mesh]} files"
    if folder and not Path(folder).is_dir():
        yield f"network.body_files = {folder}: there is no such folder"
    elif folder:
        try:
            models_of(network.mesh, folder)
        except InputError as fault:
            yield from (f"network.body_files: {fault.where}: {problem}" for problem in fault.problems)
    if is_fresh and network.trunk_weights and not weights.is_file():
        yield (
            f"network.trunk_weights = {network.trunk_weights}: there is no file {weights}; get the published one, or "
            "leave the knob empty to begin from the seed"
        )
