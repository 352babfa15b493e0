"""`python -m data check`: can every set of a folder be used, and do its cameras fit its poses."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

import torch

from data.formats import h36m
from data.geometry import project, to_pixels, world_to_camera
from data.poseset import Camera, DataError, PoseSet, Sequence
from data.splits import split_named
from spaces.schema import did_you_mean

from .tables import as_json, summary, table

# Stored projections are rounded to 1/32 px at most; leaving out the lens distortion costs more than this.
LARGEST_REPROJECTION_PX = 1.0
# Frames times cameras of the published Human3.6M files, by split.
PUBLISHED_CAMERA_FRAMES = {"train": 1_559_752, "test": 543_344}
COUNTS = ("subjects", "clips", "frames", "views", "joints", "fps")


def run(arguments: Namespace) -> int:
    """Prints a table, then every fault to stderr; 0 when there is none, otherwise 2."""
    root: Path = arguments.dir
    rows: list[dict[str, object]] = []
    faults: list[DataError] = []
    for name in _wanted(root, arguments.set):
        for keypoints in h36m.available_keypoints(root, name):
            rows.append(_row(root, name, keypoints, faults))
    faults += _loose_ends(root, arguments.set)
    if arguments.json:
        problems = [f"{fault.where}: {problem}" for fault in faults for problem in fault.problems]
        print(as_json({"sets": rows, "problems": problems}))
    elif rows:
        print(table([_short(row) for row in rows]))
        print("".join(f"note: {row['set']}: {row['note']}\n" for row in rows if row["note"]), end="")
    sys.stdout.flush()
    for fault in faults:
        print(fault, file=sys.stderr)
    return 2 if faults else 0


def _wanted(root: Path, name: str | None) -> tuple[str, ...]:
    if not root.is_dir():
        raise DataError(str(root), ["no such folder"])
    sets = h36m.available_sets(root)
    if not sets:
        raise DataError(str(root), ["holds no set: there is no data_3d_<set>.npz; `python -m data synth` writes one"])
    if name is None:
        return sets
    if name not in sets:
        raise DataError(str(root), [f"has no set '{name}'{did_you_mean(name, sets)}; sets here: {', '.join(sets)}"])
    return (name,)


def _loose_ends(root: Path, name: str | None) -> list[DataError]:
    """3D without any 2D, and 2D whose set has no 3D."""
    sets = h36m.available_sets(root)
    bare = [one for one in sets if name in (None, one) and not h36m.available_keypoints(root, one)]
    faults = [f"set {one}: has no data_2d_{one}_<keypoints>.npz; put its 2D there" for one in bare]
    if name is None:
        known = tuple(f"data_2d_{one}_" for one in sets)
        loose = sorted(path.name for path in root.glob("data_2d_*.npz") if not path.name.startswith(known))
        faults += [f"{file}: there is no 3D of its set; put data_3d_<set>.npz beside it" for file in loose]
    return [DataError(str(root), faults)] if faults else []


def _row(root: Path, name: str, keypoints: str, faults: list[DataError]) -> dict[str, object]:
    """Counts and the reprojection error of one source of 2D; counts are None when it cannot be read."""
    row: dict[str, object] = {"set": name, "keypoints": keypoints, **dict.fromkeys(COUNTS)}
    row |= {"reprojection_px": None, "note": None}
    try:
        poses = h36m.read(root, name, keypoints, joints=None)
    except DataError as fault:
        faults.append(fault)
        return row | {"faults": len(fault.problems)}
    errors = reprojection_px(poses)
    wide = _wide(errors) if keypoints == "gt" else []
    if wide:
        faults.append(DataError(f"{root}, set '{name}' with 2D '{keypoints}'", wide))
    total = sum(count for _, count in errors.values())
    row["reprojection_px"] = sum(mean * count for mean, count in errors.values()) / total
    return row | summary(poses) | {"note": _note(poses), "faults": len(wide)}


def reprojection_px(poses: PoseSet) -> dict[tuple[str, int], tuple[float, int]]:
    """(subject, view) -> (mean distance in pixels of the 2D from the 3D seen through that camera, frames)."""
    found: dict[tuple[str, int], tuple[float, int]] = {}
    for clip in poses.sequences:
        for view, camera in enumerate(clip.cameras):
            mean, count = found.get((clip.subject, view), (0.0, 0))
            added = len(clip.pose3d)
            error = _distance_px(clip, view, camera)
            found[clip.subject, view] = ((mean * count + error * added) / (count + added), count + added)
    return found


def _distance_px(clip: Sequence, view: int, camera: Camera) -> float:
    orientation, translation = torch.from_numpy(camera.orientation), torch.from_numpy(camera.translation)
    points = world_to_camera(torch.from_numpy(clip.pose3d), orientation, translation)
    pixels = to_pixels(project(points, torch.from_numpy(camera.intrinsics)), camera.width, camera.height)
    return float((pixels - torch.from_numpy(clip.pose2d[view])).norm(dim=-1).mean())


def _wide(errors: dict[tuple[str, int], tuple[float, int]]) -> list[str]:
    # `not <=` and not `>`: a distance that is nan is a fault too.
    return [
        f"subject {subject}, camera {view}: gt 2D lies {mean:.1f} px from the 3D seen through this camera, "
        f"allowed is {LARGEST_REPROJECTION_PX:g}; look at the order of the cameras, their units (pixels, "
        "millimetres) and the lens distortion"
        for (subject, view), (mean, _) in errors.items()
        if not mean <= LARGEST_REPROJECTION_PX
    ]


def _note(poses: PoseSet) -> str | None:
    """How a set called h36m differs in size from the published files; None when it does not."""
    split = split_named("h36m_authors")
    if split is None or poses.name != split.set:
        return None
    for part, published in PUBLISHED_CAMERA_FRAMES.items():
        subjects = getattr(split, part)
        found = sum(len(clip.pose3d) * len(clip.cameras) for clip in poses.sequences if clip.subject in subjects)
        if found != published:
            return f"{' '.join(subjects)} have {found:,} camera frames, in the published files {published:,}"
    return None


def _short(row: dict[str, object]) -> dict[str, object]:
    subjects = row["subjects"]
    shown = {name: value for name, value in row.items() if name != "note"}
    return shown | {"subjects": len(subjects) if isinstance(subjects, list) else None}
