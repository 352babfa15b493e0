"""`python -m data check`: validates every set of a folder and the fit of its cameras to its poses (reprojection
error)."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from spaces.commands import synth_line
from spaces.errors import did_you_mean

from ..errors import DataError
from ..formats.poses import mpi_inf_3dhp
from ..poses.detected import detection_faults, projected_px
from ..poses.plausible import pose_faults
from ..poses.poseset import TRUE_2D, Camera, PoseSet, Sequence
from ..poses.splits import split_named
from .check_tsv import check_tsv
from .image_faults import image_faults
from .layouts import LAYOUTS, Layout
from .tables import as_json, table

# Stored projections are rounded to 1/32 px at most; leaving out the lens distortion costs more than this.
LARGEST_REPROJECTION_PX = 1.0
# Frames times cameras of the published Human3.6M files, by split.
PUBLISHED_CAMERA_FRAMES = {"train": 1_559_752, "test": 543_344}
TSV = "tsv"
COUNTS = ("subjects", "clips", "frames", "views", "joints", "fps")


def run(arguments: Namespace) -> int:
    """Prints a table, then every fault to stderr; 0 when there is none, otherwise 2."""
    if arguments.format == TSV:
        return check_tsv(arguments)
    root: Path = arguments.dir
    layout, measured = LAYOUTS[arguments.format], MEASURED[arguments.format]
    rows: list[dict[str, object]] = []
    faults: list[DataError] = []
    for name in _wanted(layout, root, arguments.set):
        for keypoints in layout.sources(root, name):
            rows.append(_row(layout, measured, root, (name, keypoints), faults))
    faults += _loose_ends(layout, root, arguments.set)
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


def _wanted(layout: Layout, root: Path, name: str | None) -> tuple[str, ...]:
    if not root.is_dir():
        raise DataError(str(root), ["no such folder"])
    sets = layout.sets(root)
    if not sets:
        raise DataError(str(root), [f"holds no set: there is no {layout.files}; `{synth_line(root)}` writes one"])
    if name is None:
        return sets
    if name not in sets:
        raise DataError(str(root), [f"has no set '{name}'{did_you_mean(name, sets)}; sets here: {', '.join(sets)}"])
    return (name,)


def _loose_ends(layout: Layout, root: Path, name: str | None) -> list[DataError]:
    """Returns the faults of files without a partner: 3D without any 2D, and 2D whose set has no 3D."""
    bare = [one for one in layout.sets(root) if name in (None, one) and not layout.sources(root, one)]
    faults = [f"set {one}: has no data_2d_{one}_<keypoints>.npz; put its 2D there" for one in bare]
    if name is None:
        loose = layout.loose(root)
        faults += [f"{file}: there is no 3D of its set; put data_3d_<set>.npz beside it" for file in loose]
    return [DataError(str(root), faults)] if faults else []


def _row(
    layout: Layout, measured: Measured, root: Path, source: tuple[str, str], faults: list[DataError]
) -> dict[str, object]:
    """Returns the table row of one set and source of 2D: counts and measurements; None where it cannot be read."""
    name, keypoints = source
    row: dict[str, object] = {"set": name, "keypoints": keypoints, **dict.fromkeys((*COUNTS, *measured.names))}
    row["note"] = None
    try:
        poses = layout.read(root, name, keypoints)
    except DataError as fault:
        faults.append(fault)
        return row | {"faults": len(fault.problems)}
    values, problems = measured.measure(poses)
    if keypoints == layout.sources(root, name)[0]:  # the 3D is the same whatever the 2D
        problems = [*pose_faults(poses, is_z_up=measured.is_z_up), *problems]
    if problems:
        faults.append(DataError(f"{root}, set '{name}' with 2D '{keypoints}'", problems))
    return row | layout.counts(poses) | values | {"note": measured.note(poses), "faults": len(problems)}


def _measure_h36m(poses: PoseSet) -> tuple[dict[str, object], list[str]]:
    errors = reprojection_px(poses)
    total = sum(count for _, count in errors.values())
    mean = sum(mean * count for mean, count in errors.values()) / total
    return {"reprojection_px": mean}, _wide(errors) if poses.keypoints == TRUE_2D else detection_faults(poses)


def _measure_humaneva(poses: PoseSet) -> tuple[dict[str, object], list[str]]:
    """Without a lens there is nothing to compare the 2D with."""
    return {}, [] if poses.keypoints == TRUE_2D else detection_faults(poses)


def _measure_images(poses: PoseSet) -> tuple[dict[str, object], list[str]]:
    values, faults = _measure_h36m(poses)
    if poses.keypoints != TRUE_2D:  # the images are the same whatever the 2D
        return values, faults
    broken = image_faults(poses)
    return values | {"broken": len(broken)}, faults + broken


def _measure_3dhp(poses: PoseSet) -> tuple[dict[str, object], list[str]]:
    return {"valid_frames": sum(int(clip.valid.sum()) for clip in poses.sequences if clip.valid is not None)}, []


def reprojection_px(poses: PoseSet) -> dict[tuple[str, int], tuple[float, int]]:
    """Computes the mean reprojection error: (subject, view) -> (mean pixel distance of the 2D from the projected 3D,
    frames)."""
    found: dict[tuple[str, int], tuple[float, int]] = {}
    for clip in poses.sequences:
        for view, camera in enumerate(clip.cameras):
            mean, count = found.get((clip.subject, view), (0.0, 0))
            added = len(clip.pose3d)
            error = _distance_px(clip, view, camera)
            found[clip.subject, view] = ((mean * count + error * added) / (count + added), count + added)
    return found


def _distance_px(clip: Sequence, view: int, camera: Camera) -> float:
    away = projected_px(clip.pose3d, camera) - clip.pose2d[view]
    return float(np.linalg.norm(away, axis=-1).mean())


def _wide(errors: dict[tuple[str, int], tuple[float, int]]) -> list[str]:
    # `not <=` and not `>`: a distance that is nan is a fault too.
    return [
        f"subject {subject}, camera {view}: gt 2D lies {mean:.1f} px from the 3D seen through this camera, "
        f"allowed is {LARGEST_REPROJECTION_PX:g}; look at the order of the cameras, their units (pixels, "
        "millimetres) and the lens distortion"
        for (subject, view), (mean, _) in errors.items()
        if not mean <= LARGEST_REPROJECTION_PX
    ]


def _note_h36m(poses: PoseSet) -> str | None:
    """Describes how a set called h36m differs in size from the published files; None when it does not."""
    split = split_named("h36m_authors")
    if split is None or poses.name != split.set:
        return None
    for part, published in PUBLISHED_CAMERA_FRAMES.items():
        subjects = getattr(split, part)
        found = sum(len(clip.pose3d) * len(clip.cameras) for clip in poses.sequences if clip.subject in subjects)
        if found != published:
            return f"{' '.join(subjects)} have {found:,} camera frames, in the published files {published:,}"
    return None


def _note_3dhp(poses: PoseSet) -> str | None:
    """Describes how a set differs from the published MPI-INF-3DHP pair: training frames, scored test frames; None when
    it does not."""
    if poses.name != "3dhp":
        return None
    found = {f"{clip.subject} {clip.group}": (len(clip.pose3d), clip.fps) for clip in poses.sequences}
    for key, (frames, fps) in mpi_inf_3dhp.PUBLISHED_TRAIN.items():
        if found.get(key) != (frames, fps):
            seen = "{:,} frames at {:g}".format(*found[key]) if key in found else "no frames"
            return f"{key} has {seen}, in the published files {frames:,} at {fps} per second"
    scored = {clip.subject: int(clip.valid.sum()) for clip in poses.sequences if clip.valid is not None}
    for subject, count in mpi_inf_3dhp.PUBLISHED_VALID.items():
        if scored.get(subject) != count:
            return f"{subject} has {scored.get(subject, 0):,} scored frames, in the published files {count:,}"
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """Measurements of a layout beside the counts: columns, their values with the faults found, and a note; is_z_up:
    whether its 3D stands on a floor at z = 0."""

    names: tuple[str, ...]
    measure: Callable[[PoseSet], tuple[dict[str, object], list[str]]]
    note: Callable[[PoseSet], str | None]
    is_z_up: bool = True


MEASURED: Mapping[str, Measured] = MappingProxyType(
    {
        "h36m": Measured(names=("reprojection_px",), measure=_measure_h36m, note=_note_h36m),
        "humaneva": Measured(names=(), measure=_measure_humaneva, note=lambda poses: None),
        "3dhp": Measured(names=("valid_frames",), measure=_measure_3dhp, note=_note_3dhp, is_z_up=False),
        "h36m-images": Measured(
            names=("reprojection_px", "broken"), measure=_measure_images, note=lambda poses: None, is_z_up=False
        ),
    }
)


def _short(row: dict[str, object]) -> dict[str, object]:
    subjects = row["subjects"]
    shown = {name: value for name, value in row.items() if name != "note"}
    return shown | {"subjects": len(subjects) if isinstance(subjects, list) else None}
