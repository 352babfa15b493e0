"""Reader of keypoints in numpy files: the product's own .npz, bare .npy, `reconstruction` of lifters' demos, the custom
sets of VideoPose3D, and the dumps of Detectron that these are made from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...formats.arrays import read_npy, read_npz
from ...formats.pickles import member_names, read_object
from .detected import Detected, Person, detected
from .numbers import Points

OWN = ("keypoints", "scores", "keypoint_scores", "width", "height", "fps", "layout")
DEMO = "reconstruction"
MOST_PEOPLE = 20  # of one video; a leading axis longer than that is one of frames
VIDEOS_SHOWN = 20  # names of videos in a message
PERSON = 1  # Detectron lists its boxes by class: the background, then people


def read_archive(path: Path, forms: str, video: str | None) -> Detected:
    """Reads an .npz file; forms: what is allowed, for messages; video: name of the one to take in a set of several.
    DataError with all problems."""
    names = member_names(path)
    if "positions_2d" in names:
        return _custom(path, video)
    if video is not None:
        raise DataError(str(path), [unnamed(video)])
    if {"boxes", "keypoints", "metadata"} <= set(names):
        return _detectron(path)
    try:
        arrays, _ = read_npz(path, (*OWN, DEMO))
    except DataError as error:
        raise DataError(str(path), [f"{problem}; allowed: {forms}" for problem in error.problems]) from None
    name = next((name for name in ("keypoints", DEMO) if name in arrays), None)
    if name is None:
        here = ", ".join(names) or "none"
        raise DataError(str(path), [f"has no key 'keypoints' or '{DEMO}'; keys here: {here}; allowed: {forms}"])
    facts: dict[str, Any] = {"usual16": "h36m"}
    odd = []
    for key in ("width", "height", "fps", "layout"):
        if key in arrays and arrays[key].size != 1:
            odd.append(f"'{key}' has shape {arrays[key].shape}; expected one value")
        elif key in arrays:
            facts[key] = arrays[key].item()
    values, problem = _numbers(name, arrays[name])
    scores = next((arrays[key] for key in ("scores", "keypoint_scores") if key in arrays), None)
    if scores is not None and values.ndim > 2 and values.shape[-1] == 2:
        if scores.shape == values.shape[:-1] and scores.dtype.kind in "fiu":
            values = np.concatenate((values, scores[..., None].astype(np.float64)), -1)
        else:
            odd.append(f"'scores' has shape {scores.shape}; expected {values.shape[:-1]}, one for each joint")
    if name == DEMO and not problem:
        facts["usual"] = "h36m"
        if values.ndim > 2 and values.shape[-1] != 2:
            odd.append(f"'{DEMO}' has shape {values.shape}: these are 3D poses, a result; give 2D keypoints")
    if odd or problem:
        raise DataError(str(path), odd + problem)
    return from_array(path, values, facts)


def unnamed(video: str) -> str:
    """Returns the problem of a name for a file that names no videos."""
    return f"--video {video}: this file is of one video, without a name; leave the option out"


def read_array(path: Path) -> Detected:
    """Reads an .npy file of keypoints (n, J, 2 to 4), or (people, n, J, 2 to 4). DataError with all problems."""
    values, problem = _numbers("the array", read_npy(path))
    if problem:
        raise DataError(str(path), problem)
    return from_array(path, values, {})


def from_array(path: Path, values: Points, facts: Mapping[str, Any]) -> Detected:
    """Returns the people in numbers [n, J, 2 to 4], or of several people [M, n, J, 2 to 4]. DataError for other shapes.

    Of four columns the third is a depth. So is the third of three where it leaves the range of a score."""
    if values.ndim == 4 and len(values) <= MOST_PEOPLE:
        people = values
    elif values.ndim == 3:
        people = values[None]
    else:
        shape = f"keypoints have shape {values.shape}; expected (n, J, 2) or (n, J, 3): x, y and a score"
        raise DataError(str(path), [f"{shape}, or with an axis of at most {MOST_PEOPLE} people before them"])
    if people.shape[-1] not in (2, 3, 4):
        raise DataError(str(path), [f"keypoints have shape {values.shape}; expected 2 to 4 numbers for each joint"])
    if not people.shape[0] or not people.shape[1] or not people.shape[2]:
        raise DataError(str(path), [f"holds no pose: keypoints have shape {values.shape}"])
    people, notes = without_depth(people)
    frames = range(people.shape[1])
    found = [Person(frame, rows, str(at)) for at, track in enumerate(people) for frame, rows in enumerate(track)]
    return detected(path, found, listed=frames, is_numbered=False, facts=facts, notes=notes)


def without_depth(values: Points) -> tuple[Points, list[str]]:
    """Returns numbers [..., 2 to 4] as x, y and, where there is one, a score; and a note where a depth is left out."""
    if values.shape[-1] == 4:
        return np.delete(values, 2, -1), ["of four numbers a joint the third, a depth, is left out"]
    if values.shape[-1] == 3:
        third = values[..., 2][np.isfinite(values[..., 2])]
        if len(third) and third.min() < 0 and values.shape[-2] == 33:
            return values[..., :2], ["the third number of each joint is below 0 in places: it is a depth, and left out"]
    return values, []


def _numbers(name: str, array: NDArray[Any]) -> tuple[Points, list[str]]:
    if array.dtype.kind not in "fiu":
        return np.empty(0), [f"'{name}' holds {array.dtype}; expected numbers"]
    return array.astype(np.float64), []


def _custom(path: Path, video: str | None) -> Detected:
    """Reads one video of {subject: {action: [keypoints of each camera]}}, where subjects are names of videos, and its
    metadata."""
    tree, about = read_object(path, "positions_2d"), _metadata(path)
    tracks = _named_tracks(tree)
    allowed = ", ".join(list(tracks)[:VIDEOS_SHOWN]) or "none"
    if len(tracks) > VIDEOS_SHOWN:
        allowed += f" and {len(tracks) - VIDEOS_SHOWN} more"
    if video is None and len(tracks) != 1:
        which = "give --video NAME to take one" if tracks else "give a file of one"
        raise DataError(str(path), [f"holds {len(tracks)} videos or views: {allowed}; {which}"])
    if video is not None and video not in tracks:
        raise DataError(str(path), [f"--video {video}: is not in the file; allowed: {allowed}"])
    name = video if video is not None else next(iter(tracks))
    subject, track = tracks[name]
    values, problem = _numbers(name, np.asarray(track))
    if problem:
        raise DataError(str(path), problem)
    videos = about.get("video_metadata")
    own = videos.get(subject) if isinstance(videos, dict) else None
    own = own if isinstance(own, dict) else {}
    facts = {"width": own.get("w"), "height": own.get("h"), "fps": own.get("fps"), "layout": about.get("layout_name")}
    return from_array(path, values, {key: value for key, value in facts.items() if value is not None})


def _named_tracks(tree: object) -> dict[str, tuple[Any, Any]]:
    """Returns name -> subject and keypoints of each video. The name is the subject, with the action where it has
    several, and with the number of the view where the action has."""
    found: dict[str, tuple[Any, Any]] = {}
    for subject, actions in tree.items() if isinstance(tree, dict) else ():
        for action, content in actions.items() if isinstance(actions, dict) else ():
            views = content if isinstance(content, list | tuple) else (content,)
            for at, view in enumerate(views):
                parts = [subject, *([action] if len(actions) > 1 else []), *([at] if len(views) > 1 else [])]
                found["/".join(map(str, parts))] = subject, view
    return found


def _detectron(path: Path) -> Detected:
    """Reads people by frame and class: boxes [k, 5] and keypoints [k, 4, 17], of which the first two rows are x and y
    and the last one is the confidence."""
    about = _metadata(path)
    people, problems = [], []
    frames = _rows_of(read_object(path, "keypoints"))
    boxes = _rows_of(read_object(path, "boxes"))
    for number, classes in enumerate(frames):
        found = _of_people(classes)
        scored = _of_people(boxes[number]) if number < len(boxes) else None
        for place in range(0 if found is None else len(found)):
            pose = found[place] if found is not None else None
            if pose is None or pose.ndim != 2 or pose.shape[0] not in (3, 4) or pose.dtype.kind not in "fiu":
                problems.append(f"frame {number}, person {place}: expected keypoints (4, 17) of Detectron")
                continue
            has_box = scored is not None and scored.ndim == 2 and place < len(scored) and scored.shape[1] > 4
            score = float(scored[place, 4]) if has_box and scored is not None else 0.0
            people.append(Person(number, pose[[0, 1, -1]].T.astype(np.float64), None, score))
    facts = {"width": about.get("w"), "height": about.get("h"), "fps": about.get("fps"), "usual": "coco"}
    facts = {key: value for key, value in facts.items() if value is not None}
    return detected(path, people, listed=range(len(frames)), is_numbered=False, facts=facts, problems=problems)


def _metadata(path: Path) -> dict[str, Any]:
    found = read_object(path, "metadata") if "metadata" in member_names(path) else {}
    return found if isinstance(found, dict) else {}


def _rows_of(content: object) -> list[Any]:
    return list(content) if isinstance(content, np.ndarray | list | tuple) else []


def _of_people(classes: Any) -> NDArray[Any] | None:
    """Returns the array of people of one frame; None where there is nobody."""
    if not isinstance(classes, np.ndarray | list | tuple) or len(classes) <= PERSON:
        return None
    found = np.asarray(classes[PERSON])
    return found if found.ndim >= 2 and len(found) else None
