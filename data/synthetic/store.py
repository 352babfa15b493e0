"""Writers of the synthetic sets to disk, once, with a record by which they are recognised later."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Literal

from spaces.files import write_text

from ..errors import DataError
from ..formats.poses import h36m, humaneva, mpi_inf_3dhp
from ..poses.poseset import PoseSet
from .images.images import NAME as IMAGES
from .images.images import write_images
from .meshes.mesh_sets import SETS as MESH_SETS
from .meshes.mesh_sets import write_mesh_set
from .once import made_once
from .poses.h36m import NAME as H36M
from .poses.h36m import synthetic_h36m
from .poses.humaneva import NAME as HUMANEVA
from .poses.humaneva import synthetic_humaneva
from .poses.mpi_inf_3dhp import NAME as MPI_INF_3DHP
from .poses.mpi_inf_3dhp import synthetic_3dhp

KEYPOINTS: tuple[Literal["gt", "det"], ...] = ("gt", "det")


def write_sets(root: Path, seed: int, *, force: bool) -> list[tuple[str, PoseSet]]:
    """Writes the pose sets of a seed and returns each with its layout; an empty list when they are there already.

    DataError, and nothing written, when files are there that were not written by this function."""
    if not force and _is_there(root, seed):
        return []
    # A run that breaks off leaves this record without files; by it the next run knows the rest as its own.
    _write_record(root, seed, {})
    written = _write(root, seed)
    _write_record(root, seed, {path.name: _digest(path) for path in _paths(root)})
    return written


def write_image_set(root: Path, seed: int, count: int, *, force: bool) -> float | None:
    """Writes the image set and returns the seconds that it took; None when it is there already."""
    return made_once(root / IMAGES, seed, count, partial(write_images, seed=seed, count=count), force=force)


def write_meshes(root: Path, name: str, seed: int, count: int, *, force: bool) -> float | None:
    """Writes a mesh set and returns the seconds that it took; None when it is there already. count 0: its default."""
    made = MESH_SETS[name]
    images = count or made.images
    write = partial(write_mesh_set, kind=made.kind, seed=seed, count=images)
    return made_once(root / name, seed, images, write, force=force)


def _write(root: Path, seed: int) -> list[tuple[str, PoseSet]]:
    """Writes the pose sets and returns each with its layout."""
    written: list[tuple[str, PoseSet]] = []
    for keypoints in KEYPOINTS:
        human36m, humaneva15 = synthetic_h36m(seed, keypoints=keypoints), synthetic_humaneva(seed, keypoints=keypoints)
        if keypoints == KEYPOINTS[0]:
            h36m.write(human36m, root)
            humaneva.write(humaneva15, root)
        else:
            h36m.write_2d(human36m, root)
            humaneva.write_2d(humaneva15, root)
        written += [("h36m", human36m), ("humaneva", humaneva15)]
    poses = synthetic_3dhp(seed)
    mpi_inf_3dhp.write(poses, root)
    return [*written, ("3dhp", poses)]


def _paths(root: Path) -> list[Path]:
    found = [h36m.file_3d(root, H36M), h36m.file_cameras(root, H36M), humaneva.file_3d(root, HUMANEVA)]
    for keypoints in KEYPOINTS:
        found += [h36m.file_2d(root, H36M, keypoints), humaneva.file_2d(root, HUMANEVA, keypoints)]
    return [*found, mpi_inf_3dhp.file_train(root, MPI_INF_3DHP), mpi_inf_3dhp.file_test(root, MPI_INF_3DHP)]


def _record(root: Path) -> Path:
    return root / "synthetic.json"


def _write_record(root: Path, seed: int, files: dict[str, str]) -> None:
    write_text(_record(root), json.dumps({"seed": seed, "files": files}, indent=1) + "\n")


def _is_there(root: Path, seed: int) -> bool:
    """Returns True when all sets of this seed are there; False when none is, or what a broken or earlier synth left."""
    present = [path for path in _paths(root) if path.exists()]
    if not present:
        return False
    record = _read_record(root)
    files = record.get("files")
    remedy = "--force writes over it, --root names another folder"
    if not isinstance(files, dict):
        names = ", ".join(path.name for path in present)
        raise DataError(str(root), [f"holds {names}, not written by synth; {remedy}"])
    if not files:
        return False
    changed = [path.name for path in present if _digest(path) != files.get(path.name)]
    problems = [f"{name} is not as synth wrote it; {remedy}" for name in changed]
    if record.get("seed") != seed:
        problems.append(f"holds the synthetic sets of seed {record.get('seed')}, not {seed}; {remedy}")
    if problems:
        raise DataError(str(root), problems)
    return len(present) == len(_paths(root))


def _read_record(root: Path) -> dict[str, object]:
    """Reads the record of what was written; empty when there is none that can be read."""
    try:
        content = json.loads(_record(root).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
