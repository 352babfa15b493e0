"""Options of `predict` that find 2D poses in photos and clips, and checks of them. No torch: bad input is told at
once."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from data.config import DataConfig
from spaces.commands import package_need

PACKAGE = "onnxruntime"
ENDING = ".json"  # of 2D poses that are written
# Endings of photos and clips, for a hint; what a file is shows in its content.
PHOTOS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
CLIPS = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mts", ".3gp", ".gif")
# RTMPose-m on 17 joints of COCO, Apache-2.0, as its authors export it; a zip with the model as end2end.onnx.
MODEL_URL = (
    "https://download.openmmlab.com/mmpose/v1/projects/rtmposev1/onnx_sdk/"
    "rtmpose-m_simcc-body7_pt-body7_420e-256x192-e48f03d0_20230504.zip"
)
NEED = (
    "--detect needs a network that finds 2D poses, as an ONNX file: download one, for instance RTMPose (Apache-2.0) "
    f"from {MODEL_URL}, unpack it, and give --detector end2end.onnx"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class DetectRequest:
    """Checked options of the detection. detector: file of the network for 2D poses; people: of the one that finds
    people, None without; written: files for the 2D poses, one for each input, or none."""

    detector: Path
    people: Path | None
    written: tuple[Path, ...]


def add_detect_options(parser: argparse.ArgumentParser) -> None:
    """Adds --detect, --detector, --person-detector and --detections."""
    parser.add_argument(
        "--detect", action="store_true",
        help="--input is a photo or a clip: find the 2D poses in it, by the network of --detector",
    )  # fmt: skip
    parser.add_argument(
        "--detector", type=Path, metavar="FILE", help="network for 2D poses as .onnx: RTMPose, RTMO, YOLO, MoveNet, ..."
    )
    parser.add_argument(
        "--person-detector", type=Path, metavar="FILE",
        help="network that finds people as .onnx, for a --detector that reads one person at a time (default: the whole "
        "image holds one person)",
    )  # fmt: skip
    parser.add_argument(
        "--detections", type=Path, action="append", default=[], metavar="FILE",
        help="also write the 2D poses of everybody to a .json, which --input reads; with several views once for each",
    )  # fmt: skip


def check_detect(options: argparse.Namespace, data: DataConfig | None, *, has_images: bool) -> list[str]:
    """Returns the problems of the options; data: None where the config could not be read; has_images: whether the
    network reads images."""
    beside = (("detector", options.detector), ("person-detector", options.person_detector))
    if not options.detect:
        alone = [f"--{name} {path}" for name, path in beside if path is not None]
        alone += [f"--detections {path}" for path in options.detections]
        return [f"{one}: only goes with --detect; add it, or leave this out" for one in alone]
    if data is not None and data.sizes.mesh:
        return ["--detect: this network reads boxes, not 2D poses; leave it out, and give an image or a list of boxes"]
    problems = []
    if find_spec(PACKAGE) is None:
        problems.append(f"--detect: {package_need(PACKAGE)}")
    if options.detector is None:
        problems.append(NEED)
    problems += [
        f"--{name} {path}: {'is a folder; give a file' if path.is_dir() else 'there is no such file'}"
        for name, path in beside
        if path is not None and not path.is_file()
    ]
    count, given = len(options.inputs), len(options.detections)
    if given not in (0, count):
        problems.append(f"--detections: {given} given for {count} of --input; give one for each, in the same order")
    problems += [
        f"--detections {path}: name a file that ends in {ENDING}"
        for path in options.detections
        if path.suffix.lower() != ENDING
    ]
    if options.video is not None and not has_images:
        problems.append(f"--video {options.video}: a clip is one video; leave the option out")
    problems += [
        f"--{name} {value}: photos and clips tell their {name}; leave the option out"
        for name, value in (("width", options.width), ("height", options.height))
        if value is not None and not has_images
    ]
    return problems


def needs_detection(path: Path, *, has_images: bool) -> str:
    """Says that --input is footage and --detect is not given; '' where it seems to be something else."""
    suffix = path.suffix.lower()
    if not path.is_file() or suffix not in (*PHOTOS, *CLIPS):
        return ""
    wanted = "a list of images with keypoints" if has_images else "2D keypoints"
    return (
        f"--input {path}: is a {'photo' if suffix in PHOTOS else 'clip'}, and {wanted} are read; add --detect "
        "--detector FILE.onnx, which finds the pose in it"
    )
