"""`python -m data convert SOURCE`: converts published or own motion capture into a layout that the readers take."""

from __future__ import annotations

import re
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from spaces.commands import command
from spaces.files import write_text

from ..conversion import cmu, human36m
from ..conversion.capture import WIDEST
from ..conversion.motion.axes import AUTO
from ..errors import DataError
from ..formats.poses import h36m
from ..poses.families import family_of
from ..poses.splits import SPLITS
from .check import PUBLISHED_CAMERA_FRAMES
from .convert_images import convert_h36m_images
from .convert_mesh import convert_3dpw, convert_freihand
from .tables import summary, table

Found = TypeVar("Found")

RESERVED = ("h36m", "synthetic")  # sets with cameras or a record of their own


def run(arguments: Namespace) -> int:
    """Reads everything, then writes everything; DataError, and nothing written, when anything is at fault."""
    return CONVERTERS[arguments.source](arguments)


def _convert_cmu(arguments: Namespace) -> int:
    out, name = arguments.out, arguments.set
    paths = [h36m.file_3d(out, name), h36m.file_2d(out, name, "gt"), h36m.file_cameras(out, name), _manifest(out, name)]
    noisy = h36m.file_2d(out, name, "det")
    if arguments.detector:
        paths.append(noisy)
    problems = [*_name_problems(name), *_there(paths, force=arguments.force)]
    if noisy.exists() and not arguments.detector:
        problems.append(
            f"{noisy} is of an earlier conversion and would not fit the new poses; --detector, or remove it"
        )
    request = cmu.Request(
        root=arguments.dir,
        index=arguments.index,
        prefix=arguments.subject_prefix,
        scale=arguments.scale,
        amc_fps=arguments.fps,
        up=None if arguments.up == AUTO else arguments.up,
        is_lenient=arguments.skip_bad,
        models=arguments.models,
    )
    plan = _checked(lambda: cmu.plan(request, is_refused=bool(problems)), arguments.dir, problems)
    converted = cmu.read_clips(plan)
    clips, tallies = converted.clips, converted.tallies
    poses, inside = cmu.seen(clips, name)
    h36m.write(poses, out)
    rows = [summary(poses)]
    if arguments.detector:
        shaken = cmu.detected(poses)
        h36m.write_2d(shaken, out)
        rows.append(summary(shaken))
    write_text(_manifest(out, name), cmu.manifest(clips))
    print(f"wrote set {name} to {out}:")
    print(table([row | {"subjects": len(poses.subjects)} for row in rows]))
    print()
    print(table([_subject_row(subject, tallies[subject], clips, inside[subject]) for subject in inside]))
    for note in [*_notes(tallies, plan.unnamed, inside), *converted.notes]:
        print(f"note: {note}")
    if converted.lost:
        print(f"note: left out {converted.lost} of {converted.files} files (--skip-bad), with these faults:")
        sys.stdout.flush()
        print(DataError(str(arguments.dir), converted.left_out), file=sys.stderr)
    print(f"next: {command('data', 'check h36m', out, '--set', name)}")
    return 0


def _convert_h36m(arguments: Namespace) -> int:
    out, name = arguments.out, h36m.CALIBRATED
    problems = _there([h36m.file_3d(out, name), h36m.file_2d(out, name, "gt")], force=arguments.force)
    stored, found = _checked(lambda: human36m.find_release(arguments.dir), arguments.dir, problems)
    release = human36m.read_release(arguments.dir, stored, found)
    h36m.write_3d(release.poses, out)
    h36m.write_2d(release.poses, out)
    print(f"wrote set {name} to {out}, from {release.found} in {release.unit}:")
    print(table([summary(release.poses)]))
    if release.left_out:
        print(f"note: left out: {', '.join(release.left_out)}")
    split = SPLITS["h36m_authors"]
    subjects = {"train": split.train, "test": split.test}
    for note in human36m.differences(release.poses, PUBLISHED_CAMERA_FRAMES, subjects):
        print(f"note: {note}")
    print(f"next: {command('data', 'check h36m', out, '--set', name)}")
    return 0


def _checked(find: Callable[[], Found], root: Path, problems: list[str]) -> Found:
    """Returns the result of `find`. DataError with its problems behind those that were known before.

    Only fast checks run together with them: reading a whole database takes minutes."""
    try:
        found = find()
    except DataError as error:
        raise DataError(str(root), [*problems, *error.problems_in(str(root))]) from None
    if problems:
        raise DataError(str(root), problems)
    return found


def _name_problems(name: str) -> list[str]:
    if not re.fullmatch(r"[A-Za-z0-9_]+", name):
        return [f"--set {name}: a name of a set is letters, digits and _"]
    if name in RESERVED or family_of(name).key != "h36m":
        return [f"--set {name}: belongs to a set with a layout or cameras of its own; choose another name"]
    return []


def _there(paths: list[Path], *, force: bool) -> list[str]:
    there = [] if force else [path for path in paths if path.exists()]
    folders = sorted({path.parent for path in paths if path.parent.exists() and not path.parent.is_dir()})
    return [
        *(f"{path} exists; --force writes over it, --out names another folder" for path in there),
        *(f"{folder} is no folder; --out names another one" for folder in folders),
    ]


def _manifest(root: Path, name: str) -> Path:
    return root / f"manifest_{name}.csv"


def _subject_row(subject: str, tally: cmu.Tally, clips: list[cmu.Clip], inside: float) -> dict[str, object]:
    mine = [clip for clip in clips if clip.subject == subject]
    return {
        "subject": subject,
        "files": tally.files,
        "unit": ", ".join(sorted(tally.units)),
        "up": ", ".join(sorted(tally.axes)),
        "ankle_to_head_m": float(np.median(tally.heights)),
        "source_fps": ", ".join(f"{rate:g}" for rate in sorted(tally.rates)),
        "clips": len(mine),
        "frames": sum(len(clip.pose3d) for clip in mine),
        "left_out_s": tally.lost_seconds,
        "inside_images_%": 100 * inside,
    }


def _notes(tallies: Mapping[str, cmu.Tally], unnamed: tuple[str, ...], inside: Mapping[str, float]) -> list[str]:
    how = f"clips are cut at jumps and where the hip's path gets wider than {WIDEST:g} m"
    notes = [f"50 Hz lies on straight lines between the frames of the source; {how}"]
    mended = [subject for subject, tally in tallies.items() if tally.is_mended]
    if mended:
        found = "the BVH files lack thorax and wrist bones, as the known conversion does"
        notes.append(f"{', '.join(mended)}: {found}; put back from the bones beside them")
    if unnamed:
        notes.append(f"no row of the index for {len(unnamed)} files ({', '.join(unnamed[:5])}); they are called Motion")
    empty = [subject for subject in tallies if subject not in inside]
    if empty:
        notes.append(f"nothing long enough of {', '.join(empty)}")
    return notes


CONVERTERS: Mapping[str, Callable[[Namespace], int]] = MappingProxyType(
    {
        "cmu": _convert_cmu,
        "h36m": _convert_h36m,
        "h36m-images": convert_h36m_images,
        "freihand": convert_freihand,
        "3dpw": convert_3dpw,
    }
)
