"""GPUs of this machine that this process may use, by identity, and how trials are shared out over them."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from spaces.loading import named

VISIBLE = "CUDA_VISIBLE_DEVICES"
LISTING_S = 20.0
# One of these is there wherever torch can find a GPU on Linux: of NVIDIA, its small boards, Windows' Linux, AMD.
DRIVERS = [
    Path(path) for path in ("/dev/nvidiactl", "/dev/nvhost-ctrl", "/dev/nvgpu", "/dev/nvmap", "/dev/dxg", "/dev/kfd")
]


@dataclass(frozen=True, slots=True)
class Gpu:
    """GPU that this process may use. `name`: its word for CUDA_VISIBLE_DEVICES, a number or UUID; `identity`: its UUID
    where the driver tells it, so that a number and a UUID of one GPU are one."""

    name: str
    identity: str


def visible_gpus() -> list[Gpu]:
    """Lists the GPUs that this process may use, in torch's order: all of the machine, or those of
    CUDA_VISIBLE_DEVICES, by number or by UUID."""
    count = _count()
    if not count:
        return []
    listed = os.environ.get(VISIBLE)
    names = [name.strip() for name in listed.split(",")][:count] if listed else [str(number) for number in range(count)]
    uuids = _uuids()
    return [Gpu(name, _identity(name, uuids)) for name in names]


def _count() -> int:
    """Counts the GPUs that torch finds; without torch, which takes long to import, where there is no driver of any."""
    if sys.platform == "linux" and not any(driver.exists() for driver in DRIVERS):
        return 0
    return int(named("torch.cuda:device_count")())


@contextmanager
def only_visible(gpus: Sequence[Gpu]) -> Iterator[None]:
    """Hides all other GPUs from CUDA in this process, unless it has used one, and in those that it starts within the
    block."""
    before = os.environ.get(VISIBLE)
    os.environ[VISIBLE] = ",".join(gpu.name for gpu in gpus)
    try:
        yield
    finally:
        del os.environ[VISIBLE]
        if before is not None:
            os.environ[VISIBLE] = before


def _identity(name: str, uuids: Mapping[str, str]) -> str:
    """Returns the UUID of a GPU named by its number or by a UUID, which CUDA takes shortened; else the name."""
    if name in uuids:
        return uuids[name]
    found = [uuid for uuid in uuids.values() if name and uuid.lower().startswith(name.lower())]
    return found[0] if len(found) == 1 else name


def _uuids() -> dict[str, str]:
    """Reads number -> UUID of the GPUs of the machine; {} where NVIDIA's tools are missing or fail."""
    line = ["nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader"]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=LISTING_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    rows = [row.split(",") for row in done.stdout.splitlines()]
    return {row[0].strip(): row[1].strip() for row in rows if len(row) == 2} if done.returncode == 0 else {}


def share_out(workers: int, each: float, most: int | None, free: Mapping[str, float]) -> tuple[int, dict[str, float]]:
    """Computes how many trials the GPUs hold at once, and the share of each GPU that they take, by identity. `workers`:
    of a trial, with `each` GPUs (above 0) each; `most`: most trials wanted (None: as many as fit); `free`: share of
    each GPU that nobody has taken.

    A GPU that others use is taken in part only if it alone holds a whole sweep that wants parts: Ray chooses among
    several GPUs itself, and knows nothing of the others."""
    whole = [identity for identity, share in free.items() if share > 1 - 1e-9]
    if each >= 1:
        size = workers * math.ceil(each - 1e-9)
        count = _limited(len(whole) // size, most)
        return count, dict.fromkeys(whole[: count * size], 1.0)
    slots = math.floor(1 / each + 1e-9)  # workers on one GPU
    count = _limited(len(whole) * slots // workers, most)
    held = {identity: _limited(math.floor(share / each + 1e-9) // workers, most) for identity, share in free.items()}
    # The fullest that will do, so that whole ones are left for others.
    for identity in sorted(held, key=free.__getitem__):
        if held[identity] >= max(1, count):
            return held[identity], {identity: held[identity] * workers * each}
    return count, dict.fromkeys(whole[: math.ceil(count * workers / slots)], 1.0)


def _limited(count: int, most: int | None) -> int:
    return count if most is None else min(count, most)
