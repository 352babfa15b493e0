"""python -m data VERB: data sets written, checked, converted, described."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from spaces.cli import Verb, main

FORMATS = ("h36m", "humaneva", "3dhp", "h36m-images", "tsv")
STORE = Path("data/store")


def _add_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", type=Path, default=STORE, metavar="DIR", help=f"folder of the sets (default {STORE})")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")


def _add_synth_options(parser: argparse.ArgumentParser) -> None:
    _add_root(parser)
    parser.add_argument("--seed", type=_seed, default=0, metavar="N", help="another seed is another set (default 0)")
    parser.add_argument("--force", action="store_true", help="write over what is there")
    parser.add_argument(
        "--images", type=_seed, default=0, metavar="N", help="write the image set instead, with N images (about 6000)"
    )
    mesh = "write a mesh set instead: pictures of hands or bodies, their poses and model (3600 images, or --images)"
    parser.add_argument("--mesh", choices=("hand", "body"), help=mesh)


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least 0")
    return int(text)


def _add_check_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("format", choices=FORMATS, metavar="FORMAT", help=f"layout: {', '.join(FORMATS)}")
    parser.add_argument("dir", type=Path, metavar="DIR", help="folder of the files")
    parser.add_argument("--set", metavar="NAME", help="one set, by the name in its files (default: all in the folder)")
    _add_json(parser)


def _add_convert_options(parser: argparse.ArgumentParser) -> None:
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
    parser.add_argument("dir", type=Path, metavar="DIR", help="folder with .asf and .amc, or .bvh files, at any depth")
    parser.add_argument("--set", default="cmu", metavar="NAME", help="name of the new set (default cmu)")
    index = "CSV of the actions: file,action[,subject] in the first line; without, all are Motion"
    parser.add_argument("--index", type=Path, metavar="FILE", help=index)
    parser.add_argument("--subject-prefix", default="", metavar="C", help="letters before the folder's name: C01 of 01")
    scale = "metres per unit of length (default: as ASF headers say; of BVH the unit that gives a person's stature)"
    parser.add_argument("--scale", type=_above_0, metavar="METRES", help=scale)
    fps = "frames per second of .amc files, which do not tell (default 120)"
    parser.add_argument("--fps", type=_above_0, default=120.0, metavar="F", help=fps)
    parser.add_argument("--detector", action="store_true", help="also 2D with a detector's noise (keypoints det)")


def _add_h36m_options(parser: argparse.ArgumentParser) -> None:
    source = "folder with S1/MyPoseFeatures/D3_Positions/*.cdf, or a .pkl or data_3d_h36m.npz, or such a file"
    parser.add_argument("dir", type=Path, metavar="DIR", help=source)


def _above_0(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is no number above 0")
    return value


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
        "motion of the free CMU database (ASF/AMC or BVH) before four cameras",
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


def _add_describe_options(parser: argparse.ArgumentParser) -> None:
    _add_root(parser)
    parser.add_argument("--data", metavar="NAME", help="one split or set (default: all in the folder)")
    _add_json(parser)


VERBS = {
    "synth": Verb(
        summary="write the embedded synthetic sets in the layouts of Human3.6M, HumanEva-I, MPI-INF-3DHP, or images",
        example="python -m data synth --root data/store",
        add_options=_add_synth_options,
        run="data.verbs.synth:run",
    ),
    "check": Verb(
        summary="check files, shapes, units, counts and cameras of sets",
        example="python -m data check h36m data/store --set synthetic",
        add_options=_add_check_options,
        run="data.verbs.check:run",
    ),
    "convert": Verb(
        summary="convert files of others to a layout of ours",
        example=SOURCES["cmu"][1],
        add_options=_add_convert_options,
        run="data.verbs.convert:run",
    ),
    "describe": Verb(
        summary="list sets and named splits with their sizes",
        example="python -m data describe --data synthetic --json",
        add_options=_add_describe_options,
        run="data.verbs.describe:run",
    ),
}

if __name__ == "__main__":
    sys.exit(main("data", "Data sets written, checked, converted, described.", VERBS))
