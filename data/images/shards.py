"""Shards of the crop cache: files of decoded crops, one for the images of one camera in one clip.

A file holds crops [n, 3, Y, X] uint8, then the fingerprint of their sources as JSON, its length, and a mark. It is
written under another name and renamed at the end, so that an interrupted build leaves no file that looks complete.
Without torch, which the processes that decode do not need."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..poses.poseset import ImageTrack, image_name
from . import crops

VERSION = 1  # of how crops are made and stored; another one makes all of them again
MARK = b"POSECROP"
TAIL = struct.Struct("<Q8s")  # length of the JSON, mark
MISSING = (-1, -1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Shard:
    """Crops of a track at one size, and their file; fingerprint: digest of everything they depend on."""

    path: Path
    track: ImageTrack
    height: int
    width: int
    fingerprint: str

    @property
    def crop_bytes(self) -> int:
        return 3 * self.height * self.width

    @property
    def num_bytes(self) -> int:
        """Bytes of all crops together."""
        return self.crop_bytes * len(self.track.numbers)


def shard_of(track: ImageTrack, cache: Path, height: int, width: int) -> Shard:
    """Returns the shard of a track in a cache. Looks at every image file: its size and time are in the fingerprint."""
    folder = track.folder.resolve()
    chosen = hashlib.blake2b(str(folder).encode() + track.numbers.tobytes(), digest_size=4).hexdigest()
    content = hashlib.blake2b(
        repr((VERSION, str(folder), track.stem, track.size, height, width)).encode(), digest_size=16
    )
    stamps = _stamps(folder)
    seen = [stamps.get(image_name(track.stem, number), MISSING) for number in track.numbers.tolist()]
    for array in (track.numbers, track.center, track.width_px, np.array(seen, np.int64)):
        content.update(np.ascontiguousarray(array).tobytes())
    return Shard(
        path=cache / f"{height}x{width}" / f"{track.stem}-{chosen}.crops",
        track=track,
        height=height,
        width=width,
        fingerprint=content.hexdigest(),
    )


def _stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Returns size and modification time of every file of a folder; empty where there is no folder."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name: ((stat := entry.stat()).st_size, stat.st_mtime_ns) for entry in entries}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise DataError(str(folder), [f"cannot be read: {error.strerror}"]) from None


def broken_in(shard: Shard) -> dict[int, str] | None:
    """Returns the broken images of a valid shard, number -> reason; None when the shard must be built."""
    try:
        with shard.path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            if size < shard.num_bytes + TAIL.size:
                return None
            file.seek(size - TAIL.size)
            length, mark = TAIL.unpack(file.read(TAIL.size))
            if mark != MARK or size != shard.num_bytes + length + TAIL.size:
                return None
            file.seek(shard.num_bytes)
            told: dict[str, Any] = json.loads(file.read(length))
    except (OSError, ValueError):
        return None
    if told.get("fingerprint") != shard.fingerprint:
        return None
    return {int(frame): str(reason) for frame, reason in told["broken"].items()}


def begin(shard: Shard) -> Path:
    """Creates an empty file for the crops of a shard, and deletes an earlier one."""
    shard.path.parent.mkdir(parents=True, exist_ok=True)
    shard.path.unlink(missing_ok=True)
    part = _part_of(shard)
    part.write_bytes(b"")
    return part


def finish(shard: Shard, broken: Mapping[int, str]) -> None:
    """Completes a shard and renames it to its final name. Images that are `broken` have black crops."""
    told = {"fingerprint": shard.fingerprint, "broken": {str(frame): why for frame, why in broken.items()}}
    text = json.dumps(told).encode()
    part = _part_of(shard)
    with part.open("r+b") as file:
        file.truncate(shard.num_bytes)
        file.seek(shard.num_bytes)
        file.write(text + TAIL.pack(len(text), MARK))
        file.flush()
        os.fsync(file.fileno())  # a name that outlives a power cut must not stand for zeros
    part.replace(shard.path)


def leftovers(cache: Path) -> Iterator[Path]:
    """Yields the files of interrupted builds."""
    yield from cache.glob("*x*/*.crops.part")


def _part_of(shard: Shard) -> Path:
    return shard.path.with_suffix(".crops.part")


def cut(part: Path, track: ImageTrack, first: int, height: int, width: int) -> dict[int, str]:
    """Decodes a piece of a track, writes the crops into the file from slot `first` on, and returns the broken images,
    counted within the track, with reasons. One image is in memory at a time."""
    broken: dict[int, str] = {}
    maps = crops.affine(track.center, track.width_px, height, width)
    handle = os.open(part, os.O_WRONLY)
    try:
        for at in range(len(track.numbers)):
            try:
                image = crops.decode(track.file(at).read_bytes())
            except FileNotFoundError:
                broken[first + at] = "no such file"
            except OSError as error:
                # The disk, not the image: what a network file system says for a while must not be kept.
                raise DataError(str(track.file(at)), [f"cannot be read: {error.strerror}"]) from None
            except ValueError as error:
                broken[first + at] = f"is no image, or cut off ({error})"
            else:
                if image.size != track.size:
                    broken[first + at] = "is {} x {} pixels, others of its clip {} x {}".format(
                        *image.size, *track.size
                    )
                    continue
                crop = np.ascontiguousarray(crops.warp(image, maps[at], height, width).transpose(2, 0, 1))
                _write_all(handle, crop, (first + at) * crop.nbytes)
    finally:
        os.close(handle)
    return broken


def _write_all(handle: int, crop: NDArray[np.uint8], offset: int) -> None:
    # A write may end early, at a signal or at the end of the disk.
    left = crop.reshape(-1).data
    while left:
        written = os.pwrite(handle, left, offset)
        left, offset = left[written:], offset + written


def total_bytes(shards: Iterable[Shard]) -> int:
    """Returns the disk space of the crops."""
    return sum(shard.num_bytes for shard in shards)
