"""The families of data sets. The name of a set tells its family, and with it its files and skeletons. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .skeleton import H36M_16, H36M_17, HUMANEVA_15, MPI_INF_3DHP_17, Skeleton


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """Sets of one layout. `split` names one of their splits; `keypoints`: the only source of 2D, '' where files of
    several can lie side by side."""

    key: str
    title: str
    split: str
    skeletons: tuple[Skeleton, ...]
    keypoints: str = ""

    def skeleton(self, joints: int) -> Skeleton | None:
        """The skeleton of so many joints; None when sets of the family cannot be read with it."""
        return next((skeleton for skeleton in self.skeletons if skeleton.num_joints == joints), None)

    @property
    def counts(self) -> tuple[int, ...]:
        """Joints that sets of the family can be read with."""
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
    """Whether a set, or a file, of this name is in the layout of HumanEva-I."""
    return any(part.startswith("humaneva") for part in name.split("_"))


def is_3dhp(name: str) -> bool:
    """Whether a set of this name is in the layout of MPI-INF-3DHP."""
    return "3dhp" in name.split("_")


def family_of(name: str) -> Family:
    """The family of a set (not of a split) by its name; what names no other is in the layout of Human3.6M."""
    return FAMILIES["humaneva" if is_humaneva(name) else "3dhp" if is_3dhp(name) else "h36m"]
