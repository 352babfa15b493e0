"""The data behind a config, whatever kind of set it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch

from spaces.errors import ConfigError

from ..config import DataConfig
from ..formats.source import read_poses
from ..poses.splits import MESH_SPLITS, SPLITS
from . import meshes as mesh_module
from . import poses as module
from .meshes import MeshModule, read_mesh_sets
from .poses import DataModule

Samples: TypeAlias = DataModule | MeshModule
PARTS = ("train", "val")
POSE_FIELDS = (*module.FIELDS, "crop2d", *module.OF_IMAGES)


def open_samples(
    config: DataConfig,
    parts: Sequence[str] = PARTS,
    *,
    device: torch.device,
    shard: tuple[int, int] = (0, 1),
    reads: Sequence[str] | None = None,
) -> Samples:
    """The splits of a config on its device, for a run that `reads` these fields; DataError or ConfigError say what is
    missing, and the remedy."""
    check_fields(config, reads or ())
    if config.sizes.mesh:
        sets, _ = read_mesh_sets(config, parts)
        return MeshModule(sets, config, device=device, shard=shard)
    poses, split = read_poses(config, parts)
    return DataModule(poses, split, config, parts=parts, device=device, shard=shard, reads=reads)


def check_fields(config: DataConfig, reads: Sequence[str]) -> None:
    """ConfigError where a model `reads` what sets of this kind do not hold."""
    known = mesh_module.FIELDS if config.sizes.mesh else POSE_FIELDS
    lacking = [name for name in reads if name not in known]
    if not lacking:
        return
    if config.sizes.mesh:
        found = f"is a mesh set, and the model reads {', '.join(lacking)}, which sets of poses hold"
    else:
        found = f"is a set of poses, and the model reads {', '.join(lacking)}, which mesh sets hold"
    names = SPLITS if config.sizes.mesh else MESH_SPLITS
    raise ConfigError(f"data.name = {config.name}", [f"{found}; named ones: {', '.join(names)}"])


def facts_of(config: DataConfig, parts: Sequence[str] = PARTS) -> dict[str, Any]:
    """What is told of the data of a run: set, keypoints, fingerprint, and what of it trains and selects. DataError or
    ConfigError when something is missing."""
    if config.sizes.mesh:
        sets, mesh = read_mesh_sets(config, parts)
        prints = "-".join(one.fingerprint() for one in sets.values())
        return {
            "set": mesh.name,
            "keypoints": config.keypoints,
            "fingerprint": prints,
            "train": [mesh.train],
            "val": [mesh.val],
        }
    poses, split = read_poses(config, parts)
    return {
        "set": poses.name,
        "keypoints": poses.keypoints,
        "fingerprint": poses.fingerprint(),
        "train": list(split.train),
        "val": list(split.val),
    }
