"""Recognition of networks for 2D poses and for people by their ONNX files: inputs, outputs and metadata."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.inputs.layouts import LAYOUTS
from spaces.loading import named

from . import heads
from .heads import Numbers, People, Size

OPEN = "trainables.detection.runtime:OnnxNetwork"  # by name: its package need not be there
USUAL_SIDE = 640  # of Ultralytics, where a file leaves the size open
COCO_CLASSES = 80
COUNTS = sorted({count for counts in LAYOUTS.values() for count in counts})
# Of the pixels of ImageNet, red, green, blue, as torchvision and MMPose scale them.
MEAN, DEVIATION = np.array((123.675, 116.28, 103.53), np.float32), np.array((58.395, 57.12, 57.375), np.float32)
POSES = (
    "simcc_x and simcc_y (RTMPose), one heatmap a joint (HRNet, ViTPose), keypoints (1, 1, 17, 3) of MoveNet, "
    "dets and keypoints (RTMO), or output0 of a pose model of Ultralytics"
)
PEOPLE = "dets and labels (YOLOX of MMDeploy), output0 of a model of Ultralytics that detects, or a model of poses"


class Network(Protocol):
    """Protocol of a network in a file; `runtime.OnnxNetwork` describes it."""

    path: Path
    size: Size | None
    most: int
    is_bytes: bool
    metadata: Mapping[str, str]
    outputs: tuple[str, ...]

    def __call__(self, images: Numbers) -> list[Numbers]: ...


@dataclass(frozen=True, slots=True)
class OfCrop:
    """A network that finds the joints of one person in a crop. name: how it gives them; size: of its crops; joints: how
    many it finds."""

    network: Network
    name: str
    size: Size
    joints: int
    decode: Callable[[Sequence[Numbers], Size], Numbers]
    scaled: Callable[[NDArray[np.uint8]], Numbers]

    def find(self, crops: NDArray[np.uint8]) -> Numbers:
        """Returns keypoints [n, K, 3] in pixels of the crops [n, Y, X, 3]."""
        parts = [self.decode(found, self.size) for found in _passes(self.network, crops, self.scaled)]
        return np.concatenate(parts)


@dataclass(frozen=True, slots=True)
class OfImage:
    """A network that finds all people of an image. size: of its input; joints: how many each has, 0 of a network that
    finds boxes alone; names: of the joints, where the file tells; is_centred: whether an image that is not as wide as
    the input lies in its middle, not in its corner."""

    network: Network
    name: str
    size: Size
    decode: Callable[[Sequence[Numbers]], list[People]]
    scaled: Callable[[NDArray[np.uint8]], Numbers]
    joints: int
    is_centred: bool
    names: tuple[str, ...] | None = None

    def find(self, images: NDArray[np.uint8]) -> list[People]:
        """Returns the people in each of the images [n, Y, X, 3], in their pixels."""
        # Not at once: where overlaps are left out already, every pass finds another number of people.
        return [people for found in _passes(self.network, images, self.scaled) for people in self.decode(found)]


def open_pose_model(path: Path) -> OfCrop | OfImage:
    """Opens a model of 2D poses; DataError when it is none that is known here."""
    network, outputs = _opened(path)
    found = _of_crop(network, outputs) or _of_image(network, outputs)
    if found is None or (isinstance(found, OfImage) and not found.joints):
        raise DataError(str(path), [f"{_told(network, outputs)}; read are: {POSES}"])
    return found


def open_person_model(path: Path) -> OfImage:
    """Opens a model that finds people as boxes; DataError when it is none that is known here."""
    network, outputs = _opened(path)
    found = _of_image(network, outputs)
    if found is None:
        raise DataError(str(path), [f"{_told(network, outputs)}; read are: {PEOPLE}"])
    return found


def _opened(path: Path) -> tuple[Network, list[Numbers]]:
    """Returns the network and its outputs for a black image: files do not tell the shapes of all of them."""
    network: Network = named(OPEN)(path)
    height, width = _size(network)
    return network, network(np.zeros((1, height, width, 3), np.float32))


def _size(network: Network) -> Size:
    if network.size is not None:
        return network.size
    return _two(network.metadata.get("imgsz")) or (USUAL_SIDE, USUAL_SIDE)


def _of_crop(network: Network, outputs: list[Numbers]) -> OfCrop | None:
    """Recognises a network on crops by the shapes of its outputs; None for others."""
    size = _size(network)
    ranks, first = [one.ndim for one in outputs], outputs[0]
    raw = (lambda crops: crops.astype(np.float32)) if network.is_bytes else _standardised
    if ranks == [3, 3] and first.shape[1] == outputs[1].shape[1] and not _are_people(network):
        sides = sorted((first.shape[-1], outputs[1].shape[-1]))
        is_simcc = sides[0] * max(size) == sides[1] * min(size) and sides[0] >= min(size)
        return OfCrop(network, "SimCC", size, first.shape[1], heads.simcc, raw) if is_simcc else None
    if ranks == [4] and first.shape[1] == 1 and first.shape[3] == 3:
        return OfCrop(network, "MoveNet", size, first.shape[2], heads.shares, lambda crops: crops.astype(np.float32))
    if ranks == [4] and size[0] * first.shape[3] == size[1] * first.shape[2] and size[0] >= first.shape[2]:
        return OfCrop(network, "heatmaps", size, first.shape[1], heads.heatmaps, raw)
    return None


def _of_image(network: Network, outputs: list[Numbers]) -> OfImage | None:
    """Recognises a network on whole images by the names and shapes of its outputs; None for others."""
    size, by_name = _size(network), dict(zip(network.outputs, outputs, strict=True))
    for other, is_labels in (("keypoints", False), ("labels", True)):
        if by_name.keys() >= {"dets", other} and by_name["dets"].shape[-1] == 5:
            at = [network.outputs.index(name) for name in ("dets", other)]

            def decode(found: Sequence[Numbers], at: list[int] = at, is_labels: bool = is_labels) -> list[People]:
                return heads.boxes_with(found[at[0]], found[at[1]], is_labels=is_labels)

            joints = 0 if is_labels else by_name[other].shape[2]
            name = "YOLOX" if is_labels else "RTMO"
            return OfImage(network, name, size, decode, _blue_first, joints, is_centred=False)
    if len(outputs) != 1 or outputs[0].ndim != 3 or network.metadata.get("task", "pose") not in ("pose", "detect"):
        return None
    return _ultralytics(network, outputs[0].shape, size)


def _ultralytics(network: Network, shape: tuple[int, ...], size: Size) -> OfImage | None:
    """Recognises the one output of Ultralytics by its shape [n, values, anchors], or [n, people, values]."""
    names = _literal(network.metadata.get("names"))
    classes = len(names) if isinstance(names, dict) else 0
    person = next((at for at, name in names.items() if name == "person"), 0) if isinstance(names, dict) else 0
    told = _two(network.metadata.get("kpt_shape"))
    # Where nobody tells, a pose model has one class and three numbers a joint, and a detecting one the classes of COCO.
    kinds = [(classes or 1, count, 3) for count in COUNTS] + [(classes or COCO_CLASSES, 0, 0)]
    if told is not None and told[1] in (2, 3):
        kinds = [(classes or 1, *told)]
    own = _joint_names(network)
    for classes, joints, columns in kinds:
        of_raw, of_end = 4 + classes + joints * columns, 6 + joints * columns
        if shape[1] == of_raw and shape[2] != of_end:
            one = partial(heads.yolo, joints=joints, columns=columns, person=person, classes=classes)
        elif shape[2] == of_end:
            one = partial(heads.yolo_end_to_end, joints=joints, columns=columns, person=person)
        else:
            continue

        def decode(found: Sequence[Numbers], one: Callable[[Numbers], list[People]] = one) -> list[People]:
            return one(found[0])

        names_of = own if own is not None and len(own) == joints else None
        return OfImage(network, "Ultralytics", size, decode, _shares, joints, is_centred=True, names=names_of)
    return None


def _joint_names(network: Network) -> tuple[str, ...] | None:
    """Returns the names of the joints of the first class, where the file tells them."""
    told = _literal(network.metadata.get("kpt_names"))
    own = next(iter(told.values()), None) if isinstance(told, dict) else told
    return tuple(map(str, own)) if isinstance(own, list) and own else None


def _are_people(network: Network) -> bool:
    return "dets" in network.outputs


def _passes(
    network: Network, images: NDArray[np.uint8], scaled: Callable[[NDArray[np.uint8]], Numbers]
) -> Iterator[list[Numbers]]:
    """Yields the outputs for as many images at a time as the network takes."""
    for at in range(0, len(images), network.most):
        yield network(scaled(images[at : at + network.most]))


def _literal(text: str | None) -> Any:
    """Returns the Python value that Ultralytics writes as text; None where there is none."""
    try:
        return ast.literal_eval(text) if text else None
    except (ValueError, SyntaxError):
        return None


def _two(text: str | None) -> tuple[int, int] | None:
    """Returns two whole numbers above 0 that Ultralytics writes as text; None where there are none."""
    match _literal(text):
        case [int(first), int(second)] if first > 0 and second > 0:
            return first, second
    return None


def _told(network: Network, outputs: Sequence[Numbers]) -> str:
    given = ", ".join(f"{name} {list(one.shape)}" for name, one in zip(network.outputs, outputs, strict=True))
    task = network.metadata.get("task")
    return f"gives {given}" + (f" for the task {task}" if task else "")


def _standardised(images: NDArray[np.uint8]) -> Numbers:
    return np.asarray((images.astype(np.float32) - MEAN) / DEVIATION, np.float32)


def _shares(images: NDArray[np.uint8]) -> Numbers:
    return images.astype(np.float32) / np.float32(255)


def _blue_first(images: NDArray[np.uint8]) -> Numbers:
    return images[..., ::-1].astype(np.float32)
