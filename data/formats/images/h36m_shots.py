"""Label files of Human3.6M images as tables: the arrays of every shot, parsed once and cached.

A label file of the published size holds a million and a half dictionaries with a dozen arrays each: gigabytes of
objects for less than a gigabyte of numbers. So the numbers are cached beside the decoded crops."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.files import replacing

from ...errors import DataError
from ..pickles import read_pickle

Record = Mapping[str, Any]
Table = dict[str, NDArray[Any]]

VERSION = 1  # of what is kept of a label file
# Which subjects' labels are in which file.
FILES: Mapping[str, tuple[str, ...]] = {
    "h36m_train.pkl": ("S1", "S5", "S6", "S7", "S8"),
    "h36m_validation.pkl": ("S9", "S11"),
}
# Act 2 is the first one; the labels say TakingPhoto, WalkingDog and WalkingTogether in other words.
ACTIONS = (
    *("Directions", "Discussion", "Eating", "Greeting", "Phoning", "Posing", "Purchases", "Sitting", "SittingDown"),
    *("Smoking", "Photo", "Waiting", "Walking", "WalkDog", "WalkTogether"),
)
FIRST_ACT = 2
CAMERAS = ("54138969", "55011271", "58860488", "60457274")
SCREEN = "joints_2d_"  # begins the names of all 2D, in the image and in the crop
SHAPES: Mapping[str, tuple[tuple[int, ...], type]] = {
    "joints_3d": ((17, 3), np.float32),
    "center": ((2,), np.float64),
    "scale": ((2,), np.float64),
    "image_id": ((), np.int64),
}
LENS = "lens"  # of a table: fx, fy, cx, cy, k 3, p 2, the same for all images of a shot


@dataclass(frozen=True, order=True, slots=True)
class Shot:
    """One recording seen by one camera; camera counts from 0."""

    subject: int
    act: int
    subact: int
    camera: int

    @property
    def stem(self) -> str:
        """The folder of the images, and the prefix of their names."""
        return f"s_{self.subject:02d}_act_{self.act:02d}_subact_{self.subact:02d}_ca_{self.camera + 1:02d}"

    @property
    def action(self) -> str:
        """The name of the clip: action, take, camera."""
        return f"{ACTIONS[self.act - FIRST_ACT]} {self.subact} {CAMERAS[self.camera]}"

    def is_known(self) -> bool:
        """Returns whether subject, action, take and camera are numbers that Human3.6M has."""
        known = range(FIRST_ACT, FIRST_ACT + len(ACTIONS))
        return self.act in known and self.subact in (1, 2) and self.camera in range(len(CAMERAS))


@dataclass(slots=True)
class Faults:
    """Faults of a label file, each text once."""

    texts: dict[str, None] = field(default_factory=dict)

    def add(self, text: str) -> None:
        self.texts[f"{text}; make the labels again"] = None


def read_shots(path: Path, kept_in: Path | None) -> dict[Shot, Table]:
    """Reads the labels of every shot in a file, in its order: joints_3d [n, 17, 3] and joints_2d_<source> [n, 17, 2]
    float32, center and scale [n, 2], image_id [n], lens [9]. With `kept_in`, a folder, from the cached table there
    where the file has not changed since. DataError lists every fault."""
    if kept_in is None:
        return _shots(path)
    stat = path.stat()
    place = hashlib.blake2b(str(path.resolve()).encode(), digest_size=8).hexdigest()
    kept, source = kept_in / f"{path.stem}-{place}.npz", f"{VERSION} {stat.st_size} {stat.st_mtime_ns}"
    found = _kept(kept, source)
    if found is None:
        found = _shots(path)
        with replacing(kept) as file:
            arrays: dict[str, Any] = {
                f"{shot.stem}/{key}": values for shot, table in found.items() for key, values in table.items()
            }
            order = np.array([(shot.subject, shot.act, shot.subact, shot.camera) for shot in found])
            np.savez(file, source=np.array(source), order=order, **arrays)
    return found


def _kept(path: Path, source: str) -> dict[Shot, Table] | None:
    """Reads the cached table; None when there is none of this source."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            if str(stored["source"]) != source:
                return None
            found: dict[Shot, Table] = {Shot(*numbers): {} for numbers in stored["order"].tolist()}
            by_stem = {shot.stem: table for shot, table in found.items()}
            for name in stored.files:
                stem, slash, key = name.partition("/")
                if slash:
                    by_stem[stem][key] = stored[name]
    # What numpy and zipfile raise on files that are missing, cut off or no archives.
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    return found


