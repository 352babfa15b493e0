"""`python -m data synth`: writes the embedded synthetic set, once."""

from __future__ import annotations

import hashlib
import json
from argparse import Namespace
from pathlib import Path
from typing import Literal

from data.formats import h36m
from data.poseset import DataError
from data.synthetic.h36m import synthetic_h36m
from spaces.files import write_text

NAME = "synthetic"
KEYPOINTS: tuple[Literal["gt", "det"], ...] = ("gt", "det")


def run(arguments: Namespace) -> int:
    """Says what it did. DataError, and nothing written, when files are there that it did not write."""
    root, seed = arguments.root, arguments.seed
    if not arguments.force and _is_there(root, seed):
        print(f"{root} has the synthetic set of seed {seed} already; nothing written")
        return 0
    # A run that breaks off leaves this record without files; by it the next run knows the rest as its own.
    _write_record(root, seed, {})
    for keypoints in KEYPOINTS:
        poses = synthetic_h36m(seed=seed, keypoints=keypoints)
        if keypoints == KEYPOINTS[0]:
            h36m.write(poses, root)
        else:
            h36m.write_2d(poses, root)
    _write_record(root, seed, {path.name: _digest(path) for path in _paths(root)})
    frames = sum(len(clip.pose3d) for clip in poses.sequences)
    counts = f"{len(poses.subjects)} subjects, {len(poses.sequences)} clips, {frames:,} frames"
    print(f"wrote the synthetic set of seed {seed} to {root}: {counts}, 2D {' and '.join(KEYPOINTS)}")
    return 0


def _paths(root: Path) -> list[Path]:
    views = [h36m.file_2d(root, NAME, keypoints) for keypoints in KEYPOINTS]
    return [h36m.file_3d(root, NAME), *views, h36m.file_cameras(root, NAME)]


def _record(root: Path) -> Path:
    return root / f"{NAME}.json"


def _write_record(root: Path, seed: int, files: dict[str, str]) -> None:
    write_text(_record(root), json.dumps({"seed": seed, "files": files}, indent=1) + "\n")


def _is_there(root: Path, seed: int) -> bool:
    """True for the whole set of this seed; False when there is nothing, or what a broken run left behind."""
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
        problems.append(f"holds the synthetic set of seed {record.get('seed')}, not {seed}; {remedy}")
    if problems:
        raise DataError(str(root), problems)
    return len(present) == len(_paths(root))


def _read_record(root: Path) -> dict[str, object]:
    """Empty when there is none that can be read."""
    try:
        content = json.loads(_record(root).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
