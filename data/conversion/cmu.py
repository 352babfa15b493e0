"""Converter of the CMU motion capture database, and of motion in the same formats, to the Human3.6M layout."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np

from ..errors import DataError
from ..formats.poses.h36m import FPS
from ..poses.poseset import Array, Camera, PoseSet, Sequence
from ..poses.skeleton import H36M_17
from ..synthetic.poses.detector import detections
from ..synthetic.poses.recording import PIXEL_GRID, on_grid, pixels_of
from .acclaim import Acclaim, read_amc, read_asf
from .bvh import move, read_bvh
from .capture import FEWEST_FRAMES, at_50_hz, centred, in_one_place, ring, share_inside, steady, z_up
from .motion_files import Label, MotionFile, find_motions, read_index
from .named_joints import joints_of, with_lost_bones
from .recording import Recording
from .rotations import Signal

# Metres per unit of length. Body mass and length of the database's ASF files are given in units of 1/0.45 inch.
UNITS: Mapping[str, float] = MappingProxyType(
    {"metre": 1.0, "centimetre": 0.01, "millimetre": 0.001, "inch": 0.0254, "1/0.45 inch": 0.0254 / 0.45}
)
# From the ankle along the leg and the trunk to the top of the head, in metres: of an adult, and of anyone.
ADULT, SMALLEST, LARGEST = 1.55, 0.9, 2.2
CHAIN = ((3, 2), (2, 1), (0, 7), (7, 8), (8, 9), (9, 10))


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """Options of a conversion. amc_fps: frames per second of .amc files, which do not state it. scale: metres per unit
    of the files; None: from ASF headers, or by the stature."""

    root: Path
    index: Path | None
    prefix: str
    scale: float | None
    amc_fps: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """Frames [first, end), at 50 Hz, of a file, moved above the origin; pose3d [n, 17, 3] metres, z up."""

    subject: str
    action: str
    source: str
    first: int
    end: int
    pose3d: Array


@dataclass(slots=True)
class Tally:
    """Statistics of one subject's files; seconds: those too short between two cuts to keep."""

    files: int = 0
    units: set[str] = field(default_factory=set)
    rates: set[float] = field(default_factory=set)
    is_mended: bool = False
    lost_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Files to read, and the label of each by its name; unnamed: those that the index does not name."""

    request: Request
    motions: tuple[MotionFile, ...]
    labels: Mapping[str, Label]
    unnamed: tuple[str, ...]

    def subject_of(self, motion: MotionFile) -> str:
        return self.request.prefix + (self.label_of(motion).subject or motion.folder)

    def label_of(self, motion: MotionFile) -> Label:
        return self.labels.get(motion.path.stem, Label())


def plan(request: Request) -> Plan:
    """Finds the files to read. DataError lists every fault that can be seen without reading a motion."""
    problems: list[str] = []
    labels: Mapping[str, Label] = {}
    motions: list[MotionFile] = []
    try:
        motions = find_motions(request.root)
    except DataError as error:
        problems += error.problems_in(str(request.root))
    try:
        labels = read_index(request.index) if request.index is not None else {}
    except DataError as error:
        problems += error.problems_in(str(request.root))
    names = [motion.path.stem for motion in motions]
    unnamed = tuple(name for name in names if request.index is not None and name not in labels)
    found = Plan(request=request, motions=tuple(motions), labels=labels, unnamed=unnamed)
    problems += _doubles(found)
    if problems:
        raise DataError(str(request.root), problems)
    return found


def _doubles(plan: Plan) -> Iterator[str]:
    """Yields files of one name and subject: a motion in two formats, or two people in folders of one name."""
    found: dict[tuple[str, str], Path] = {}
    for motion in plan.motions:
        key = plan.subject_of(motion), motion.path.stem
        first = found.setdefault(key, motion.path)
        if first != motion.path:
            yield f"{motion.path} and {first} are both motion {key[1]} of subject {key[0]}; move one away"


def read_clips(plan: Plan) -> tuple[list[Clip], dict[str, Tally]]:
    """Reads the clips of every file, with the statistics of each subject.

    One file at a time is in memory beside the result. DataError lists the faults of all files."""
    where = str(plan.request.root)
    problems: list[str] = []
    clips: list[Clip] = []
    tallies: dict[str, Tally] = {}
    takes: Counter[tuple[str, str]] = Counter()
    skeletons: dict[Path, Acclaim | None] = {}
    for motion in plan.motions:
        subject, action = plan.subject_of(motion), plan.label_of(motion).action
        try:
            recording, is_mended = _recording(motion, skeletons, plan.request.amc_fps)
            if recording is None:
                continue
            poses, unit = _in_metres(recording, plan.request.scale, str(motion.path))
        except DataError as error:
            problems += error.problems_in(where)
            continue
        pieces = list(_pieces(poses, recording.fps))
        for first, piece in pieces:
            takes[subject, action] += 1
            clips.append(
                Clip(
                    subject=subject,
                    action=f"{action} {takes[subject, action]}",
                    source=motion.path.stem,
                    first=first,
                    end=first + len(piece),
                    pose3d=piece,
                )
            )
        kept_seconds = sum(len(piece) for _, piece in pieces) / FPS
        tally = tallies.setdefault(subject, Tally())
        tally.files += 1
        tally.units.add(unit)
        tally.rates.add(recording.fps)
        tally.is_mended |= is_mended
        tally.lost_seconds += max(len(poses) / recording.fps - kept_seconds, 0)
    if not clips and not problems:
        problems.append(f"no file has a stretch of {FEWEST_FRAMES / FPS:g} s in one place; give longer recordings")
    if problems:
        raise DataError(where, problems)
    return clips, tallies


def _recording(
    motion: MotionFile, skeletons: dict[Path, Acclaim | None], amc_fps: float
) -> tuple[Recording | None, bool]:
    """Reads a file, and whether lost bones were put back; None when its skeleton is at fault, which the first call for
    it raises as DataError."""
    if motion.skeleton is None:
        bvh, is_mended = with_lost_bones(read_bvh(motion.path))
        return move(bvh), is_mended
    if motion.skeleton not in skeletons:
        skeletons[motion.skeleton] = None
        skeletons[motion.skeleton] = read_asf(motion.skeleton)
    skeleton = skeletons[motion.skeleton]
    return (read_amc(motion.path, skeleton, amc_fps), False) if skeleton is not None else (None, False)


def _in_metres(recording: Recording, scale: float | None, where: str) -> tuple[Signal, str]:
    """Converts to poses [n, 17, 3] in metres, z up, and names the unit. DataError when the stature is impossible."""
    joints = joints_of(recording, where)
    length = float(sum(np.linalg.norm(joints[0, one] - joints[0, other]) for one, other in CHAIN))
    if scale is not None:
        return z_up(joints * scale), f"{scale:g} m (--scale)"
    if recording.metres_per_unit is not None:
        unit, metres = f"{recording.metres_per_unit:.5g} m (ASF)", recording.metres_per_unit
    else:
        # Two units are a factor of 1.7 apart or more, so that only one of them fits.
        unit, metres = min(UNITS.items(), key=lambda item: abs(math.log(max(length, 1e-9) * item[1] / ADULT)))
    if not SMALLEST <= length * metres <= LARGEST:
        found = f"from ankle to head it is {length:.4g} units, {length * metres:.3g} m at {unit}"
        raise DataError(where, [f"{found}; people have {SMALLEST} to {LARGEST} m: give --scale METRES_PER_UNIT"])
    return z_up(joints * metres), unit


def _pieces(poses: Signal, fps: float) -> Iterator[tuple[int, Array]]:
    """Yields the first frame at 50 Hz and the poses of each clip."""
    for first, end in steady(poses, fps):
        even = at_50_hz(poses[first:end], fps)
        for start, stop in in_one_place(even):
            if stop - start >= FEWEST_FRAMES:
                yield round(first * FPS / fps) + start, centred(even[start:stop]).astype(np.float32)


def seen(clips: list[Clip], name: str) -> tuple[PoseSet, dict[str, float]]:
    """Projects the clips to the four cameras of their subjects, true 2D; also returns by subject the share of joints
    inside the images."""
    rigs = {subject: _rig(subject, clips) for subject in dict.fromkeys(clip.subject for clip in clips)}
    sequences: list[Sequence] = []
    inside: dict[str, list[tuple[float, int]]] = {subject: [] for subject in rigs}
    for clip in clips:
        cameras = rigs[clip.subject]
        views = tuple(on_grid(pixels_of(clip.pose3d, camera), PIXEL_GRID) for camera in cameras)
        shares = [share_inside(view, camera) for view, camera in zip(views, cameras, strict=True)]
        inside[clip.subject].append((float(np.mean(shares)), len(clip.pose3d)))
        sequences.append(
            Sequence(subject=clip.subject, action=clip.action, pose3d=clip.pose3d, pose2d=views, cameras=cameras)
        )
    poses = PoseSet(name=name, keypoints="gt", skeleton=H36M_17, fps=FPS, sequences=tuple(sequences))
    shares_of = {
        subject: sum(share * count for share, count in parts) / sum(count for _, count in parts)
        for subject, parts in inside.items()
    }
    return poses, shares_of


def _rig(subject: str, clips: list[Clip]) -> tuple[Camera, ...]:
    heights = np.concatenate([clip.pose3d[:, 0, 2] for clip in clips if clip.subject == subject])
    return ring(subject, float(np.median(heights)))


def detected(poses: PoseSet) -> PoseSet:
    """Returns the same clips with simulated detector 2D."""
    sequences = tuple(
        Sequence(
            subject=clip.subject,
            action=clip.action,
            pose3d=clip.pose3d,
            pose2d=tuple(
                on_grid(detections(view.astype(np.float64), clip.subject, clip.action, camera.name), PIXEL_GRID)
                for view, camera in zip(clip.pose2d, clip.cameras, strict=True)
            ),
            cameras=clip.cameras,
        )
        for clip in poses.sequences
    )
    return PoseSet(name=poses.name, keypoints="det", skeleton=poses.skeleton, fps=poses.fps, sequences=sequences)


def manifest(clips: list[Clip]) -> str:
    """Returns CSV text: the file and frames that each clip came from."""
    head = "subject,action,source_motion,first_frame_50hz,end_frame_50hz"
    lines = [f"{clip.subject},{clip.action},{clip.source},{clip.first},{clip.end}" for clip in clips]
    return "\n".join([head, *lines]) + "\n"
