"""Record of the people that a detector found in one video, as every reader of its files returns it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from .numbers import Points

SPARSEST = 20  # frames a detection; numbers further apart are those of images of a set, not of frames of a video


class Person(NamedTuple):
    """One person in one frame: numbers [J, 2 or 3], x, y and score; id of the track, None without; score of the person,
    0 without."""

    frame: int
    rows: Points
    id: str | None = None
    score: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Detected:
    """m people in the frames of one video, in order of frames and within a frame of the file.

    values [m, J, 2 or 3]: x, y, and score; frame [m]: numbers of their frames; ids: of their tracks, None where the
    file has no tracks; score [m] of each person; first, last: numbers of the frames that the file is about, with or
    without a person; step: by which these are numbered; is_numbered: whether the file numbers its frames, or just lists
    them from the first one; facts: what the file says about image size, rate and joints; notes: for the user."""

    values: Points
    frame: NDArray[np.int64]
    ids: tuple[str | None, ...] | None
    score: Points
    first: int
    last: int
    step: int = 1
    is_numbered: bool = True
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def detected(
    path: Path,
    people: Iterable[Person],
    *,
    listed: Sequence[int] | None = None,
    is_numbered: bool = True,
    has_all: bool = True,
    facts: Mapping[str, Any] | None = None,
    notes: Iterable[str] = (),
    problems: Iterable[str] = (),
) -> Detected:
    """Returns the record of people in any order; listed: numbers of all frames of the file, where it lists those
    without a person too; has_all: whether these are all frames that the detector ran on. DataError with all problems,
    and where people have different joints or there is nobody."""
    found = sorted(people, key=lambda one: one.frame)
    problems, notes = list(problems), list(notes)
    shapes: dict[tuple[int, ...], int] = {}
    for one in found:
        shapes.setdefault(one.rows.shape, one.frame)
    if len(shapes) > 1:
        told = ", ".join(f"{shape[0]} joints of {shape[1]} numbers in frame {at}" for shape, at in shapes.items())
        problems.append(f"frames differ: {told}; give every frame the same joints")
    if not found and not problems:
        problems.append("holds no pose: nobody was detected in any frame, or every frame is null")
    if problems:
        raise DataError(str(path), problems)
    frame = np.array([one.frame for one in found], np.int64)
    numbers = np.unique(np.concatenate((frame, np.array(listed or (), np.int64))))
    step = step_of(numbers) if listed is not None and is_numbered and has_all else 1
    first, last = int(numbers[0]), int(numbers[-1])
    if (last - first) // step + 1 > SPARSEST * len(numbers):
        found_here = f"{len(numbers)} frames are spread over numbers {first} to {last}"
        raise DataError(str(path), [f"{found_here}: these are no frames of one video; number them by `frame`"])
    named = [(one.frame, one.id) for one in found if one.id is not None]
    # A detector without a tracker gives everybody the same id.
    has_ids = bool(named) and len(set(named)) == len(named)
    return Detected(
        values=np.stack([one.rows for one in found]), frame=frame,
        ids=tuple(one.id for one in found) if has_ids else None,
        score=np.array([one.score for one in found], np.float64), first=first, last=last, step=step,
        is_numbered=is_numbered, facts=facts or {}, notes=tuple(notes),
    )  # fmt: skip


def step_of(numbers: NDArray[np.int64]) -> int:
    """Returns by how much the numbers of frames that a file lists rise: 1, or more where a detector ran on every k-th
    frame only. Fewer than four tell nothing."""
    return int(np.gcd.reduce(np.diff(numbers))) if len(numbers) >= 4 else 1
