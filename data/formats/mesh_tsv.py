"""Sets of images with poses and shapes of people or hands, as MeshTransformer and MeshGraphormer lay them out.

A set is a .yaml file that names tables: `img` (key, ..., base64 of a JPEG in the last column), `label` (key, JSON list
with one dictionary), `hw` (sizes, not needed here), `linelist` (rows to use, in order). A composite set names lists of
such tables, and its linelist has `source TAB row`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.poseset import DataError
from spaces.files import write_text
from spaces.yaml_text import read_yaml

from .tsv import Table, read_numbers, writing

Numbers = NDArray[np.float32]
FLAGS = ("has_2d_joints", "has_3d_joints", "has_smpl")
SHAPE_NUMBERS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """What a label describes: numbers of joints and of parts of its model."""

    joints: int
    parts: int


FIGURES: Mapping[str, Figure] = MappingProxyType(
    {"body": Figure(joints=24, parts=24), "hand": Figure(joints=21, parts=16)}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """What is known of the person in one image.

    center [2] pixels and scale (side / 200 pixels) of the box; joints2d [J, 3] pixels and confidence; joints3d [J, 4]
    metres and confidence; pose [3 K] axis-angle, the root in camera axes; betas [10]; has [3] whether 2D, 3D, and pose
    with betas are known, 0 or 1. What is not known is zero.
    """

    center: NDArray[np.float64]
    scale: float
    joints2d: Numbers
    joints3d: Numbers
    pose: Numbers
    betas: Numbers
    has: Numbers


class MeshSet:
    """The samples of a set, in the order of its linelist; opening reads indices, and no image or label."""

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.kind = path, kind
        content = _yaml(path)
        is_composite = bool(content.get("composite", False))
        problems: list[str] = []
        self._images, self._labels = (_tables(path, content, key, is_composite, problems) for key in ("img", "label"))
        if not problems and len(self._images) != len(self._labels):
            problems.append(f"img names {len(self._images)} tables, label {len(self._labels)}")
        for image, label in zip(self._images, self._labels, strict=False):
            if len(image) != len(label):
                problems.append(f"{image.path.name} has {len(image)} rows, {label.path.name} has {len(label)}")
        if problems:
            raise DataError(str(path), problems)
        self._source, self._row = _chosen(path, content.get("linelist"), [len(table) for table in self._images])

    def __len__(self) -> int:
        return len(self._row)

    def place(self, number: int) -> str:
        """Where a sample stands, for messages."""
        return f"{self._labels[self._source[number]].path}, row {self._row[number]}"

    def key(self, number: int) -> str:
        """The name of an image, with that of its file in a composite set."""
        table = self._images[self._source[number]]
        key = table.row(int(self._row[number]))[0].decode("utf-8", "replace")
        return key if len(self._images) == 1 else f"{table.path.name}_{key}"

    def jpeg(self, number: int) -> bytes:
        """The bytes of an image file. DataError names the row when it is not base64."""
        table, row = self._images[self._source[number]], int(self._row[number])
        columns = table.row(row)
        if len(columns) < 2:
            raise DataError(f"{table.path}, row {row}", [f"has {len(columns)} column; an image stands behind its key"])
        try:
            return base64.b64decode(columns[-1], validate=True)
        except binascii.Error as error:
            raise DataError(f"{table.path}, row {row}", [f"its last column is no base64 ({error})"]) from None

    def label(self, number: int) -> Label:
        """DataError names the row and every fault of its label."""
        table, row = self._labels[self._source[number]], int(self._row[number])
        problems: list[str] = []
        try:
            content = json.loads(table.row(row)[1])
            content = content[0] if isinstance(content, list) and len(content) == 1 else content
        except (IndexError, ValueError) as error:
            raise DataError(f"{table.path}, row {row}", [f"has no JSON in its second column ({error})"]) from None
        if not isinstance(content, dict):
            raise DataError(f"{table.path}, row {row}", ["its JSON is not a list with one dictionary"])
        found = label_of(content, self.kind, problems)
        if problems:
            raise DataError(f"{table.path}, row {row}", problems)
        return found

    def fingerprint(self) -> str:
        """12 hex digits that change with the samples chosen and with size and time of every file."""
        digest = hashlib.blake2b(digest_size=6)
        for table in (*self._images, *self._labels):
            stat = table.path.stat()
            digest.update(repr((table.path.name, len(table), stat.st_size, stat.st_mtime_ns)).encode())
        for rows in (self._source, self._row):
            digest.update(np.ascontiguousarray(rows).data)
        return digest.hexdigest()


def label_of(content: Mapping[str, Any], kind: str, problems: list[str]) -> Label:
    """The label in a dictionary; it may only be used when there is no problem."""
    figure = FIGURES[kind]
    flags = [float(_number(content, key, problems)) for key in FLAGS]
    if any(flag not in (0.0, 1.0) for flag in flags):
        problems.append(f"{', '.join(FLAGS)} are {flags}; each is 0 or 1")
    joints = figure.joints
    shapes: dict[str, tuple[tuple[int, ...], float]] = {
        "2d_joints": ((joints, 3), flags[0]),
        "3d_joints": ((joints, 4), flags[1]),
        "pose": ((3 * figure.parts,), flags[2]),
        "betas": ((SHAPE_NUMBERS,), flags[2]),
    }
    arrays = [_array(content, key, shape, is_needed, kind, problems) for key, (shape, is_needed) in shapes.items()]
    center = _array(content, "center", (2,), 1.0, kind, problems)
    scale = float(_number(content, "scale", problems))
    if not scale > 0:
        problems.append(f"scale is {scale:g}; the side of the box in units of 200 pixels is above 0")
    return Label(
        center=center.astype(np.float64), scale=scale, joints2d=arrays[0], joints3d=arrays[1],
        pose=arrays[2], betas=arrays[3], has=np.array(flags, np.float32),
    )  # fmt: skip


def _number(content: Mapping[str, Any], key: str, problems: list[str]) -> float:
    value = content.get(key)
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, int | float):
        return float(value)
    problems.append(f"'{key}' is {value!r}, not a number" if key in content else f"has no '{key}'")
    return 1.0 if key == "scale" else 0.0


def _array(
    content: Mapping[str, Any], key: str, shape: tuple[int, ...], is_needed: float, kind: str, problems: list[str]
) -> Numbers:
    """float32 of this shape, perhaps stored with an axis of one in front; zeros where it may be missing and is."""
    value = content.get(key)
    if value is None and not is_needed:
        return np.zeros(shape, np.float32)
    try:
        found = np.array(value, np.float64)
    except (TypeError, ValueError):
        problems.append(f"'{key}' is no array of numbers")
        return np.zeros(shape, np.float32)
    found = found[0] if found.ndim == len(shape) + 1 and len(found) == 1 else found
    if found.shape != shape:
        if value is None:
            problems.append(f"has no '{key}', but its flag says so")
        else:
            problems.append(f"'{key}' has shape {found.shape}; that of a {kind} is {shape}")
        return np.zeros(shape, np.float32)
    if not np.isfinite(found).all():
        problems.append(f"'{key}' holds nan or infinity")
    return found.astype(np.float32)


def _yaml(path: Path) -> Mapping[str, Any]:
    content = read_yaml(path)
    if not isinstance(content, Mapping):
        raise DataError(str(path), ["is no mapping; expected img, label, linelist, hw, composite"])
    missing = [key for key in ("img", "label") if not content.get(key)]
    if missing:
        raise DataError(str(path), [f"names no '{key}' table" for key in missing])
    return content


def _tables(path: Path, content: Mapping[str, Any], key: str, is_composite: bool, problems: list[str]) -> list[Table]:
    """The tables under a key: one, or those of a list, or of a file with one name a line."""
    named = content[key]
    names = named if isinstance(named, list) else [named]
    if is_composite and not isinstance(named, list):
        try:
            names = [line.split("\t")[0] for line in (path.parent / str(named)).read_text().splitlines() if line]
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"'{key}' names {named}, which cannot be read as a list of tables ({error})")
            return []
    tables = []
    for name in names:
        try:
            tables.append(Table(path.parent / str(name)))
        except DataError as fault:
            problems += [f"{fault.where}: {problem}" for problem in fault.problems]
    return tables


def _chosen(path: Path, named: object, lengths: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Source and row [n] of every sample: all rows in their order where there is no linelist."""
    if named is None:
        sources = np.repeat(np.arange(len(lengths)), lengths)
        return sources, np.concatenate([np.arange(length) for length in lengths])
    file = path.parent / str(named)
    numbers = read_numbers(file, "one row number a line, behind the number of its source in a composite set")
    if len(lengths) == 1:
        source, row = np.zeros(len(numbers), np.int64), numbers
    elif len(numbers) % 2:
        raise DataError(str(file), ["has a line without two numbers: source TAB row"])
    else:
        source, row = numbers.reshape(-1, 2).T
    if len(row):
        known = (source >= 0) & (source < len(lengths))
        inside = known & (row >= 0) & (row < np.array(lengths)[np.where(known, source, 0)])
        if not inside.all():
            at = int((~inside).argmax())
            found = f"line {at + 1} names row {row[at]} of source {source[at]}"
            raise DataError(str(file), [f"{found}; there are {len(lengths)} sources with rows {list(lengths)}"])
    if not len(row):
        raise DataError(str(file), ["chooses no row"])
    return np.ascontiguousarray(source), np.ascontiguousarray(row)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """What a writer puts into a row; `label` as `label_of` reads it, plain numbers and lists."""

    key: str
    jpeg: bytes
    size: tuple[int, int]  # height, width
    label: Mapping[str, Any]


