"""Converter of the CMU motion capture database, and of motion in the same formats, to the Human3.6M layout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..formats.poses.h36m import FPS
from ..poses.poseset import Array, Camera, PoseSet, Sequence
from ..poses.skeleton import H36M_17
from ..synthetic.poses.detector import detections
from ..synthetic.poses.recording import PIXEL_GRID, on_grid, pixels_of
from .body_motion import is_body_motion
from .capture import FEWEST_FRAMES, ring, share_inside
from .motion.files import Label, MotionFile, find_motions, read_index
from .skeletons.people import person_names, same_person
from .takes import Reader, Take, all_upright

FIRST_SHOWN = 5  # files that a note names


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """Options of a conversion. amc_fps: frames per second of .amc files, which do not state it. scale: metres per unit
    of the files; None: from their headers, or by the stature. up: the axis that points up, one of UP_AXES; None: found
    from the motion. is_lenient: files at fault are left out. models: folder of SMPL, for files with its parameters."""

    root: Path
    index: Path | None
    prefix: str
    scale: float | None
    amc_fps: float
    up: str | None = None
    is_lenient: bool = False
    models: Path | None = None


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
    """Statistics of one subject's files; seconds: those too short between two cuts to keep; axes: which pointed up;
    heights: from ankle to head, metres."""

    files: int = 0
    units: set[str] = field(default_factory=set)
    rates: set[float] = field(default_factory=set)
    axes: set[str] = field(default_factory=set)
    heights: list[float] = field(default_factory=list)
    is_mended: bool = False
    lost_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Converted:
    """Result of a conversion: clips in the order of the files, statistics by subject, and notes. left_out: faults of
    the files that were left out, each with its file in front; lost, files: the number of these, and of all."""

    clips: list[Clip]
    tallies: dict[str, Tally]
    notes: list[str]
    left_out: list[str]
    lost: int
    files: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Files to read, and the label of each by its name; unnamed: those that the index does not name; faults: of files
    that cannot be read."""

    request: Request
    motions: tuple[MotionFile, ...]
    faults: tuple[str, ...]
    labels: Mapping[str, Label]
    unnamed: tuple[str, ...]

    def subject_of(self, motion: MotionFile) -> str:
        return self.request.prefix + (self.label_of(motion).subject or motion.folder)

    def label_of(self, motion: MotionFile) -> Label:
        return self.labels.get(motion.path.stem, Label())


def plan(request: Request, *, is_refused: bool = False) -> Plan:
    """Finds the files to read. DataError lists every fault that can be seen without reading a motion; those of files
    only when there are others, or the request is refused anyway."""
    problems: list[str] = []
    labels: Mapping[str, Label] = {}
    motions: list[MotionFile] = []
    faults: list[str] = []
    try:
        motions, faults = find_motions(request.root, is_body_motion)
    except DataError as error:
        problems += error.problems_in(str(request.root))
    try:
        labels = read_index(request.index) if request.index is not None else {}
    except DataError as error:
        problems += error.problems_in(str(request.root))
    names = [motion.path.stem for motion in motions]
    unnamed = tuple(name for name in names if request.index is not None and name not in labels)
    found = Plan(request=request, motions=tuple(motions), faults=tuple(faults), labels=labels, unnamed=unnamed)
    problems += _doubles(found)
    if problems or (is_refused and faults):
        raise DataError(str(request.root), [*problems, *faults])
    return found


def _doubles(plan: Plan) -> Iterator[str]:
    """Yields files of one name and subject: a motion in two formats, or two people in folders of one name."""
    found: dict[tuple[str, str], Path] = {}
    for motion in plan.motions:
        key = plan.subject_of(motion), motion.path.stem
        first = found.setdefault(key, motion.path)
        if first != motion.path:
            yield f"{motion.path} and {first} are both motion {key[1]} of subject {key[0]}; move one away"


