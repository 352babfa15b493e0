"""Reader of JSON lists of frames: the product's own form, MMPose's, Ultralytics' and MediaPipe's, one or several people
in each frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spaces.errors import shown

from ...errors import DataError
from .detected import Detected, Person, detected
from .entries import LANDMARKS, WANTED, entry_of
from .frame_numbers import NUMBERS, numbered
from .numbers import joint_rows, odd

PEOPLE = ("instances", "people", "predictions", "detections", "persons")  # keys of the people of a frame
ONLY = "0"  # id of the person of a file about one
IS_SHARE, OWN_JOINTS = "may_be_shares", "joints"  # facts: see `Detected.facts`


def read_frames(path: Path, frames: Sequence[Any], facts: Mapping[str, Any]) -> Detected:
    """Reads frames in their order, or by the numbers that they give themselves. DataError with all problems."""
    numbers = numbered(path, frames)
    if numbers is not None:
        frames = [frame for frame in frames if frame is not None]
    return _detected(path, list(zip(numbers or range(len(frames)), frames, strict=True)), facts, numbers is not None)


def read_frame(path: Path, frame: Any, facts: Mapping[str, Any]) -> Detected:
    """Reads the people of a single image."""
    return _detected(path, [(0, frame)], facts, is_numbered=False)


def read_files(path: Path, frames: Mapping[int, Any]) -> Detected:
    """Reads frames that have a number each, of files of a folder."""
    return _detected(path, sorted(frames.items()), {}, is_numbered=True)


def _detected(path: Path, frames: Sequence[tuple[int, Any]], facts: Mapping[str, Any], is_numbered: bool) -> Detected:
    people: list[Person] = []
    problems: list[str] = []
    joints: set[tuple[str, ...] | None] = set()
    may_be_shares, is_detectors = False, False
    for number, frame in frames:
        content_of = _people(frame)
        # A frame that is a list of joints is of a file about one person.
        only = ONLY if len(content_of) == 1 and content_of[0] is frame and isinstance(frame, list) else None
        for place, content in enumerate(content_of):
            one = entry_of(content)
            if one is None:
                who = "" if only else f", person {place}"
                problems.append(f"frame {number}{who}: {_fault(content)}")
                continue
            if len(one.rows):
                people.append(Person(number, one.rows, only or one.id, one.score))
                joints.add(one.joints)
                may_be_shares |= one.is_landmarks
                is_detectors |= isinstance(content, dict)
    listed = [number for number, _ in frames]
    if len(set(listed)) < len(listed):
        raise DataError(str(path), ["lists a frame number twice; give every frame once"])
    own: dict[str, Any] = {IS_SHARE: may_be_shares}
    if is_detectors:
        own["usual"] = "coco"
    if len(joints) == 1 and (names := joints.pop()) is not None:
        own[OWN_JOINTS] = names
    return detected(
        path, people, listed=listed, is_numbered=is_numbered, facts={**facts, **own}, problems=problems
    )  # fmt: skip


def _people(frame: Any) -> Sequence[Any]:
    """Returns the people of a frame, unparsed."""
    if isinstance(frame, dict):
        key = next((key for key in (*PEOPLE, *LANDMARKS) if key in frame), None)
        if key is not None and not frame[key]:
            return ()
        if key in PEOPLE or (key is not None and _is_several(frame[key])):
            return _people(frame[key])
        return (frame,) if frame.keys() - set(NUMBERS) else ()
    if frame is None or frame == []:
        return ()
    # MMPose's inferencer puts the people of a frame into one more list.
    if isinstance(frame, list) and len(frame) == 1 and isinstance(frame[0], list) and _is_several(frame[0]):
        frame = frame[0]
    return [one for one in frame if one] if _is_several(frame) else (frame,)


def _is_several(content: Any) -> bool:
    """Whether JSON is a list of people: of entries with keypoints, or of lists of joints."""
    first = next((one for one in content if one), None) if isinstance(content, list) else None
    if isinstance(first, dict):
        return not ("x" in first and "y" in first)
    return isinstance(first, list) and joint_rows(content) is None and entry_of(first) is not None


def _fault(content: Any) -> str:
    if isinstance(content, dict) and content:
        return f"has {', '.join(map(str, list(content)[:6]))}; {WANTED}"
    if isinstance(content, list) and content:
        at = next((at for at, one in enumerate(content) if one is not None and joint_rows([one]) is None), None)
        if at is not None:
            return f"joint {at} is {shown(content[at])}; expected [x, y] or [x, y, score], all numbers, or null"
        sizes = " and ".join(map(str, sorted({len(joint) for joint in content if joint is not None})))
        return f"has joints of {sizes} numbers; give all the same"
    return f"is {odd(content)}; expected a list of [x, y] or [x, y, score], or null for no detection; {WANTED}"
