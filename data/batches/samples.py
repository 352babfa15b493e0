"""The `Samples` protocol that training and scoring read data through, and the functions that open a config's data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from spaces.errors import ConfigError, InputError

from ..config import DataConfig, Sizes
from ..formats.source import read_poses, split_of
from ..images.cache import has_images
from ..images.mesh_crops import Boxed
from ..poses.detected import affected_frames
from ..poses.poseset import TRUE_2D, PoseSet
from ..poses.splits import MESH_SPLITS, SPLITS, TRAINING_PARTS, MeshSplit, Split, mesh_split_named
from . import meshes as mesh_module
from . import poses as module
from .batch import Batch
from .feed import ImageCrops, Source
from .kept import kept_module
from .meshes import MeshModule, fingerprint_of, read_mesh_sets
from .poses import DataModule
from .stretch import Stretch
from .truth import Truth

POSE_FIELDS = (*module.FIELDS, "crop2d", *module.OF_IMAGES)


class Samples(Protocol):
    """The splits of one data set as index tensors and batches: `DataModule` of pose sets, `MeshModule` of mesh sets.

    A split (`part`) is train, val or test. An index is an int64 tensor [B] of sample numbers on `device`. Every rank of
    `shard` = (rank, world) sees the same global order, which depends on (seed, epoch) only, and takes its slice of each
    batch.

    config: the data knobs; sizes: views, frames, skeleton and crop size that a network is built for; device: of every
    tensor returned; fingerprint: digest of the files read; actions, subjects: names that the int64 fields `action` and
    `subject` of `Truth` index, both empty where samples have none (mesh sets); sources: suppliers by field name, to
    which training adds trunk features."""

    config: DataConfig
    sizes: Sizes
    device: torch.device
    shard: tuple[int, int]
    fingerprint: str
    actions: tuple[str, ...]
    subjects: tuple[str, ...]
    sources: dict[str, Source]

    @property
    def split(self) -> Split | MeshSplit:
        """The subjects, or the files of a mesh set, that train, select and test."""
        ...

    @property
    def image_crops(self) -> ImageCrops | None:
        """The numbered image crops that trunk features are computed from; None where the set has none."""
        ...

    def has_field(self, name: str) -> bool:
        """Returns whether `gather` can supply this Batch field."""
        ...

    def count(self, part: str) -> int:
        """Returns the number of samples of a split, N."""
        ...

    def num_scored(self, part: str) -> int:
        """Returns the number of target poses of a split that count in a score."""
        ...

    def span(self, part: str) -> tuple[int, int]:
        """Returns the stored samples [low, high) of a split that this rank scores."""
        ...

    def num_batches(self, part: str, size: int) -> int:
        """Returns the steps of one epoch with batches of `size` target frames."""
        ...

    def batch_samples(self, part: str, size: int) -> int:
        """Returns the number of samples that hold `size` target frames."""
        ...

    def order(self, part: str, epoch: int, seed: int, size: int | None = None) -> Tensor:
        """Returns sample indices [N] in the order of an epoch, counted from 1: shuffled for train, as stored otherwise.

        `size`: target frames of a batch, required where whole batches are mirrored (`data.flip_by`). An index also
        carries the random augmentation of its sample, so it may exceed N; only `gather` and `expect` read it."""
        ...

    def batches(self, part: str, epoch: int, seed: int, size: int) -> Iterator[tuple[Tensor, int, int]]:
        """Yields this rank's slice of every batch of `size` target frames: indices, its own count, that of all ranks.

        The short last batch is kept. A rank without a sample of its own gets one of another rank, counted as 0."""
        ...

    def expect(self, part: str, index: Tensor) -> None:
        """Announces that samples `index` [B] will be gathered soon, so that slow reading can start."""
        ...

    def gather(self, part: str, index: Tensor, fields: Sequence[str], *, mirrored: bool = False) -> Batch:
        """Returns samples `index` [B] as a Batch of the named fields; `mirrored` returns the mirror image of every
        sample, and raises DataError for hands: in a mirror a right hand is a left one."""
        ...

    def is_streamed(self, fields: Sequence[str]) -> bool:
        """Returns whether any of the fields is read or decoded for each batch, rather than indexed on the device."""
        ...

    def truth(self, part: str) -> Truth:
        """Returns all target poses of a split in stored order; DataError on mesh sets, which are scored by labels."""
        ...

    def stretch(self, part: str, low: int, high: int, *, mirrored: bool = False) -> Stretch:
        """Returns the samples [low, high) of a scored split, low < high, with every frame of their windows once;
        DataError on mesh sets, which have no windows."""
        ...

    def boxed(self, part: str, index: Tensor) -> Boxed:
        """Returns whole images of unchanged samples `index` [B] with their boxes; DataError where the set has none."""
        ...


def open_samples(
    config: DataConfig,
    parts: Sequence[str] = TRAINING_PARTS,
    *,
    device: torch.device,
    shard: tuple[int, int] = (0, 1),
    reads: Sequence[str] | None = None,
    kept_in: Path | None = None,
) -> Samples:
    """Opens the named splits of a config on a device, for a run that `reads` these Batch fields (None: all).

    `kept_in`: a folder in which processes of this machine keep what they read, so that a set of poses is held once in
    main memory (None: this one has its own). DataError or ConfigError name what is missing, and the remedy."""
    check_fields(config, reads or ())
    if config.sizes.mesh:
        sets, _ = read_mesh_sets(config, parts)
        return MeshModule(sets, config, device=device, shard=shard)

    def build() -> DataModule:
        poses, split = read_poses(config, parts)
        return DataModule(poses, split, config, parts=parts, device=device, shard=shard, reads=reads)

    if kept_in is None or device.type != "cpu":
        return build()
    return kept_module(config, parts, kept_in, split_of(config), build, shard)


def check_fields(config: DataConfig, reads: Sequence[str]) -> None:
    """Raises ConfigError where a model `reads` Batch fields that sets of this kind do not hold."""
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


def any_split_of(config: DataConfig) -> Split | MeshSplit:
    """Returns the split that a config names, of poses (its subject knobs put in) or of mesh sets."""
    return mesh_split_named(config.name) or split_of(config)


def facts_of(
    config: DataConfig,
    parts: Sequence[str] = TRAINING_PARTS,
    tell: Callable[[str], None] | None = None,
    kept_in: Path | None = None,
) -> dict[str, Any]:
    """Reads the named splits of a config and returns what a run records of its data: set, keypoints, fingerprint, and
    the subjects or files that train and select. DataError or ConfigError when something is missing.

    `tell`: is called with a line about the frames in which a detector's 2D is not usable as it is; not for true 2D.
    `kept_in`: the folder in which `open_samples` finds what was read here, if the parts are those of training."""
    split: Split | MeshSplit
    if config.sizes.mesh:
        sets, split = read_mesh_sets(config, parts)
        facts = {"set": split.name, "keypoints": config.keypoints, "fingerprint": fingerprint_of(sets)}
    else:
        poses, split = read_poses(config, parts)
        if tell is not None and poses.keypoints != TRUE_2D:
            tell(_detections_line(poses, config.root))
        facts = {"set": poses.name, "keypoints": poses.keypoints, "fingerprint": poses.fingerprint()}
        if kept_in is not None and tuple(parts) == TRAINING_PARTS and not has_images(poses.sequences):
            with suppress(InputError):  # what cannot train is told by who trains
                kept_module(
                    config, parts, kept_in, split, lambda: DataModule(poses, split, config, parts=parts), (0, 1)
                )
    return facts | {part: list(split.members(part)) for part in TRAINING_PARTS}


def _detections_line(poses: PoseSet, root: str) -> str:
    """Describes the share of camera frames whose 2D is not usable as it is."""
    affected, count = affected_frames(poses)
    line = f"2D '{poses.keypoints}' of {poses.name}: {affected:,} of {count:,} camera frames ({affected / count:.1%})"
    return f"{line} have no detection, exchanged sides or cameras, or lie far from the 3D"