def sources(table: Collection[str]) -> tuple[str, ...]:
    """Returns the sources of 2D in a table or a label."""
    names = [str(key).removeprefix(SCREEN) for key in table if str(key).startswith(SCREEN)]
    return tuple(sorted(name for name in names if not name.endswith("_crop")))


def _shots(path: Path) -> dict[Shot, Table]:
    content, faults = read_pickle(path), Faults()
    if not isinstance(content, list) or not content or not all(isinstance(one, dict) for one in content):
        raise DataError(str(path), ["is no list of dictionaries, one an image; make the labels again"])
    found = {shot: _table(records, shot.stem, faults) for shot, records in _grouped(content, path, faults).items()}
    if faults.texts:
        raise DataError(str(path), list(faults.texts))
    return found


def _grouped(records: list[Record], path: Path, faults: Faults) -> dict[Shot, list[Record]]:
    found: dict[Shot, list[Record]] = {}
    for at, record in enumerate(records):
        try:
            shot = Shot(*(int(record[key]) for key in ("subject", "action", "subaction", "camera_id")))
        except (KeyError, TypeError, ValueError):
            faults.add(f"label {at} lacks subject, action, subaction or camera_id")
            continue
        if not shot.is_known() or f"S{shot.subject}" not in FILES.get(path.name, ()):
            told = f"subject {shot.subject}, action {shot.act}, subaction {shot.subact}, camera {shot.camera}"
            faults.add(f"{told} are not of this file")
            continue
        found.setdefault(shot, []).append(record)
    return found


def _table(records: list[Record], place: str, faults: Faults) -> Table:
    """Stacks the labels of a shot into arrays, those that are well-formed."""
    screens = {f"{SCREEN}{name}": ((17, 2), np.float32) for name in sources(records[0])}
    table: Table = {}
    for key, (shape, kind) in (*SHAPES.items(), *screens.items()):
        values = _stacked(records, key, shape, place, faults)
        if values is not None:
            table[key] = values.astype(kind)
    lens = _lens(records[0].get("camera"))
    if lens is None:
        faults.add(f"{place}: 'camera' needs fx, fy, cx, cy, k (3) and p (2) as numbers")
    else:
        table[LENS] = lens
    return table


def _stacked(
    records: list[Record], key: str, shape: tuple[int, ...], place: str, faults: Faults
) -> NDArray[Any] | None:
    """Stacks one entry of all labels to [n, *shape]; None, and a fault, where it is missing or of another shape."""
    try:
        values = np.array([record[key] for record in records])
    except KeyError:
        faults.add(f"{place}: a label lacks '{key}'")
        return None
    except ValueError:
        faults.add(f"{place}: '{key}' is not of the same shape in all labels")
        return None
    if values.shape[1:] != shape or values.dtype.kind not in "fiu":
        faults.add(f"{place}: '{key}' is {values.dtype} {values.shape[1:]}; expected numbers of shape {shape}")
        return None
    return values


def _lens(entry: Any) -> NDArray[np.float64] | None:
    try:
        plain = [float(np.asarray(entry[key]).item()) for key in ("fx", "fy", "cx", "cy")]
        bent = [np.asarray(entry[key], np.float64).reshape(count) for key, count in (("k", 3), ("p", 2))]
    except (KeyError, TypeError, ValueError):
        return None
    return np.concatenate((plain, *bent))
