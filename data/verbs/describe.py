"""`python -m data describe`: prints the sets of a folder and their named splits."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from spaces.commands import synth_line
from spaces.errors import did_you_mean

from ..errors import DataError
from ..formats.meshes.mesh_tsv import MeshSet
from ..poses.poseset import PoseSet
from ..poses.splits import MESH_SPLITS, PARTS, SPLITS, Split, split_named
from .layouts import LAYOUTS, Layout
from .tables import as_json, table


def run(arguments: Namespace) -> int:
    """Prints tables of sets, splits and mesh sets. DataError when there is no set, or one cannot be read."""
    root: Path = arguments.root
    meshes = _meshes(root, arguments.data)
    sets, splits = _wanted(root, arguments.data) if not meshes or _has_poses(root, arguments.data) else ([], ())
    rows: list[dict[str, object]] = []
    parts: list[dict[str, object]] = []
    for layout, name in sets:
        sources = layout.sources(root, name)
        if not sources:
            raise DataError(str(root), [f"set {name} has no data_2d_{name}_<keypoints>.npz; put its 2D there"])
        found = [layout.read(root, name, keypoints) for keypoints in sources]
        rows += [layout.counts(poses) for poses in found]
        mine = [split for split in splits if split.set == name]
        parts += [_part(found[0], split, part) for split in mine for part in PARTS]
    if arguments.json:
        print(as_json({"sets": rows, "splits": parts, "meshes": meshes}))
    else:
        print("\n\n".join(table(part) for part in (rows, parts, meshes) if part))
    return 0


def _has_poses(root: Path, data: str | None) -> bool:
    """Returns whether pose sets are to be described, not only mesh sets."""
    return data is None and any(layout.sets(root) for layout in LAYOUTS.values())


def _meshes(root: Path, data: str | None) -> list[dict[str, object]]:
    """Returns the table rows of the mesh-set files in the folder, of all splits or of one."""
    chosen = [split for split in MESH_SPLITS.values() if data in (None, split.name)]
    return [
        {"split": split.name, "part": part, "kind": split.kind, "file": file, "images": len(MeshSet(path, split.kind))}
        for split in chosen
        for part in PARTS
        if (path := root / (file := getattr(split, part))).exists()
    ]


def _wanted(root: Path, data: str | None) -> tuple[list[tuple[Layout, str]], tuple[Split, ...]]:
    """Returns the sets to read and their splits to show: all, or those of `data`, a split or a set."""
    every = tuple(SPLITS.values())
    found = [(layout, name) for layout in LAYOUTS.values() for name in layout.sets(root)]
    sets = [name for _, name in found]
    if not sets:
        raise DataError(str(root), [f"holds no set: there is no data_3d_<set>.npz; `{synth_line(root)}` writes one"])
    if data is None:
        return found, every
    split = split_named(data)
    name = split.set if split is not None else data
    if name not in sets:
        here = f"sets here: {', '.join(sets)}; splits: {', '.join(SPLITS)}"
        raise DataError(str(root), [f"has no set '{name}'{did_you_mean(data, [*sets, *SPLITS])}; {here}"])
    chosen = [(layout, one) for layout, one in found if one == name]
    return chosen, every if data in sets or split is None else (split,)


def _part(poses: PoseSet, split: Split, part: str) -> dict[str, object]:
    subjects: tuple[str, ...] = getattr(split, part)
    clips = [clip for clip in poses.sequences if clip.subject in subjects]
    return {
        "split": split.name,
        "part": part,
        "clips": len(clips),
        "frames": sum(len(clip.pose3d) for clip in clips),
        "subjects": list(subjects),
        "missing": [subject for subject in subjects if subject not in poses.subjects],
    }
