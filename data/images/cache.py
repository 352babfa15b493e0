"""Crop cache reading: image crops of a data module, decoded once to disk and prefetched one batch ahead."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import sys
import threading
import weakref
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..config import DataConfig
from ..errors import DataError
from ..poses.poseset import Sequence as Clip
from ..poses.thinning import thinned
from . import crops
from .ahead import Ahead
from .building import make_crops
from .shards import Shard, shard_of

OPEN_FILES = 128  # of the shards; a process may have 1024 files open, and others want some
Index = NDArray[np.int64]


def has_images(clips: Sequence[Clip]) -> bool:
    """Returns whether every clip has images, one track a camera."""
    return bool(clips) and all(len(clip.images) == len(clip.cameras) for clip in clips)


def crop_keypoints(clips: Sequence[Clip], views: int, height: int, width: int) -> Tensor:
    """Converts the 2D keypoints to crop units [N, V * J * 2], rows as in the module's tracks: a track for each camera
    of a clip, or, with several views, one for all of its first `views`."""
    rows: list[NDArray[np.float32]] = []
    for clip in clips:
        seen = []
        for pixels, track in zip(clip.pose2d, clip.images, strict=True):
            maps = crops.affine(track.center, track.width_px, height, width)
            points = crops.to_crop_units(crops.moved(pixels.astype(np.float64), maps), height, width)
            seen.append(points.astype(np.float32).reshape(len(points), -1))
        rows += seen if views == 1 else [np.concatenate(seen[:views], axis=1)]
    return torch.from_numpy(np.concatenate(rows))


def open_images(
    clips: Mapping[str, Sequence[Clip]], config: DataConfig, device: torch.device
) -> tuple[dict[str, list[Clip]], ImageSource]:
    """Builds the crop cache; returns the clips of every split with the frames that can be used, and the source of their
    crops.

    A training split without windows is subsampled here, so that frames nobody trains on need no crop. DataError names
    missing and broken images, or, with `data.broken_images` skip, their frames are left out: of all cameras of the
    clip, where it has several."""
    cache = config.cache_folder
    chosen = {
        # A short clip may lose every frame.
        part: [used for clip in members if len((used := _used(clip, part, config)).pose3d)]
        for part, members in clips.items()
    }
    shards = {
        part: [[shard_of(track, cache, *config.sizes.crop) for track in clip.images] for clip in members]
        for part, members in chosen.items()
    }
    every = {shard.path: shard for members in shards.values() for group in members for shard in group}
    broken = make_crops(list(every.values()), cache, config.workers)
    _judge(list(every.values()), broken, config)
    kept: dict[str, list[Clip]] = {}
    places: dict[str, list[Place]] = {}
    for part, members in chosen.items():
        kept[part], places[part] = [], []
        for clip, group in zip(members, shards[part], strict=True):
            stays = np.ones(len(clip.pose3d), np.bool_)
            for shard in group:
                stays[list(broken[shard.path])] = False
            if not stays.any():
                continue
            kept[part].append(clip if stays.all() else _only(clip, stays))
            slots = np.flatnonzero(stays)
            places[part] += [Place(tuple(views), slots) for views in _grouped(group, config.views)]
        if not kept[part]:
            remedy = "look at the images, raise data.subset or lower data.downsample"
            raise DataError(f"data.name = {config.name}", [f"no image of {part} is left; {remedy}"])
    return kept, ImageSource(places, config.sizes.crop, device)


def _used(clip: Clip, part: str, config: DataConfig) -> Clip:
    if part != "train" or config.frames > 1 or (config.downsample == 1 and config.subset == 1):
        return clip
    stays = np.zeros(len(clip.pose3d), np.bool_)
    stays[thinned(len(stays), config.downsample, config.subset)] = True
    return _only(clip, stays)


def _only(clip: Clip, stays: NDArray[np.bool_]) -> Clip:
    return dataclasses.replace(
        clip,
        pose3d=clip.pose3d[stays],
        pose2d=tuple(pixels[stays] for pixels in clip.pose2d),
        valid=clip.valid[stays] if clip.valid is not None else None,
        scores=tuple(score[stays] for score in clip.scores) if clip.scores is not None else None,
        images=tuple(track.only(stays) for track in clip.images),
    )


def _grouped(group: list[Shard], views: int) -> list[list[Shard]]:
    return [[shard] for shard in group] if views == 1 else [group[:views]]


def _judge(shards: Sequence[Shard], broken: Mapping[Path, Mapping[int, str]], config: DataConfig) -> None:
    faults = [
        f"{shard.track.file(frame)}: {reason}" for shard in shards for frame, reason in broken[shard.path].items()
    ]
    if not faults:
        return
    fault = DataError(
        f"{len(faults)} images of {config.name}",
        [*faults, "copy them again, or set data.broken_images=skip to go on without them"],
    )
    if config.broken_images == "stop":
        # What to do stands first: a long list of files is cut off before its end.
        raise DataError(fault.where, [fault.problems[-1], *fault.problems[:-1]])
    print(f"image cache: going on without {DataError(fault.where, faults)}", file=sys.stderr, flush=True)


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Location of the crops of one track: the shard of each view, and the slots [n] of its frames in them."""

    shards: tuple[Shard, ...]
    slots: Index


