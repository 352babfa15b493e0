"""Options of `predict`, and the checked request made from them. No torch: help and bad input are instant."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.config import HANDS, LEFT, RIGHT
from spaces.errors import ConfigError

from ..config import TrainConfig, changed, read_config
from .changes import add_set_option, read_changes
from .detecting import DetectRequest, add_detect_options, check_detect, needs_detection
from .evaluate import add_multiscale_option, flip_problems, multiscale_problems
from .outputs import add_output_options, length_problems, output_problems

OF_KEYPOINTS = ("pose2d", "pose3d", "window3d", "root3d")  # fields that keypoints give, or that only training reads
OF_IMAGES = ("image", "crop2d", "features")
OF_MESHES = ("image", "joints2d", "joints3d", "body_pose", "betas", "has")  # what images give, and labels for training
LAYOUT_NAMES = (
    *("coco", "h36m", "humaneva", "3dhp", "body25", "coco18", "halpe26", "halpe136", "coco_wholebody", "mediapipe33"),
    *("mpii", "mpi15"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PredictRequest:
    """Checked options of `predict`: keypoints of a video to lift, or of one from each of several cameras, or, where the
    network reads them, images. width, height, fps, layout: options that the files may state themselves; None where they
    do; min_score: joints scored below it count as not detected, None for 0; person: id of the one to take among
    several, None for the one in most frames; video: name of the one to take in a file of several; smooth: whether the
    keypoints are smoothed in time; outs, renders: files to write and to draw, all different; hand: that of images that
    do not tell which one they show; detection: how to find the 2D poses in photos or clips, None where the inputs hold
    them."""

    config: TrainConfig
    weights: Path
    inputs: tuple[Path, ...]
    outs: tuple[Path, ...]
    renders: tuple[Path, ...]
    flip: bool
    multiscale: bool
    submission: bool
    force: bool
    width: int | None
    height: int | None
    fps: float | None
    layout: str | None
    min_score: float | None
    person: str | None
    video: str | None
    smooth: bool
    hand: str
    detection: DetectRequest | None

    @property
    def has_meshes(self) -> bool:
        """Whether the input is images with bounding boxes, and the output meshes."""
        return bool(self.config.data.sizes.mesh)

    @property
    def has_images(self) -> bool:
        """Whether the input lists images."""
        return reads_images(self.config)


def reads_images(config: TrainConfig) -> bool:
    """Returns whether the network needs images, not keypoints alone."""
    return bool(set(OF_IMAGES) & set(config.traits.reads))


def check_length(request: PredictRequest, where: Path, count: int) -> None:
    """Raises ConfigError when files cannot hold or show the `count` frames or images that `where` lists."""
    if problems := length_problems(request.outs, request.renders, where, count):
        raise ConfigError("predict", problems)


def add_predict_options(parser: argparse.ArgumentParser) -> None:
    """Adds CONFIG, --weights, --input, --out, --render, --flip, --multiscale, --submission, --hand, --force, and the
    options for facts that the input file may lack."""
    parser.add_argument("config", metavar="CONFIG", help="YAML file of the run that made the weights")
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE", help="best.safetensors of the run")
    parser.add_argument(
        "--input", type=Path, required=True, action="append", metavar="FILE", dest="inputs",
        help="2D keypoints, in a file or folder of a detector; of several views once for each camera, in the order of "
        "training; for a network that reads images a JSON list of them with the keypoints in each; for one that "
        "gives meshes an image, a JSON list of them with a box in each, or the .yaml of a mesh set; with --detect a "
        "photo or a clip",
    )  # fmt: skip
    add_detect_options(parser)
    add_output_options(parser)
    parser.add_argument(
        "--flip", action="store_true", help="average with the mirrored prediction of the mirrored input"
    )
    add_multiscale_option(parser)
    parser.add_argument(
        "--submission",
        action="store_true",
        help="meshes of hands: also write the archive that FreiHAND's evaluation takes, beside the first --out",
    )
    parser.add_argument(
        "--hand", choices=HANDS, help="meshes of hands: which one the images show, where the file does not tell "
        f"(default {RIGHT}); a left one is mirrored for the network, and its mesh mirrored back",
    )  # fmt: skip
    parser.add_argument("--width", metavar="PIXELS", help="width of the image, where the file does not tell")
    parser.add_argument("--height", metavar="PIXELS", help="height of the image, where the file does not tell")
    parser.add_argument("--fps", metavar="X", help="frames a second, where the file does not tell (default 25)")
    parser.add_argument(
        "--layout", metavar="NAME", help=f"order of the joints, where the file does not tell: {', '.join(LAYOUT_NAMES)}"
    )
    parser.add_argument(
        "--min-score", metavar="X", help="joints scored below X, from 0 to 1, count as not detected (default 0)"
    )
    parser.add_argument(
        "--person", metavar="ID",
        help="which of several people: the track id in the file, or, where it has none, 0, 1, ... in order of "
        "appearance (default: the one in most frames)",
    )  # fmt: skip
    parser.add_argument(
        "--video", metavar="NAME", help="which of several videos in one file, as data_2d_custom_NAME.npz may hold them"
    )
    parser.add_argument(
        "--smooth", action="store_true", help="smooth the keypoints in time (One-Euro filter), against jitter"
    )
    parser.add_argument("--force", action="store_true", help="replace existing files")
    add_set_option(parser)


def check_predict(options: argparse.Namespace) -> PredictRequest:
    """Checks the options and returns the request; ConfigError with all problems of options and config."""
    problems: list[str] = []
    config = None
    try:
        config = changed(read_config(options.config), read_changes(options.changes), options.config)
        problems += _unliftable(config, options) + flip_problems(options.flip, config)
        problems += multiscale_problems(options.multiscale, config)
        problems += _hand_problems(config, options)
    except ConfigError as error:
        problems += error.problems_in("predict")
    has_images = config is not None and reads_images(config)
    problems += check_detect(options, None if config is None else config.data, has_images=has_images)
    if config is not None and not config.data.sizes.mesh and not options.detect:
        hints = (needs_detection(path, has_images=has_images) for path in options.inputs)
        problems += [hint for hint in hints if hint]
    # A detector may have written a folder of files, one a frame.
    is_video = config is not None and not has_images and not options.detect
    problems += [
        f"--{name} {path}: {'is a folder; give a file' if path.is_dir() else 'there is no such file'}"
        for name, path in (("weights", options.weights), *(("input", path) for path in options.inputs))
        if not path.is_file() and not (name == "input" and is_video and path.is_dir())
    ]
    sources = [("CONFIG", Path(options.config)), ("--weights", options.weights)]
    sources += [("--input", path) for path in options.inputs]
    networks = (("--detector", options.detector), ("--person-detector", options.person_detector))
    sources += [(name, path) for name, path in networks if path is not None]
    problems += [
        f"--input {path}: is given twice" for path in dict.fromkeys(options.inputs) if options.inputs.count(path) > 1
    ]
    problems += output_problems(
        options.outs, options.renders, config, {path.resolve(): name for name, path in sources},
        has_images=has_images or options.detect, force=options.force, detections=options.detections,
    )  # fmt: skip
    numbers = {name: _number(problems, name, getattr(options, name)) for name in ("width", "height", "fps")}
    min_score = _share(problems, "min-score", options.min_score)
    if options.layout is not None and options.layout not in LAYOUT_NAMES:
        problems.append(f"--layout {options.layout}: is not known; allowed: {', '.join(LAYOUT_NAMES)}")
    if problems or config is None:
        raise ConfigError("predict", problems)
    detection = None
    if options.detect:
        detection = DetectRequest(
            detector=options.detector, people=options.person_detector, written=tuple(options.detections)
        )
    return PredictRequest(
        detection=detection, config=config, weights=options.weights, inputs=tuple(options.inputs),
        outs=tuple(options.outs),
        renders=tuple(options.renders), flip=options.flip, multiscale=options.multiscale,
        submission=options.submission, force=options.force, hand=options.hand or RIGHT,
        layout=options.layout, min_score=min_score, person=options.person, video=options.video,
        smooth=options.smooth, **numbers,
    )  # fmt: skip


def _unliftable(config: TrainConfig, options: argparse.Namespace) -> list[str]:
    """Returns the problems of the network's input: fields that `predict` cannot supply, and options that the input
    files state themselves."""
    problems, data, given = [], config.data, len(options.inputs)
    if data.views != given:
        wanted = "one file" if data.views == 1 else "one file for each camera, in the order of training"
        problems.append(f"--input: {given} given, but data.views = {data.views}; give {wanted}")
    known = OF_MESHES if data.sizes.mesh else (*OF_KEYPOINTS, *OF_IMAGES)
    other = [field for field in config.traits.reads if field not in known]
    if other:
        problems.append(f"model {config.model} reads {', '.join(other)}; `predict` has only 2D keypoints and images")
    if reads_images(config):
        if data.views > 1 or data.frames > 1:
            what = f"images of {data.views} view(s) and {data.frames} frame(s) at once"
            problems.append(f"model {config.model} reads {what}; `predict` gives it a single image at a time")
        problems += [
            f"--{name} {value}: every image tells its own {name}; leave the option out"
            for name, value in (("width", options.width), ("height", options.height))
            if value is not None
        ]
        if options.person is not None and not data.sizes.mesh:
            problems.append(
                f"--person {options.person}: images are no video to follow a person in; list the keypoints of one each"
            )
        if options.video is not None and not data.sizes.mesh:
            problems.append(f"--video {options.video}: images are no video; leave the option out")
    if options.smooth and (reads_images(config) or data.sizes.mesh):
        problems.append("--smooth: images are no video; leave the option out")
    problems += [
        f"--{name.replace('_', '-')} {getattr(options, name)}: {config.model} reads no keypoints; leave the option out"
        for name in ("layout", "min_score", "person", "video")
        if data.sizes.mesh and getattr(options, name) is not None
    ]
    return problems


def _hand_problems(config: TrainConfig, options: argparse.Namespace) -> list[str]:
    """Returns why options that only hands have do not go with this config."""
    problems, name = [], config.data.name
    is_hand = config.data.sizes.mesh == "hand"
    if options.submission and not is_hand:
        problems.append(f"--submission: FreiHAND is a set of hands, and {name} is none; leave it out")
    if options.hand is not None and not is_hand:
        problems.append(f"--hand {options.hand}: {config.model} on {name} predicts no hands; leave it out")
    elif options.submission and options.hand == LEFT:
        problems.append("--submission: FreiHAND's evaluation has right hands only; leave it out, or --hand left")
    return problems


def _share(problems: list[str], name: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        problems.append(f"--{name} {text}: expected a number from 0 to 1")
        return None
    return value


def _number(problems: list[str], name: str, text: str | None) -> Any:
    if text is None:
        return None
    kind, wanted = (float, "a number above 0") if name == "fps" else (int, "whole pixels above 0")
    try:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise ValueError
    except ValueError:
        problems.append(f"--{name} {text}: expected {wanted}")
        return None
    return value