def write_set(folder: Path, name: str, samples: Iterable[Sample]) -> int:
    """Writes <name>.yaml and its tables, the .yaml last; how many samples there were. Memory holds one at a time."""
    count = 0
    paths = {part: folder / f"{name}.{part}.tsv" for part in ("img", "label", "hw")}
    with ExitStack() as files:
        tables = {part: files.enter_context(writing(path)) for part, path in paths.items()}
        for sample in samples:
            key, (height, width) = sample.key.encode(), sample.size
            tables["img"].add((key, base64.b64encode(sample.jpeg)))
            tables["label"].add((key, json.dumps([sample.label]).encode()))
            tables["hw"].add((key, json.dumps([{"height": height, "width": width}]).encode()))
            count += 1
    write_linelist(folder, name, range(count), name)
    return count


def write_linelist(folder: Path, name: str, rows: Iterable[int], tables: str) -> None:
    """Writes <name>.yaml, a set of the given rows, in this order, of the tables that <tables>.yaml was written with."""
    write_text(folder / f"{name}.linelist.tsv", "".join(f"{row}\n" for row in rows))
    lines = [f"{part}: {tables}.{part}.tsv\n" for part in ("img", "label", "hw")]
    write_text(folder / f"{name}.yaml", "".join(lines) + f"linelist: {name}.linelist.tsv\n")
