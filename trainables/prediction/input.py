"""Input and result of `predict`, common to videos, images and boxes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from data.config import DataConfig
from data.poses.skeleton import Skeleton

from ..entry import Model


@dataclass(frozen=True, kw_only=True, slots=True)
class Lifted:
    """Predictions for n frames or images. found: arrays by name, [n, ...]: pose3d [n, J, 3] metres in the joints of the
    skeleton, the root joint at zero, and for some networks more; beside: other arrays of the output file; told:
    one-line description."""

    found: Mapping[str, NDArray[np.float32]]
    beside: Mapping[str, Any]
    skeleton: Skeleton
    told: str

    @property
    def count(self) -> int:
        """The number of frames or images, n."""
        return len(self.found["pose3d"])


def lifted_poses(pose3d: NDArray[np.float32], beside: Mapping[str, Any], data: DataConfig) -> Lifted:
    """Returns the result of a network that predicts poses [n, J, 3] in the joints of the data and nothing more."""
    skeleton = data.sizes.skeleton
    told = f"{skeleton.num_joints} joints, metres from the hip"
    return Lifted(found={"pose3d": pose3d}, beside=beside, skeleton=skeleton, told=told)


class Input(Protocol):
    """Protocol of an input. made: descriptions of joints that are only approximated."""

    @property
    def made(self) -> tuple[str, ...]: ...

    def told(self) -> list[str]:
        """Describes the input, in a line for each file."""
        ...

    def notes(self) -> list[str]:
        """Returns notes on the input for the user."""
        ...

    def lift(self, network: nn.Module, model: Model, device: torch.device) -> Lifted:
        """Predicts all frames, on the CPU, in the axes of the targets."""
        ...

    def draw(self, lifted: Lifted, file: BinaryIO, suffix: str) -> None:
        """Writes a film or picture of the predictions, in the format of the suffix."""
        ...
