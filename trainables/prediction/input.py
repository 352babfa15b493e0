"""What `predict` is given, and what it finds, whatever the kind."""

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
    """found: what the network answers to each of n frames or images, by name, [n, ...]: pose3d [n, J, 3] metres in the
    joints of the skeleton, the root joint at zero, and for some networks more; beside: what else the file holds; told:
    what all this is, in a few words."""

    found: Mapping[str, NDArray[np.float32]]
    beside: Mapping[str, Any]
    skeleton: Skeleton
    told: str

    @property
    def count(self) -> int:
        """n."""
        return len(self.found["pose3d"])


def lifted_poses(pose3d: NDArray[np.float32], beside: Mapping[str, Any], data: DataConfig) -> Lifted:
    """Poses [n, J, 3] in the joints of the data and nothing more."""
    skeleton = data.sizes.skeleton
    told = f"{skeleton.num_joints} joints, metres from the hip"
    return Lifted(found={"pose3d": pose3d}, beside=beside, skeleton=skeleton, told=told)


class Input(Protocol):
    """What is lifted. made: words on joints that are only approximated."""

    @property
    def made(self) -> tuple[str, ...]: ...

    def told(self) -> list[str]:
        """What it is, in a line for each file."""
        ...

    def notes(self) -> list[str]:
        """What the user should know of it."""
        ...

    def lift(self, network: nn.Module, model: Model, device: torch.device) -> Lifted:
        """All of it, on the CPU, in axes of the targets."""
        ...

    def draw(self, lifted: Lifted, file: BinaryIO, suffix: str) -> None:
        """A film or picture of it, as the suffix says."""
        ...
