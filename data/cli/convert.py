"""Options of `convert`, by source."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from spaces.cli import number_above_0

from ..conversion.motion.axes import AUTO, UP_AXES
from .places import STORE

MOST_FPS = 10_000


def add_convert_options(parser: argparse.ArgumentParser) -> None:
    """Adds a subparser for each source."""
    sources = parser.add_subparsers(dest="source", metavar="SOURCE", required=True)
    for name, (summary, example, add_options) in SOURCES.items():
        line = sources.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog=f"example: {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        add_options(line)
        line.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder of the new files")
        line.add_argument("--force", action="store_true", help="write over what is there")


def _add_cmu_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "dir", type=Path, metavar="DIR", help="folder with .asf and .amc, .bvh, .c3d or .npz files, at any depth"
    )
    parser.add_argument("--set", default="cmu", metavar="NAME", help="name of the new set (default cmu)")
    index = "CSV of the actions: file,action[,subject] in the first line; without, all are Motion"
    parser.add_argument("--index", type=Path, metavar="FILE", help=index)
    parser.add_argument("--subject-prefix", default="", metavar="C", help="letters before the folder's name: C01 of 01")
    scale = "metres per unit of length (default: as ASF and C3D say; of BVH the unit that gives a person's stature)"
    parser.add_argument("--scale", type=number_above_0(1000), metavar="METRES", help=scale)
    fps = "frames per second of .amc files, which do not tell (default 120)"
    parser.add_argument("--fps", type=number_above_0(MOST_FPS), default=120.0, metavar="F", help=fps)
    up = (
        f"axis of the files that points up: {', '.join(UP_AXES)} (default {AUTO}: found from how people stand and walk)"
    )
    parser.add_argument("--up", choices=(AUTO, *UP_AXES), default=AUTO, metavar="AXIS", help=up)
    skip = "leave out the files at fault, say which, and convert the others (default: nothing is written)"
    parser.add_argument("--skip-bad", action="store_true", help=skip)
    models = "folder with the neutral SMPL model and its joint regressors, for .npz of SMPL parameters (AMASS)"
    parser.add_argument("--models", type=Path, metavar="FOLDER", help=models)
    parser.add_argument("--detector", action="store_true", help="also 2D with a detector's noise (keypoints det)")


def _add_h36m_options(parser: argparse.ArgumentParser) -> None:
    source = "folder with S1/MyPoseFeatures/D3_Positions/*.cdf, or a .pkl or data_3d_h36m.npz, or such a file"
    parser.add_argument("dir", type=Path, metavar="DIR", help=source)


def _add_h36m_images_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dir", type=Path, metavar="DIR", help="folder with images/s_01_act_02_subact_01_ca_01/*.jpg")
    poses = "folder with data_3d_h36m.npz and its 2D, gt and cpn_ft_h36m_dbb"
    parser.add_argument("--poses", type=Path, default=STORE, metavar="FOLDER", help=f"{poses} (default {STORE})")


def _add_freihand_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dir", type=Path, metavar="DIR", help="folder with training_xyz.json and training/rgb/*.jpg")


def _add_3dpw_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dir", type=Path, metavar="DIR", help="folder with sequenceFiles/ and imageFiles/")
    models = "folder with the neutral SMPL model and its joint regressors, which make the joints of the labels"
    parser.add_argument("--models", type=Path, required=True, metavar="FOLDER", help=models)


# Source: summary, example, its options beside --out and --force.
SOURCES: dict[str, tuple[str, str, Callable[[argparse.ArgumentParser], None]]] = {
    "cmu": (
        "motion capture (ASF/AMC, BVH, C3D), as of the free CMU database, before four cameras",
        "python -m data convert cmu subjects --out data/store --set cmu --subject-prefix C",
        _add_cmu_options,
    ),
    "h36m": (
        "Human3.6M from the original release or from pickled poses, with true 2D",
        "python -m data convert h36m human36m --out data/store",
        _add_h36m_options,
    ),
    "h36m-images": (
        "labels of the frames of Human3.6M's videos from its poses, a detector's 2D and the calibration",
        "python -m data convert h36m-images frames --poses data/store --out data/store/h36m_images",
        _add_h36m_images_options,
    ),
    "freihand": (
        "FreiHAND as a mesh set; the last tenth of its training hands is kept for val, test has no labels",
        "python -m data convert freihand FreiHAND_pub_v2 --out data/store/freihand",
        _add_freihand_options,
    ),
    "3dpw": (
        "3DPW as a mesh set: train, validation, test",
        "python -m data convert 3dpw 3DPW --models smpl --out data/store/3dpw",
        _add_3dpw_options,
    ),
}
