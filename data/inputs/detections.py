"""Writer of 2D poses that were detected here, as JSON that `read_detected` and `read_photos` read again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, BinaryIO

from .detectors.detected import Detected
from .detectors.frames import OWN_JOINTS


def write_frames(file: BinaryIO, found: Detected, layout: str | None) -> None:
    """Writes the people of every frame, a frame a line; layout: of the joints, None where their number tells."""
    facts = {"width": found.facts["width"], "height": found.facts["height"], "fps": found.facts.get("fps"),
             "layout": layout, OWN_JOINTS: found.facts.get(OWN_JOINTS)}  # fmt: skip
    people: dict[int, list[dict[str, Any]]] = {frame: [] for frame in range(found.first, found.last + 1, found.step)}
    for frame, rows, score in zip(found.frame.tolist(), found.values.tolist(), found.score.tolist(), strict=True):
        people[frame].append({"keypoints": rows, "score": score})
    head = json.dumps({name: value for name, value in facts.items() if value is not None})
    lines = (json.dumps({"frame": frame, "people": one}, separators=(",", ":")) for frame, one in people.items())
    file.write(f'{head[:-1]}, "frames": [\n'.encode())
    for at, line in enumerate(lines):
        file.write(f"{',' if at else ''}{line}\n".encode())
    file.write(b"]}\n")


def write_photo(file: BinaryIO, found: Detected, layout: str | None, photo: Path, to: Path) -> None:
    """Writes the people in one photo in COCO's form, which lists the image; `to`: path of the file, from whose folder
    the photo is named."""
    names = found.facts.get(OWN_JOINTS)
    annotations = [
        {"image_id": 0, "keypoints": [number for joint in rows for number in joint], "score": score}
        for rows, score in zip(found.values.tolist(), found.score.tolist(), strict=True)
    ]
    tree = {
        "images": [{"id": 0, "file_name": os.path.relpath(photo.resolve(), to.resolve().parent)}],
        "annotations": annotations,
        **({"layout": layout} if layout else {}),
        **({"categories": [{"keypoints": list(names)}]} if names else {}),
    }
    file.write(json.dumps(tree, separators=(",", ":")).encode())
