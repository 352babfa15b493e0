"""Reader of synchronised videos of one person, a file of 2D keypoints each, mapped to a network's joints."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..poses.skeleton import Skeleton
from .detectors.numbers import Points
from .detectors.recognised import read_detected
from .joint_maps import fill_gaps, scores_of, to_skeleton
from .keypoints import Keypoints, Read, Told, read_keypoints
from .smoothing import smoothed

SAME_RATE = 1e-4  # share by which rates may differ: a frame in five minutes
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Videos:
    """Keypoints of V views with n frames, paired by the frame's number.

    keypoints: the content of each file; pixels [V, n, J, 2] without gaps, joints of the skeleton; is_missing [V, n, J]:
    mask of interpolated joints; scores [V, n, J]: of the detector, 0 for interpolated joints, None where a file has
    none; made: descriptions of joints that are only approximated."""

    paths: tuple[Path, ...]
    keypoints: tuple[Keypoints, ...]
    pixels: Points
    is_missing: NDArray[np.bool_]
    scores: Points | None
    made: tuple[str, ...]

    @property
    def fps(self) -> float:
        """The frame rate, the same in every view."""
        return self.keypoints[0].fps

    @property
    def frames(self) -> NDArray[np.int64]:
        """Numbers [n] of the frames in the files, the same in every view."""
        first, step = self.keypoints[0].first, self.keypoints[0].step
        return first + step * np.arange(self.pixels.shape[1], dtype=np.int64)

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Width and height of every view's image, pixels."""
        return tuple((view.width, view.height) for view in self.keypoints)


def read_videos(
    paths: Sequence[Path], told: Told, skeleton: Skeleton, *, is_smooth: bool = False, read: Read = read_detected
) -> Videos:
    """Reads the keypoints of every view, smoothed in time if asked for; DataError with all problems of all files. read:
    returns the people in one."""
    views = _each(paths, lambda view: read_keypoints(paths[view], told, read))
    views = _aligned(paths, views)
    mapped = _each(paths, lambda view: to_skeleton(views[view], skeleton))
    filled = _each(paths, lambda view: fill_gaps(mapped[view][0], skeleton.joints))
    scores = [scores_of(view, skeleton) for view in views]
    given = [score for score in scores if score is not None]
    return Videos(
        paths=tuple(paths),
        keypoints=tuple(views),
        pixels=np.stack([smoothed(points, views[0].fps) if is_smooth else points for points, _ in filled]),
        is_missing=np.stack([is_missing for _, is_missing in filled]),
        scores=np.stack(given) * ~np.stack([gone for _, gone in filled]) if len(given) == len(views) else None,
        made=tuple(dict.fromkeys(text for _, made in mapped for text in made)),
    )


def _each(paths: Sequence[Path], make: Callable[[int], T]) -> list[T]:
    """Applies `make` to every view's number; one DataError collects those of all views."""
    found: list[T] = []
    problems: list[tuple[Path, str]] = []
    for view, path in enumerate(paths):
        try:
            found.append(make(view))
        except DataError as error:
            problems += [(path, problem) for problem in error.problems]
    if len({path for path, _ in problems}) == 1:
        raise DataError(str(problems[0][0]), [problem for _, problem in problems])
    if problems:
        raise DataError("views", [f"{path}: {problem}" for path, problem in problems])
    return found


def _aligned(paths: Sequence[Path], views: Sequence[Keypoints]) -> list[Keypoints]:
    """Returns the views over one time line, from the smallest number of a frame in any view to the largest, nan where a
    view has none. DataError where they do not belong together."""
    problems = []
    counts, rates = [len(view.points) for view in views], [view.fps for view in views]
    is_numbered = all(view.is_numbered for view in views)
    if not is_numbered and len(set(counts)) > 1:
        told = ", ".join(f"{path} has {count}" for path, count in zip(paths, counts, strict=True))
        problems.append(f"views differ in their number of frames: {told}; cut the videos to the same moments")
    # 29.97 stands for 30000 / 1001 in some files.
    if max(rates) > min(rates) * (1 + SAME_RATE):
        told = ", ".join(f"{path} has {rate:g}" for path, rate in zip(paths, rates, strict=True))
        problems.append(f"views differ in their frames a second: {told}; bring them to one rate")
    steps = {view.step for view in views if len(view.points) > 1} or {1}
    firsts = [view.first for view in views]
    lasts = [view.first + (len(view.points) - 1) * view.step for view in views]
    step = min(steps)
    if is_numbered and (len(steps) > 1 or any((first - firsts[0]) % step for first in firsts)):
        told = ", ".join(
            f"{path} has {view.first} and on by {view.step}" for path, view in zip(paths, views, strict=True)
        )
        problems.append(f"views differ in how they number frames: {told}; run the detector on the same frames")
    if is_numbered and max(firsts) > min(lasts):
        told = ", ".join(f"{path} has {a} to {b}" for path, a, b in zip(paths, firsts, lasts, strict=True))
        problems.append(f"views have no frame in common: {told}; number the frames of all from the same moment")
    if problems:
        raise DataError("views", problems)
    if not is_numbered:
        return list(views)
    first, count = min(firsts), (max(lasts) - min(firsts)) // step + 1
    return [_over(view, first, count, step) for view in views]


def _over(view: Keypoints, first: int, count: int, step: int) -> Keypoints:
    """Returns a view over `count` frames from number `first` on, nan where it has none."""
    at = (view.first - first) // step
    rows = slice(at, at + len(view.points))
    points = np.full((count, *view.points.shape[1:]), np.nan)
    points[rows] = view.points
    score = None
    if view.score is not None:
        score = np.full(points.shape[:2], np.nan)
        score[rows] = view.score
    notes = list(view.notes)
    if (missing := count - len(view.points)) > 0:
        notes.append(f"{missing} of {count} frames are beyond this view's file: they are filled from its ends")
    return dataclasses.replace(view, points=points, score=score, first=first, step=step, notes=tuple(notes))
