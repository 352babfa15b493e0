"""Tables of sets that the verbs print: one row per source of 2D, as aligned text or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np

from spaces.table import text_table

from ..errors import DataError
from ..formats.meshes.mesh_tsv import MeshSet
from ..poses.poseset import PoseSet

Row = Mapping[str, object]


def summary(poses: PoseSet) -> dict[str, object]:
    """Counts the contents of a set; frames are those of the motion capture, each seen by `views` cameras."""
    return {
        "set": poses.name,
        "keypoints": poses.keypoints,
        "subjects": list(poses.subjects),
        "clips": len(poses.sequences),
        "frames": sum(len(clip.pose3d) for clip in poses.sequences),
        "views": min(len(clip.cameras) for clip in poses.sequences),
        "joints": poses.skeleton.num_joints,
        "fps": poses.fps,
    }


def mesh_summary(mesh_set: MeshSet) -> dict[str, object]:
    """Counts the images of a mesh set, and how many have 2D, 3D, and a pose with shape; faulty labels count as none."""
    has = np.zeros(3, np.int64)
    for number in range(len(mesh_set)):
        try:
            has += mesh_set.label(number).has.astype(np.int64)
        except DataError:
            continue
    counts = dict(zip(("has_2d", "has_3d", "has_smpl"), has.tolist(), strict=True))
    return {"set": mesh_set.path.stem, "kind": mesh_set.kind, "images": len(mesh_set), **counts}


def table(rows: Sequence[Row]) -> str:
    """Formats rows as an aligned table; the columns are the keys of the first row."""
    return text_table(list(rows[0]), [list(row.values()) for row in rows])


def as_json(content: object) -> str:
    """Formats content as indented JSON."""
    return json.dumps(content, indent=1)
