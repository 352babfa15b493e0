"""Discovery of motion capture files in a folder: their formats, subjects and action labels."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import DataError

UNNAMED = "Motion"  # action of a file that no index names
COLUMNS = ("file", "action")
SUFFIXES, SKELETON, BODIES = (".amc", ".bvh", ".c3d"), ".asf", ".npz"


@dataclass(frozen=True, kw_only=True, slots=True)
class MotionFile:
    """A .bvh or .c3d file, an .npz of SMPL parameters, or an .amc file with its skeleton. `folder`: the name of the
    folder it lies in."""

    path: Path
    skeleton: Path | None
    folder: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """Action and subject of a file in an index; subject: None where the folder decides."""

    action: str = UNNAMED
    subject: str | None = None


def find_motions(root: Path, is_body: Callable[[Path], bool]) -> tuple[list[MotionFile], list[str]]:
    """Finds all .amc, .bvh and .c3d files below a folder, and the .npz that `is_body` takes, in order of their paths;
    also returns the faults of those that cannot be read: every .amc without skeleton. DataError when there are none."""
    if not root.is_dir():
        raise DataError(str(root), ["no such folder; name the one with the .asf and .amc, .bvh, .c3d or .npz files"])
    # Names that begin with "._" are what some archives of macOS hold beside every file.
    there = [path for path in sorted(root.rglob("*")) if path.is_file() and not path.name.startswith("._")]
    kinds = (*SUFFIXES, SKELETON)
    files = [path for path in there if path.suffix.lower() in kinds or (path.suffix == BODIES and is_body(path))]
    motions: list[MotionFile] = []
    problems: list[str] = []
    for path in files:
        if path.suffix.lower() == SKELETON:
            continue
        skeleton = None
        if path.suffix.lower() == ".amc":
            skeletons = [one for one in files if one.suffix.lower() == SKELETON and one.parent == path.parent]
            skeleton = _skeleton_of(path, skeletons)
            if skeleton is None:
                here = ", ".join(one.name for one in skeletons) or "none"
                wanted = f"{path.stem.partition('_')[0]}.asf"
                problems.append(f"{path}: which skeleton is its own? .asf files beside it: {here}; put {wanted} there")
                continue
        motions.append(MotionFile(path=path, skeleton=skeleton, folder=path.resolve().parent.name))
    if not motions and not problems:
        found = "holds no .amc and no .bvh file, no .c3d and no .npz of SMPL poses, in no folder below either"
        raise DataError(str(root), [found])
    return motions, problems


def _skeleton_of(path: Path, skeletons: list[Path]) -> Path | None:
    """Returns the only skeleton, or the one with the longest name that the motion's name begins with: 01.asf of
    01_02.amc."""
    if len(skeletons) == 1:
        return skeletons[0]
    fitting = [one for one in skeletons if path.stem.startswith(one.stem)]
    return max(fitting, key=lambda one: len(one.stem), default=None)


def read_index(path: Path) -> Mapping[str, Label]:
    """Reads file name without suffix -> its label from a CSV file with columns file, action and perhaps subject."""
    try:
        # What spreadsheets write begins with a byte order mark.
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or f"it is no CSV text ({error})"
        raise DataError(str(path), [f"cannot be read: {reason}"]) from None
    missing = [column for column in COLUMNS if not rows or column not in rows[0]]
    if missing:
        wanted = "file,action or file,action,subject"
        raise DataError(str(path), [f"has no row, or no column {', '.join(missing)}; its first line must be {wanted}"])
    labels: dict[str, Label] = {}
    problems: list[str] = []
    for number, row in enumerate(rows, start=2):
        name, action, subject = (str(row.get(column) or "").strip() for column in (*COLUMNS, "subject"))
        if not name or not action:
            problems.append(f"line {number}: file and action must both be given")
        elif " " in action:
            # The layout keeps the take number behind a blank.
            joined = "".join(word[:1].upper() + word[1:] for word in action.split())
            problems.append(f"line {number}: action '{action}' has a blank; write {joined}")
        elif Path(name).stem in labels:
            problems.append(f"line {number}: file '{Path(name).stem}' stands twice")
        labels[Path(name).stem] = Label(action=action, subject=subject or None)
    if problems:
        raise DataError(str(path), problems)
    return labels
