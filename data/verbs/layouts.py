"""Table of file layouts for the verbs: how sets of each are found in a folder, read, and counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ..formats.images import h36m_images
from ..formats.poses import h36m, humaneva, mpi_inf_3dhp
from ..formats.poses.video_pose3d import loose_files
from ..poses.families import is_humaneva
from ..poses.poseset import PoseSet
from .tables import summary


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """A file layout. files: names of its files, for messages; sets, sources: functions that list the sets of a folder
    and the 2D sources of a set; read: reader, takes both names; counts: the row of `tables.summary`; loose: lists files
    of the layout that belong to no set."""

    files: str
    sets: Callable[[Path], tuple[str, ...]]
    sources: Callable[[Path, str], tuple[str, ...]]
    read: Callable[[Path, str, str], PoseSet]
    counts: Callable[[PoseSet], dict[str, object]]
    loose: Callable[[Path], tuple[str, ...]]


def _read_h36m(root: Path, name: str, keypoints: str) -> PoseSet:
    return h36m.read(root, name, keypoints, joints=None)


def _read_humaneva(root: Path, name: str, keypoints: str) -> PoseSet:
    return humaneva.read(root, name, keypoints)


def _read_3dhp(root: Path, name: str, keypoints: str) -> PoseSet:
    return mpi_inf_3dhp.read(root, name)


def _counts_3dhp(poses: PoseSet) -> dict[str, object]:
    """Counts sequences and their frames in a set that has a clip for each camera."""
    frames: dict[tuple[str, str], int] = {}
    for clip in poses.sequences:
        frames[clip.subject, clip.group] = len(clip.pose3d)
    return summary(poses) | {
        "clips": len(frames),
        "frames": sum(frames.values()),
        "views": len({camera.name for clip in poses.sequences for camera in clip.cameras}),
        "fps": sorted({clip.fps for clip in poses.sequences if clip.fps is not None}),
    }


def _loose_h36m(root: Path) -> tuple[str, ...]:
    return tuple(name for name in loose_files(root) if not is_humaneva(name))


def _loose_humaneva(root: Path) -> tuple[str, ...]:
    return tuple(name for name in loose_files(root) if is_humaneva(name))


LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "h36m": Layout(
            files="data_3d_<set>.npz",
            sets=h36m.available_sets,
            sources=h36m.available_keypoints,
            read=_read_h36m,
            counts=summary,
            loose=_loose_h36m,
        ),
        "humaneva": Layout(
            files="data_3d_<set>.npz of a set with humaneva15 in its name",
            sets=humaneva.available_sets,
            sources=humaneva.available_keypoints,
            read=_read_humaneva,
            counts=summary,
            loose=_loose_humaneva,
        ),
        "3dhp": Layout(
            files="data_train_<set>.npz",
            sets=mpi_inf_3dhp.available_sets,
            sources=lambda root, name: ("gt",),
            read=_read_3dhp,
            counts=_counts_3dhp,
            loose=lambda root: (),
        ),
        "h36m-images": Layout(
            files="folder <set>/ with h36m_train.pkl or h36m_validation.pkl",
            sets=h36m_images.available_sets,
            sources=h36m_images.available_keypoints,
            read=h36m_images.read,
            counts=summary,
            loose=lambda root: (),
        ),
    }
)
