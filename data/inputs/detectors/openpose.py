"""Reader of OpenPose's JSON, one file a frame, and of the two like it that AlphaPose writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ...errors import DataError
from ...formats.json_text import parse_json
from .detected import Detected, Person, detected
from .frame_numbers import frames_of
from .frames import IS_SHARE
from .numbers import Points, id_text

# By the number of joints; people write results of other detectors in this form too.
LAYOUT_OF = {
    **{25: "body25", 18: "coco18", 15: "mpi15"},
    **{17: "coco", 136: "halpe136", 26: "halpe26", 133: "coco_wholebody"},
}


class Pose(msgspec.Struct):
    """One person. pose_keypoints_2d: x, y, score of each joint one after the other; pose_keypoints: the same in files
    of before 2018; joints: the same in AlphaPose's form `cmu`; person_id: [-1] without tracks."""

    pose_keypoints_2d: list[float] | None = None
    pose_keypoints: list[float] | None = None
    joints: list[float] | None = None
    person_id: Any = None
    idx: Any = None


class Frame(msgspec.Struct):
    """The people in one image, which AlphaPose's form `cmu` calls bodies."""

    people: list[Pose] | None = None
    bodies: list[Pose] | None = None


_DECODER = msgspec.json.Decoder(Frame)


def decode_frame(content: bytes) -> Frame:
    """Parses a file. ValueError says what is wrong; its numbers may be nan, which msgspec alone refuses."""
    try:
        return _DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.convert(parse_json(content), Frame)


def read_files(path: Path, files: Sequence[Path], numbers: Sequence[int]) -> Detected:
    """Reads one file a frame; numbers: of the frames. DataError with all problems."""

    def frames() -> Iterator[tuple[int, str, Frame | str]]:
        for file, number in zip(files, numbers, strict=True):
            try:
                yield number, file.name, decode_frame(file.read_bytes())
            except OSError as error:
                yield number, file.name, f"cannot be read: {error.strerror or error}"
            except ValueError as error:
                yield number, file.name, f"is no JSON of OpenPose ({error})"

    return _detected(path, frames(), numbers)


def read_tree(path: Path, tree: Mapping[str, Any]) -> Detected:
    """Reads a single frame, or a dictionary of frames by the names of their images. DataError with all problems."""
    named = {"": tree} if "people" in tree or "bodies" in tree else tree
    numbers, problems = ([0], []) if named is not tree else frames_of(list(named), "image")
    if problems:
        raise DataError(str(path), problems)

    def frames() -> Iterator[tuple[int, str, Frame | str]]:
        for (name, content), number in zip(named.items(), numbers, strict=True):
            try:
                yield number or 0, name, msgspec.convert(content, Frame)
            except ValueError as error:
                yield number or 0, name, f"is no frame of OpenPose ({error})"

    return _detected(path, frames(), [number or 0 for number in numbers], is_numbered=named is tree)


def _detected(
    path: Path, frames: Iterator[tuple[int, str, Frame | str]], listed: Sequence[int], *, is_numbered: bool = True
) -> Detected:
    people: list[Person] = []
    problems: list[str] = []
    for number, name, frame in frames:
        if isinstance(frame, str):
            problems.append(f"{name}: {frame}".removeprefix(": "))
            continue
        for place, pose in enumerate(frame.people or frame.bodies or ()):
            rows = _rows(pose)
            if isinstance(rows, str):
                problems.append(f"{name}: person {place}: {rows}".removeprefix(": "))
            elif rows is not None:
                people.append(Person(number, rows, id_text(pose.idx) or id_text(pose.person_id)))
    facts: dict[str, Any] = {IS_SHARE: True, "is_openpose": True}
    if people and (layout := LAYOUT_OF.get(len(people[0].rows))):
        facts["usual"] = layout
    return detected(path, people, listed=listed, is_numbered=is_numbered, facts=facts, problems=problems)


def _rows(pose: Pose) -> Points | str | None:
    """Returns the joints of a person, None for one of whom only face or hands were found, or what is wrong."""
    numbers = pose.pose_keypoints_2d or pose.pose_keypoints or pose.joints
    if not numbers:
        return None
    if len(numbers) % 3:
        return f"has {len(numbers)} numbers; expected x, y and score of each joint"
    rows = np.array(numbers, np.float64).reshape(-1, 3)
    # An all-zero person stands where a frame without one had to be filled.
    return rows if rows.any() else None
