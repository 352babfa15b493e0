"""Reader of synchronised videos of one person, a file of 2D keypoints each, mapped to a network's joints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..poses.skeleton import Skeleton
from .detections import Points
from .joint_maps import fill_gaps, to_skeleton
from .keypoints import Keypoints, Told, read_keypoints

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Videos:
    """Keypoints of V views with n frames, paired by the frame's number.

    keypoints: the content of each file; pixels [V, n, J, 2] without gaps, joints of the skeleton; is_missing [V, n, J]:
    mask of interpolated joints; made: descriptions of joints that are only approximated."""

    paths: tuple[Path, ...]
    keypoints: tuple[Keypoints, ...]
    pixels: Points
    is_missing: NDArray[np.bool_]
    made: tuple[str, ...]

    @property
    def fps(self) -> float:
        """The frame rate, the same in every view."""
        return self.keypoints[0].fps

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Width and height of every view's image, pixels."""
        return tuple((view.width, view.height) for view in self.keypoints)


def read_videos(paths: Sequence[Path], told: Told, skeleton: Skeleton) -> Videos:
    """Reads the keypoints of every view; DataError with all problems of all files."""
    views = _each(paths, lambda view: read_keypoints(paths[view], told))
    _check_pairing(paths, views)
    mapped = _each(paths, lambda view: to_skeleton(views[view], skeleton))
    filled = _each(paths, lambda view: fill_gaps(mapped[view][0], skeleton.joints))
    return Videos(
        paths=tuple(paths),
        keypoints=tuple(views),
        pixels=np.stack([points for points, _ in filled]),
        is_missing=np.stack([is_missing for _, is_missing in filled]),
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


def _check_pairing(paths: Sequence[Path], views: Sequence[Keypoints]) -> None:
    problems = []
    counts, rates = [len(view.points) for view in views], [view.fps for view in views]
    if len(set(counts)) > 1:
        told = ", ".join(f"{path} has {count}" for path, count in zip(paths, counts, strict=True))
        problems.append(f"views differ in their number of frames: {told}; cut the videos to the same moments")
    if len(set(rates)) > 1:
        told = ", ".join(f"{path} has {rate:g}" for path, rate in zip(paths, rates, strict=True))
        problems.append(f"views differ in their frames a second: {told}; bring them to one rate")
    if problems:
        raise DataError("views", problems)
