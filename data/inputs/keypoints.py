"""Reader of 2D keypoints of one person in one video, from the files of detectors."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.errors import shown

from ..errors import DataError
from ..poses.sentinels import not_detected
from .detectors.detected import Detected
from .detectors.frames import IS_SHARE, OWN_JOINTS
from .detectors.numbers import Points
from .detectors.recognised import read_detected
from .layouts import ALLOWED, BODY, DATA_SETS, DETECTORS_ONLY, LAYOUTS, SYNONYMS, joints_named
from .people import one_person

DEFAULT_FPS = 25.0  # where neither file nor option tells; only times depend on it, poses do not
FARTHEST = 1_000_000  # pixels of a joint
MOST_PIXELS = 100_000  # of a side; larger is a slip
NAMED = "named"  # layout of joints that a file gives its own names
# Of coordinates, below 0; of metres around the hip it is half of them, of a body in an image next to none.
WORLD = 0.2
GUESSED, FEW_NAMES = 0.3, 4  # a score that detectors draw no joint below; joints that a note names
Read = Callable[[Path, str | None], Detected]  # of a path, and the name of the video in a file of several
SHARE = 2.0  # most of x and y where these are shares of the image; a joint may be guessed beyond its edge


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """Command-line facts about a file (image size, frame rate, layout, person, video of several); None where the file
    decides. width, height in pixels; min_score: joints scored below it count as not detected, None for 0."""

    width: int | None = None
    height: int | None = None
    fps: float | None = None
    layout: str | None = None
    min_score: float | None = None
    person: str | None = None
    video: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Keypoints:
    """2D keypoints of one person over n frames.

    points [n, J, 2] pixels, x right and y down, nan where a joint was not detected; score [n, J] as in the file, None
    without; joints: J names in that order; width, height of the image in pixels; first: number of the first frame in
    the file, step: by which they rise; is_numbered: whether the file numbers its frames; notes: the reader's choices,
    for the user."""

    points: Points
    score: Points | None
    joints: tuple[str, ...]
    layout: str
    width: int
    height: int
    fps: float
    notes: tuple[str, ...]
    first: int = 0
    step: int = 1
    is_numbered: bool = False


def read_keypoints(path: Path, told: Told, read: Read = read_detected) -> Keypoints:
    """Reads the keypoints of one person in `path`, a file or a folder; DataError with all problems. read: returns the
    people in it.

    `people.one_person` says which person, `sentinels.not_detected` which joints count as not detected."""
    found = read(path, told.video)
    track = one_person(path, found, told.person)
    first, step, is_numbered = found.first, found.step, found.is_numbered
    notes, facts = [*found.notes, *track.notes], found.facts
    del found  # of a long video everybody's numbers are a good part of the memory
    keypoints = check_keypoints(path, track.values, facts, notes, told)
    return dataclasses.replace(keypoints, first=first, step=step, is_numbered=is_numbered)


def check_keypoints(where: Path, values: Points, facts: Mapping[str, Any], notes: list[str], told: Told) -> Keypoints:
    """Checks numbers [n, J, 2 or 3] and the facts stated in their file; returns the keypoints. DataError with all
    problems."""
    problems: list[str] = []
    if values.ndim != 3 or values.shape[-1] not in (2, 3):
        problems.append(f"keypoints have shape {values.shape}; expected (n, J, 2) or (n, J, 3): x, y and a score")
        joints, layout = None, None
    else:
        joints, layout = _layout(values.shape[1], told.layout, facts, problems)
        notes += _unread_names(values.shape[1], layout, told.layout, facts)
    width = _side("width", told.width, facts.get("width"), problems)
    height = _side("height", told.height, facts.get("height"), problems)
    fps = frame_rate(told, facts, problems)
    if fps is None:
        notes.append(f"neither the file nor --fps tells the frame rate: {DEFAULT_FPS:g} frames a second assumed")
    if joints is None or layout is None:
        raise DataError(str(where), problems)
    points, score = values[..., :2].copy(), values[..., 2].copy() if values.shape[-1] == 3 else None
    if width is not None and height is not None:
        notes += _made_pixels(points, score, facts, (width, height), problems)
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
    notes += _guesses(score, is_gone, joints, told)
    outside = _share_outside(points, width, height)
    if outside > 0.5:
        notes.append(f"{outside:.0%} of the joints lie outside the image of {width} x {height}: is its size right?")
    return Keypoints(
        points=points, score=score, joints=joints, layout=layout, width=width, height=height,
        fps=fps or DEFAULT_FPS, notes=tuple(notes),
    )  # fmt: skip


def layout_problems(count: int, told: str | None, facts: Mapping[str, Any]) -> list[str]:
    """Returns why the order of `count` joints is not known, nothing where it is; told: the layout of the options;
    facts: as in `Detected`."""
    problems: list[str] = []
    _layout(count, told, facts, problems)
    return problems


def _layout(
    count: int, told: str | None, facts: Mapping[str, Any], problems: list[str]
) -> tuple[tuple[str, ...] | None, str | None]:
    """Returns joint names and layout, from the names in the file, option, file, or joint count. A detector's file is in
    the layout of a data set only where that is said."""
    own, names = facts.get("layout"), facts.get(OWN_JOINTS)
    if names is not None and len(names) == count and (found := _named(names, told, problems)) is not None:
        return found
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
    usual = facts.get("usual")
    if layout is None and usual in fitting:
        layout = usual
    # Sixteen joints without a word were always those of Human3.6M, in files that no detector wrote.
    likely = [name for name in fitting if usual is None and name not in DETECTORS_ONLY]
    if layout is None and len(fitting) > 1 and len(likely) != 1:
        problems.append(
            f"{count} joints may be {' or '.join(fitting)}, which order them differently; say --layout "
            f"{' or --layout '.join(fitting)}, or put `layout` into the file"
        )
        return None, None
    if layout is None and usual is not None and fitting[0] in DATA_SETS:
        problems.append(f"{count} joints of a detector may be {fitting[0]} or others; say --layout {fitting[0]} if so")
        return None, None
    layout = layout or (likely or fitting)[0]
    return LAYOUTS[layout][count], layout


def _named(
    names: Sequence[str], told: str | None, problems: list[str]
) -> tuple[tuple[str, ...] | None, str | None] | None:
    """Returns joints and layout by the names that a file gives them; None where the names say nothing."""
    joints = joints_named(names)
    known = {joint for counts in LAYOUTS.values() for joint in next(iter(counts.values()))} | set(SYNONYMS.values())
    if not known & set(joints):
        return None
    layouts = [name for name, counts in LAYOUTS.items() if counts.get(len(joints)) == joints]
    if told is not None and told not in layouts:
        found = f"--layout {told}, but the file names its joints {', '.join(map(str, names[:4]))}, ..."
        problems.append(f"{found}; leave the option out")
        return None, None
    return joints, layouts[0] if layouts else NAMED


def _unread_names(count: int, layout: str | None, told: str | None, facts: Mapping[str, Any]) -> list[str]:
    """Notes that the names of joints in a file did not decide their order, where nobody else told it."""
    names = facts.get(OWN_JOINTS)
    if names is None or layout in (None, NAMED) or told is not None:
        return []
    if len(names) != count:
        why = f"names {len(names)} joints and has {count}"
    elif _named(names, None, []) is None:
        why = f"names its joints {', '.join(map(str, names[:4]))}, ..., which says nothing here"
    else:
        return []
    return [f"the file {why}: they are taken as {layout}; if they are others, name them or say --layout"]


def _made_pixels(
    points: Points, score: Points | None, facts: Mapping[str, Any], sides: tuple[int, int], problems: list[str]
) -> list[str]:
    """Makes pixels of shares of the image, in place, in files of detectors that write either; returns a note where it
    did. A problem where they look like metres around the hip, MediaPipe's world landmarks."""
    if not facts.get(IS_SHARE):
        return []
    seen = np.isfinite(points).all(-1) & ~(points == 0).all(-1)
    if score is not None:
        seen &= score > 0
    values = points[seen]
    # Some landmarks are guessed far outside the image; nearly all are not.
    if not len(values) or np.quantile(np.abs(values), 0.95) > SHARE:
        return []
    size = np.array(sides, np.float64)
    if facts.get("is_openpose") and values.min() < 0:
        points[seen] = (values + 1) / 2 * size
        return ["coordinates from -1 to 1 are taken as those of OpenPose's --keypoint_scale 4"]
    if (values < 0).mean() > WORLD:
        found = f"{(values < 0).mean():.0%} of the coordinates are below 0: they look like MediaPipe's world landmarks"
        problems.append(f"{found}, metres around the hip; give `pose_landmarks`, places in the image")
        return []
    points[seen] = values * size
    return ["coordinates are shares of the image: they are multiplied by its width and height"]


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


def _guesses(score: Points | None, is_gone: NDArray[np.bool_], joints: Sequence[str], told: Told) -> list[str]:
    """Returns a note on joints that the detector scores so low, in most frames, that it only guesses them."""
    if score is None or told.min_score is not None:
        return []
    low = (score < GUESSED) & ~is_gone
    names = [joint for joint, share in zip(joints, low.mean(0), strict=True) if share > 0.5 and joint in BODY]
    if not names:
        return []
    more = f" and {len(names) - FEW_NAMES} more" if len(names) > FEW_NAMES else ""
    return [
        f"{', '.join(names[:FEW_NAMES])}{more} are scored below {GUESSED:g} in most frames: the detector guesses them; "
        "--min-score leaves guesses out"
    ]


def _share_outside(points: Points, width: int, height: int) -> float:
    seen = points[~np.isnan(points[..., 0])]
    return float(((seen < 0) | (seen > (width, height))).any(-1).mean())
