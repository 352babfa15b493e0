"""Reader of images of one person each with their 2D keypoints, from a JSON file, mapped to a network's joints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import DataError
from ..formats.json_text import read_json
from ..images.crops import decode, images_in
from ..poses.skeleton import Skeleton
from .detectors.detected import Detected
from .detectors.numbers import Points, best_people, flat_rows, joint_rows, score_of
from .detectors.results import joints_of
from .joint_maps import to_skeleton
from .keypoints import DEFAULT_FPS, Keypoints, Told, check_keypoints, frame_rate

FORMS = (
    "JSON {layout, images: [{file, keypoints: [[x, y, score], ...]}, ...]}, or COCO: {images: [{id, file_name}, ...], "
    "annotations: [{image_id, keypoints: [51 numbers]}, ...]}, or a list of {file or image_id, keypoints}"
)
FILES_SHOWN = 5  # of those with the same fault


@dataclass(frozen=True, kw_only=True, slots=True)
class Photos:
    """n images that the file `path` lists, the names in `files` relative to it.

    pixels [n, J, 2] of whole images, joints of the skeleton, none missing; sizes [n, 2]: width and height; layout: of
    the keypoints as given; made: descriptions of joints that are only approximated; notes: the reader's choices; fps:
    frame rate of a film of them."""

    path: Path
    files: tuple[str, ...]
    pixels: Points
    sizes: NDArray[np.int64]
    layout: str
    fps: float
    made: tuple[str, ...]
    notes: tuple[str, ...]

    def image(self, at: int) -> Image.Image:
        """Decodes an image in RGB; DataError when it is not there any more."""
        return opened(self.path.parent / self.files[at])


def read_photos(path: Path, told: Told, skeleton: Skeleton) -> Photos:
    """Reads the images that `path` lists; DataError with all problems. Every image is decoded once, to validate it.

    Of several people in an image the one with the highest score is taken. A joint is missing as in `read_keypoints`,
    and that is a problem: there is no other frame to interpolate from."""
    tree = read_json(path, f"is no JSON; allowed: {FORMS}")
    people, notes, problems = _people(path, tree)
    own: Mapping[str, Any] = tree if isinstance(tree, dict) else {}
    fps = frame_rate(told, own, problems) or DEFAULT_FPS
    usual = None if "annotations" not in own and own else "coco"
    facts = {"layout": own.get("layout"), "usual": usual, "fps": fps, **joints_of(own.get("categories"))}
    return _photos(path, people, facts, notes, problems, told, skeleton)


def detected_photo(path: Path, found: Detected, told: Told, skeleton: Skeleton) -> Photos:
    """Returns the photo in `path` with the keypoints of the best scored person that was detected in it; DataError as in
    `read_photos`."""
    best, crowded = best_people(
        [(path.name, float(score), rows) for score, rows in zip(found.score, found.values, strict=True)]
    )
    people: dict[str, Points | None] = {path.name: best[path.name]}
    several = [_several([path.name])] if crowded else []
    return _photos(path, people, found.facts, [*found.notes, *several], [], told, skeleton)


def _photos(
    path: Path,
    people: Mapping[str, Points | None],
    facts: Mapping[str, Any],
    notes: list[str],
    problems: list[str],
    told: Told,
    skeleton: Skeleton,
) -> Photos:
    """Checks the images beside `path` and the keypoints in each; DataError with all problems, these included."""
    one = Told(layout=told.layout, min_score=told.min_score)
    photos: list[tuple[Keypoints, Points, list[str]]] = []
    faults: dict[str, list[str]] = {}
    for file, rows in people.items():
        try:
            photos.append(_photo(path.parent / file, rows, facts, one, skeleton))
        except DataError as error:
            for problem in error.problems:
                faults.setdefault(problem, []).append(file)
    problems += [f"{listed(files)}: {problem}" for problem, files in faults.items()]
    if problems:
        raise DataError(str(path), problems)
    # Of one image that has a size and a rate there is only one thing to note.
    outside = [file for file, (keypoints, *_) in zip(people, photos, strict=True) if keypoints.notes]
    if outside:
        notes.append(f"most joints lie outside of {listed(outside)}: do the keypoints belong to these images?")
    return Photos(
        path=path,
        files=tuple(people),
        pixels=np.concatenate([pixels for _, pixels, _ in photos]),
        sizes=np.array([(keypoints.width, keypoints.height) for keypoints, *_ in photos]),
        layout=photos[0][0].layout,
        fps=facts["fps"],
        made=tuple(dict.fromkeys(text for *_, made in photos for text in made)),
        notes=tuple(notes),
    )


def _people(path: Path, tree: Any) -> tuple[dict[str, Points | None], list[str], list[str]]:
    """Returns the keypoints in every image, by its file, None where there are none; notes and problems."""
    people: list[tuple[str, float, Points]] = []
    problems: list[str] = []
    entries = listed_entries(path, tree, FORMS, problems)
    files = dict.fromkeys(one.file for one in entries)
    for place, file, content, _ in entries:
        if not content.get("keypoints"):
            continue
        rows = flat_rows(content) if isinstance(content["keypoints"], list) else None
        rows = joint_rows(content["keypoints"]) if rows is None else rows
        if rows is None:
            wanted = "`keypoints` must be [x, y] or [x, y, score] for each joint, or x, y, score one after the other"
            problems.append(f"{place}: {wanted}")
        elif rows.shape[1] == 2 or (rows[:, 2] > 0).any():
            people.append((file, score_of(content), rows))
    best, crowded = best_people(people)
    notes = []
    if crowded:
        notes.append(_several(file for file in files if file in crowded))
    return {file: best.get(file) for file in files}, notes, problems


def _several(files: Iterable[str]) -> str:
    return f"several people in {listed(files)}: the one with the highest score is taken in each"


class Entry(NamedTuple):
    """One entry about an image: its place as text, the name of its file, the dictionary; is_result: not among `images`,
    but a result for one of them."""

    place: str
    file: str
    content: Mapping[str, Any]
    is_result: bool


def listed_entries(path: Path, tree: Any, forms: str, problems: list[str]) -> list[Entry]:
    """Returns all entries of {images, annotations} or of a list of results; problems name those of no image. forms: the
    allowed forms, for messages."""
    facts = tree if isinstance(tree, dict) else {}
    images = facts.get("images", [])
    results = tree if isinstance(tree, list) else facts.get("annotations", [])
    if not (isinstance(images, list) and isinstance(results, list) and (images or results)):
        raise DataError(str(path), [f"lists no images; allowed: {forms}"])
    names: dict[int | str, str] = {}
    found = []
    for what, entries in (("image", images), ("result", results)):
        for place, entry in enumerate(entries):
            file = _file_of(entry, names)
            if file is None:
                problems.append(f"{what} {place}: names no image file; give `file`, or `image_id` as in `images`")
                continue
            if what == "image" and isinstance(entry.get("id"), int | str):
                names[entry["id"]] = file
            found.append(Entry(f"{what} {place}, {file}", file, entry, what == "result"))
    return found


def _file_of(entry: Any, names: Mapping[int | str, str]) -> str | None:
    """Returns the image file of an entry, by its own name or by the `id` of one of `images`."""
    if not isinstance(entry, dict):
        return None
    number = entry.get("image_id")
    known = names.get(number, number) if isinstance(number, int | str) else None
    name = entry.get("file", entry.get("file_name", known))
    return name if isinstance(name, str) and name else None


def _photo(
    path: Path, rows: Points | None, facts: Mapping[str, Any], told: Told, skeleton: Skeleton
) -> tuple[Keypoints, Points, list[str]]:
    """Checks the keypoints of one image: returns them as given, and [1, J, 2] in joints of the skeleton, with
    descriptions of approximated ones."""
    problems: list[str] = []
    width, height = 1, 1  # of an image that is not there: too small to judge keypoints by it
    try:
        width, height = opened(path).size
    except DataError as error:
        problems += error.problems
    try:
        if rows is None:
            raise DataError(str(path), ["has no keypoints; detect the person in it, or leave the image out"])
        keypoints = check_keypoints(path, rows[None], {**facts, "width": width, "height": height}, [], told)
        pixels, made = to_skeleton(keypoints, skeleton)
        missing = [joint for joint, at in zip(skeleton.joints, pixels[0], strict=True) if np.isnan(at).any()]
        if missing:
            remedy = "give hidden joints where the detector guesses them, with a low score, or leave the image out"
            raise DataError(str(path), [f"no {', '.join(missing)}, and nothing tells where: {remedy}"])
    except DataError as error:
        problems += error.problems
    if problems:
        raise DataError(str(path), problems)
    return keypoints, pixels, made


def opened(path: Path) -> Image.Image:
    """Decodes the RGB image in a file, upright; DataError when there is none, or several."""
    if (count := images_in(path)) > 1:
        raise DataError(str(path), [f"holds {count} images; save the one that is meant as a file of its own"])
    try:
        return decode(path.read_bytes())
    except FileNotFoundError:
        raise DataError(str(path), ["there is no such file"]) from None
    except OSError as error:
        raise DataError(str(path), [f"cannot be read: {error.strerror or error}"]) from None
    except ValueError as error:
        raise DataError(str(path), [f"is no image, or cut off ({error})"]) from None


def listed(files: Iterable[str]) -> str:
    """Returns the first few names as text."""
    named = list(files)
    more = f" and {len(named) - FILES_SHOWN} more" if len(named) > FILES_SHOWN else ""
    return f"{', '.join(named[:FILES_SHOWN])}{more}"
