"""MeshModule: batches of a mesh set, whose images are decoded, cropped and augmented in threads beside training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spaces.errors import InputError

from ..bodies.body_model import SHAPE_NUMBERS
from ..config import DataConfig
from ..errors import DataError
from ..formats.meshes.mesh_labels import FIGURES, Label
from ..formats.meshes.mesh_rows import boxed_rows, picture_of
from ..formats.meshes.mesh_tsv import MeshSet
from ..images.ahead import AHEAD, Ahead
from ..images.mesh_crops import Boxed, Change, crop_image, draw_changes, moved_joints2d, turned_joints3d, turned_pose
from ..poses.splits import MeshSplit, mesh_split_named
from ..poses.thinning import thinned
from .batch import Batch, Sizes
from .feed import ImageCrops, Source
from .order import seed_of, share, shuffled, slices
from .stretch import Stretch
from .truth import Truth

LABELS = ("joints2d", "joints3d", "body_pose", "betas", "has")
FIELDS = ("image", *LABELS)
CHANGE_STREAM = 2  # of the random streams of an epoch


def read_mesh_sets(config: DataConfig, parts: Sequence[str]) -> tuple[dict[str, MeshSet], MeshSplit]:
    """Opens the mesh sets of a config, by part, with their split. DataError lists what is missing in all of them."""
    split = named_mesh_split(config)
    sets: dict[str, MeshSet] = {}
    problems: list[str] = []
    for part in parts:
        try:
            sets[part] = MeshSet(Path(config.root) / getattr(split, part), split.kind)
            sets[part].label(0)  # a set of the other kind is found out before anything starts
        except InputError as fault:
            problems += [f"{fault.where}: {problem}" for problem in fault.problems]
    if problems:
        raise DataError(f"data.name = {config.name}", list(dict.fromkeys(problems)))
    return sets, split


def named_mesh_split(config: DataConfig) -> MeshSplit:
    """Returns the split of mesh sets that a config names; only called where it names one (`Sizes.mesh`)."""
    split = mesh_split_named(config.name)
    assert split is not None, config.name
    return split


def fingerprint_of(sets: Mapping[str, MeshSet]) -> str:
    """Returns the digests of the sets of a split, joined by hyphens."""
    return "-".join(one.fingerprint() for one in sets.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class MeshLabels:
    """Labels of a whole split in stored order, as in Batch: joints3d [N, J, 4] from their root, body_pose [N, 3 K],
    betas [N, 10], has [N, 3]."""

    joints3d: Tensor
    body_pose: Tensor
    betas: Tensor
    has: Tensor


class MeshModule:
    """The splits of a mesh set; implements `Samples`.

    Training samples are augmented: rotated, scaled, colour-jittered, mirrored. The augmentation is a function of seed,
    epoch and sample, and is part of the index: index = sample + count * key, where `order` makes the key of an epoch
    and key 0 means no augmentation. So an index gives the same sample in any order and on any rank."""

    def __init__(
        self,
        sets: Mapping[str, MeshSet],
        config: DataConfig,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        shard: tuple[int, int] = (0, 1),
    ) -> None:
        self.config = config
        self.sizes: Sizes = config.sizes
        self.shard = shard
        self.device, self.dtype = torch.device(device), dtype
        self.actions: tuple[str, ...] = ()
        self.subjects: tuple[str, ...] = ()
        self.sources: dict[str, Source] = {}  # crops and labels are made here, in threads
        self.fingerprint = fingerprint_of(sets)
        self._sets = dict(sets)
        self._rows = {part: _rows(len(one), part, config) for part, one in sets.items()}
        self._depth = max(AHEAD, config.workers + 1)  # one is fetched while the threads make the others
        self._ahead: Ahead[Batch] = Ahead(max(1, config.workers), "mesh crops", self._depth)
        if not all(len(rows) for rows in self._rows.values()):
            raise DataError(f"data.subset = {config.subset}", ["leaves no image to train on; raise it"])

    @property
    def split(self) -> MeshSplit:
        """The files of the set that train, select and test."""
        return named_mesh_split(self.config)

    @property
    def image_crops(self) -> ImageCrops | None:
        """None: the crops of mesh sets change from epoch to epoch, so no trunk features are kept for them."""
        return None

    def has_field(self, name: str) -> bool:
        """Returns whether `gather` can supply this Batch field."""
        return name in FIELDS

    def is_streamed(self, fields: Sequence[str]) -> bool:
        """Returns True: labels and images of mesh sets are read for each batch."""
        return True

    @property
    def waited(self) -> float:
        """Seconds that `gather` had to wait for crops in total."""
        return self._ahead.waited

    def count(self, part: str) -> int:
        """Returns the number of samples of a split."""
        return len(self._rows[part])

    def order(self, part: str, epoch: int, seed: int, size: int | None = None) -> Tensor:
        """Returns indices [N] in the order of this epoch, counted from 1: shuffled and augmented for train, as stored
        otherwise. `size` makes no difference here."""
        count = self.count(part)
        if part != "train":
            return torch.arange(count, device=self.device)
        key = seed_of(seed, epoch, CHANGE_STREAM) + 1
        return (shuffled(count, epoch, seed) + count * key).to(self.device)

    def batches(self, part: str, epoch: int, seed: int, size: int) -> Iterator[tuple[Tensor, int, int]]:
        """Yields this rank's slice of every batch of `size` samples, its own count and that of all ranks; see
        `slices`."""
        own = list(slices(self.order(part, epoch, seed).split(size), self.shard))
        for at, (index, count, of, _) in enumerate(own):
            for upcoming in own[at : at + self._depth]:
                self.expect(part, upcoming[0])
            yield index, count, of

    def num_scored(self, part: str) -> int:
        """Returns the number of samples that are scored: all, each by the labels it has."""
        return self.count(part)

    def span(self, part: str) -> tuple[int, int]:
        """Returns the stored samples [low, high) of a split that this rank scores."""
        return share(self.count(part), *self.shard)

    def num_batches(self, part: str, size: int) -> int:
        """Returns the steps of one epoch."""
        return -(-self.count(part) // size)

    def batch_samples(self, part: str, size: int) -> int:
        """Returns the samples of a batch of `size` target frames: each has one."""
        return size

    def expect(self, part: str, index: Tensor) -> None:
        """Starts loading samples `index` [B] in threads."""
        numbers = index.cpu().numpy()
        self._ahead.expect((part, numbers.tobytes()), partial(self._load, part, numbers, FIELDS, False))

    def gather(self, part: str, index: Tensor, fields: Sequence[str] = FIELDS, *, mirrored: bool = False) -> Batch:
        """Returns samples `index` [B] as a Batch of the named fields; `mirrored` returns every sample's mirror image,
        and raises DataError for hands."""
        numbers = index.cpu().numpy()
        if "image" in fields and not mirrored:
            found = self._ahead.fetch((part, numbers.tobytes()), partial(self._load, part, numbers, FIELDS, False))
        else:
            found = self._load(part, numbers, fields, mirrored)
        if part != "train" and "image" in fields and not mirrored:
            following = torch.arange(int(index[-1]) + 1, self.count(part))[: len(index)]
            if len(following):
                self.expect(part, following)
        return Batch(
            size=len(numbers), **{name: self._place(getattr(found, name)) for name in FIELDS if name in fields}
        )

    def boxed(self, part: str, index: Tensor) -> Boxed:
        """Decodes the whole images of samples `index` [B] that are not augmented, with their boxes."""
        mesh_set, rows = self._sets[part], self._rows[part][index.cpu().numpy()]
        return boxed_rows(mesh_set, rows.tolist())

    def _place(self, value: Tensor | None) -> Tensor | None:
        if value is None:
            return None
        return value.to(self.device, self.dtype if value.is_floating_point() else None, non_blocking=True)

    def truth(self, part: str) -> Truth:
        """Raises DataError: samples of mesh sets are scored one by one, from the labels in their batch."""
        raise DataError(f"data.name = {self.config.name}", ["is a mesh set; only sets of poses have tracks of poses"])

    def stretch(self, part: str, low: int, high: int, *, mirrored: bool = False) -> Stretch:
        """Raises DataError: the images of mesh sets are no frames of windows."""
        raise DataError(f"data.name = {self.config.name}", ["is a mesh set; only sets of poses have windows of frames"])

    def labels(self, part: str) -> MeshLabels:
        """Reads the labels of a whole split, and no image."""
        batch = self._load(part, np.arange(self.count(part)), LABELS, False)
        values = {name: self._place(getattr(batch, name)) for name in LABELS[1:]}
        return MeshLabels(**values)  # type: ignore[arg-type]  # all of them were loaded

    def _load(self, part: str, numbers: NDArray[np.int64], fields: Sequence[str], mirrored: bool) -> Batch:
        """Loads samples into CPU memory; runs in threads."""
        mesh_set, rows = self._sets[part], self._rows[part]
        keys, at = np.divmod(numbers, self.count(part))
        chosen = rows[at].tolist()
        change = self._changes(keys, at)
        if mirrored:
            if self.sizes.mesh == "hand":
                raise DataError(f"data.name = {self.config.name}", ["a right hand in a mirror is a left one"])
            change = Change(turn=change.turn, zoom=change.zoom, gain=change.gain, mirrored=~change.mirrored)
        labels = [mesh_set.label(row) for row in chosen]
        found = _labels(labels, change, self.sizes) if set(fields) & set(LABELS) else {}
        if "image" in fields:
            images = [self._crop(mesh_set, row, labels[i], change, i) for i, row in enumerate(chosen)]
            found["image"] = torch.from_numpy(np.stack(images)[:, None])
        if self.device.type == "cuda":
            found = {name: value.pin_memory() for name, value in found.items()}
        return Batch(size=len(numbers), **found)

    def _changes(self, keys: NDArray[np.int64], at: NDArray[np.int64]) -> Change:
        changed = np.flatnonzero(keys)
        found = Change.none(len(keys))
        if len(changed):
            drawn = draw_changes(
                [(int(keys[i]), int(at[i])) for i in changed],
                turn_deg=self.config.turn_deg,
                zoom_sd=self.config.zoom,
                gain=self.config.gain,
                mirror=self.config.mirror if self.sizes.mesh == "body" else 0.0,
            )
            for name in ("turn", "zoom", "gain", "mirrored"):
                getattr(found, name)[changed] = getattr(drawn, name)
        return found

    def _crop(self, mesh_set: MeshSet, row: int, label: Label, change: Change, i: int) -> NDArray[np.uint8]:
        scale = label.scale * float(change.zoom[i])
        turn, gain = float(change.turn[i]), change.gain[i]
        return crop_image(
            picture_of(mesh_set, row), label.center, scale, turn, gain, is_mirrored=bool(change.mirrored[i])
        )


def _rows(count: int, part: str, config: DataConfig) -> NDArray[np.int64]:
    """Returns the samples of a set that are used: all, but for training, which can be subsampled."""
    rows = np.arange(count)
    return rows[thinned(count, config.downsample, config.subset)] if part == "train" else rows


def _labels(labels: Sequence[Label], change: Change, sizes: Sizes) -> dict[str, Tensor]:
    """Returns the fields of LABELS with the augmentation of the images. 3D joints are relative to the root joint."""
    mirror, root = sizes.skeleton.mirror, sizes.skeleton.root
    joints2d, joints3d, pose, betas, has = (
        np.stack([getattr(label, name) for label in labels]).astype(np.float64)
        for name in ("joints2d", "joints3d", "pose", "betas", "has")
    )
    assert joints3d.shape[1] == FIGURES[sizes.mesh].joints, joints3d.shape
    assert betas.shape[1] == SHAPE_NUMBERS, betas.shape
    joints3d[..., :3] -= joints3d[:, root, None, :3]
    center = np.stack([label.center for label in labels])
    scale = np.array([label.scale for label in labels])
    found = {
        "joints2d": moved_joints2d(joints2d, center, scale, change, mirror),
        "joints3d": turned_joints3d(joints3d, change, mirror),
        "body_pose": turned_pose(pose, change),
        "betas": betas.astype(np.float32),
        "has": has.astype(np.float32),
    }
    return {name: torch.from_numpy(value) for name, value in found.items()}
