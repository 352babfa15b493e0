"""Files of predictions, by their endings: tables of all numbers, and motion files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from spaces.loading import named
from spaces.schema import config_id

from ..cli.outputs import BVH, C3D, GLB, TABLES, TRC
from ..config import TrainConfig
from .input import Lifted
from .meshes import faces_of
from .motion.bvh import write_bvh
from .motion.fitting import Fitted, fitted
from .motion.gltf import write_meshes, write_motion
from .motion.motion import Motion, motion_of
from .motion.trc import write_trc

DIGITS = 5  # of metres in text: a hundredth of a millimetre
WRITE_C3D = "trainables.prediction.motion.c3d:write_c3d"  # by name: its package need not be there


class Written:
    """Predictions of one run, for files of every format; what several of them need is made once."""

    def __init__(self, config: TrainConfig, lifted: Lifted) -> None:
        self._config, self._lifted = config, lifted

    def write(self, path: Path, file: BinaryIO) -> str:
        """Writes the format that the ending of `path` names into an open file; returns units, axes and what differs
        from the prediction, in one line."""
        ending = path.suffix.lower()
        if ending in TABLES:
            _TABLES[ending](file, self.arrays)
            axes = "axes of the training set's world" if self._axes == "world" else "x right, y down, z forward"
            return f"{self._lifted.told}, {axes}"
        if "vertices" in self._lifted.found:
            assert ending == GLB, path
            return self._write_meshes(file)
        return self._write_motion(path, ending, file)

    def _write_meshes(self, file: BinaryIO) -> str:
        lifted = self._lifted
        fps = float(lifted.beside["fps"])
        write_meshes(file, lifted.found["vertices"], faces_of(lifted), fps, self._facts)
        return f"meshes in metres, y up, {_rate(fps)}"

    def _write_motion(self, path: Path, ending: str, file: BinaryIO) -> str:
        motion, count = self.motion, int(self.motion.is_missing.sum())
        found, gaps = "", "interpolated"
        if ending == BVH:
            write_bvh(file, self.fitted)
            unit, found = "centimetres", f"; {self.fitted.told}"
        elif ending == GLB:
            write_motion(file, self.fitted, self._facts)
            unit, found = "metres", f"; {self.fitted.told}"
        elif ending == TRC:
            write_trc(file, motion, path.name)
            unit, gaps = "millimetres", "left empty"
        else:
            assert ending == C3D, path
            named(WRITE_C3D)(file, motion)
            unit, gaps = "millimetres", "marked as invalid"
        missing = f"; {count} frames without a detection are {gaps}" if count else ""
        return f"{unit}, y up, {_rate(motion.fps)}{found}{missing}"

    @property
    def _axes(self) -> str:
        return self._config.data.axes

    @property
    def _facts(self) -> dict[str, Any]:
        return {"config_id": config_id(self._config), "fps": float(self._lifted.beside["fps"])}

    @cached_property
    def motion(self) -> Motion:
        """The poses in the axes of animation software."""
        return motion_of(self._lifted, self._axes)

    @cached_property
    def fitted(self) -> Fitted:
        """The rig that was fitted to the poses."""
        return fitted(self.motion)

    @cached_property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays of the predictions by name."""
        lifted = self._lifted
        own = {
            **lifted.found,
            **lifted.beside,
            "joints": np.array(lifted.skeleton.joints),
            "parents": np.array(lifted.skeleton.parents),
            "axes": np.array(self._axes),
            "config_id": np.array(config_id(self._config)),
        }
        return {name: np.asarray(array) for name, array in own.items()}


def _rate(fps: float) -> str:
    return f"{fps:g} frames a second"


def _write_npz(file: BinaryIO, arrays: Mapping[str, NDArray[Any]]) -> None:
    own: dict[str, Any] = dict(arrays)
    np.savez(file, **own)


def _write_json(file: BinaryIO, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Writes the arrays as lists in lists by name, numbers with DIGITS behind the point, one array a line."""
    for at, (name, array) in enumerate(arrays.items()):
        # Single precision has no short decimals; double has.
        plain = np.round(array.astype(np.float64), DIGITS) if array.dtype.kind == "f" else array
        text = json.dumps(plain.tolist(), separators=(",", ":"))
        file.write(f"{',' if at else '{'}\n{json.dumps(name)}: {text}".encode())
    file.write(b"\n}\n")


def _write_csv(file: BinaryIO, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Writes a row for each frame or image: its number, time or file, whether it was filled (in each of several views),
    and x, y, z in metres of every joint."""
    points = arrays["pose3d"]
    columns: dict[str, list[Any]] = {"frame": list(range(len(points)))}
    if "files" in arrays:
        columns["file"] = arrays["files"].tolist()
    else:
        columns["time_s"] = [f"{at / float(arrays['fps']):.6f}" for at in columns["frame"]]
    for name in ("is_filled", "is_left"):
        flags = np.atleast_2d(arrays.get(name, np.zeros((0, len(points)), np.bool_)))
        for at, view in enumerate(flags, start=1):
            columns[f"{name}_{at}" if len(flags) > 1 else name] = view.astype(int).tolist()
    joints = arrays["joints"].tolist()
    heads = [*columns, *(f"{joint}_{axis}_m" for joint in joints for axis in "xyz")]
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(heads)
    values = np.round(points.astype(np.float64).reshape(len(points), -1), DIGITS) + 0.0
    rows.writerows((*front, *own) for *front, own in zip(*columns.values(), values.tolist(), strict=True))
    text.detach()  # the file stays open


_TABLES: Mapping[str, Callable[[BinaryIO, Mapping[str, NDArray[Any]]], None]] = MappingProxyType(
    {".npz": _write_npz, ".json": _write_json, ".csv": _write_csv}
)
