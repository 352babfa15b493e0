"""Trunk feature cache: feature maps of a frozen trunk, computed once for every image and read in every step.

On disk they are a file of float32 rows, one an image, and a manifest beside it, both named by a fingerprint of the
images, the crop and the trunk. The manifest comes last: an interrupted build leaves nothing that looks complete."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from data.batches.feed import ImageCrops
from data.batches.samples import Samples
from spaces.errors import ConfigError, InputError
from spaces.files import GIB, replacing, write_text

from .. import registry
from ..config import TrainConfig
from ..devices.memory import free_memory

FIELD = "features"
VERSION = 1  # of how maps are made and stored; another one makes all of them again
IMAGES = 64  # in one pass of the trunk; bounds the memory, not the result
SHARE = 0.5  # of the free memory of a device that maps may take


def attach_features(data: Samples, config: TrainConfig, root: Path) -> None:
    """Adds the trunk features that the network of `config` reads to the data's sources; does nothing where it reads
    none. `root`: the folder that relative paths of trunks start from.

    ConfigError when the network reads images and the data has none, DataError when a trunk's weights cannot be read."""
    reads = config.traits.reads
    if {"image", FIELD}.isdisjoint(reads):
        return
    if not data.has_field("image"):
        found = f"reads images, and data.name = {config.data.name} has none"
        raise ConfigError(config.model, [f"{found}; name a set of images, or train another model"])
    if FIELD not in reads:
        return
    model, crops = registry.get(config.model), data.image_crops
    assert crops is not None, f"data.name = {config.data.name} holds no features"  # refused when it was opened
    assert model.trunk is not None, f"{config.model} reads features and names no trunk"
    folder = data.config.cache_folder / FIELD
    maps = Maps(model.trunk(config.network, root), crops, data, folder, config.network.feature_store)
    held = data.sources.get(FIELD)
    # A data module lives on from trial to trial; what it holds of the same trunk stays.
    if not isinstance(held, Maps) or held.key != maps.key:
        data.sources[FIELD] = maps


