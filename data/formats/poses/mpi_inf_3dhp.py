"""Reader and writer of P-STMO's layout of MPI-INF-3DHP: data_train_<set>.npz and data_test_<set>.npz, key `data`.

The published pair is set 3dhp, data_train_3dhp.npz; another set has another name in its files, so that it can lie
beside them and replaces nothing. Train: {'S1 Seq1': [{camera: {'data_2d': [n, 17, 2], 'data_3d': [n, 17, 3]}}, fps]};
test: {'TS1': {'data_2d', 'data_3d', 'valid': [n] 0 or 1}}. Pixels; millimetres in the axes of the camera that saw them,
all people scaled to one height.

The cameras of a sequence share no world, so each is a clip of its own: action 'Seq1 4' is sequence 1 seen by camera
'4', which stands at the origin. Of a test sequence, action as subject 'TS1', only `valid` frames are scored, and the
frame rate is not stored. Lenses are not known."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from spaces.commands import synth_line
from spaces.errors import did_you_mean
from spaces.files import replacing

from ...errors import DataError
from ...poses.poseset import Array, PoseSet, Sequence
from ...poses.skeleton import MPI_INF_3DHP_17
from ..pickles import read_object
from .calibration import MM_PER_METRE
from .clips import Check
from .mpi_inf_3dhp_clips import CAMERAS, TESTS, camera_of, read_test, read_train

__all__ = ["CAMERAS", "TESTS", "available_sets", "camera_of", "file_test", "file_train", "read", "write"]

# Frames and frames per second of the published training sequences; scored frames of the test sequences.
PUBLISHED_TRAIN: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        **{"S1 Seq1": (6416, 25), "S1 Seq2": (12430, 50), "S2 Seq1": (6502, 25), "S2 Seq2": (6081, 25)},
        **{"S3 Seq1": (12488, 50), "S3 Seq2": (12283, 50), "S4 Seq1": (6171, 25), "S4 Seq2": (6675, 25)},
        **{"S5 Seq1": (12820, 50), "S5 Seq2": (12312, 50), "S6 Seq1": (6188, 25), "S6 Seq2": (6145, 25)},
        **{"S7 Seq1": (6239, 25), "S7 Seq2": (6320, 25), "S8 Seq1": (6468, 25), "S8 Seq2": (6054, 25)},
    }
)
PUBLISHED_VALID: Mapping[str, int] = MappingProxyType(dict(zip(TESTS, (603, 540, 505, 553, 276, 452), strict=True)))


def file_train(root: Path, name: str) -> Path:
    """Returns the path of a set's training sequences."""
    return root / f"data_train_{name}.npz"


def file_test(root: Path, name: str) -> Path:
    """Returns the path of a set's test sequences."""
    return root / f"data_test_{name}.npz"


def available_sets(root: Path) -> tuple[str, ...]:
    """Returns the names of the sets with either file in the folder; none when there is no such folder."""
    paths = [*root.glob("data_train_*.npz"), *root.glob("data_test_*.npz")]
    return tuple(sorted({path.stem.split("_", 2)[2] for path in paths}))


def read(root: Path, name: str, *, subjects: Collection[str] | None = None) -> PoseSet:
    """Reads the clips of the named subjects, S1 to S8 and TS1 to TS6 (None: all), in file order; metres.

    A file that holds none of the named subjects is not opened. DataError lists every fault of every clip."""
    where = f"{root}, set '{name}'"
    paths = {"train": file_train(root, name), "test": file_test(root, name)}
    missing = [f"has no {path.name}{_remedy(root, name)}" for path in paths.values() if not path.is_file()]
    if missing:
        raise DataError(where, missing)
    asked = None if subjects is None else set(subjects)
    train = _tree(paths["train"]) if asked is None or asked - set(TESTS) else {}
    test = _tree(paths["test"]) if asked is None or asked & set(TESTS) else {}
    check = Check(MPI_INF_3DHP_17, True, {"3D": (MPI_INF_3DHP_17,), "2D": (MPI_INF_3DHP_17,)})
    here = list(dict.fromkeys([*(key.partition(" ")[0] for key in train), *test]))
    for subject in sorted((asked or set()) - set(here)):
        check.fault(f"no subject '{subject}'{did_you_mean(subject, here)}; subjects here: {', '.join(here)}")
    clips: list[Sequence] = []
    for key, entry in train.items():
        if asked is None or key.partition(" ")[0] in asked:
            clips += read_train(key, entry, check)
    for key, entry in test.items():
        if asked is None or key in asked:
            clips += read_test(key, entry, check)
    if not clips:
        check.fault("there is no clip")
    if check.problems:
        raise DataError(where, list(check.problems))
    return PoseSet(name=name, keypoints="gt", skeleton=MPI_INF_3DHP_17, fps=None, sequences=tuple(clips))


def _remedy(root: Path, name: str) -> str:
    if not root.is_dir():
        return "; there is no such folder"
    sets = available_sets(root)
    if name in sets:
        return "; put it beside the other file of the set"
    return f"{did_you_mean(name, sets)}; sets here: {', '.join(sets) or f'none; `{synth_line(root)}` writes one'}"


def _tree(path: Path) -> dict[str, object]:
    tree = read_object(path, "data")
    if not isinstance(tree, dict) or not all(isinstance(key, str) for key in tree):
        raise DataError(str(path), ["'data' is no dictionary with sequences as text; expected {sequence: poses}"])
    return tree


def write(poses: PoseSet, root: Path) -> None:
    """Writes both files; each appears whole or not at all, and an earlier one of that name is replaced."""
    views: dict[str, dict[str, object]] = {}
    rates: dict[str, int] = {}
    test: dict[str, object] = {}
    for clip in poses.sequences:
        arrays = {"data_2d": clip.pose2d[0].astype(np.float64), "data_3d": _millimetres(clip.pose3d)}
        if clip.valid is not None:
            test[clip.subject] = arrays | {"valid": clip.valid.astype(np.float64)}
        else:
            assert clip.fps is not None, (clip.subject, clip.action)
            key = f"{clip.subject} {clip.group}"
            rates[key] = round(clip.fps)
            views.setdefault(key, {})[clip.cameras[0].name] = arrays
    train = {key: [cameras, rates[key]] for key, cameras in views.items()}
    for path, tree in ((file_train(root, poses.name), train), (file_test(root, poses.name), test)):
        with replacing(path) as file:
            np.savez(file, data=np.array(tree, dtype=object))


def _millimetres(pose3d: Array) -> NDArray[np.float64]:
    # Exact: float32 times 1000 fits into a float64, so that reading divides it back to the same number.
    return pose3d.astype(np.float64) * MM_PER_METRE
