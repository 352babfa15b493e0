"""2D poses in the photos and clips that `predict` is given, each detected once."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from data.errors import DataError
from data.inputs.detections import write_frames, write_photo
from data.inputs.detectors.detected import Detected
from data.inputs.footage import Footage, open_footage
from spaces.files import replacing

from ..cli.predict import PredictRequest
from ..detection.detect import detect, open_detector


@dataclass(frozen=True, slots=True)
class Detections:
    """The inputs of a request as photos and clips, and the people in each, by their paths."""

    footage: Mapping[Path, Footage]
    found: Mapping[Path, Detected]


def detect_inputs(request: PredictRequest) -> Detections:
    """Detects the 2D poses in every input; DataError with all problems of files and networks."""
    assert request.detection is not None, "checked by the caller"
    problems: list[str] = []
    footage: dict[Path, Footage] = {}
    for path in request.inputs:
        try:
            footage[path] = open_footage(path)
        except DataError as error:
            problems += [f"{path}: {problem}" for problem in error.problems]
    if request.has_images:
        films = [path for path, one in footage.items() if one.clip is not None]
        what = "is a clip, and this network reads single images; give a photo, or cut the clip into images"
        problems += [f"{path}: {what}" for path in films]
    try:
        detector = open_detector(request.detection.detector, request.detection.people, request.layout)
    except DataError as error:
        problems += error.problems
    if problems:
        raise DataError("--detect", problems)
    found = {}
    for path, one in footage.items():
        print(f"detecting 2D poses in {path}", flush=True)
        try:
            found[path] = detect(one, detector, request.fps)
        except DataError as error:
            problems += error.problems_in("--detect")
    if problems:
        raise DataError("--detect", problems)
    return Detections(footage, found)


def write_detections(request: PredictRequest, detections: Detections, files: ExitStack) -> None:
    """Writes the 2D poses of each input where that is asked for; they take their places when `files` closes."""
    assert request.detection is not None, "checked by the caller"
    for path, to in zip(request.inputs, request.detection.written, strict=False):
        file, found = files.enter_context(replacing(to)), detections.found[path]
        if request.has_images:
            write_photo(file, found, request.layout, path, to)
        else:
            write_frames(file, found, request.layout)
