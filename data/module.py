"""A data set on the training device: who is in which split, in what order samples come, and how they become batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spaces.schema import ConfigError, did_you_mean

from .batch import Batch, Sizes
from .config import DataConfig
from .formats import h36m
from .geometry import mirror_intrinsics
from .poseset import DataError, PoseSet
from .skeleton import Skeleton
from .splits import SPLITS, Split, split_named
from .tracks import Tracks, tracks_of
from .windows import Windows, mirror_where, reference_order, windows

FIELDS = ("pose2d", "pose3d", "window3d", "root3d", "camera", "action")


def split_of(config: DataConfig) -> Split:
    """The split that the config names, its subject knobs put in; a bare set name gives a split without subjects."""
    named = split_named(config.name) or Split(name=config.name, set=config.name, train=(), val=(), test=())
    return dataclasses.replace(
        named,
        train=config.train_subjects or named.train,
        val=config.val_subjects or named.val,
        test=config.test_subjects or named.test,
    )


def read_poses(config: DataConfig, parts: Sequence[str]) -> tuple[PoseSet, Split]:
    """The pose set behind a config, only the subjects of `parts`, and its split. A set without named splits is whole in
    `test` when no subject knob says otherwise. DataError or ConfigError name what is missing and the remedy."""
    split = split_of(config)
    root = Path(config.root)
    sets = h36m.available_sets(root)
    if split.set not in sets and split_named(config.name) is None:
        names = [*SPLITS, *sets]
        raise ConfigError(
            f"data.name = {config.name}",
            [
                f"no such split, and no set of that name in {root}{did_you_mean(config.name, names)}; "
                f"splits: {', '.join(SPLITS)}; sets found: {', '.join(sets) or 'none'}"
            ],
        )
    wanted = {part: getattr(split, part) for part in parts}
    empty = [part for part in parts if not wanted[part]]
    if empty and (empty != ["test"] or split.train or split.val):
        raise ConfigError(
            f"data.name = {config.name}",
            [f"has no named split, so its {part} subjects must be given: data.{part}_subjects" for part in empty],
        )
    subjects = None if empty else {subject for part in parts for subject in wanted[part]}
    poses = h36m.read(root, split.set, config.keypoints, joints=config.joints, subjects=subjects)
    if empty:
        split = dataclasses.replace(split, test=poses.subjects)
    _check_actions(poses, config)
    return poses, split


def _check_actions(poses: PoseSet, config: DataConfig) -> None:
    groups = sorted({clip.group for clip in poses.sequences})
    unknown = [
        f"data.actions: no action '{name}'{did_you_mean(name, groups)}; here: {', '.join(groups)}"
        for name in config.actions
        if name not in groups
    ]
    if unknown:
        raise DataError(f"data.name = {config.name}", unknown)


class DataModule:
    """The splits of one data set, resident on `device`, answering `order` and `gather` by index arithmetic.

    `shard` = (rank, world): the global order depends on (seed, epoch) only; a rank takes its slice of every batch.
    """

    def __init__(
        self,
        poses: PoseSet,
        split: Split,
        config: DataConfig,
        *,
        parts: Sequence[str] = ("train", "val"),
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        shard: tuple[int, int] = (0, 1),
    ) -> None:
        self.config = config
        self.sizes: Sizes = config.sizes
        self.shard = shard
        self.device = torch.device(device)
        self.fingerprint = poses.fingerprint()
        clips = [clip for clip in poses.sequences if not config.actions or clip.group in config.actions]
        self.actions: tuple[str, ...] = tuple(dict.fromkeys(clip.group for clip in clips))
        self._mirror = torch.tensor(self.sizes.skeleton.mirror, device=self.device)
        self._tracks: dict[str, Tracks] = {}
        self._windows: dict[str, Windows] = {}
        for part in parts:
            chosen = [clip for clip in clips if clip.subject in getattr(split, part)]
            if not chosen:
                raise DataError(
                    f"data.name = {config.name}",
                    [f"no clip is left for {part}: look at data.{part}_subjects and data.actions"],
                )
            is_train = part == "train"
            tracks = self._tracks[part] = tracks_of(chosen, config, self.actions).to(self.device, dtype)
            self._windows[part] = windows(
                tracks.lengths,
                frames=config.frames,
                chunk=config.stride if is_train else 1,
                shift=(config.frames - 1) // 2 if config.causal else 0,
                mirrored=config.flip and is_train,
                downsample=config.downsample if is_train else 1,
                subset=config.subset if is_train else 1.0,
            )
            if not self.count(part):
                raise DataError(f"data.subset = {config.subset}", ["leaves no frame to train on; raise it"])

    def count(self, part: str) -> int:
        """Samples of a split; with `data.flip` a training sample and its mirror image count as two."""
        return len(self._windows[part])

    def order(self, part: str, epoch: int, seed: int) -> Tensor:
        """Sample indices [N] in the order of this epoch (counted from 1): shuffled for train, as stored otherwise."""
        count = self.count(part)
        if part != "train":
            return torch.arange(count, device=self.device)
        if self.config.order == "reference":
            return torch.as_tensor(reference_order(count, epoch - 1), device=self.device)
        source = torch.Generator().manual_seed(int(np.random.SeedSequence((seed, epoch)).generate_state(1)[0]))
        return torch.randperm(count, generator=source).to(self.device)

    def batches(self, part: str, epoch: int, seed: int, size: int) -> Iterator[tuple[Tensor, int, int]]:
        """This rank's slice of every batch of `size` target frames: sample indices, how many are its own, of how many.

        The short last batch is kept. A rank without a sample of its own gets one of another rank's, to be counted as
        none: all ranks take every step together."""
        rank, world = self.shard
        for batch in self.order(part, epoch, seed).split(self.batch_samples(part, size)):
            low, high = share(len(batch), rank, world)
            yield batch[low : max(high, low + 1)] if low < len(batch) else batch[-1:], high - low, len(batch)

    def span(self, part: str) -> tuple[int, int]:
        """The stored samples [low, high) of a split that this rank scores."""
        return share(self.count(part), *self.shard)

    def num_batches(self, part: str, size: int) -> int:
        """Steps of one epoch."""
        return -(-self.count(part) // self.batch_samples(part, size))

    def batch_samples(self, part: str, size: int) -> int:
        """Samples that hold `size` target frames."""
        return max(1, size // self.sizes.stride) if part == "train" else size

    def gather(self, part: str, index: Tensor, fields: Sequence[str] = FIELDS) -> Batch:
        """The samples of `index` [B] as a Batch of the named fields."""
        tracks, cut = self._tracks[part], self._windows[part]
        sizes, mirror = self.sizes, self._mirror
        count, joints = len(index), sizes.skeleton.num_joints
        found: dict[str, Tensor] = {}
        is_mirrored = cut.is_mirrored.index_select(0, index) if cut.is_mirrored is not None else None
        if "pose2d" in fields or "window3d" in fields:
            rows = cut.rows(index)
            frames, flat = rows.shape[1], rows.reshape(-1)
            if "pose2d" in fields:
                shape = (count, frames, sizes.views, joints, 2)
                found["pose2d"] = tracks.pose2d.index_select(0, flat).view(shape).transpose(1, 2)
            if "window3d" in fields:
                found["window3d"] = tracks.pose3d.index_select(0, flat).view(count, frames, joints, 3)
        if "pose3d" in fields or "root3d" in fields:
            targets = cut.target_rows(index)
            flat = targets.reshape(-1)
            if "pose3d" in fields:
                found["pose3d"] = tracks.pose3d.index_select(0, flat).view(*targets.shape, joints, 3)
            if "root3d" in fields:
                found["root3d"] = tracks.root3d.index_select(0, flat).view(*targets.shape, 1, 3)
        track = cut.track.index_select(0, index) if "camera" in fields or "action" in fields else None
        if track is not None and "camera" in fields:
            found["camera"] = tracks.camera.index_select(0, track)
        if is_mirrored is not None:
            found |= _mirrored(found, is_mirrored, mirror)
        if track is not None and "action" in fields:
            found["action"] = tracks.action.index_select(0, track)
        return Batch(size=count, **found)

    def truth(self, part: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Every target of a split in stored order: pose3d [N, J, 3] metres, track [N], action [N], and the number of
        frames of its track [N]."""
        tracks = self._tracks[part]
        track = torch.repeat_interleave(torch.arange(len(tracks.lengths), device=self.device), tracks.lengths)
        poses = tracks.pose3d.view(len(track), -1, 3)
        return poses, track, tracks.action.index_select(0, track), tracks.lengths.index_select(0, track)


