"""Files that `predict` writes, by their endings, and checks of them. No torch: bad input is told at once."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from spaces.commands import package_need
from spaces.files import target_problems

from ..config import TrainConfig

TABLES = (".npz", ".json", ".csv")
BVH, C3D, TRC, GLB = MOTIONS = (".bvh", ".c3d", ".trc", ".glb")
FILMS = (".gif", ".mp4")
PICTURE = ".png"  # of a single image
PAGE = ".html"
# Endings that need a package which requirements.txt leaves out, and what does as well.
NEEDED = MappingProxyType({C3D: ("ezc3d", "or write .trc, which holds the same points")})
MOST_FRAMES = MappingProxyType({C3D: 65_535})  # the header counts them in 16 bits


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Adds --out and --render."""
    parser.add_argument(
        "--out", type=Path, required=True, action="append", metavar="FILE", dest="outs",
        help="file to write the 3D poses to, by its ending: .npz, .json, .csv, motion as .bvh, .c3d, .trc or .glb "
        "(meshes: .npz, .json, .csv, .glb); may be given again, for another file",
    )  # fmt: skip
    parser.add_argument(
        "--render", type=Path, action="append", default=[], metavar="FILE", dest="renders",
        help="also draw the 2D beside the 3D skeleton, or meshes over images: out.gif or out.mp4, out.png of one "
        "image, or out.html, a page to turn and play it in; may be given again",
    )  # fmt: skip


def written_endings(config: TrainConfig) -> tuple[str, ...]:
    """Returns the endings that --out may have."""
    return (*TABLES, GLB) if config.data.sizes.mesh else (*TABLES, *MOTIONS)


def drawn_endings(*, has_images: bool) -> tuple[str, ...]:
    """Returns the endings that --render may have; has_images: whether the input may be a single one."""
    return (*FILMS, PICTURE, PAGE) if has_images else (*FILMS, PAGE)


def output_problems(
    outs: Sequence[Path],
    renders: Sequence[Path],
    config: TrainConfig | None,
    sources: Mapping[Path, str],
    *,
    has_images: bool,
    force: bool,
    detections: Sequence[Path] = (),
) -> list[str]:
    """Checks the files to write: their endings, packages and places. config: None where it could not be read; sources:
    the files that are read, resolved, by the option that names them; detections: files of 2D poses."""
    problems = []
    for path in outs:
        ending = path.suffix.lower()
        if config is not None and ending not in written_endings(config):
            why = f"holds joints in motion, and {config.model} predicts meshes; " if ending in MOTIONS else ""
            problems.append(f"--out {path}: {why}name a file that ends in {' or '.join(written_endings(config))}")
        elif ending in NEEDED and find_spec(NEEDED[ending][0]) is None:
            package, other = NEEDED[ending]
            problems.append(f"--out {path}: {package_need(package)}, {other}")
    drawn = drawn_endings(has_images=has_images)
    problems += [
        f"--render {path}: name a file that ends in {' or '.join(drawn)}"
        for path in renders
        if path.suffix.lower() not in drawn
    ]
    taken = dict(sources)
    written = (("--out", outs), ("--render", renders), ("--detections", detections))
    for name, path in ((name, path) for name, paths in written for path in paths):
        problems += [f"{name} {text}" for text in target_problems(path, force=force)]
        if path.resolve() in taken:
            problems.append(f"{name} {path}: is {taken[path.resolve()]} too; choose another name")
        taken.setdefault(path.resolve(), name)
    return problems


def length_problems(outs: Sequence[Path], renders: Sequence[Path], where: Path, count: int) -> list[str]:
    """Returns which files cannot hold, or show, the `count` frames or images that `where` lists."""
    problems = [
        f"--out {path}: holds at most {most:,} frames, and {where} has {count:,}; cut it, or write another format"
        for path in outs
        if (most := MOST_FRAMES.get(path.suffix.lower(), count)) < count
    ]
    shown = f"shows one image, and {where} lists {count}; name a file that ends in {' or '.join((*FILMS, PAGE))}"
    problems += [f"--render {path}: {shown}" for path in renders if count > 1 and path.suffix.lower() == PICTURE]
    return problems
