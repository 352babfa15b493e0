"""Detection of 2D poses in photos and clips: frames in batches, to the same record as a detector's file gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data.errors import DataError
from data.images.crops import SMALLEST_WIDTH_PX, affine, inverse, keypoint_boxes, moved, warp
from data.inputs.detectors.detected import Detected, Person, detected
from data.inputs.detectors.frames import OWN_JOINTS
from data.inputs.footage import Footage
from data.inputs.keypoints import DEFAULT_FPS, GUESSED, layout_problems

from .models import OfCrop, OfImage, open_person_model, open_pose_model

FRAMES = 16  # decoded at a time; bounds the memory, the poses do not depend on it
PASSES = 2  # on crops around what was found before, after one on the whole image
FEWEST = 4  # joints, scored as seen, that a crop is made around
DIGITS = 3  # of pixels and scores: what is written is what is used
GREY = (114, 114, 114)  # beside an image that is not as wide as the input; as Ultralytics and YOLOX train
MISSING, MISSING_S = 0.05, 0.5  # share of a clip, and seconds, that its end may lack
UNEVEN = 0.5  # frames that a frame's time may differ from an even rate

Numbers = NDArray[np.float64]
Found = tuple[Numbers, float]  # keypoints [K, 3] in pixels of the image, score of the person


@dataclass(frozen=True, slots=True)
class Detector:
    """A model of 2D poses, and for one that reads crops the model that finds people in images, None for one person in
    the whole image."""

    poses: OfCrop | OfImage
    people: OfImage | None

    @property
    def told(self) -> str:
        """One line on the networks."""
        height, width = self.poses.size
        what = "crops" if isinstance(self.poses, OfCrop) else "images"
        boxes = f", people by {self.people.network.path.name}" if self.people is not None else ""
        return f"{self.poses.network.path.name} ({self.poses.name}, {what} of {width} x {height} pixels{boxes})"

    @property
    def facts(self) -> dict[str, Any]:
        """What tells the layout of its joints, as `Detected.facts` has it."""
        names = self.poses.names if isinstance(self.poses, OfImage) else None
        return {"usual": "coco", **({OWN_JOINTS: names} if names else {})}

    def find(self, images: Sequence[Image.Image]) -> list[list[Found]]:
        """Returns the people in each of some images."""
        if isinstance(self.poses, OfImage):
            return [
                [(points, float(score)) for points, score in zip(people, scores, strict=True)]
                for _, people, scores in _of_images(self.poses, images)
            ]
        if self.people is None:
            center, width = _whole(images, self.poses.size)
            points = _of_crops(self.poses, images, range(len(images)), center, width)
            for _ in range(PASSES):
                points = _closer(self.poses, images, points, center, width)
            return [[(one, float(one[:, 2].mean()))] for one in points]
        boxes = [corners for corners, _, _ in _of_images(self.people, images)]
        rows = [at for at, corners in enumerate(boxes) for _ in corners]
        found: list[list[Found]] = [[] for _ in images]
        if rows:
            center, width = keypoint_boxes(np.concatenate(boxes), *self.poses.size)
            for at, one in zip(rows, _of_crops(self.poses, images, rows, center, width), strict=True):
                found[at].append((one, float(one[:, 2].mean())))
        return found


def open_detector(poses: Path, people: Path | None, layout: str | None = None) -> Detector:
    """Opens the models of both files; layout: of the joints, None where their names or number tell it. DataError with
    the problems of both."""
    problems: list[str] = []
    opened: list[OfCrop | OfImage] = []
    for path, open_model in ((poses, open_pose_model), (people, open_person_model)):
        try:
            if path is not None:
                opened.append(open_model(path))
        except DataError as error:
            problems += [f"{error.where}: {problem}" for problem in error.problems]
    if not problems and people is not None and isinstance(opened[0], OfImage):
        problems.append(f"--person-detector {people}: {poses} finds people by itself; leave the option out")
    if problems:
        raise DataError("--detect", problems)
    finder = opened[1] if len(opened) > 1 else None
    assert finder is None or isinstance(finder, OfImage), finder
    detector = Detector(opened[0], finder)
    if unclear := layout_problems(detector.poses.joints, layout, detector.facts):
        raise DataError("--detect", [f"{poses}: {problem}" for problem in unclear])
    return detector


def detect(footage: Footage, detector: Detector, fps: float | None) -> Detected:
    """Returns the people in the frames of a photo or a clip, numbered from 0; fps: frames a second in place of those
    that the clip states, None for them. DataError when nobody is in any frame."""
    people: list[Person] = []
    times: list[float | None] = []
    sizes: dict[tuple[int, int], int] = {}
    frames = footage.frames()
    while batch := list(islice(frames, FRAMES)):
        images = [image for image, _ in batch]
        for image, found in zip(images, detector.find(images), strict=True):
            sizes.setdefault(image.size, len(times))
            people += [Person(len(times), np.round(rows, DIGITS), score=round(score, DIGITS)) for rows, score in found]
            times.append(batch[len(times) % FRAMES][1])
    if len(sizes) > 1:
        told = ", ".join(f"{width} x {height} from frame {at} on" for (width, height), at in sizes.items())
        raise DataError(str(footage.path), [f"frames differ in size: {told}; cut the clip there"])
    (width, height), rate = next(iter(sizes)), fps or footage.fps or _rate(times)
    facts = {"width": width, "height": height, **detector.facts}
    if footage.clip is None:
        facts["fps"] = fps or DEFAULT_FPS
    elif rate:
        facts["fps"] = rate
    notes = _notes(detector, people, times, footage.fps or _rate(times))
    if footage.clip is not None:
        notes += _cut_off(footage.clip.seconds, times)
    return detected(footage.path, people, listed=range(len(times)), facts=facts, notes=notes)


def _notes(
    detector: Detector, people: Sequence[Person], times: Sequence[float | None], rate: float | None
) -> list[str]:
    count = len(times)
    seen = len({one.frame for one in people})
    notes = [f"2D poses by {detector.told}"]
    if isinstance(detector.poses, OfCrop) and detector.people is None:
        notes.append(
            "without --person-detector one person is looked for, in the whole image and then around what was found: "
            "where several people are, or one is small, give a model that finds people"
        )
    if seen < count:
        notes.append(f"nobody was found in {count - seen} of {count} frames")
    known = np.array([np.nan if one is None else one for one in times])
    if rate and count > 2 and np.isfinite(known).all():
        apart = np.abs(known - known[0] - np.arange(count) / rate).max() * rate
        if apart > UNEVEN:
            notes.append(
                f"frames do not follow each other evenly: they are up to {apart:.1f} frames from {rate:g} a second, "
                "which is taken as the rate; bring the clip to a constant rate if speeds matter"
            )
    return notes


def _cut_off(stated: float | None, times: Sequence[float | None]) -> list[str]:
    """Notes that a clip ends long before the seconds that it states: FFmpeg reads what is there."""
    first, last = times[0], times[-1]
    if stated is None or first is None or last is None or stated - (last - first) < max(MISSING_S, MISSING * stated):
        return []
    return [f"the clip states {stated:.1f} s and ends after {last - first:.1f} s: if it was cut off, get it again"]


def _rate(times: Sequence[float | None]) -> float | None:
    """Returns the mean rate of frames by their times; None where they tell nothing."""
    first, last = times[0], times[-1]
    return (len(times) - 1) / (last - first) if first is not None and last is not None and last > first else None


def _whole(images: Sequence[Image.Image], size: tuple[int, int]) -> tuple[Numbers, Numbers]:
    """Returns middle [n, 2] and width [n] of the smallest boxes, of the shape of a crop, that hold whole images."""
    sides = np.array([image.size for image in images], np.float64)
    width = np.maximum(sides[:, 0], sides[:, 1] * (size[1] / size[0]))
    return (sides - 1) / 2, np.maximum(width, SMALLEST_WIDTH_PX)


def _closer(model: OfCrop, images: Sequence[Image.Image], points: Numbers, center: Numbers, width: Numbers) -> Numbers:
    """Looks again, in crops around the joints that were seen; keeps the better scored keypoints [n, K, 3] of both."""
    is_seen = points[..., 2] >= GUESSED
    seen = np.where(is_seen[..., None], points[..., :2], np.nan)
    is_enough = is_seen.sum(1) >= FEWEST
    if not is_enough.any():
        return points
    rows = np.flatnonzero(is_enough)
    # Joints that were not seen must not widen the box: they lie where the first that was seen does.
    first = seen[rows, is_seen[rows].argmax(1)][:, None]
    around = keypoint_boxes(np.where(np.isnan(seen[rows]), first, seen[rows]), *model.size)
    again = _of_crops(model, [images[row] for row in rows.tolist()], range(len(rows)), *around)
    is_better = again[..., 2].mean(1) > points[rows, :, 2].mean(1)
    found = points.copy()
    found[rows[is_better]] = again[is_better]
    return found


def _of_crops(
    model: OfCrop, images: Sequence[Image.Image], rows: Sequence[int], center: Numbers, width: Numbers
) -> Numbers:
    """Returns keypoints [m, K, 3] in pixels of the images, from crops of the images `rows` [m] at boxes with center
    [m, 2] and width [m]."""
    matrices = affine(center, width, *model.size)
    crops = np.stack([warp(images[row], matrix, *model.size) for row, matrix in zip(rows, matrices, strict=True)])
    found = model.find(crops).astype(np.float64)
    return np.concatenate((moved(found[..., :2], inverse(matrices)), found[..., 2:]), -1)


def _of_images(model: OfImage, images: Sequence[Image.Image]) -> Iterator[tuple[Numbers, Numbers, Numbers]]:
    """Yields boxes [m, 2, 2], as two corners, keypoints [m, K, 3] and scores [m] of the people in every image, in its
    pixels."""
    fitted = [_fitted(image, model) for image in images]
    found = model.find(np.stack([pixels for pixels, _, _ in fitted]))
    for people, (_, scale, corner) in zip(found, fitted, strict=True):
        boxes = (people.boxes.reshape(-1, 2, 2).astype(np.float64) - corner) / scale
        points = np.zeros((len(boxes), 0, 3)) if people.keypoints is None else people.keypoints.astype(np.float64)
        points[..., :2] = (points[..., :2] - corner) / scale
        yield boxes, points, people.score.astype(np.float64)


def _fitted(image: Image.Image, model: OfImage) -> tuple[NDArray[np.uint8], float, Numbers]:
    """Scales an image to the input of a network, grey beside it; returns it with its scale and its upper left corner
    [2]."""
    height, width = model.size
    scale = min(width / image.width, height / image.height)
    sides = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    corner = ((width - sides[0]) // 2, (height - sides[1]) // 2) if model.is_centred else (0, 0)
    whole = Image.new("RGB", (width, height), GREY)
    whole.paste(image.resize(sides, Image.Resampling.BILINEAR), corner)
    return np.asarray(whole), scale, np.array(corner, np.float64)
