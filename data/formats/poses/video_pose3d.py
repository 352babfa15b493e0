"""File access shared by VideoPose3D's layouts: data_3d_<set>.npz and data_2d_<set>_<keypoints>.npz, dictionaries in
object arrays.

Two layouts share the names. A set with the word humaneva15 in its name (humaneva15, synthetic_humaneva15) is in the
layout of HumanEva-I, any other set in that of Human3.6M."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from spaces.commands import synth_line
from spaces.errors import did_you_mean
from spaces.files import replacing

from ...errors import DataError
from ...poses.families import is_humaneva
from ...poses.poseset import Array, PoseSet, Sequence
from ...poses.skeleton import Skeleton
from ..pickles import read_object
from .clips import Clips


def file_3d(root: Path, name: str) -> Path:
    """Returns the path of a set's 3D file."""
    return root / f"data_3d_{name}.npz"


def file_2d(root: Path, name: str, keypoints: str) -> Path:
    """Returns the path of a set's 2D file from one source."""
    return root / f"data_2d_{name}_{keypoints}.npz"


def stored_sets(root: Path) -> tuple[str, ...]:
    """Returns the names of the sets with a 3D file in the folder, of either layout; none when there is no such
    folder."""
    return tuple(sorted(path.stem.removeprefix("data_3d_") for path in root.glob("data_3d_*.npz")))


def available_keypoints(root: Path, name: str) -> tuple[str, ...]:
    """Returns the sources of 2D for a set. `data_2d_a_b_gt.npz` belongs to set a_b when there is one, else to set a."""
    others = tuple(f"data_2d_{other}_" for other in stored_sets(root) if other.startswith(f"{name}_"))
    prefix = f"data_2d_{name}_"
    stems = [path.stem for path in root.glob(f"{prefix}*.npz") if is_humaneva(path.stem) == is_humaneva(name)]
    return tuple(sorted(stem.removeprefix(prefix) for stem in stems if not stem.startswith(others)))


def loose_files(root: Path) -> tuple[str, ...]:
    """Returns the names of 2D files whose set has no 3D file."""
    known = {file_2d(root, name, source) for name in stored_sets(root) for source in available_keypoints(root, name)}
    return tuple(sorted(path.name for path in root.glob("data_2d_*.npz") if path not in known))


def missing_files(root: Path, name: str, keypoints: str, sets: Collection[str]) -> Iterator[str]:
    """Yields the reasons why a set cannot be read: missing files, and the sets of its layout that the folder has."""
    if not root.is_dir():
        yield "no such folder; name the folder of the data files (--data-root, data.root)"
        return
    if name not in sets:
        here = f"sets here: {', '.join(sets) or f'none; `{synth_line(root)}` writes one'}"
        yield f"has no {file_3d(root, name).name}{did_you_mean(name, sets)}; {here}"
        return
    sources = available_keypoints(root, name)
    if keypoints not in sources:
        here = f"data.keypoints here: {', '.join(sources) or 'none'}"
        yield f"has no {file_2d(root, name, keypoints).name}{did_you_mean(keypoints, sources)}; {here}"


def read_clips(path: Path, key: str) -> Clips:
    """Reads the dictionary subject -> action -> arrays under `key`, the arrays unchecked. DataError when it is not that
    deep."""
    tree = read_object(path, key)
    if isinstance(tree, dict) and all(isinstance(actions, dict) for actions in tree.values()):
        names = [*tree, *(action for actions in tree.values() for action in actions)]
        if all(isinstance(name, str) for name in names):
            return tree
    expected = "expected {subject: {action: poses}} with text as names"
    raise DataError(str(path), [f"'{key}' is no dictionary of dictionaries; {expected}"])


def write_3d(poses: PoseSet, root: Path) -> None:
    """Writes the 3D file, whole or not at all; an earlier one of that name is replaced.

    Arrays are stored uncompressed: packing the 2D of 50,000 frames saves 40 % of 27 MB and takes 3.7 s, not 0.03."""
    tree: dict[str, dict[str, object]] = {subject: {} for subject in poses.subjects}
    for clip in poses.sequences:
        tree[clip.subject][clip.action] = clip.pose3d
    with replacing(file_3d(root, poses.name)) as file:
        np.savez(file, positions_3d=np.array(tree, dtype=object))


def write_views(poses: PoseSet, root: Path, layout: str, skeleton: Skeleton) -> None:
    """Writes the 2D file, likewise; its metadata names the layout and the left and right joints of the skeleton."""
    tree: dict[str, dict[str, object]] = {subject: {} for subject in poses.subjects}
    for clip in poses.sequences:
        tree[clip.subject][clip.action] = _with_scores(clip)
    metadata = {
        "layout_name": layout,
        "num_joints": skeleton.num_joints,
        "keypoints_symmetry": [list(skeleton.left), list(skeleton.right)],
    }
    with replacing(file_2d(root, poses.name, poses.keypoints)) as file:
        positions = np.array(tree, dtype=object)
        np.savez(file, positions_2d=positions, metadata=np.array(metadata, dtype=object))


def _with_scores(clip: Sequence) -> list[Array]:
    """Returns the 2D of every view, with the scores as a third column where there are some."""
    if clip.scores is None:
        return list(clip.pose2d)
    pairs = zip(clip.pose2d, clip.scores, strict=True)
    return [np.concatenate((pixels, score[..., None]), -1) for pixels, score in pairs]
