"""Reader and writer of mesh sets: images with poses and shapes of people or hands, in the TSV layout of MeshTransformer
and MeshGraphormer.

A set is a .yaml file that names tables: `img` (key, ..., base64 of a JPEG in the last column), `label` (key, JSON list
with one dictionary), `hw` (sizes, not needed here), `linelist` (rows to use, in order). A composite set names lists of
such tables, and its linelist has `source TAB row`."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from spaces.files import write_text
from spaces.yaml_text import read_yaml

from ...errors import DataError
from ..json_text import parse_json
from .mesh_labels import Exact, Label, box_of, label_of
from .tsv import Table, read_numbers, writing

Told = TypeVar("Told")


class MeshSet:
    """Samples of a set, in the order of its linelist; opening reads indices, and no image or label."""

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.kind = path, kind
        content = _yaml(path)
        self._is_composite = is_composite = bool(content.get("composite", False))
        problems: list[str] = []
        self._images, self._labels = (_tables(path, content, key, is_composite, problems) for key in ("img", "label"))
        if not problems and len(self._images) != len(self._labels):
            problems.append(f"img names {len(self._images)} tables, label {len(self._labels)}")
        if len(self._images) > 1 and not is_composite:
            problems.append(f"names {len(self._images)} img tables, but not `composite: true`")
        for image, label in zip(self._images, self._labels, strict=False):
            if len(image) != len(label):
                problems.append(f"{image.path.name} has {len(image)} rows, {label.path.name} has {len(label)}")
        if problems:
            raise DataError(str(path), problems)
        lengths = [len(table) for table in self._images]
        self._source, self._row = _chosen(path, content.get("linelist"), lengths, is_composite)

    def __len__(self) -> int:
        return len(self._row)

    def place(self, number: int) -> str:
        """Returns where the label of a sample stands, for messages."""
        return f"{self._labels[self._source[number]].path}, row {self._row[number]}"

    def image_place(self, number: int) -> str:
        """Returns where the image of a sample stands, for messages."""
        return f"{self._images[self._source[number]].path}, row {self._row[number]}"

    def key(self, number: int) -> str:
        """Returns the name of an image, with that of its file in a composite set."""
        table = self._images[self._source[number]]
        key = table.row(int(self._row[number]))[0].decode("utf-8", "replace")
        return f"{table.path.name}_{key}" if self._is_composite else key

    def jpeg(self, number: int) -> bytes:
        """Returns the bytes of an image file. DataError names the row when it is not base64."""
        table, row = self._images[self._source[number]], int(self._row[number])
        columns = table.row(row)
        if len(columns) < 2:
            raise DataError(self.image_place(number), [f"has {len(columns)} column; an image stands behind its key"])
        try:
            return base64.b64decode(columns[-1], validate=True)
        except binascii.Error as error:
            raise DataError(self.image_place(number), [f"its last column is no base64 ({error})"]) from None

    def label(self, number: int) -> Label:
        """Parses the label of a sample. DataError names the row and every fault."""
        return self._told(number, label_of)

    def box(self, number: int) -> tuple[Exact, float]:
        """Parses center [2] in pixels and scale of a label, whatever else it holds."""
        return self._told(number, box_of)

    def _told(self, number: int, read: Callable[[Mapping[str, Any], str, list[str]], Told]) -> Told:
        """Applies `read` to the dictionary of a label; DataError with the problems that it adds."""
        problems: list[str] = []
        found = read(self._content(number), self.kind, problems)
        if problems:
            raise DataError(self.place(number), problems)
        return found

    def _content(self, number: int) -> Mapping[str, Any]:
        """Returns the dictionary that a label is stored as."""
        table, row = self._labels[self._source[number]], int(self._row[number])
        try:
            content = parse_json(table.row(row)[1])
            content = content[0] if isinstance(content, list) and len(content) == 1 else content
        except (IndexError, ValueError) as error:
            raise DataError(self.place(number), [f"has no JSON in its second column ({error})"]) from None
        if not isinstance(content, dict):
            raise DataError(self.place(number), ["its JSON is not a list with one dictionary"])
        return content

    def fingerprint(self) -> str:
        """Returns 12 hex digits that change with the samples chosen and with size and time of every file."""
        digest = hashlib.blake2b(digest_size=6)
        for table in (*self._images, *self._labels):
            stat = table.path.stat()
            digest.update(repr((table.path.name, len(table), stat.st_size, stat.st_mtime_ns)).encode())
        for rows in (self._source, self._row):
            digest.update(np.ascontiguousarray(rows).data)
        return digest.hexdigest()


def _yaml(path: Path) -> Mapping[str, Any]:
    content = read_yaml(path)
    if not isinstance(content, Mapping):
        raise DataError(str(path), ["is no mapping; expected img, label, linelist, hw, composite"])
    missing = [key for key in ("img", "label") if not content.get(key)]
    if missing:
        raise DataError(str(path), [f"names no '{key}' table" for key in missing])
    return content


def _tables(path: Path, content: Mapping[str, Any], key: str, is_composite: bool, problems: list[str]) -> list[Table]:
    """Opens the tables under a key: one, or those of a list, or of a file with one name a line."""
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


def _chosen(
    path: Path, named: object, lengths: Sequence[int], is_composite: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns source and row [n] of every sample: all rows in their order where there is no linelist."""
    if named is None:
        sources = np.repeat(np.arange(len(lengths)), lengths)
        return sources, np.concatenate([np.arange(length) for length in lengths])
    file = path.parent / str(named)
    numbers = read_numbers(file, "one row number a line, behind the number of its source in a composite set")
    if not is_composite:
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
    """One row for a writer; `label` as `label_of` reads it, plain numbers and lists."""

    key: str
    jpeg: bytes
    size: tuple[int, int]  # height, width
    label: Mapping[str, Any]


def write_set(folder: Path, name: str, samples: Iterable[Sample]) -> int:
    """Writes <name>.yaml and its tables, the .yaml last; returns the number of samples. Memory holds one at a time."""
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
