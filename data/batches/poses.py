"""DataModule: batches of a pose set whose arrays stay on the training device, gathered by index arithmetic."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self, cast

import numpy as np
import torch
from torch import Tensor

from ..config import DataConfig
from ..errors import DataError
from ..images.cache import crop_keypoints, has_images, open_images
from ..images.mesh_crops import Boxed
from ..poses.geometry import mirror_intrinsics, mirror_points
from ..poses.poseset import PoseSet
from ..poses.skeleton import Skeleton
from ..poses.splits import TRAINING_PARTS, Split
from .batch import Batch, Sizes
from .feed import ImageCrops, Source
from .order import share, shuffled, slices
from .stretch import Stretch, stretch_rows
from .tracks import Span, Tracks, spans_of, tracks_of
from .truth import Truth
from .windows import Windows, mirror_where, reference_order, windows

FIELDS = ("pose2d", "pose3d", "window3d", "root3d", "camera", "action")
OF_IMAGES = ("image", "features")
COIN_STREAM = 1  # of the random streams of an epoch; the order of its samples has none


class DataModule:
    """The splits of one pose set, resident on `device`; implements `Samples`.

    `shard` = (rank, world): the global order depends on (seed, epoch) only; a rank takes its slice of every batch.
    `sources` supply fields that are not in memory: `image` where the clips have images and `reads`, the fields that
    will be asked for, includes images or features (None: all fields)."""

    def __init__(
        self,
        poses: PoseSet,
        split: Split,
        config: DataConfig,
        *,
        parts: Sequence[str] = TRAINING_PARTS,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        shard: tuple[int, int] = (0, 1),
        reads: Sequence[str] | None = None,
    ) -> None:
        self.config = config
        self.sizes: Sizes = config.sizes
        self.shard = shard
        self.device = torch.device(device)
        self.split = split
        self.fingerprint = poses.fingerprint()
        clips = [clip for clip in poses.sequences if not config.actions or clip.group in config.actions]
        self.actions: tuple[str, ...] = tuple(dict.fromkeys(clip.group for clip in clips))
        self.subjects: tuple[str, ...] = tuple(dict.fromkeys(clip.subject for clip in clips))
        self._mirror = torch.tensor(self.sizes.skeleton.mirror, device=self.device)
        self._tracks: dict[str, Tracks] = {}
        self._windows: dict[str, Windows] = {}
        self._truths: dict[str, Truth] = {}
        self._spans: dict[str, list[Span]] = {}
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
            tracks = tracks_of(chosen, config, self.actions, self.subjects).to(self.device, dtype)
            self._tracks[part] = tracks
            self._spans[part] = spans_of(chosen, config.views, poses.fps)
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
            if not is_train:
                self._truths[part] = tracks.truth()

    @classmethod
    def of_arrays(
        cls,
        config: DataConfig,
        split: Split,
        arrays: Mapping[str, Mapping[str, Any]],
        spans: Mapping[str, list[Span]],
        *,
        shard: tuple[int, int],
        fingerprint: str,
        actions: tuple[str, ...],
        subjects: tuple[str, ...],
    ) -> Self:
        """Builds the module from the arrays and spans of another one of the same config, on the CPU and without
        images."""
        made = cls.__new__(cls)
        made.config, made.sizes, made.split, made.shard = config, config.sizes, split, shard
        made.device = torch.device("cpu")
        made.fingerprint, made.actions, made.subjects = fingerprint, actions, subjects
        made._mirror = torch.tensor(made.sizes.skeleton.mirror)
        made._tracks, made._windows, made._truths = (dict(arrays[kind]) for kind in ("tracks", "windows", "truths"))
        made._spans, made._crop2d, made.sources = dict(spans), {}, {}
        return made

    def arrays(self) -> dict[str, dict[str, Any]]:
        """Returns the arrays of the splits as `of_arrays` takes them: Tracks, Windows and Truth by part."""
        return {"tracks": dict(self._tracks), "windows": dict(self._windows), "truths": dict(self._truths)}

    @property
    def image_crops(self) -> ImageCrops | None:
        """The source of `image`; None where the clips have no images, or nobody reads them."""
        return cast("ImageCrops | None", self.sources.get("image"))  # only crops are put under that name

    def has_field(self, name: str) -> bool:
        """Returns whether `gather` can supply this Batch field."""
        return name in FIELDS or name in self.sources or (name == "crop2d" and bool(self._crop2d))

    def is_streamed(self, fields: Sequence[str]) -> bool:
        """Returns whether any of the fields comes from a source rather than from arrays on the device."""
        return any(name in self.sources for name in fields)

    def count(self, part: str) -> int:
        """Returns the number of samples of a split; with `data.flip` by samples a training sample and its mirror image
        count as two."""
        return len(self._windows[part])

    def order(self, part: str, epoch: int, seed: int, size: int | None = None) -> Tensor:
        """Returns sample indices [N] in the order of this epoch (counted from 1): shuffled for train, as stored
        otherwise.

        `size`: target frames of a batch, required where whole batches are mirrored (`data.flip_by`); there an index of
        N or more is the mirror image of sample index - N."""
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
        """Yields this rank's slice of every batch of `size` target frames: sample indices, its own count, that of all
        ranks.

        The short last batch is kept. A rank without a sample of its own gets one of another rank's, counted as 0: all
        ranks take every step together."""
        whole = self.order(part, epoch, seed, size).split(self.batch_samples(part, size))
        for own, count, of, following in slices(whole, self.shard):
            # The first one too: a source forgets what it expects when something else is fetched.
            for upcoming in (own, following):
                if upcoming is not None:
                    self.expect(part, upcoming)
            yield own, count, of

    def span(self, part: str) -> tuple[int, int]:
        """Returns the stored samples [low, high) of a split that this rank scores."""
        return share(self.count(part), *self.shard)

    def spans(self, part: str) -> list[Span]:
        """Lists the stored frames of each track of a split, in order: those of a clip as one camera sees it, or several
        together."""
        return self._spans[part]

    def num_batches(self, part: str, size: int) -> int:
        """Returns the steps of one epoch."""
        return -(-self.count(part) // self.batch_samples(part, size))

    def batch_samples(self, part: str, size: int) -> int:
        """Returns the number of samples that hold `size` target frames."""
        return max(1, size // self.sizes.stride) if part == "train" else size

    def expect(self, part: str, index: Tensor) -> None:
        """Announces that samples `index` [B] will be gathered soon, so that slow sources can start."""
        for source in self.sources.values():
            source.expect(part, self._image_rows(part, index % self.count(part)))

    def _image_rows(self, part: str, index: Tensor) -> Tensor:
        """Returns the image numbers [B, V] of samples `index` [B]: those of the middle target frame."""
        targets = self._windows[part].target_rows(index)
        views = torch.arange(self.sizes.views, device=index.device)
        return targets[:, targets.shape[1] // 2, None] * self.sizes.views + views

    def gather(self, part: str, index: Tensor, fields: Sequence[str] = FIELDS, *, mirrored: bool = False) -> Batch:
        """Returns samples `index` [B] as a Batch of the named fields; `mirrored` returns every sample's mirror
        image."""
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
        if {"pose2d", "crop2d", "window3d"} & set(fields):
            rows = cut.rows(index)
            frames, flat = rows.shape[1], rows.reshape(-1)
            kinds = (("pose2d", tracks.pose2d, sizes.channels), ("crop2d", self._crop2d.get(part), 2))
            for name, points, channels in kinds:
                if name in fields and points is not None:
                    shape = (count, frames, sizes.views, joints, channels)
                    found[name] = points.index_select(0, flat).view(shape).transpose(1, 2)
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
            found |= _mirrored(found, is_mirrored, mirror, self.config.crop_width)
        for name, source in self.sources.items():
            if name in fields:
                found[name] = source.fetch(part, self._image_rows(part, index), is_mirrored)
        if part != "train" and not mirrored and self.is_streamed(fields):
            following = torch.arange(int(index[-1]) + 1, self.count(part), device=self.device)[: len(index)]
            if len(following):
                self.expect(part, following)
        if track is not None and "action" in fields:
            found["action"] = tracks.action.index_select(0, track)
        return Batch(size=count, **found)

    def stretch(self, part: str, low: int, high: int, *, mirrored: bool = False) -> Stretch:
        """Returns the samples [low, high) of a split that is scored, with every frame once; `mirrored` returns their
        mirror images."""
        assert part != "train", "samples of the training split are not consecutive frames"
        points, sizes = self._tracks[part].pose2d, self.sizes
        if sizes.frames == 1:
            rows, starts = points[low:high], torch.arange(high - low, device=self.device)
        else:
            before = sizes.frames - 1 if sizes.causal else (sizes.frames - 1) // 2
            index, starts = stretch_rows(self._spans[part], low, high, before, sizes.frames - 1 - before)
            rows, starts = points.index_select(0, index.to(self.device)), starts.to(self.device)
        pose2d = rows.view(-1, sizes.views, sizes.skeleton.num_joints, sizes.channels)
        return Stretch(pose2d=mirror_points(pose2d, self._mirror) if mirrored else pose2d, starts=starts)

    def truth(self, part: str) -> Truth:
        """Returns all target poses of a split in stored order."""
        return self._truths[part]

    def boxed(self, part: str, index: Tensor) -> Boxed:
        """Raises DataError: pose sets keep crops of their images at one size, not the whole images."""
        raise DataError(f"data.name = {self.config.name}", ["is a set of poses; only mesh sets keep whole images"])

    def num_scored(self, part: str) -> int:
        """Returns the number of target frames of a split that count in a score."""
        truth = self._truths[part]
        return len(truth.action) if truth.valid is None else int(truth.valid.sum())


def mirror_batch(batch: Batch, skeleton: Skeleton) -> Batch:
    """Mirrors a batch: x negated, left and right swapped, cameras and images with it. Trunk features of an image cannot
    be mirrored: `gather(..., mirrored=True)` gives those of the mirrored image."""
    assert batch.features is None, "features of a mirrored image are not the mirrored features"
    mirror = torch.tensor(skeleton.mirror, device=batch.pose2d.device if batch.pose2d is not None else None)
    everyone = torch.ones(batch.size, dtype=torch.bool, device=mirror.device)
    fields = {name: value for name in (*FIELDS[:-1], "crop2d") if (value := getattr(batch, name)) is not None}
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
