"""Options of `predict`, and the checked request made from them. No torch: help and bad input are instant."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spaces.files import target_problems
from spaces.schema import ConfigError

from .config import TrainConfig, changed, read_config
from .options import add_set_option, flip_problems, read_changes

RENDERED = (".gif", ".mp4")
READABLE = ("pose2d", "pose3d", "window3d", "root3d")  # fields that keypoints give, or that only training reads
LAYOUT_NAMES = ("coco", "h36m", "humaneva", "3dhp")


@dataclass(frozen=True, kw_only=True, slots=True)
class PredictRequest:
    """Keypoints of a video to lift, or of one from each of several cameras. width, height, fps, layout: what the user
    says of the files, None where they say it themselves."""

    config: TrainConfig
    weights: Path
    inputs: tuple[Path, ...]
    out: Path
    render: Path | None
    flip: bool
    width: int | None
    height: int | None
    fps: float | None
    layout: str | None


def add_predict_options(parser: argparse.ArgumentParser) -> None:
    """CONFIG, --weights, --input, --out, --render, --flip, --force, and what the file may leave out."""
    parser.add_argument("config", metavar="CONFIG", help="YAML file of the run that made the weights")
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE", help="best.safetensors of the run")
    parser.add_argument(
        "--input", type=Path, required=True, action="append", metavar="FILE", dest="inputs",
        help="2D keypoints of one person, .npz or JSON, in pixels; of several views once for each camera, in the order "
        "of training",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help=".npz file to write the 3D poses to")
    parser.add_argument(
        "--render", type=Path, metavar="FILE", help="also draw the 2D beside the moving 3D skeleton: out.gif or out.mp4"
    )
    parser.add_argument(
        "--flip", action="store_true", help="average with the mirrored prediction of the mirrored input"
    )
    parser.add_argument("--width", metavar="PIXELS", help="width of the image, where the file does not tell")
    parser.add_argument("--height", metavar="PIXELS", help="height of the image, where the file does not tell")
    parser.add_argument("--fps", metavar="X", help="frames a second, where the file does not tell (default 25)")
    parser.add_argument(
        "--layout", metavar="NAME", help=f"order of the joints, where the file does not tell: {', '.join(LAYOUT_NAMES)}"
    )
    parser.add_argument("--force", action="store_true", help="replace existing files")
    add_set_option(parser)


def check_predict(options: argparse.Namespace) -> PredictRequest:
    """The request, or ConfigError with all problems of options and config."""
    problems: list[str] = []
    config = None
    try:
        config = changed(read_config(options.config), read_changes(options.changes), options.config)
        problems += _unliftable(config, len(options.inputs)) + flip_problems(options.flip, config)
    except ConfigError as error:
        problems += error.problems_in("predict")
    problems += [
        f"--{name} {path}: there is no such file"
        for name, path in (("weights", options.weights), *(("input", path) for path in options.inputs))
        if not path.is_file()
    ]
    if options.render is not None and options.render.suffix.lower() not in RENDERED:
        problems.append(f"--render {options.render}: name a file that ends in {' or '.join(RENDERED)}")
    targets = {"--out": options.out} | ({"--render": options.render} if options.render else {})
    sources = [("CONFIG", Path(options.config)), ("--weights", options.weights)]
    sources += [("--input", path) for path in options.inputs]
    taken = {path.resolve(): name for name, path in sources}
    problems += [
        f"--input {path}: is given twice" for path in dict.fromkeys(options.inputs) if options.inputs.count(path) > 1
    ]
    for name, path in targets.items():
        problems += [f"{name} {text}" for text in target_problems(path, force=options.force)]
        other = taken.setdefault(path.resolve(), name)
        if other != name:
            problems.append(f"{name} {path}: is {other} too; choose another name")
    numbers = {name: _number(problems, name, getattr(options, name)) for name in ("width", "height", "fps")}
    if options.layout is not None and options.layout not in LAYOUT_NAMES:
        problems.append(f"--layout {options.layout}: is not known; allowed: {', '.join(LAYOUT_NAMES)}")
    if problems or config is None:
        raise ConfigError("predict", problems)
    return PredictRequest(
        config=config, weights=options.weights, inputs=tuple(options.inputs), out=options.out, render=options.render,
        flip=options.flip, layout=options.layout, **numbers,
    )  # fmt: skip


def _unliftable(config: TrainConfig, given: int) -> list[str]:
    problems = []
    if config.data.views != given:
        wanted = "one file" if config.data.views == 1 else "one file for each camera, in the order of training"
        problems.append(f"--input: {given} given, but data.views = {config.data.views}; give {wanted}")
    other = [field for field in config.traits.reads if field not in READABLE]
    if other:
        problems.append(f"model {config.model} reads {', '.join(other)}; `predict` has only 2D keypoints to give it")
    return problems


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
