"""`python -m data check tsv DIR`: validates every row of the mesh sets in a folder."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from spaces.errors import did_you_mean

from ..errors import DataError
from ..formats.meshes.mesh_labels import FIGURES
from ..formats.meshes.mesh_tsv import MeshSet
from ..images.crops import decode
from .tables import as_json, mesh_summary, table

Row = dict[str, object]


def check_tsv(arguments: Namespace) -> int:
    """Prints a table of the sets, then every fault to stderr; 0 when there is none, otherwise 2."""
    rows: list[Row] = []
    faults: list[DataError] = []
    for path in _wanted(arguments.dir, arguments.set):
        row, found = check_set(path)
        rows.append(row)
        faults += found
    if arguments.json:
        problems = [f"{fault.where}: {problem}" for fault in faults for problem in fault.problems]
        print(as_json({"sets": rows, "problems": problems}))
    else:
        print(table(rows))
    sys.stdout.flush()
    for fault in faults:
        print(fault, file=sys.stderr)
    return 2 if faults else 0


def _wanted(folder: Path, name: str | None) -> list[Path]:
    if not folder.is_dir():
        raise DataError(str(folder), ["no such folder"])
    found = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    if not found:
        raise DataError(str(folder), ["holds no set: there is no .yaml that names tables"])
    if name is not None and name not in found:
        here = ", ".join(found)
        raise DataError(str(folder), [f"has no set '{name}'{did_you_mean(name, found)}; sets here: {here}"])
    return list(found.values()) if name is None else [found[name]]


def check_set(path: Path) -> tuple[Row, list[DataError]]:
    """Checks a set; returns its table row and all faults. Its kind is the one that most of its first labels fit."""
    try:
        kind = _kind(path)
        mesh_set = MeshSet(path, kind)
    except DataError as fault:
        return {"set": path.stem, **dict.fromkeys(("kind", "images", "has_2d", "has_3d", "has_smpl")), "faults": 1}, [
            fault
        ]
    problems: list[str] = []
    for number in range(len(mesh_set)):
        for read in (mesh_set.label, lambda at: _decoded(mesh_set, at)):
            try:
                read(number)
            except DataError as fault:
                problems += [f"{fault.where}: {problem}" for problem in fault.problems]
    row = mesh_summary(mesh_set) | {"faults": len(problems)}
    return row, [DataError(str(path), problems)] if problems else []


def _decoded(mesh_set: MeshSet, number: int) -> None:
    """Decodes an image completely, so that a truncated file is found."""
    content = mesh_set.jpeg(number)
    try:
        decode(content)
    except ValueError as error:
        raise DataError(
            mesh_set.image_place(number), [f"its image is broken or cut off ({error}); write it again"]
        ) from None


def _kind(path: Path) -> str:
    """Returns `body` or `hand`, by the first label that can be read as one of them; `body` when there is none."""
    for kind in FIGURES:
        mesh_set = MeshSet(path, kind)
        for number in range(min(len(mesh_set), 5)):
            try:
                mesh_set.label(number)
            except DataError:
                continue
            return kind
    return "body"
