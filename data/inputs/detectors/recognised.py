"""Recognition of detectors' files and folders by their content."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...errors import DataError
from ...formats.json_text import parse_json
from ..frame_names import frame_numbers
from . import arrays, frames, openpose, results, tables, ultralytics
from .detected import Detected
from .entries import LANDMARKS
from .frame_numbers import number_in
from .numbers import flat_rows

FORMS = (
    "JSON of OpenPose, AlphaPose, MMPose, OpenPifPaf, Ultralytics, MediaPipe or COCO, {width, height, fps, layout, "
    "frames: [[[x, y, score], ...], null]}, text of Ultralytics, CSV of landmarks, an .npz with `keypoints` (n, J, 2 "
    "or 3) or `reconstruction`, of VideoPose3D or Detectron, an .npy, or a folder with one file a frame"
)
OF_IMAGE = {"keypoints", "bbox", "score", "category_id"}  # keys of a person in OpenPifPaf's files
HEAD = 64  # bytes that tell JSON from other text
NO_FRAMES = ("classes.txt", "labels.txt", "readme.txt", "requirements.txt")  # text beside the frames of a set


def read_detected(path: Path, video: str | None = None) -> Detected:
    """Reads the people in a file or folder, in the format that its content shows; video: name of the one to take in a
    set of several. DataError with all problems.

    Objects in numpy files are read as far as they are plain data."""
    try:
        head = b""
        if not path.is_dir():
            with path.open("rb") as file:
                head = file.read(HEAD)
        if head.startswith(b"PK"):
            return arrays.read_archive(path, FORMS, video)
        if video is not None:
            raise DataError(str(path), [arrays.unnamed(video)])
        if path.is_dir():
            return _folder(path)
        if head.startswith(b"\x93NUMPY"):
            return arrays.read_array(path)
        return _text(path, path.read_bytes())
    except FileNotFoundError:
        raise DataError(str(path), ["there is no such file"]) from None
    except OSError as error:
        raise DataError(str(path), [f"cannot be read: {error.strerror or error}"]) from None


def _text(path: Path, content: bytes) -> Detected:
    is_json = content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")
    if not is_json and b"," in content[:4096].partition(b"\n")[0].replace(b";", b",").replace(b"\t", b","):
        try:
            return tables.read_table(path, content.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise DataError(str(path), [f"is no text ({error}); allowed: {FORMS}"]) from None
    if not is_json and path.suffix.lower() == ".txt":
        return ultralytics.read_files(path, {0: path})
    try:
        tree = parse_json(content)
    except ValueError as error:
        rows = [line for line in content.splitlines() if line.strip()]
        if not is_json or len(rows) < 2 or not _is_json(rows[0]):
            raise DataError(str(path), [f"is neither numpy's, JSON nor a table ({error}); allowed: {FORMS}"]) from None
        tree = _json_lines(path, rows)
    return _tree(path, tree)


def _is_json(content: bytes) -> bool:
    try:
        return isinstance(parse_json(content), dict | list)
    except ValueError:
        return False


def _json_lines(path: Path, rows: Sequence[bytes]) -> list[Any]:
    """Parses JSON of a line each, as OpenPifPaf writes the frames of a video."""
    found = []
    for number, row in enumerate(rows, start=1):
        try:
            found.append(parse_json(row))
        except ValueError as error:
            raise DataError(str(path), [f"line {number}: is no JSON ({error})"]) from None
    return found


def _tree(path: Path, tree: Any) -> Detected:
    """Reads JSON."""
    if isinstance(tree, dict):
        return _by_keys(path, tree)
    entries = [one for one in tree if one] if isinstance(tree, list) else []
    if not entries:
        raise DataError(str(path), [f"has no list of frames or results; allowed: {FORMS}"])
    first = entries[0]
    if isinstance(first, dict):
        if any(key in first for key in frames.PEOPLE):
            return frames.read_frames(path, tree, {})
        has_flat = isinstance(first.get("keypoints"), list) and not isinstance(first["keypoints"][:1], dict)
        if any(number_in(one) is not None for one in entries if isinstance(one, dict)):
            is_landmarks = not has_flat and any(key in first for key in LANDMARKS)
            return frames.read_frames(path, tree, {}) if is_landmarks else results.read_results(path, tree, {})
        # Without a word on frames: people of one image, or the landmarks of one person. COCO's own form never lacks it;
        # without it OpenPifPaf writes the same of one image.
        is_image = "keypoint_scores" in first or first.keys() >= OF_IMAGE
        is_flat = has_flat and flat_rows(first) is not None and not is_image
        return results.read_results(path, tree, {}) if is_flat else frames.read_frame(path, tree, {})
    return frames.read_frames(path, tree, {})


def _by_keys(path: Path, tree: dict[str, Any]) -> Detected:
    if "instance_info" in tree:
        return _instances(path, tree)
    if "people" in tree or "bodies" in tree:
        return openpose.read_tree(path, tree)
    if isinstance(tree.get("frames"), list):
        return frames.read_frames(path, tree["frames"], tree)
    if "annotations" in tree:
        return results.read_coco(path, tree)
    for key in LANDMARKS:
        content = tree.get(key)
        if isinstance(content, list) and content:
            return (
                frames.read_frames(path, content, tree)
                if _is_list_of_frames(content)
                else frames.read_frame(path, tree, tree)
            )
    if isinstance(tree.get("predictions"), list) and number_in(tree) is not None:
        return frames.read_frames(path, [tree], {})
    if isinstance(tree.get("predictions"), list):
        return frames.read_frames(path, tree["predictions"], tree)
    if tree and all(isinstance(one, dict) and ("people" in one or "bodies" in one) for one in tree.values()):
        return openpose.read_tree(path, tree)
    raise DataError(str(path), [f"has no list of frames or results; allowed: {FORMS}"])


def _is_list_of_frames(content: Sequence[Any]) -> bool:
    return any(isinstance(one, list) and one and isinstance(one[0], list | dict) for one in content)


def _instances(path: Path, tree: dict[str, Any]) -> Detected:
    """Reads {meta_info, instance_info} of MMPose: of a video frames of instances, of an image the instances."""
    about, content = tree.get("meta_info"), tree["instance_info"]
    names = about.get("keypoint_id2name") if isinstance(about, dict) else None
    facts: dict[str, Any] = {}
    if isinstance(names, dict) and names and all(str(key).isdigit() for key in names):
        facts["joints"] = tuple(str(names[key]) for key in sorted(names, key=int))
    if not isinstance(content, list):
        raise DataError(str(path), ["`instance_info` must be a list of frames or people"])
    is_video = any(isinstance(one, dict) and "instances" in one for one in content)
    return frames.read_frames(path, content, facts) if is_video else frames.read_frame(path, content, facts)


def _folder(path: Path) -> Detected:
    """Reads a folder with one file a frame."""
    files = sorted(one for one in path.iterdir() if one.is_file() and not one.name.startswith("."))
    by_kind = {suffix: [one for one in files if one.suffix.lower() == suffix] for suffix in (".json", ".txt")}
    texts = [one for one in by_kind[".txt"] if one.name.lower() not in NO_FRAMES]
    chosen = by_kind[".json"] or texts
    if not chosen and (path / "labels").is_dir():
        return _folder(path / "labels")
    if not chosen:
        wanted = "one .json file a frame (OpenPose, MMPose), or one .txt file (Ultralytics)"
        raise DataError(
            str(path), [f"this folder has no file of keypoints; expected {wanted}; give such a folder or a file"]
        )
    if len(chosen) == 1 and chosen[0].suffix.lower() == ".json":
        return read_detected(chosen[0])
    numbers = frame_numbers(file.name for file in chosen)
    if isinstance(numbers, str):
        raise DataError(str(path), [numbers])
    if not by_kind[".json"]:
        return ultralytics.read_files(path, {numbers[file.name]: file for file in chosen})
    return _json_files(path, chosen, [numbers[file.name] for file in chosen])


def _json_files(path: Path, files: Sequence[Path], numbers: Sequence[int]) -> Detected:
    """Reads one JSON file a frame, of the kind that the first one is of."""
    try:
        first = parse_json(files[0].read_bytes())
    except ValueError as error:
        raise DataError(str(path), [f"{files[0].name}: is no JSON ({error})"]) from None
    if isinstance(first, dict) and ("people" in first or "bodies" in first):
        return openpose.read_files(path, files, numbers)
    contents: dict[int, Any] = {}
    problems = []
    for file, number in zip(files, numbers, strict=True):
        try:
            tree = parse_json(file.read_bytes())
        except ValueError as error:
            problems.append(f"{file.name}: is no JSON ({error})")
            continue
        contents[number] = tree.get("instance_info") if isinstance(tree, dict) and "instance_info" in tree else tree
    if problems:
        raise DataError(str(path), problems)
    return frames.read_files(path, contents)
