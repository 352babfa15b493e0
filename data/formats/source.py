"""Reader selection: opens the pose set that a config names with the reader of its family, and its split."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from spaces.errors import ConfigError, did_you_mean

from ..config import DataConfig
from ..errors import DataError
from ..poses.poseset import PoseSet
from ..poses.splits import IMAGE_SETS, SPLITS, Split, split_named
from .images import h36m_images
from .poses import h36m, humaneva, mpi_inf_3dhp


@dataclass(frozen=True, kw_only=True, slots=True)
class Reader:
    """Reader of a family. `sets`: lists the sets of a folder; `read`: reads the clips of the named subjects (None: all)
    of a set."""

    sets: Callable[[Path], tuple[str, ...]]
    read: Callable[[DataConfig, str, Collection[str] | None], PoseSet]


def _h36m_sets(root: Path) -> tuple[str, ...]:
    return (*h36m.available_sets(root), *h36m_images.available_sets(root))


def _read_h36m(config: DataConfig, name: str, subjects: Collection[str] | None) -> PoseSet:
    root = Path(config.root)
    if name in IMAGE_SETS or name in h36m_images.available_sets(root):
        return h36m_images.read(
            root,
            name,
            config.keypoints,
            joints=config.joints,
            subjects=subjects,
            kept_in=config.cache_folder / "labels",
        )
    return h36m.read(root, name, config.keypoints, joints=config.joints, subjects=subjects, scores=config.scores)


def _read_humaneva(config: DataConfig, name: str, subjects: Collection[str] | None) -> PoseSet:
    return humaneva.read(Path(config.root), name, config.keypoints, subjects=subjects)


def _read_3dhp(config: DataConfig, name: str, subjects: Collection[str] | None) -> PoseSet:
    return mpi_inf_3dhp.read(Path(config.root), name, subjects=subjects)


# By the key of the family.
READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "h36m": Reader(sets=_h36m_sets, read=_read_h36m),
        "humaneva": Reader(sets=humaneva.available_sets, read=_read_humaneva),
        "3dhp": Reader(sets=mpi_inf_3dhp.available_sets, read=_read_3dhp),
    }
)


def available_sets(root: Path) -> tuple[str, ...]:
    """Returns the names of the sets of every layout in the folder; none when there is no such folder."""
    return tuple(name for reader in READERS.values() for name in reader.sets(root))


def split_of(config: DataConfig) -> Split:
    """Returns the split that the config names, its subject knobs put in; a bare set name gives a split without
    subjects."""
    named = split_named(config.name) or Split(name=config.name, set=config.name, train=(), val=(), test=())
    return dataclasses.replace(
        named,
        train=config.train_subjects or named.train,
        val=config.val_subjects or named.val,
        test=config.test_subjects or named.test,
    )


def read_poses(config: DataConfig, parts: Sequence[str]) -> tuple[PoseSet, Split]:
    """Reads the pose set behind a config, only the subjects of `parts`, with its split. A set without named splits is
    all `test` when no subject knob says otherwise. DataError or ConfigError name what is missing and the remedy."""
    split = split_of(config)
    sets = available_sets(Path(config.root))
    if split.set not in sets and split_named(config.name) is None:
        names = [*SPLITS, *sets]
        raise ConfigError(
            f"data.name = {config.name}",
            [
                f"no such split, and no set of that name in {config.root}{did_you_mean(config.name, names)}; "
                f"splits: {', '.join(SPLITS)}; sets found: {', '.join(sets) or 'none'}"
            ],
        )
    wanted = {part: getattr(split, part) for part in parts}
    empty = [part for part in parts if not wanted[part]]
    if empty and (empty != ["test"] or split.train or split.val):
        raise ConfigError(
            f"data.name = {config.name}",
            [f"has no named split, so its {part} subjects must be given: data.{part}_subjects" for part in empty],
        )
    subjects = None if empty else {subject for part in parts for subject in wanted[part]}
    poses = READERS[config.family.key].read(config, split.set, subjects)
    assert poses.skeleton == config.sizes.skeleton, (poses.skeleton.name, config.sizes.skeleton.name)
    if empty:
        split = dataclasses.replace(split, test=poses.subjects)
    _check_actions(poses, config)
    return poses, split


def _check_actions(poses: PoseSet, config: DataConfig) -> None:
    groups = sorted({clip.group for clip in poses.sequences})
    unknown = [
        f"data.actions: no action '{name}'{did_you_mean(name, groups)}; here: {', '.join(groups)}"
        for name in config.actions
        if name not in groups
    ]
    if unknown:
        raise DataError(f"data.name = {config.name}", unknown)
