"""A data set on the training device: who is in which split, in what order samples come, and how they become batches."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spaces.schema import ConfigError, did_you_mean

from .batch import Batch, Sizes
from .config import DataConfig
from .feed import ReadsAhead, Source
from .formats import h36m, h36m_images
from .geometry import mirror_intrinsics, to_screen, world_to_camera
from .images import crop_keypoints, has_images, open_images
from .order import share, shuffled, slices
from .poseset import Camera, DataError, PoseSet
from .poseset import Sequence as Clip
from .skeleton import Skeleton
from .splits import IMAGE_SETS, SPLITS, Split, split_named
from .windows import Windows, mirror_where, reference_order, windows

FIELDS = ("pose2d", "pose3d", "root3d", "camera", "action")
OF_IMAGES = ("image", "features")
COIN_STREAM = 1  # of the random streams of an epoch; the order of its samples has none


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
    of_images = h36m_images.available_sets(root)
    sets = (*h36m.available_sets(root), *of_images)
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
    read = h36m.read
    if split.set in of_images or split.set in IMAGE_SETS:
        read = functools.partial(h36m_images.read, kept_in=config.cache_folder / "labels")
    poses = read(root, split.set, config.keypoints, joints=config.joints, subjects=subjects)
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


@dataclasses.dataclass(frozen=True, slots=True)
class Tracks:
    """One split as flat arrays of N frames in T tracks; a track is one clip, seen by V cameras.

    pose2d [N, V*J*2], pose3d [N, J*3], root3d [N, 3], camera [T, V, 9], action [T], lengths [T]; units as in Batch.
    """

    pose2d: Tensor
    pose3d: Tensor
    root3d: Tensor
    camera: Tensor
    action: Tensor
    lengths: Tensor


class DataModule:
    """The splits of one data set, resident on `device`, answering `order` and `gather` by index arithmetic.

    `shard` = (rank, world): the global order depends on (seed, epoch) only; a rank takes its slice of every batch.
    `sources` give fields that are not in memory: `image` where the clips have images, unless `reads`, the fields that
    will be asked for, tells that nobody wants them.
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
        reads: Sequence[str] | None = None,
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
        self._crop2d: dict[str, Tensor] = {}
        self.sources: dict[str, Source] = {}
        members = {part: [clip for clip in clips if clip.subject in getattr(split, part)] for part in parts}
        for part in parts:
            if not members[part]:
                raise DataError(
                    f"data.name = {config.name}",
                    [f"no clip is left for {part}: look at data.{part}_subjects and data.actions"],
                )
        is_thinned = False
        if has_images(clips) and (reads is None or set(reads) & set(OF_IMAGES)):
            members, self.sources["image"] = open_images(members, config, self.device)
            is_thinned = config.frames == 1
        for part in parts:
            chosen = members[part]
            is_train = part == "train"
            tracks = _tracks(chosen, config, self.actions)
            tracks = Tracks(*(_place(getattr(tracks, f.name), self.device, dtype) for f in dataclasses.fields(Tracks)))
            self._tracks[part] = tracks
            if has_images(chosen):
                points = crop_keypoints(chosen, config.views, *self.sizes.crop)
                self._crop2d[part] = points.to(self.device, dtype)
            self._windows[part] = windows(
                tracks.lengths,
                frames=config.frames,
                chunk=config.stride if is_train else 1,
                shift=(config.frames - 1) // 2 if config.causal else 0,
                mirrored=config.flip and is_train and config.flip_by == "samples",
                downsample=config.downsample if is_train and not is_thinned else 1,
                subset=config.subset if is_train and not is_thinned else 1.0,
            )
            if not self.count(part):
                raise DataError(f"data.subset = {config.subset}", ["leaves no frame to train on; raise it"])

    def count(self, part: str) -> int:
        """Samples of a split; with `data.flip` by samples a training sample and its mirror image count as two."""
        return len(self._windows[part])

    def order(self, part: str, epoch: int, seed: int, size: int | None = None) -> Tensor:
        """Sample indices [N] in the order of this epoch (counted from 1): shuffled for train, as stored otherwise.

        `size`: target frames of a batch, which must be told where whole batches are mirrored (`data.flip_by`); there
        an index of N or more is the mirror image of sample index - N."""
        count = self.count(part)
        if part != "train":
            return torch.arange(count, device=self.device)
        if self.config.order == "reference":
            order = torch.as_tensor(reference_order(count, epoch - 1))
        else:
            order = shuffled(count, epoch, seed)
        if self._flips_batches:
            assert size is not None, "the size of a batch is needed to mirror whole ones"
            in_batch = self.batch_samples(part, size)
            coins = np.random.default_rng((seed, epoch, COIN_STREAM)).random(-(-count // in_batch)) < 0.5
            order += torch.from_numpy(coins).repeat_interleave(in_batch)[:count] * count
        return order.to(self.device)

    @property
    def _flips_batches(self) -> bool:
        return self.config.flip and self.config.flip_by == "batches"

    def batches(self, part: str, epoch: int, seed: int, size: int) -> Iterator[tuple[Tensor, int, int]]:
        """This rank's slice of every batch of `size` target frames: sample indices, how many are its own, of how many.

        The short last batch is kept. A rank without a sample of its own gets one of another rank's, to be counted as
        none: all ranks take every step together."""
        whole = self.order(part, epoch, seed, size).split(self.batch_samples(part, size))
        for own, count, of, following in slices(whole, self.shard):
            # The first one too: a source forgets what it expects when something else is fetched.
            for upcoming in (own, following):
                if upcoming is not None:
                    self.expect(part, upcoming)
            yield own, count, of

    def span(self, part: str) -> tuple[int, int]:
        """The stored samples [low, high) of a split that this rank scores."""
        return share(self.count(part), *self.shard)

    def num_batches(self, part: str, size: int) -> int:
        """Steps of one epoch."""
        return -(-self.count(part) // self.batch_samples(part, size))

    def batch_samples(self, part: str, size: int) -> int:
        """Samples that hold `size` target frames."""
        return max(1, size // self.sizes.stride) if part == "train" else size

    def expect(self, part: str, index: Tensor) -> None:
        """Says that samples `index` [B] will be gathered soon, so that slow sources can begin."""
        for source in self.sources.values():
            if isinstance(source, ReadsAhead):
                source.expect(part, self._image_rows(part, index % self.count(part)))

    def _image_rows(self, part: str, index: Tensor) -> Tensor:
        """Numbers [B, V] of the images of samples `index` [B]: those of the middle target frame."""
        targets = self._windows[part].target_rows(index)
        views = torch.arange(self.sizes.views, device=index.device)
        return targets[:, targets.shape[1] // 2, None] * self.sizes.views + views

    def gather(self, part: str, index: Tensor, fields: Sequence[str] = FIELDS, *, mirrored: bool = False) -> Batch:
        """The samples of `index` [B] as a Batch of the named fields, or all of them once more in a mirror."""
        tracks, cut = self._tracks[part], self._windows[part]
        sizes, mirror = self.sizes, self._mirror
        count, joints = len(index), sizes.skeleton.num_joints
        found: dict[str, Tensor] = {}
        is_mirrored = None
        if part == "train" and self._flips_batches:
            is_mirrored, index = index >= self.count(part), index % self.count(part)
        elif cut.is_mirrored is not None:
            is_mirrored = cut.is_mirrored.index_select(0, index)
        if mirrored:
            is_mirrored = torch.ones_like(index, dtype=torch.bool) if is_mirrored is None else ~is_mirrored
        for name, points in (("pose2d", tracks.pose2d), ("crop2d", self._crop2d.get(part))):
            if name in fields and points is not None:
                rows = cut.rows(index)
                shape = (count, rows.shape[1], sizes.views, joints, 2)
                found[name] = points.index_select(0, rows.reshape(-1)).view(shape).transpose(1, 2)
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
            found |= _mirrored(found, is_mirrored, mirror, self.config.crop_width)
        for name, source in self.sources.items():
            if name in fields:
                found[name] = source.fetch(part, self._image_rows(part, index), is_mirrored)
        if part != "train" and not mirrored and any(name in self.sources for name in fields):
            following = torch.arange(int(index[-1]) + 1, self.count(part), device=self.device)[: len(index)]
            if len(following):
                self.expect(part, following)
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


def mirror_batch(batch: Batch, skeleton: Skeleton) -> Batch:
    """The batch seen in a mirror: x negated, left and right swapped, cameras and images with it. What a trunk makes of
    an image cannot be mirrored: `gather(..., mirrored=True)` gives that of the mirrored one."""
    assert batch.features is None, "features of a mirrored image are not the mirrored features"
    mirror = torch.tensor(skeleton.mirror, device=batch.pose2d.device if batch.pose2d is not None else None)
    everyone = torch.ones(batch.size, dtype=torch.bool, device=mirror.device)
    fields = {name: value for name in (*FIELDS[:4], "crop2d") if (value := getattr(batch, name)) is not None}
    image = batch.image
    turned: dict[str, Any] = dict(_mirrored(fields, everyone, mirror, image.shape[-1] if image is not None else None))
    if image is not None:
        turned["image"] = image.flip(-1)
    return dataclasses.replace(batch, **turned)


def _mirrored(
    fields: dict[str, Tensor], is_mirrored: Tensor, mirror: Tensor, crop_width: int | None
) -> dict[str, Tensor]:
    turned: dict[str, Tensor] = {}
    for name, value in fields.items():
        if name == "camera":
            turned[name] = torch.where(is_mirrored[:, None, None], mirror_intrinsics(value), value)
        else:
            turned[name] = mirror_where(value, is_mirrored, mirror if name != "root3d" else mirror.new_zeros(1))
        if name == "crop2d":
            assert crop_width is not None, "keypoints of a crop are mirrored with their image"
            # A pixel x of X goes to X - 1 - x, in crop units x to -x - 2 / X: the middle of a crop lies between pixels.
            shift = is_mirrored.view(-1, 1, 1, 1) * (2 / crop_width)
            turned[name][..., 0] -= shift
    return turned


def _place(array: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    return array.to(device, dtype) if array.is_floating_point() else array.to(device)


def _tracks(clips: Sequence[Clip], config: DataConfig, actions: tuple[str, ...]) -> Tracks:
    """Flat arrays of the clips: one track per clip and camera with one view, per clip with several."""
    pose2d, pose3d, root3d, camera, action, lengths = [], [], [], [], [], []
    for clip in clips:
        world = torch.from_numpy(clip.pose3d)
        lenses = [torch.from_numpy(lens.intrinsics) for lens in clip.cameras]
        screens = [
            to_screen(torch.from_numpy(pixels), lens.width, lens.height).float()
            for pixels, lens in zip(clip.pose2d, clip.cameras, strict=True)
        ]
        for views in _view_groups(len(clip.cameras), config.views, clip):
            poses = _to_camera(world, clip.cameras[views[0]])
            pose2d.append(torch.stack([screens[view] for view in views], 1).flatten(1))
            root3d.append(poses[:, 0])
            pose3d.append((poses - poses[:, :1]).flatten(1))
            camera.append(torch.stack([lenses[view] for view in views]).float())
            action.append(actions.index(clip.group))
            lengths.append(len(world))
    return Tracks(
        pose2d=torch.cat(pose2d),
        pose3d=torch.cat(pose3d),
        root3d=torch.cat(root3d),
        camera=torch.stack(camera),
        action=torch.tensor(action),
        lengths=torch.tensor(lengths),
    )


def _to_camera(world: Tensor, camera: Camera) -> Tensor:
    orientation, translation = (torch.from_numpy(part).to(world) for part in (camera.orientation, camera.translation))
    return world_to_camera(world, orientation, translation)


def _view_groups(num_cameras: int, views: int, clip: Clip) -> list[list[int]]:
    if views == 1:
        return [[view] for view in range(num_cameras)]
    if num_cameras < views:
        found = f"has {num_cameras} views, but data.views = {views}"
        raise DataError(f"subject {clip.subject}, action {clip.action}", [f"{found}; lower data.views"])
    return [list(range(views))]
