"""`predict`: lifts keypoints of one or several videos, or images, to 3D poses or meshes, in bounded memory."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import DataError
from data.inputs.keypoints import Told
from data.inputs.videos import read_videos
from spaces.cli import FAILED, OK
from spaces.errors import ConfigError
from spaces.files import replacing
from spaces.schema import config_id

from .. import registry
from ..cli.predict import PredictRequest
from ..config import TrainConfig
from ..devices.device import pick_device
from ..scoring.submission import submission_path, write_submission
from ..weights.checkpoint import load_into, read_maker
from .images import given_photos
from .input import Input, Lifted
from .meshes import given_meshes
from .videos import GivenVideos


def predict(request: PredictRequest) -> int:
    """Writes the predictions, and the film and the submission if asked for: all whole, or nothing."""
    config = request.config
    submission = _submission(request) if request.submission else None
    given = _given(request)
    device, model = pick_device(), registry.get(config.model)
    network = model.build(config.network, config.data.sizes)
    load_into(network, request.weights, config)
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
    with ExitStack() as files:
        np.savez(files.enter_context(replacing(request.out)), **_arrays(config, lifted))
        print(f"{lifted.count} poses in {seconds:.1f} s on {device}", flush=True)
        if submission is not None:
            archive = files.enter_context(replacing(submission))
            write_submission(archive, lifted.found["pose3d"], lifted.found["vertices"])
        if request.render is not None:
            film = files.enter_context(replacing(request.render))
            given.draw(lifted, film, request.render.suffix.lower())
    read, written = (
        ", ".join(str(path) for path in paths if path)
        for paths in (request.inputs, (request.out, submission, request.render))
    )
    axes = "axes of the training set's world" if config.data.axes == "world" else "x right, y down, z forward"
    print(f"{read} -> {written}: {lifted.told}, {axes}")
    return OK


def _given(request: PredictRequest) -> Input:
    """Reads the input, of the kind that the network needs."""
    told = Told(
        width=request.width, height=request.height, fps=request.fps, layout=request.layout,
        min_score=request.min_score, person=request.person,
    )  # fmt: skip
    if request.has_meshes:
        return given_meshes(request, told)
    if request.has_images:
        return given_photos(request, told)
    skeleton = request.config.data.sizes.skeleton
    videos = read_videos(request.inputs, told, skeleton, is_smooth=request.smooth)
    if request.config.data.scores and videos.scores is None:
        found = "data.scores = true, and the keypoints have no scores"
        raise DataError("--input", [f"{found}; give a detector's file, or weights that were trained without"])
    return GivenVideos(request, videos)


def _submission(request: PredictRequest) -> Path:
    """Returns the path of the submission; ConfigError when it cannot be written."""
    _, facts = read_maker(request.weights)
    path = submission_path(request.out, facts, multiscale=request.multiscale)
    problems = []
    if path.is_dir() or (path.exists() and not request.force):
        problems.append(f"--submission: {path} exists; give --out in another folder or add --force")
    taken = {"--out": request.out, "--render": request.render, "--weights": request.weights}
    taken |= {"--input": request.inputs[0]}
    problems += [
        f"--submission {path}: is {name} too; name that another way"
        for name, other in taken.items()
        if other is not None and other.resolve() == path.resolve()
    ]
    if problems:
        raise ConfigError("predict", problems)
    return path


def _arrays(config: TrainConfig, lifted: Lifted) -> dict[str, Any]:
    """Returns the arrays of the output file."""
    return {
        **lifted.found,
        **lifted.beside,
        "joints": np.array(lifted.skeleton.joints),
        "parents": np.array(lifted.skeleton.parents),
        "axes": np.array(config.data.axes),
        "config_id": np.array(config_id(config)),
    }


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