def share(count: int, rank: int, world: int) -> tuple[int, int]:
    """The part [low, high) of `count` things that a rank has; the parts of all ranks make the whole."""
    return count * rank // world, count * (rank + 1) // world


def mirror_batch(batch: Batch, skeleton: Skeleton) -> Batch:
    """The batch seen in a mirror: x negated, left and right swapped, cameras with it."""
    mirror = torch.tensor(skeleton.mirror, device=batch.pose2d.device if batch.pose2d is not None else None)
    everyone = torch.ones(batch.size, dtype=torch.bool, device=mirror.device)
    fields = {name: value for name in FIELDS[:-1] if (value := getattr(batch, name)) is not None}
    turned: dict[str, Any] = dict(_mirrored(fields, everyone, mirror))
    return dataclasses.replace(batch, **turned)


def _mirrored(fields: dict[str, Tensor], is_mirrored: Tensor, mirror: Tensor) -> dict[str, Tensor]:
    turned: dict[str, Tensor] = {}
    for name, value in fields.items():
        if name == "camera":
            turned[name] = torch.where(is_mirrored[:, None, None], mirror_intrinsics(value), value)
        else:
            turned[name] = mirror_where(value, is_mirrored, mirror if name != "root3d" else mirror.new_zeros(1))
    return turned
