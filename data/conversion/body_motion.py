"""Reader of motion as parameters of SMPL (.npz of AMASS and of others in its manner): joints by a body model."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from ..bodies.body_model import SHAPE_NUMBERS, BodyModel
from ..bodies.skinning import posed
from ..errors import DataError
from ..formats.arrays import read_npz
from ..formats.meshes.body_models import read_models
from ..poses.skeleton import H36M_17
from .motion.recording import Recording
from .motion.rotations import Signal

POSES, PATH, SHAPE = "poses", "trans", "betas"
RATES = ("mocap_framerate", "mocap_frame_rate", "fps")
WIDTHS = {72: "SMPL", 156: "SMPL+H"}  # numbers of a pose; the first 66 are the same joints in both
SHARED, SMPLX = 66, 165
PIECE = 64  # frames posed at a time; bounds memory


def is_body_motion(path: Path) -> bool:
    """Returns whether an .npz file holds poses with a path, by the names of its arrays."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile):
        return False
    return {POSES, PATH} <= names


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
        arrays, names = read_npz(path, (POSES, PATH, SHAPE, *RATES, "gender", "surface_model_type"))
        poses, path_m = (np.asarray(arrays[name], np.float64) for name in (POSES, PATH))
        rate = next((float(arrays[name]) for name in RATES if name in arrays), 0.0)
        problems = []
        if poses.ndim != 2 or poses.shape[1] not in WIDTHS:
            also = " (SMPL-X: its shape numbers are not those of SMPL; get the SMPL+H files)"
            found = f"{POSES} has shape {poses.shape}{also if poses.shape[-1:] == (SMPLX,) else ''}"
            problems.append(f"{found}; expected (n, {' or '.join(map(str, WIDTHS))})")
        elif path_m.shape != (len(poses), 3):
            problems.append(f"{PATH} has shape {path_m.shape}; expected {(len(poses), 3)}")
        if not rate > 0:
            problems.append(f"tells no rate ({', '.join(RATES)}); it has {', '.join(names)}")
        if not all(np.isfinite(array).all() for array in (poses, path_m)):
            problems.append("holds numbers that are not finite")
        if problems:
            raise DataError(str(path), problems)
        model, regressor = self._models()
        betas = np.zeros(SHAPE_NUMBERS)
        shape = np.asarray(arrays.get(SHAPE, betas), np.float64).reshape(-1)[:SHAPE_NUMBERS]
        betas[: len(shape)] = shape
        joints = _joints(model, regressor, poses, betas) + path_m[:, None]
        points = {name.lower(): joints[:, at] for at, name in enumerate(H36M_17.joints)}
        gender = str(np.asarray(arrays.get("gender", "neutral")).reshape(-1)[0]).strip("b'")
        note = f"shape numbers of a {gender} body are used with the neutral model, which moves joints by about 1 cm"
        notes = (note,) if gender in ("male", "female") else ()
        return Recording(points=points, fps=round(rate, 2), metres_per_unit=1.0, notes=notes)

    def _models(self) -> tuple[BodyModel, Signal]:
        if self._model is None:
            assert self._folder is not None
            model, levels = read_models(self._folder, "body")
            assert levels.h36m_regressor is not None
            self._model = model, np.asarray(levels.h36m_regressor, np.float64)
        return self._model


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
