"""Options of `synth`."""

from __future__ import annotations

import argparse

from spaces.cli import whole_number
from spaces.schema import WHOLE

from .places import add_root

MOST_IMAGES = 1_000_000  # of a set; more fill a disk


def add_synth_options(parser: argparse.ArgumentParser) -> None:
    """Adds --root, --seed, --force, --images, --mesh."""
    add_root(parser)
    parser.add_argument(
        "--seed",
        type=whole_number(0, WHOLE[-1]),
        default=0,
        metavar="N",
        help="another seed is another set (default 0)",
    )
    parser.add_argument("--force", action="store_true", help="write over what is there")
    parser.add_argument(
        "--images",
        type=whole_number(0, MOST_IMAGES),
        default=0,
        metavar="N",
        help="write the image set instead, with N images (about 6000)",
    )
    mesh = "write a mesh set instead: pictures of hands or bodies, their poses and model (3600 images, or --images)"
    parser.add_argument("--mesh", choices=("hand", "body"), help=mesh)
