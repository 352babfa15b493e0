"""Reader of 2D keypoints of one person in one video: numpy arrays, a list of frames, or COCO results."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spaces.errors import shown

from ..errors import DataError
from ..formats.arrays import read_npz
from ..formats.json_text import read_json
from ..poses.sentinels import not_detected
from ..poses.skeleton import H36M_16, H36M_17, HUMANEVA_15, MPI_INF_3DHP_17
from .detections import Points, best_people, flat_rows, joint_rows, score_of

COCO_17 = (
    *("Nose", "LEye", "REye", "LEar", "REar", "LShoulder", "RShoulder", "LElbow", "RElbow", "LWrist", "RWrist"),
    *("LHip", "RHip", "LKnee", "RKnee", "LAnkle", "RAnkle"),
)
# Joint names by layout and joint count, in the order of the file.
LAYOUTS: dict[str, dict[int, tuple[str, ...]]] = {
    "coco": {17: COCO_17},
    "h36m": {17: H36M_17.joints, 16: H36M_16.joints},
    "humaneva": {15: HUMANEVA_15.joints},
    "3dhp": {17: MPI_INF_3DHP_17.joints},
}
ALLOWED = "coco (17 joints), h36m (17 or 16), humaneva (15), 3dhp (17)"
FORMS = (
    "an .npz with `keypoints` (n, J, 2 or 3), or JSON: {width, height, fps, layout, "
    "frames: [[[x, y, score], ...], null]} or a list of {frame or image_id, keypoints: [51 numbers]}"
)
DEFAULT_FPS = 25.0  # where neither file nor option tells; only times depend on it, poses do not
FARTHEST = 1_000_000  # pixels of a joint
MOST_PIXELS = 100_000  # of a side; larger is a slip
SPARSEST = 100  # frames a detection; image ids further apart number the images of a set, not the frames of a video


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """Command-line facts about a file (image size, frame rate, layout); None where the file decides. width, height in
    pixels; min_score: joints scored below it count as not detected, None for 0."""

    width: int | None = None
    height: int | None = None
    fps: float | None = None
    layout: str | None = None
    min_score: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Keypoints:
    """2D keypoints of one person over n frames.

    points [n, J, 2] pixels, x right and y down, nan where a joint was not detected; score [n, J] as in the file, None
    without; joints: J names in that order; width, height of the image in pixels; notes: the reader's choices, for the
    user."""

    points: Points
    score: Points | None
    joints: tuple[str, ...]
    layout: str
    width: int
    height: int
    fps: float
    notes: tuple[str, ...]


def read_keypoints(path: Path, told: Told) -> Keypoints:
    """Reads the keypoints in `path`; DataError with all problems. Nothing in the file is unpickled.

    `sentinels.not_detected` says which joints count as not detected."""
    return check_keypoints(path, *_read(path), told)


def check_keypoints(where: Path, values: Points, facts: Mapping[str, Any], notes: list[str], told: Told) -> Keypoints:
    """Checks numbers [n, J, 2 or 3] and the facts stated in their file; returns the keypoints. DataError with all
    problems."""
    problems: list[str] = []
    if values.ndim != 3 or values.shape[-1] not in (2, 3):
        problems.append(f"keypoints have shape {values.shape}; expected (n, J, 2) or (n, J, 3): x, y and a score")
        joints, layout = None, None
    else:
        joints, layout = _layout(values.shape[1], told.layout, facts.get("layout"), facts.get("usual"), problems)
    width = _side("width", told.width, facts.get("width"), problems)
    height = _side("height", told.height, facts.get("height"), problems)
    fps = frame_rate(told, facts, problems)
    if fps is None:
        notes.append(f"neither the file nor --fps tells the frame rate: {DEFAULT_FPS:g} frames a second assumed")
    if joints is None or layout is None:
        raise DataError(str(where), problems)
    points, score = values[..., :2].copy(), values[..., 2].copy() if values.shape[-1] == 3 else None
    if told.min_score is not None and score is None:
        problems.append(f"--min-score {told.min_score:g}: there are no scores; leave the option out")
    is_gone, found = not_detected(points, score, width, height, told.min_score or 0.0)
    notes += found
    points[is_gone] = np.nan
    if told.min_score and score is not None and is_gone.all() and (score > 0).any():
        best = f"the highest score is {np.nanmax(score):g}"
        problems.append(f"--min-score {told.min_score:g}: no joint is scored that high; {best}")
    else:
        problems += _value_problems(points, width)
    if problems:
        raise DataError(str(where), problems)
    assert width is not None, where
    assert height is not None, where
    outside = _share_outside(points, width, height)
    if outside > 0.5:
        notes.append(f"{outside:.0%} of the joints lie outside the image of {width} x {height}: is its size right?")
    return Keypoints(
        points=points, score=score, joints=joints, layout=layout, width=width, height=height,
        fps=fps or DEFAULT_FPS, notes=tuple(notes),
    )  # fmt: skip


def _read(path: Path) -> tuple[Points, dict[str, Any], list[str]]:
    """Returns the numbers, the facts stated in the file, and notes."""
    try:
        with path.open("rb") as file:
            is_archive = file.read(2) == b"PK"
        return _read_arrays(path) if is_archive else _read_json(path)
    except FileNotFoundError:
        raise DataError(str(path), ["there is no such file"]) from None
    except OSError as error:
        raise DataError(str(path), [f"cannot be read: {error.strerror or error}"]) from None


def _read_arrays(path: Path) -> tuple[Points, dict[str, Any], list[str]]:
    try:
        arrays, names = read_npz(path, ("keypoints", "width", "height", "fps", "layout"))
    except DataError as error:
        raise DataError(str(path), [f"{problem}; allowed: {FORMS}" for problem in error.problems]) from None
    here = ", ".join(names) or "none"
    if "keypoints" not in arrays:
        raise DataError(str(path), [f"has no key 'keypoints'; keys here: {here}; allowed: {FORMS}"])
    facts: dict[str, Any] = {name: array.item() for name, array in arrays.items() if array.size == 1}
    odd = [f"'{name}' has shape {array.shape}; expected one value" for name, array in arrays.items()
           if name != "keypoints" and array.size != 1]  # fmt: skip
    if arrays["keypoints"].dtype.kind not in "fiu":
        odd.append(f"'keypoints' holds {arrays['keypoints'].dtype}; expected numbers")
    if odd:
        raise DataError(str(path), odd)
    facts.pop("keypoints", None)
    return arrays["keypoints"].astype(np.float64), facts, []


def _read_json(path: Path) -> tuple[Points, dict[str, Any], list[str]]:
    tree = read_json(path, f"is neither .npz nor JSON; allowed: {FORMS}")
    facts = tree if isinstance(tree, dict) else {}
    entries = tree if isinstance(tree, list) else facts.get("annotations")
    if isinstance(facts.get("frames"), list):
        return _from_frames(path, facts["frames"]), facts, []
    if isinstance(entries, list) and entries:
        values, notes = _from_results(path, entries)
        return values, {**facts, "usual": "coco"}, notes
    raise DataError(str(path), [f"has no list of frames or results; allowed: {FORMS}"])


def _from_frames(path: Path, frames: Sequence[Any]) -> Points:
    shapes: dict[tuple[int, int], int] = {}
    found: list[Points | None] = []
    problems = []
    for number, frame in enumerate(frames):
        if frame is None or frame == []:
            found.append(None)
            continue
        rows = joint_rows(frame)
        if rows is None:
            problems.append(f"frame {number}: expected a list of [x, y] or [x, y, score], or null for no detection")
            continue
        shapes.setdefault((rows.shape[0], rows.shape[1]), number)
        found.append(rows)
    if len(shapes) > 1:
        told = ", ".join(
            f"{joints} joints of {columns} numbers in frame {at}" for (joints, columns), at in shapes.items()
        )
        problems.append(f"frames differ: {told}; give every frame the same joints")
    if not shapes and not problems:
        problems.append("holds no pose: every frame is null")
    if problems:
        raise DataError(str(path), problems)
    empty = np.full(next(iter(shapes)), np.nan)
    return np.stack([empty if rows is None else rows for rows in found])


def _from_results(path: Path, entries: Sequence[Any]) -> tuple[Points, list[str]]:
    """Returns one pose a frame from COCO results; of several people in a frame the one with the highest score."""
    people: list[tuple[int, float, Points]] = []
    problems = []
    for place, entry in enumerate(entries):
        name = entry.get("frame", entry.get("image_id")) if isinstance(entry, dict) else None
        number, rows = _frame_number(name), flat_rows(entry)
        if number is None:
            problems.append(f"result {place}: frame {shown(name)} is no frame number; give `frame` or `image_id`")
        elif rows is None:
            problems.append(f"result {place}: `keypoints` must be x, y, score for each joint, 51 numbers for COCO")
        else:
            people.append((number, score_of(entry), rows))
    best, crowded = best_people(people)
    counts = {len(rows) for rows in best.values()}
    if len(counts) > 1:
        problems.append(f"results have {', '.join(map(str, sorted(counts)))} joints; give every one the same")
    if best and not problems:
        span = max(best) - min(best) + 1
        if span > SPARSEST * len(best):
            problems.append(
                f"{len(best)} frames are spread over numbers {min(best)} to {max(best)}: these are no frames of one "
                "video; number them by `frame`"
            )
    if problems:
        raise DataError(str(path), problems)
    first = min(best)
    values = np.full((max(best) - first + 1, counts.pop(), 3), np.nan)
    for number, rows in best.items():
        values[number - first] = rows
    notes = [f"frame 0 of the output is frame {first} of the file"] if first else []
    if crowded:
        notes.append(
            f"{len(crowded)} frames show several people, the first one frame {min(crowded)}: the one with the highest "
            "score is taken in each; a file of one person never jumps"
        )
    return values, notes


def _frame_number(name: Any) -> int | None:
    """Parses a whole number, or the last digits of a name like 'frame_0012.jpg'."""
    if isinstance(name, str):
        digits = re.findall(r"\d+", re.sub(r"\.\w*$", "", name) if not name.isdigit() else name)
        return int(digits[-1]) if digits else None
    if isinstance(name, bool) or not isinstance(name, int) or name < 0:
        return None
    return name


def _layout(
    count: int, told: str | None, own: Any, usual: str | None, problems: list[str]
) -> tuple[tuple[str, ...] | None, str | None]:
    """Returns joint names and layout, from option, file, or joint count."""
    if told is not None and own is not None and told != own:
        problems.append(
            f"--layout {told}, but the file says layout '{shown(own)}'; leave the option out or mend the file"
        )
        return None, None
    layout = told or own
    if layout is not None and (not isinstance(layout, str) or layout not in LAYOUTS):
        problems.append(f"layout '{shown(layout)}' is not known; allowed: {ALLOWED}")
        return None, None
    fitting = [name for name, counts in LAYOUTS.items() if count in counts]
    if not fitting or (layout is not None and layout not in fitting):
        named = f" for layout {layout}" if layout and fitting else ""
        problems.append(f"{count} joints are not possible{named}; allowed: {ALLOWED}")
        return None, None
    if layout is None and len(fitting) > 1:
        layout = usual if usual in fitting else None
        if layout is None:
            problems.append(
                f"{count} joints may be {' or '.join(fitting)}, which order them differently; say --layout "
                f"{' or --layout '.join(fitting)}, or put `layout` into the file"
            )
            return None, None
    layout = layout or fitting[0]
    return LAYOUTS[layout][count], layout


def _side(name: str, told: int | None, own: Any, problems: list[str]) -> int | None:
    if told is None and own is None:
        problems.append(f"the image's {name} is not known: give --{name} PIXELS, or put `{name}` into the file")
        return None
    if told is not None and own is not None and told != own:
        problems.append(
            f"--{name} {told}, but the file says {name} {shown(own)}; leave the option out or mend the file"
        )
        return None
    value = own if told is None else told
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or not 1 <= value <= MOST_PIXELS:
        problems.append(f"{name} = {shown(value)}: expected pixels from 1 to {MOST_PIXELS}")
        return None
    if int(value) != value:
        problems.append(f"{name} = {shown(value)}: expected whole pixels")
        return None
    return int(value)


def frame_rate(told: Told, facts: Mapping[str, Any], problems: list[str]) -> float | None:
    """Returns the frames per second; None when neither option nor file gives them."""
    own = facts.get("fps")
    if told.fps is not None and own is not None and told.fps != own:
        problems.append(
            f"--fps {told.fps:g}, but the file says fps {shown(own)}; leave the option out or mend the file"
        )
    value = own if told.fps is None else told.fps
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 10_000:
        problems.append(f"fps = {shown(value)}: expected frames a second, above 0 and at most 10000")
        return 0.0
    return float(value)


def _value_problems(points: Points, width: int | None) -> list[str]:
    infinite = np.isinf(points).any((1, 2))
    if infinite.any():
        return [f"infinite coordinates in {infinite.sum()} of {len(points)} frames, the first one {infinite.argmax()}"]
    seen = points[~np.isnan(points[..., 0])]
    if not len(seen):
        return ["holds no pose: no joint was detected in any frame"]
    if np.abs(seen).max() > FARTHEST:
        return [f"coordinates reach {np.abs(seen).max():.3g}: they are no pixels; allowed: up to {FARTHEST:,}"]
    # Screen units reach 1 in x and the aspect in y; a person of two pixels cannot be meant.
    if width is not None and width > 16 and np.abs(seen).max() <= 2:
        return ["all coordinates lie within 2 of 0: they look normalised; give pixels, x right and y down"]
    return []


def _share_outside(points: Points, width: int, height: int) -> float:
    seen = points[~np.isnan(points[..., 0])]
    return float(((seen < 0) | (seen > (width, height))).any(-1).mean())