def read_clips(plan: Plan) -> Converted:
    """Reads the clips of every file, with the statistics of each subject.

    One file at a time is in memory beside the result. DataError lists the faults of all files; with `is_lenient` only
    when none is left."""
    where, request = str(plan.request.root), plan.request
    faults: list[str] = list(plan.faults)
    reader = Reader(request.scale, request.amc_fps, request.models)
    takes: list[Take] = []
    for motion in plan.motions:
        try:
            take = reader.read(motion)
        except DataError as error:
            faults += error.problems_in(where)
            continue
        if take is not None:
            up = request.up or take.up
            takes.append(take.cut(up) if up else take)
    takes, unclear = all_upright(takes)
    faults += unclear
    subjects, notes = _subjects(plan, takes)
    clips, tallies = _clips(plan, takes, subjects)
    if not clips and not faults:
        faults.append(f"no file has a stretch of {FEWEST_FRAMES / FPS:g} s in one place; give longer recordings")
    if faults and (not request.is_lenient or not clips):
        raise DataError(where, faults)
    count = len(plan.motions) + len(plan.faults)
    return Converted(
        clips=clips,
        tallies=tallies,
        notes=[*notes, *_take_notes(takes)],
        left_out=faults,
        lost=count - len(takes),
        files=count,
    )


def _subjects(plan: Plan, takes: list[Take]) -> tuple[list[str], list[str]]:
    """Returns the subject of each take, and notes on folders that hold more than one person."""
    found = [plan.subject_of(take.motion) for take in takes]
    notes: list[str] = []
    for subject in dict.fromkeys(found):
        mine = [at for at, name in enumerate(found) if name == subject]
        is_measured = any(takes[at].is_measured for at in mine)
        people = same_person([takes[at].lengths for at in mine], is_measured=is_measured)
        if not max(people):
            continue
        count = max(people) + 1
        if any(plan.label_of(takes[at].motion).subject for at in mine):
            notes.append(f"{subject}: the lengths of the bones differ, as of {count} people; the index makes them one")
            continue
        groups: list[list[str]] = [[] for _ in range(count)]
        for at, who in zip(mine, people, strict=True):
            groups[who].append((takes[at].motion.skeleton or takes[at].motion.path).stem)
        own = person_names(takes[mine[0]].motion.folder, groups)
        names = [plan.request.prefix + name for name in own]
        if set(names) & (set(found) - {subject}):
            names = [f"{subject}_{number}" for number in range(1, count + 1)]
        for at, who in zip(mine, people, strict=True):
            found[at] = names[who]
        notes.append(f"{subject}: the lengths of the bones differ, as of {count} people: {', '.join(names)}")
    return found, notes


def _take_notes(takes: list[Take]) -> list[str]:
    """Returns each note once, with the files that it is of."""
    found: dict[str, list[str]] = {}
    for take in takes:
        for note in take.notes:
            found.setdefault(note, []).append(take.motion.path.name)
    return [f"{_some(files)}: {note}" for note, files in found.items()]


def _some(files: list[str]) -> str:
    more = f" and {len(files) - FIRST_SHOWN} more" if len(files) > FIRST_SHOWN else ""
    return f"{', '.join(files[:FIRST_SHOWN])}{more}"


def _clips(plan: Plan, takes: list[Take], subjects: list[str]) -> tuple[list[Clip], dict[str, Tally]]:
    """Returns the clips of all takes, numbered by subject and action, and the statistics of each subject."""
    clips: list[Clip] = []
    tallies: dict[str, Tally] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for take, subject in zip(takes, subjects, strict=True):
        action = plan.label_of(take.motion).action
        for first, piece in take.pieces:
            counts[subject, action] += 1
            clips.append(
                Clip(
                    subject=subject,
                    action=f"{action} {counts[subject, action]}",
                    source=take.motion.path.stem,
                    first=first,
                    end=first + len(piece),
                    pose3d=piece,
                )
            )
        tally = tallies.setdefault(subject, Tally())
        tally.files += 1
        tally.units.add(take.unit)
        tally.rates.add(take.fps)
        tally.axes.add(take.up)
        tally.heights.append(take.height)
        tally.is_mended |= take.is_mended
        tally.lost_seconds += take.lost_seconds
    return clips, tallies


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
