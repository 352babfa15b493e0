"""One recording: from a file of motion capture to clips of Human3.6M's joints in metres, with all that is known of
it."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from spaces.commands import package_need
from spaces.loading import named

from ..errors import DataError
from ..formats.poses.h36m import FPS
from ..poses.poseset import Array
from ..poses.skeleton import H36M_17
from .body_motion import BodyReader
from .capture import FEWEST_FRAMES, at_50_hz, centred, in_one_place, steady
from .motion.acclaim import Acclaim, read_amc, read_asf
from .motion.axes import UP_AXES
from .motion.bvh import move, read_bvh
from .motion.files import BODIES, MotionFile
from .motion.recording import Recording
from .motion.rotations import Signal
from .skeletons.joints import Body, body_of, with_lost_bones
from .skeletons.markers import body_of_labels
from .skeletons.people import bone_lengths, misshapen
from .skeletons.sides import are_sides_exchanged
from .skeletons.up_axis import find_up, z_up

# Metres per unit of length. Body mass and length of the database's ASF files are given in units of 1/0.45 inch.
UNITS: Mapping[str, float] = MappingProxyType(
    {
        "metre": 1.0,
        "decimetre": 0.1,
        "centimetre": 0.01,
        "millimetre": 0.001,
        "inch": 0.0254,
        "1/0.45 inch": 0.0254 / 0.45,
    }
)
# From the ankle along the leg and the trunk to the top of the head, in metres: of an adult, and of anyone.
ADULT, SMALLEST, LARGEST = 1.55, 0.9, 2.2
CHAIN = ((3, 2), (2, 1), (0, 7), (7, 8), (8, 9), (9, 10))
EXCHANGED = "knees and toes point backwards, so that left and right, or the axes, are mirrored; they are changed back"
# Heights of the lowest joint of somebody on the floor, in metres, in a frame in which it is low, and of an ankle.
FLOOR, OFTEN_LOWEST, ANKLE = (-0.15, 0.3), 5, 0.08
C3D_PACKAGE = "ezc3d"
READ_C3D = "data.conversion.motion.c3d:read_c3d"  # by name: its package need not be there
ACCLAIM_UP = "y"  # of the databases in this format; it does not say


@dataclass(frozen=True, kw_only=True, slots=True)
class Take:
    """Recording of one person. poses [n, 17, 3] metres in the axes of the file, empty once it is cut; up: which of
    these points up, '' while that is not clear; seen: how people stand in it; kind: the names of its points, which
    files of one maker share; lengths [8] of long bones and height from ankle to head, metres; is_measured: whether the
    bones have no length of their own; notes on what was put
    right; pieces: first frame at 50 Hz and poses, z up, of every clip."""

    motion: MotionFile
    poses: Signal
    fps: float
    unit: str
    up: str
    seen: str
    kind: tuple[str, ...]
    lengths: Signal
    height: float
    is_mended: bool
    is_measured: bool
    notes: tuple[str, ...]
    seconds: float
    pieces: tuple[tuple[int, Array], ...] = ()

    def cut(self, up: str) -> Take:
        """Returns the take in clips, `up` being the axis that points up."""
        poses, notes = on_floor(z_up(self.poses, up))
        pieces = tuple(_pieces(poses, self.fps))
        return dataclasses.replace(self, up=up, pieces=pieces, poses=self.poses[:0], notes=(*self.notes, *notes))

    @property
    def lost_seconds(self) -> float:
        """The length of what lies in no clip."""
        return max(self.seconds - sum(len(piece) for _, piece in self.pieces) / FPS, 0)


class Reader:
    """Reader of takes; a skeleton that several files share is read once. scale: metres per unit, None to find it;
    amc_fps: frames per second of .amc files, which do not tell; models: folder of the SMPL model, None without."""

    def __init__(self, scale: float | None, amc_fps: float, models: Path | None) -> None:
        self._scale, self._amc_fps = scale, amc_fps
        self._bodies = BodyReader(models)
        self._skeletons: dict[Path, Acclaim | None] = {}

    def read(self, motion: MotionFile) -> Take | None:
        """Reads a file. DataError lists its faults; None when its skeleton is at fault, which the first call for that
        skeleton has raised."""
        recording, is_mended = self._recording(motion)
        if recording is None:
            return None
        where = str(motion.path)
        whole = body_of(recording, where) if recording.parents or motion.skeleton else body_of_labels(recording, where)
        seen = np.asarray(np.isfinite(whole.joints).all((1, 2)))
        if not seen.any():
            raise DataError(where, ["has no frame in which all joints were seen; fill the gaps of its markers"])
        body = _only(whole, seen)
        faults = misshapen(body.joints)
        if faults:
            raise DataError(where, [f"is of no person: {'; '.join(faults)}; leave it out"])
        metres, unit = self._unit(recording, body.joints, where)
        joints, notes = whole.joints, [*recording.notes, *body.notes]
        if not seen.all():
            notes.append("frames in which joints were not seen are left out")
        if are_sides_exchanged(body):
            joints = joints[:, list(H36M_17.mirror)]
            notes.append(EXCHANGED)
        upright = find_up(body)
        return Take(
            motion=motion,
            poses=joints * metres,
            fps=recording.fps,
            unit=unit,
            up=upright.axis,
            seen=upright.why,
            kind=tuple(recording.points),
            lengths=bone_lengths(joints[seen]) * metres,
            height=_height(body.joints) * metres,
            is_measured=not recording.parents and motion.skeleton is None,
            is_mended=is_mended,
            notes=tuple(notes),
            seconds=len(joints) / recording.fps,
        )

    def _recording(self, motion: MotionFile) -> tuple[Recording | None, bool]:
        """Parses a file; returns whether lost bones were put back, too."""
        if motion.path.suffix == BODIES:
            return self._bodies.read(motion.path), False
        if motion.path.suffix.lower() == ".c3d":
            if find_spec(C3D_PACKAGE) is None:
                raise DataError(str(motion.path), [package_need(C3D_PACKAGE)])
            recording: Recording = named(READ_C3D)(motion.path)
            return recording, False
        if motion.skeleton is None:
            bvh, is_mended = with_lost_bones(read_bvh(motion.path))
            return move(bvh), is_mended
        if motion.skeleton not in self._skeletons:
            self._skeletons[motion.skeleton] = None
            self._skeletons[motion.skeleton] = read_asf(motion.skeleton)
        skeleton = self._skeletons[motion.skeleton]
        return (read_amc(motion.path, skeleton, self._amc_fps), False) if skeleton is not None else (None, False)

    def _unit(self, recording: Recording, joints: Signal, where: str) -> tuple[float, str]:
        """Returns the metres per unit and its name. DataError when the stature is impossible."""
        if self._scale is not None:
            return self._scale, f"{self._scale:g} m (--scale)"
        length = _height(joints)
        if recording.metres_per_unit is not None:
            metres = recording.metres_per_unit
            unit = f"{metres:.5g} m (file)"
        else:
            # Two units are a factor of 1.7 apart or more, so that only one of them fits.
            unit, metres = min(UNITS.items(), key=lambda item: abs(math.log(max(length, 1e-9) * item[1] / ADULT)))
        if not SMALLEST <= length * metres <= LARGEST:
            found = f"from ankle to head it is {length:.4g} units, {length * metres:.3g} m at {unit}"
            scale = f"give --scale METRES_PER_UNIT, {ADULT / max(length, 1e-9):.2g} for an adult"
            raise DataError(where, [f"{found}; people have {SMALLEST} to {LARGEST} m: {scale}"])
        return metres, unit


def _only(body: Body, frames: NDArray[np.bool_]) -> Body:
    toes = {side: place[frames] for side, place in body.toes.items()}
    return dataclasses.replace(body, joints=body.joints[frames], toes=toes)


def _pieces(poses: Signal, fps: float) -> Iterator[tuple[int, Array]]:
    """Yields the first frame at 50 Hz and the poses of each clip."""
    for first, end in steady(poses, fps):
        even = at_50_hz(poses[first:end], fps)
        for start, stop in in_one_place(even):
            if stop - start >= FEWEST_FRAMES:
                yield round(first * FPS / fps) + start, centred(even[start:stop]).astype(np.float32)


def on_floor(poses: Signal) -> tuple[Signal, tuple[str, ...]]:
    """Returns positions [n, 17, 3], z up, with the ankles of who stands at a usual height, and a note where they had to
    be moved: some software counts heights from the hips, or from the first frame."""
    lowest = float(np.nanpercentile(poses[..., 2].min(1), OFTEN_LOWEST))
    if FLOOR[0] <= lowest <= FLOOR[1]:
        return poses, ()
    moved: Signal = poses - np.array((0, 0, lowest - ANKLE))
    return moved, (f"the feet are at {lowest:.2f} m; all heights are moved so that they stand on a floor at 0",)


def all_upright(takes: Sequence[Take]) -> tuple[list[Take], list[str]]:
    """Returns the takes in clips, and the faults of those whose axis is not clear.

    Files with the same joints come from one maker: where all clear ones agree, the others follow them."""
    clear: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for take in takes:
        if take.up:
            clear[take.kind].add(take.up)
    done: list[Take] = []
    faults: list[str] = []
    for take in takes:
        axes = clear[take.kind]
        if take.up:
            done.append(take)
        elif len(axes) == 1 or take.motion.skeleton is not None:
            up = min(axes) if len(axes) == 1 else ACCLAIM_UP
            note = f"which axis points up is not clear ({take.seen}); {up} is taken, as in the other files"
            if not axes:
                note = f"which axis points up is not clear ({take.seen}); {up} is taken, as is usual in .amc files"
            done.append(dataclasses.replace(take.cut(up), notes=(*take.notes, note)))
        else:
            legal = ", ".join(UP_AXES)
            faults.append(f"{take.motion.path}: which axis points up is not clear: {take.seen}; give --up ({legal})")
    return done, faults


def _height(joints: Signal) -> float:
    """Returns the way from ankle to head of positions [n, 17, 3], medians over frames."""
    return float(sum(np.median(np.linalg.norm(joints[:, one] - joints[:, other], axis=-1)) for one, other in CHAIN))
