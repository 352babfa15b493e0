"""Data set families: the name of a set decides its file layout and skeletons. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .skeleton import H36M_16, H36M_17, HUMANEVA_15, MPI_INF_3DHP_17, Skeleton


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """Sets that share a file layout. `split`: one of their named splits, for messages; `keypoints`: their only source
    of 2D, '' where files of several sources can lie side by side."""

    key: str
    title: str
    split: str
    skeletons: tuple[Skeleton, ...]
    keypoints: str = ""

    def skeleton(self, joints: int) -> Skeleton | None:
        """Returns the skeleton with this number of joints; None when sets of the family cannot be read with it."""
        return next((skeleton for skeleton in self.skeletons if skeleton.num_joints == joints), None)

    @property
    def counts(self) -> tuple[int, ...]:
        """The joint counts that sets of the family can be read with."""
        return tuple(skeleton.num_joints for skeleton in self.skeletons)


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        family.key: family
        for family in (
            Family(key="h36m", title="Human3.6M", split="h36m", skeletons=(H36M_17, H36M_16)),
            Family(key="humaneva", title="HumanEva-I", split="humaneva", skeletons=(HUMANEVA_15,)),
            Family(key="3dhp", title="MPI-INF-3DHP", split="3dhp", skeletons=(MPI_INF_3DHP_17,), keypoints="gt"),
        )
    }
)


def is_humaneva(name: str) -> bool:
    """Returns whether a set, or a file, of this name is in the layout of HumanEva-I."""
    return any(part.startswith("humaneva") for part in name.split("_"))


def is_3dhp(name: str) -> bool:
    """Returns whether a set of this name is in the layout of MPI-INF-3DHP."""
    return "3dhp" in name.split("_")


def family_of(name: str) -> Family:
    """Returns the family of a set (not of a split) by its name; Human3.6M where the name fits no other."""
    return FAMILIES["humaneva" if is_humaneva(name) else "3dhp" if is_3dhp(name) else "h36m"]
