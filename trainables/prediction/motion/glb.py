"""Binary glTF 2.0 (.glb): buffer, accessors and animation of a scene in one file.

The format is a JSON tree and one block of numbers, and the specification is what there is to know; the packages that
write it hold the tree in dataclasses of their own and leave buffers, accessors and animation to their users."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

MAGIC, VERSION = b"glTF", 2
TYPES = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}
KINDS = {"float32": 5126, "uint8": 5121, "uint16": 5123, "uint32": 5125}
VERTICES, INDICES = 34962, 34963  # targets of buffer views


class Scene:
    """glTF tree under construction: `tree` without its buffers, and the numbers that it refers to."""

    def __init__(self, extras: Mapping[str, Any]) -> None:
        self.tree: dict[str, Any] = {"asset": {"version": "2.0", "generator": "posesweep", "extras": dict(extras)}}
        self._views: list[dict[str, Any]] = []
        self._accessors: list[dict[str, Any]] = []
        self._blocks: list[bytes] = []
        self._size = 0

    def add(self, numbers: NDArray[np.generic], target: int | None = None, *, has_range: bool = False) -> int:
        """Adds an array [n, ...] of float32, uint8, uint16 or uint32 and returns the index of its accessor. target:
        VERTICES or INDICES of a mesh; has_range: writes its smallest and largest values, which positions and times
        need."""
        content = np.ascontiguousarray(numbers).tobytes()
        view = {"buffer": 0, "byteOffset": self._size, "byteLength": len(content)}
        self._views.append(view if target is None else {**view, "target": target})
        padding = bytes(-len(content) % 4)
        self._blocks += [content, padding]
        self._size += len(content) + len(padding)
        accessor: dict[str, Any] = {
            "bufferView": len(self._views) - 1,
            "componentType": KINDS[numbers.dtype.name],
            "count": len(numbers),
            "type": TYPES[numbers.shape[1:]],
        }
        if has_range:
            rows = numbers.reshape(len(numbers), -1)
            accessor |= {"min": rows.min(0).tolist(), "max": rows.max(0).tolist()}
        self._accessors.append(accessor)
        return len(self._accessors) - 1

    def animate(self, times: NDArray[np.float32], channels: list[tuple[int, str, NDArray[np.float32], str]]) -> None:
        """Adds an animation: (node, path, values [n, ...], interpolation) for each channel, at times [n] in seconds."""
        clock = self.add(times, has_range=True)
        samplers = [
            {"input": clock, "output": self.add(values), "interpolation": between} for _, _, values, between in channels
        ]
        targets = [
            {"sampler": at, "target": {"node": node, "path": path}} for at, (node, path, _, _) in enumerate(channels)
        ]
        self.tree.setdefault("animations", []).append({"name": "motion", "samplers": samplers, "channels": targets})

    def write(self, file: BinaryIO) -> None:
        """Writes the file."""
        own = {"buffers": [{"byteLength": self._size}], "bufferViews": self._views, "accessors": self._accessors}
        text = json.dumps({**self.tree, **own}, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        whole = 12 + 8 + len(text) + 8 + self._size
        file.write(struct.pack("<4sIII4s", MAGIC, VERSION, whole, len(text), b"JSON") + text)
        file.write(struct.pack("<I4s", self._size, b"BIN\0"))
        file.writelines(self._blocks)