class ImageSource:
    """Source of the batch field `image`: crops read from the cache by image number.

    Read, not mapped: pages of a mapped file count as memory of the process until there is none left, and a batch of
    crops has no two on one page anyway."""

    def __init__(self, places: Mapping[str, Sequence[Place]], crop: tuple[int, int], device: torch.device) -> None:
        self.crop = crop
        self.device = device
        self._places = {part: _Index(part_places) for part, part_places in places.items()}
        self._files = _OpenFiles()
        self._ahead: Ahead[Tensor] = Ahead(1, "crops")
        weakref.finalize(self, self._files.close)

    @property
    def waited(self) -> float:
        """Seconds that `fetch` had to wait for crops in total."""
        return self._ahead.waited

    def count(self, part: str) -> int:
        """Returns the number of images of a split."""
        return self._places[part].count

    def fingerprint(self, part: str) -> str:
        """Returns 32 hex digits that change with any image of a split, its box, or the size of the crops."""
        return self._places[part].fingerprint()

    def fetch(self, part: str, rows: Tensor, is_mirrored: Tensor | None) -> Tensor:
        """Reads crops [B, V, 3, Y, X] uint8 of images rows [B, V] onto the device, mirrored along the width where
        is_mirrored [B] says so."""
        numbers = rows.cpu().numpy()
        found = self._ahead.fetch((part, numbers.tobytes()), partial(self._read, part, numbers))
        found = found.to(self.device, non_blocking=True)
        if is_mirrored is None:
            return found
        return torch.where(is_mirrored.view(-1, 1, 1, 1, 1), found.flip(-1), found)

    def expect(self, part: str, rows: Tensor) -> None:
        """Starts reading the crops of images rows [B, V], unless enough is waiting already."""
        numbers = rows.cpu().numpy()
        self._ahead.expect((part, numbers.tobytes()), partial(self._read, part, numbers))

    def _read(self, part: str, numbers: Index) -> Tensor:
        """Reads crops [*numbers.shape, 3, Y, X] into CPU memory."""
        height, width = self.crop
        found = torch.empty(*numbers.shape, 3, height, width, dtype=torch.uint8,
                            pin_memory=self.device.type == "cuda")  # fmt: skip
        crops_in = found.view(numbers.size, -1).numpy()
        for at, (shard, slot) in enumerate(self._places[part].find(numbers.reshape(-1))):
            self._files.read(shard, slot, crops_in[at])
        return found


class _Index:
    """Maps image numbers to shards and slots."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = places
        self._views = len(places[0].shards)
        self._end = np.cumsum([len(place.slots) for place in places])
        self.count = int(self._end[-1]) * self._views

    def find(self, numbers: Index) -> list[tuple[Shard, int]]:
        rows, views = np.divmod(numbers, self._views)
        at = np.searchsorted(self._end, rows, side="right")
        found = []
        for row, view, track in zip(rows.tolist(), views.tolist(), at.tolist(), strict=True):
            place = self._places[track]
            slot = place.slots[row - int(self._end[track])]  # from the end: slots of a track count backwards from it
            found.append((place.shards[view], int(slot)))
        return found

    def fingerprint(self) -> str:
        digest = hashlib.blake2b(digest_size=16)
        for place in self._places:
            digest.update(place.slots.tobytes())
            for shard in place.shards:
                digest.update(shard.fingerprint.encode())
        return digest.hexdigest()


class _OpenFiles:
    """Pool of open shard files; the least recently used one is closed first."""

    def __init__(self) -> None:
        self._handles: OrderedDict[Path, int] = OrderedDict()
        self._lock = threading.Lock()  # the reader's thread and the caller's both read
        self._is_closed = False

    def read(self, shard: Shard, slot: int, into: NDArray[np.uint8]) -> None:
        with self._lock:
            assert not self._is_closed, "nobody is left to read for"
            handle = self._handle(shard.path)
            size = os.preadv(handle, [into.data], slot * shard.crop_bytes)
        if size != shard.crop_bytes:
            raise DataError(str(shard.path), ["was cut off while it was in use; run again, and it is made again"])

    def _handle(self, path: Path) -> int:
        if path not in self._handles:
            if len(self._handles) >= OPEN_FILES:
                os.close(self._handles.popitem(last=False)[1])
            try:
                self._handles[path] = os.open(path, os.O_RDONLY)
            except OSError as error:
                raise DataError(str(path), [f"cannot be read ({error.strerror}); run again"]) from None
        self._handles.move_to_end(path)
        return self._handles[path]

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            while self._handles:
                os.close(self._handles.popitem()[1])