class Maps:
    """Source of the batch field `features`, plain and mirrored; a split's features are computed when it is first asked
    for.

    `store`: `file` reads from disk, `device` keeps them on the device and nothing on disk, `auto` writes the file and
    loads it to the device when it fits there."""

    def __init__(self, trunk: nn.Module, crops: ImageCrops, data: Samples, folder: Path, store: str) -> None:
        self._trunk = trunk.eval()
        self._crops = crops
        self._device = data.device
        self._folder = folder
        self._store = store
        self._numbers = self._numbers_of_an_image(data.sizes.crop)
        self._tables: dict[tuple[str, bool], Tensor | np.memmap] = {}
        self._mark = _mark_of(trunk, data.sizes.crop)
        self.key = (self._mark, store)

    def fetch(self, part: str, rows: Tensor, is_mirrored: Tensor | None) -> Tensor:
        """Returns features [B, V, N] of images rows [B, V], of the mirror image where is_mirrored [B] says so."""
        if is_mirrored is None:
            return self._rows(part, rows, is_mirrored=False)
        if bool(is_mirrored.all()):
            return self._rows(part, rows, is_mirrored=True)
        plain = self._rows(part, rows, is_mirrored=False)
        if not is_mirrored.any():
            return plain
        return torch.where(is_mirrored.view(-1, 1, 1), self._rows(part, rows, is_mirrored=True), plain)

    def expect(self, part: str, rows: Tensor) -> None:
        """Does nothing: rows of a table need no reading ahead."""

    def _rows(self, part: str, rows: Tensor, *, is_mirrored: bool) -> Tensor:
        if (part, is_mirrored) not in self._tables:
            self._tables[part, is_mirrored] = self._open(part, is_mirrored)
        table = self._tables[part, is_mirrored]
        if isinstance(table, Tensor):
            return table.index_select(0, rows.reshape(-1)).view(*rows.shape, -1)
        found = torch.from_numpy(np.asarray(table[rows.cpu().numpy()]))
        return found.to(self._device)

    def _open(self, part: str, is_mirrored: bool) -> Tensor | np.memmap:
        count = self._crops.count(part)
        size = 4 * count * self._numbers
        fits = size <= SHARE * free_memory(self._device)
        if self._store == "device":
            if not fits:
                found = f"{size / GIB:.2f} GiB of {count} images of {part}, and {self._device} has half of "
                found += f"{free_memory(self._device) / GIB:.2f} GiB to spare"
                raise ConfigError("network.feature_store", [f"device does not hold the features: {found}; use file"])
            _tell(f"features of {part}: {count} images, {size / GIB:.2f} GiB on {self._device}, none on disk")
            return torch.cat(list(self._made(part, is_mirrored)))
        table = self._filed(part, is_mirrored, count)
        if self._store == "auto" and fits:
            return torch.from_numpy(np.array(table)).to(self._device)
        return table

    def _filed(self, part: str, is_mirrored: bool, count: int) -> np.memmap:
        """Opens the rows of a split on disk, computed first where they are missing or incomplete."""
        told = (VERSION, self._mark, self._crops.fingerprint(part), is_mirrored, count, self._numbers)
        fingerprint = hashlib.blake2b(repr(told).encode(), digest_size=16).hexdigest()
        path = self._folder / f"{fingerprint}.f32"
        manifest = {"fingerprint": fingerprint, "images": count, "numbers": self._numbers, "mirrored": is_mirrored}
        with _alone(path.with_suffix(".lock")):
            if not _is_whole(path, manifest):
                _tell(f"features of {part}: {count} images, {4 * count * self._numbers / GIB:.2f} GiB into {path}")
                path.with_suffix(".json").unlink(missing_ok=True)
                with replacing(path) as file:
                    for rows in self._made(part, is_mirrored):
                        file.write(rows.cpu().numpy().tobytes())
                    file.flush()
                    os.fsync(file.fileno())
                write_text(path.with_suffix(".json"), json.dumps(manifest))
        return np.memmap(path, np.float32, "r", shape=(count, self._numbers))

    @torch.no_grad()
    def _made(self, part: str, is_mirrored: bool) -> Iterator[Tensor]:
        """Computes features [<= IMAGES, N] of the images of a split in order, on the device."""
        trunk = self._trunk.to(self._device)
        started, count = time.monotonic(), self._crops.count(part)
        for numbers in torch.arange(count, device=self._device).unsqueeze(1).split(IMAGES):
            turned = torch.ones(len(numbers), dtype=torch.bool, device=self._device) if is_mirrored else None
            yield trunk(self._crops.fetch(part, numbers, turned)[:, 0]).float()
        _tell(f"features of {part}: made in {time.monotonic() - started:.1f} s")

    def _numbers_of_an_image(self, crop: tuple[int, int]) -> int:
        with torch.no_grad():
            return int(self._trunk(torch.zeros(1, 3, *crop, dtype=torch.uint8)).shape[1])


def _mark_of(trunk: nn.Module, crop: tuple[int, int]) -> str:
    """Returns a digest of a trunk's weights and the size of the crop."""
    content = hashlib.blake2b(repr((type(trunk).__name__, crop)).encode(), digest_size=16)
    for name, tensor in trunk.state_dict().items():
        content.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return content.hexdigest()


def _is_whole(path: Path, manifest: dict[str, object]) -> bool:
    try:
        told = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        size = path.stat().st_size
    except (OSError, ValueError):
        return False
    return bool(told == manifest and size == 4 * int(str(manifest["images"])) * int(str(manifest["numbers"])))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Locks a file against other builds of it; the lock ends with the process."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("w")
    except OSError as error:
        raise InputError(str(path), [f"cannot be written: {error.strerror or error}"]) from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
