"""What the verbs print of a set: one row per source of 2D, as aligned text or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from data.poseset import PoseSet

Row = Mapping[str, object]


def summary(poses: PoseSet) -> dict[str, object]:
    """Counts of a set; frames are those of the motion capture, each seen by `views` cameras."""
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


def table(rows: Sequence[Row]) -> str:
    """Columns are the keys of the first row; numbers stand right, everything else left."""
    names = list(rows[0])
    cells = [[_text(row[name]) for name in names] for row in rows]
    widths = [max(len(name), *(len(line[at]) for line in cells)) for at, name in enumerate(names)]
    is_number = [all(isinstance(row[name], int | float) for row in rows) for name in names]
    sides = [">" if right else "<" for right in is_number]
    lines = [
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(line, sides, widths, strict=True))
        for line in [names, *cells]
    ]
    return "\n".join(line.rstrip() for line in lines)


def as_json(content: object) -> str:
    return json.dumps(content, indent=1)


def _text(value: object) -> str:
    if isinstance(value, list):
        return " ".join(str(part) for part in value) or "-"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "-" if value is None else str(value)
