"""Reader of COCO results: a list of one entry a person, as AlphaPose writes it, or `annotations` beside `images` and
`categories`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import DataError
from .detected import Detected, Person, detected
from .entries import entry_of
from .frame_numbers import frames_of, number_in
from .frames import IS_SHARE, OWN_JOINTS
from .numbers import number_of, odd

SIZES_SHOWN = 4


def read_results(path: Path, entries: Sequence[Any], facts: Mapping[str, Any]) -> Detected:
    """Reads one entry a person, each with its frame by number or name. DataError with all problems."""
    numbers, problems = frames_of([number_in(entry) for entry in entries], "result")
    return _read(path, entries, numbers, None, facts, problems)


def read_coco(path: Path, tree: Mapping[str, Any]) -> Detected:
    """Reads {images, annotations, categories}; of these only the annotations must be there.

    `images` tell width, height and the frames, in the order of the numbers in their names; the names of the keypoints
    in `categories` tell the order of the joints. DataError with all problems."""
    entries, images = tree.get("annotations"), tree.get("images") or []
    if not isinstance(entries, list) or not isinstance(images, list):
        raise DataError(str(path), ["`images` and `annotations` must be lists"])
    facts = {**tree, **joints_of(tree.get("categories"))}
    if not images:
        return read_results(path, entries, facts)
    problems = [f"image {at}: is {odd(one)}; expected {{id, file_name}}" for at, one in enumerate(images)
                if not isinstance(one, dict)]  # fmt: skip
    known = [one for one in images if isinstance(one, dict)]
    listed, faults = frames_of([_name(one) for one in known], "image")
    problems += faults
    facts |= _size(known, problems)
    by_id = {str(one.get("id")): number for one, number in zip(known, listed, strict=True) if number is not None}
    if not problems and len(by_id) < len(known):
        problems.append("`images` lists an `id` twice; give every image its own")
    if not problems and len(set(listed)) < len(listed):
        problems.append("`images` lists a frame twice; give every image once")
    numbers = [by_id.get(str(number_in(entry))) for entry in entries]
    if not problems:
        problems += [
            f"result {place}: image_id {odd(number_in(entry))} is none of `images`"
            for place, (entry, number) in enumerate(zip(entries, numbers, strict=True))
            if number is None
        ]
    return _read(path, entries, numbers, [number for number in listed if number is not None], facts, problems)


def _read(
    path: Path, entries: Sequence[Any], numbers: Sequence[int | None], listed: Sequence[int] | None,
    facts: Mapping[str, Any], problems: list[str],
) -> Detected:  # fmt: skip
    people: list[Person] = []
    may_be_shares = False
    joints: set[tuple[str, ...] | None] = set()
    for place, (entry, number) in enumerate(zip(entries, numbers, strict=True)):
        if isinstance(entry, dict) and (entry.get("iscrowd") == 1 or entry.get("num_keypoints") == 0):
            continue
        one = entry_of(entry) if isinstance(entry, dict) else None
        if one is None:
            wanted = "`keypoints` must be x, y, score for each joint, 51 numbers for COCO"
            problems.append(f"result {place}: {wanted}")
        elif number is not None:
            people.append(Person(number, one.rows, one.id, one.score))
            joints.add(one.joints)
            may_be_shares |= one.is_landmarks
    facts = {"usual": "coco", IS_SHARE: may_be_shares, **facts}
    if len(joints) == 1 and (names := joints.pop()) is not None:
        facts = {**facts, OWN_JOINTS: names}
    return detected(path, people, listed=listed, facts=facts, problems=problems)


def _name(image: Mapping[str, Any]) -> Any:
    """Returns what tells the place of an image in the video: its own frame number, the name of its file, or its id."""
    for key in ("frame_id", "file_name", "file", "id"):
        if image.get(key) is not None:
            return image[key]
    return None


def _size(images: Sequence[Mapping[str, Any]], problems: list[str]) -> dict[str, Any]:
    """Returns the width and height that all images have; a problem where they differ."""
    sizes = Counter((number_of(one.get("width")), number_of(one.get("height"))) for one in images)
    known = [(width, height) for width, height in sizes if width is not None and height is not None]
    if len(known) > 1:
        told = ", ".join(f"{width:g} x {height:g} ({sizes[width, height]})" for width, height in known[:SIZES_SHOWN])
        more = f" and {len(known) - SIZES_SHOWN} more" if len(known) > SIZES_SHOWN else ""
        problems.append(f"images have different sizes, {told}{more}: they are no frames of one video")
    return dict(zip(("width", "height"), known[0], strict=True)) if len(known) == 1 else {}


def joints_of(categories: Any) -> dict[str, Any]:
    """Returns the names of the joints that the categories give, where all that have some give the same."""
    found = {
        tuple(one["keypoints"])
        for one in (categories if isinstance(categories, list) else ())
        if isinstance(one, dict) and isinstance(one.get("keypoints"), list) and one["keypoints"]
        if all(isinstance(name, str) for name in one["keypoints"])
    }
    return {OWN_JOINTS: found.pop()} if len(found) == 1 else {}
