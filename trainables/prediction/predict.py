"""`predict`: lifts keypoints of one or several videos, or images, to 3D poses or meshes, in bounded memory."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from data.errors import DataError
from data.inputs.detectors.recognised import read_detected
from data.inputs.keypoints import Read, Told
from data.inputs.videos import read_videos
from spaces.cli import FAILED, OK
from spaces.errors import ConfigError
from spaces.files import replacing

from .. import registry
from ..cli.predict import PredictRequest, check_length
from ..config import TrainConfig
from ..devices.device import pick_device
from ..scoring.submission import submission_path, write_submission
from ..weights.checkpoint import load_into, read_maker
from .detections import Detections, detect_inputs, write_detections
from .images import given_photos
from .input import Input
from .meshes import given_meshes
from .videos import GivenVideos
from .written import Written


def predict(request: PredictRequest) -> int:
    """Writes the predictions, and the films and the submission if asked for: all whole, or nothing."""
    config = request.config
    submission = _submission(request) if request.submission else None
    model = registry.get(config.model)
    network = model.build(config.network, config.data.sizes)
    load_into(network, request.weights, config)
    # Last of what may fail: frames of a clip take minutes.
    detections = detect_inputs(request) if request.detection is not None else None
    given = _given(request, detections)
    device = pick_device()
    _tell(config, given)
    started = time.perf_counter()
    lifted = given.lift(network.to(device).eval(), model, device)
    seconds = time.perf_counter() - started
    bad = np.zeros(lifted.count, np.bool_)
    for numbers in lifted.found.values():
        bad |= ~np.isfinite(numbers).reshape(lifted.count, -1).all(1)
    if bad.any():
        what = f"{bad.sum()} of {len(bad)} poses are not finite, the first one frame {bad.argmax()}"
        print(f"{request.weights}: {what}; nothing is written, use other weights", file=sys.stderr)
        return FAILED
    written = Written(config, lifted)
    told = []
    with ExitStack() as files:
        for path in request.outs:
            told.append(written.write(path, files.enter_context(replacing(path))))
        print(f"{lifted.count} poses in {seconds:.1f} s on {device}", flush=True)
        if submission is not None:
            archive = files.enter_context(replacing(submission))
            write_submission(archive, lifted.found["pose3d"], lifted.found["vertices"])
        if detections is not None:
            write_detections(request, detections, files)
        for path in request.renders:
            given.draw(lifted, files.enter_context(replacing(path)), path.suffix.lower())
    read = ", ".join(map(str, request.inputs))
    for facts in dict.fromkeys(told):
        paths = [path for path, other in zip(request.outs, told, strict=True) if other == facts]
        print(f"{read} -> {', '.join(map(str, paths))}: {facts}")
    if beside := [str(path) for path in (submission, *request.renders) if path]:
        print(f"{read} -> {', '.join(beside)}")
    if request.detection is not None and request.detection.written:
        print(f"{read} -> {', '.join(map(str, request.detection.written))}: 2D poses, which --input reads")
    return OK


def _given(request: PredictRequest, detections: Detections | None) -> Input:
    """Reads the input, of the kind that the network needs; detections: the people in photos and clips."""
    told = Told(
        width=request.width, height=request.height, fps=request.fps, layout=request.layout,
        min_score=request.min_score, person=request.person, video=request.video,
    )  # fmt: skip
    if request.has_meshes:
        return given_meshes(request, told)
    if request.has_images:
        return given_photos(request, told, None if detections is None else detections.found[request.inputs[0]])
    read: Read = read_detected if detections is None else lambda path, _: detections.found[path]
    videos = read_videos(request.inputs, told, request.config.data.sizes.skeleton, is_smooth=request.smooth, read=read)
    if request.config.data.scores and videos.scores is None:
        found = "data.scores = true, and the keypoints have no scores"
        raise DataError("--input", [f"{found}; give a detector's file, or weights that were trained without"])
    check_length(request, request.inputs[0], videos.pixels.shape[1])
    return GivenVideos(request, videos, () if detections is None else tuple(detections.footage.values()))


def _submission(request: PredictRequest) -> Path:
    """Returns the path of the submission; ConfigError when it cannot be written."""
    _, facts = read_maker(request.weights)
    path = submission_path(request.outs[0], facts, multiscale=request.multiscale)
    problems = []
    if path.is_dir() or (path.exists() and not request.force):
        problems.append(f"--submission: {path} exists; give --out in another folder or add --force")
    taken = {"--weights": request.weights, "--input": request.inputs[0]}
    problems += [
        f"--submission {path}: is {name} too; name that another way"
        for name, other in taken.items()
        if other.resolve() == path.resolve()
    ]
    if problems:
        raise ConfigError("predict", problems)
    return path


def _tell(config: TrainConfig, given: Input) -> None:
    """Prints the notes on the input for the user, each once."""
    for line in given.told():
        print(line)
    for note in dict.fromkeys(given.notes()):
        print(f"note: {note}")
    if given.made:
        print(
            f"note: {', '.join(given.made)}; the weights saw {config.data.sizes.skeleton.name} joints of keypoints "
            f"'{config.data.keypoints}', which stand elsewhere: expect larger errors than in its table"
        )
