"""Reader of motion as parameters of SMPL (.npz of AMASS and of others in its manner): joints by a body model."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bodies.body_model import SHAPE_NUMBERS, BodyModel
from ..bodies.skinning import posed
from ..errors import DataError
from ..formats.arrays import read_npz
from ..formats.meshes.body_models import read_models
from ..formats.pickles import read_object
from ..poses.skeleton import H36M_17
from .motion.recording import Recording
from .motion.rotations import Signal

POSES, PATH, SHAPE = "poses", "trans", "betas"
PARTS = {"root_orient": 3, "pose_body": 63}  # the first numbers of a pose, which some files hold by themselves
GENDER, KIND = "gender", "surface_model_type"
RATES = ("mocap_framerate", "mocap_frame_rate", "fps")
WIDTHS = {72: "SMPL", 156: "SMPL+H"}  # numbers of a pose; the first 66 are the same joints in both
SHARED, SMPLX = 66, 165
OTHER = "SMPL-X: its shape numbers are not those of SMPL; get the SMPL+H files"
PIECE = 64  # frames posed at a time; bounds memory


def is_body_motion(path: Path) -> bool:
    """Returns whether an .npz file holds poses with a path, by the names of its arrays."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile):
        return False
    return PATH in names and (POSES in names or names >= PARTS.keys())


class BodyReader:
    """Reader with the SMPL model of a folder, which is read once; None: no folder was given."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._model: tuple[BodyModel, Signal] | None = None

    def read(self, path: Path) -> Recording:
        """Computes the 17 joints of Human3.6M, metres, by the published regressor. DataError when the file is damaged,
        of another model, or no model is given."""
        if self._folder is None:
            need = (
                "the joints of its SMPL parameters need a body model: give --models FOLDER with SMPL and its regressors"
            )
            raise DataError(str(path), [need])
        arrays, names = read_npz(path, (POSES, *PARTS, PATH, SHAPE, *RATES))
        poses, problems = _poses(arrays, _word(path, KIND, names))
        numbers = {name: arrays.get(name, np.zeros(0)) for name in (PATH, SHAPE)}
        odd = [
            f"{name} holds {array.dtype}; expected numbers" for name, array in numbers.items() if not _is_number(array)
        ]
        if odd:
            raise DataError(str(path), [*problems, *odd])
        path_m, shape = (array.astype(np.float64) for array in numbers.values())
        if not problems and path_m.shape != (len(poses), 3):
            problems.append(f"{PATH} has shape {path_m.shape}; expected {(len(poses), 3)}")
        rate = next((arrays[name] for name in RATES if name in arrays), np.zeros(1))
        fps = float(rate.reshape(-1)[0]) if rate.size == 1 and _is_number(rate) else 0.0
        if not 0 < fps < float("inf"):
            problems.append(f"tells no rate ({', '.join(RATES)}); it has {', '.join(names)}")
        if not all(np.isfinite(array).all() for array in (poses, path_m, shape)):
            problems.append("holds numbers that are not finite")
        if problems:
            raise DataError(str(path), problems)
        model, regressor = self._models()
        betas = np.zeros(SHAPE_NUMBERS)
        # Some files repeat them for every frame.
        own = shape.reshape(-1, shape.shape[-1])[0, :SHAPE_NUMBERS] if shape.size else shape
        betas[: len(own)] = own
        joints = _joints(model, regressor, poses, betas) + path_m[:, None]
        points = {name.lower(): joints[:, at] for at, name in enumerate(H36M_17.joints)}
        gender = _word(path, GENDER, names)
        note = f"shape numbers of a {gender} body are used with the neutral model, which moves joints by about 1 cm"
        notes = (note,) if gender in ("male", "female") else ()
        return Recording(points=points, fps=round(fps, 2), metres_per_unit=1.0, notes=notes)

    def _models(self) -> tuple[BodyModel, Signal]:
        if self._model is None:
            assert self._folder is not None
            model, levels = read_models(self._folder, "body")
            assert levels.h36m_regressor is not None
            self._model = model, np.asarray(levels.h36m_regressor, np.float64)
        return self._model


def _poses(arrays: Mapping[str, NDArray[Any]], kind: str) -> tuple[Signal, list[str]]:
    """Returns rotation vectors [n, 66 or more] of the joints, and what is wrong with them; kind: of the body model, as
    the file calls it."""
    if POSES in arrays:
        poses, wanted = arrays[POSES], tuple(WIDTHS)
        found = f"{POSES} has shape {poses.shape}"
    else:
        parts = [arrays[name] for name in PARTS]
        found = " and ".join(f"{name} has shape {arrays[name].shape}" for name in PARTS)
        is_whole = all(part.shape == (len(parts[0]), width) for part, width in zip(parts, PARTS.values(), strict=True))
        poses, wanted = np.concatenate(parts, axis=1) if is_whole else np.zeros(0), (SHARED,)
    if "smplx" in kind.lower() or poses.shape[1:] == (SMPLX,):
        return np.zeros(0), [f"{found} ({OTHER})"]
    if poses.ndim != 2 or poses.shape[1] not in wanted or not _is_number(poses):
        allowed = " or ".join(map(str, WIDTHS)) if POSES in arrays else " and ".join(map(str, PARTS.values()))
        return np.zeros(0), [f"{found}; expected (n, {allowed})"]
    return poses.astype(np.float64), []


def _is_number(array: NDArray[Any]) -> bool:
    return array.dtype.kind in "fiu"


def _word(path: Path, name: str, names: Sequence[str]) -> str:
    """Returns the text under a name, '' where the file has none: an array of text or bytes, or an object."""
    if name not in names:
        return ""
    try:
        found: object = read_npz(path, (name,))[0][name]
    except DataError:
        found = read_object(path, name)
    values = np.asarray(found).reshape(-1)
    value = values[0] if len(values) == 1 else ""
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _joints(model: BodyModel, regressor: Signal, poses: Signal, betas: Signal) -> Signal:
    """Returns joints [n, 17, 3] of poses [n, 72 or more], hands flat."""
    body = np.zeros((len(poses), 3 * len(model.parents)))
    body[:, :SHARED] = poses[:, :SHARED]
    found = []
    for first in range(0, len(body), PIECE):
        part = body[first : first + PIECE]
        vertices, _ = posed(model, part, np.broadcast_to(betas, (len(part), SHAPE_NUMBERS)))
        found.append(regressor @ vertices)
    return np.concatenate(found)
