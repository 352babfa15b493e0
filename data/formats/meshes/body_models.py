"""Reader and writer of body and hand model files as published: SMPL and MANO, joint regressors, coarser meshes.

The files are licensed and come from the user; a synthetic model in the same formats serves tests and synthetic sets."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from spaces.files import replacing

from ...bodies.body_model import SHAPE_NUMBERS, BodyModel, MeshLevels
from ...errors import DataError
from ..arrays import read_npy, read_npz
from ..pickles import member_names, read_object, read_pickle
from .body_pickles import admit, as_array
from .mesh_sampling import read_levels, write_sampling

Numbers = NDArray[np.float64]
H36M_REGRESSOR, EXTRA_REGRESSOR = "J_regressor_h36m_correct.npy", "J_regressor_extra.npy"
SUM_TOLERANCE = 1e-3  # of skinning weights; published ones are off by 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A kind of model, body or hand: its file names and sizes. `levels`: vertices of the coarser meshes."""

    title: str
    files: tuple[str, ...]
    vertices: int
    faces: int
    parts: int
    levels: tuple[int, ...]
    sampling: str
    source: str


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "body": Kind(
            title="SMPL",
            files=(
                *("basicModel_neutral_lbs_10_207_0_v1.0.0.pkl", "basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl"),
                *("SMPL_NEUTRAL.npz", "SMPL_NEUTRAL.pkl"),
            ),
            vertices=6890,
            faces=13776,
            parts=24,
            levels=(1723, 431),
            sampling="mesh_downsampling.npz",
            source="the SMPLify and SMPL pages of the Max Planck Institute for Intelligent Systems",
        ),
        "hand": Kind(
            title="MANO",
            files=("MANO_RIGHT.pkl", "MANO_RIGHT.npz"),
            vertices=778,
            faces=1538,
            parts=16,
            levels=(195,),
            sampling="mano_downsampling.npz",
            source="the MANO page of the Max Planck Institute for Intelligent Systems",
        ),
    }
)
REGRESSORS: Mapping[str, int] = MappingProxyType({H36M_REGRESSOR: 17, EXTRA_REGRESSOR: 14})
REGRESSOR_SOURCE = "the data of the MeshTransformer and MeshGraphormer code"


def read_models(folder: Path, kind: str) -> tuple[BodyModel, MeshLevels]:
    """Reads the model of a `body` or a `hand` with its coarser levels from a folder. DataError lists every missing file
    and every fault of the others."""
    wanted = KINDS[kind]
    path = next((folder / name for name in wanted.files if (folder / name).exists()), None)
    problems = []
    if path is None:
        problems.append(
            f"has no {wanted.files[0]} ({wanted.title}, licensed): register at {wanted.source}, and put it there "
            f"(also taken: {', '.join(wanted.files[1:])})"
        )
    regressors = REGRESSORS if kind == "body" else {}
    problems += [
        f"has no {name}: it comes with {REGRESSOR_SOURCE}; put it there"
        for name in regressors
        if not (folder / name).exists()
    ]
    if path is None or problems:
        raise DataError(str(folder), problems)
    model = read_body(path, kind)
    rows = {name: _read_regressor(folder / name, count, wanted.vertices) for name, count in regressors.items()}
    edges, down = read_levels(folder / wanted.sampling, model, wanted.levels)
    return model, MeshLevels(
        edges=edges, down=down, h36m_regressor=rows.get(H36M_REGRESSOR), extra_regressor=rows.get(EXTRA_REGRESSOR)
    )


def read_body(path: Path, kind: str) -> BodyModel:
    """Reads a model file, .pkl or .npz. DataError lists every fault, and the sizes where it is of another topology."""
    wanted, values = KINDS[kind], _Values(path)
    template, faces = values.get("v_template", 2), values.get("f", 2)
    weights, tree = values.get("weights", 2), values.get("kintree_table", 2)
    shapes, bends, joints = values.get("shapedirs", 3), values.get("posedirs", 3), values.get("J_regressor", 2)
    mean = values.get("hands_mean", 1) if kind == "hand" else None
    values.stop()
    found = (len(template), len(faces), weights.shape[1])
    if found != (wanted.vertices, wanted.faces, wanted.parts):
        has, needs = (
            "{} vertices, {} faces, {} parts".format(*counts)
            for counts in (found, (wanted.vertices, wanted.faces, wanted.parts))
        )
        raise DataError(str(path), [f"has {has}; a {kind} here is {wanted.title}: {needs}; give such a file"])
    vertices, parts = wanted.vertices, wanted.parts
    values.expect("v_template", template, (vertices, 3))
    values.expect("f", faces, (wanted.faces, 3))
    values.expect("weights", weights, (vertices, parts))
    values.expect("J_regressor", joints, (parts, vertices))
    values.expect("posedirs", bends, (vertices, 3, 9 * (parts - 1)))
    values.expect("shapedirs", shapes[:, :, :SHAPE_NUMBERS], (vertices, 3, SHAPE_NUMBERS))
    values.expect("kintree_table", tree, (2, parts))
    if mean is not None:
        values.expect("hands_mean", mean, (3 * (parts - 1),))
    values.stop()
    parents = tree[0].astype(np.int64)
    parents[0] = -1  # stored as 2^32 - 1
    if (parents[1:] >= np.arange(1, parts)).any() or (parents[1:] < 0).any():
        values.problems.append("kintree_table has a part before its parent")
    if faces.min() < 0 or faces.max() >= vertices:
        values.problems.append(f"f names vertices {faces.min():g} to {faces.max():g}; there are {vertices}")
    if np.abs(weights.sum(1) - 1).max() > SUM_TOLERANCE:
        values.problems.append("weights of a vertex do not sum to 1")
    values.stop()
    return BodyModel(
        v_template=template,
        shapedirs=np.ascontiguousarray(shapes[:, :, :SHAPE_NUMBERS]),
        posedirs=bends,
        weights=weights,
        joint_regressor=joints,
        parents=parents,
        faces=faces.astype(np.int64),
        hands_mean=mean,
    )


class _Values:
    """Arrays of a model file by key, with the faults found so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[str] = []
        self._get = _getter(path)

    def get(self, key: str, axes: int) -> Numbers:
        """Returns a float64 array with so many axes; an empty one, and a fault, where there is none."""
        try:
            found = as_array(self._get(key))
        except KeyError:
            self.problems.append(f"has no '{key}'; it is no model of the SMPL family")
        except ValueError as error:
            self.problems.append(f"'{key}' {error}; convert the file with the package that wrote it")
        else:
            if found.ndim == axes and found.size and np.isfinite(found).all():
                return found.astype(np.float64)
            self.problems.append(f"'{key}' is {found.dtype} {found.shape}; expected finite numbers with {axes} axes")
        return np.zeros((0,) * axes)

    def expect(self, key: str, found: Numbers, shape: tuple[int, ...]) -> None:
        if found.shape != shape:
            self.problems.append(f"'{key}' has shape {found.shape}, expected {shape}")

    def stop(self) -> None:
        if self.problems:
            raise DataError(str(self.path), self.problems)


def _getter(path: Path) -> Callable[[str], object]:
    """Opens a model file as a function key -> value, which raises KeyError where there is no such key."""
    if path.suffix == ".npz":
        names = member_names(path)

        def from_archive(key: str) -> object:
            if key not in names:
                raise KeyError(key)
            try:
                return read_npz(path, (key,))[0][key]
            except DataError:  # it holds objects, or is damaged, which the other reader tells too
                return read_object(path, key, admit)

        return from_archive
    content = read_pickle(path, admit)
    if not isinstance(content, dict):
        raise DataError(str(path), [f"holds a {type(content).__name__}, not the dictionary of a body model"])
    return content.__getitem__


def _read_regressor(path: Path, rows: int, vertices: int) -> Numbers:
    found = read_npy(path)
    if found.shape != (rows, vertices) or found.dtype.kind != "f":
        raise DataError(str(path), [f"has shape {found.shape}; expected numbers of shape {(rows, vertices)}"])
    return found.astype(np.float64)


def write_models(folder: Path, kind: str, model: BodyModel, regressors: Mapping[str, Numbers]) -> None:
    """Writes a model with its regressors and coarser meshes, as files that `read_models` and other readers take."""
    wanted = KINDS[kind]
    tree = np.stack((model.parents, np.arange(len(model.parents)))).astype(np.uint32)
    content: dict[str, Any] = {
        "v_template": model.v_template,
        "shapedirs": model.shapedirs,
        "posedirs": model.posedirs,
        "weights": model.weights,
        "J_regressor": sparse.csc_matrix(model.joint_regressor),
        "kintree_table": tree,
        "f": model.faces.astype(np.uint32),
    }
    if model.hands_mean is not None:
        count = len(model.hands_mean)
        content |= {"hands_mean": model.hands_mean, "hands_components": np.eye(count), "betas": np.zeros(SHAPE_NUMBERS)}
    with replacing(folder / wanted.files[0]) as file:
        pickle.dump(content, file, protocol=2)
    for name, rows in regressors.items():
        with replacing(folder / name) as file:
            np.save(file, rows)
    with replacing(folder / wanted.sampling) as file:
        write_sampling(file, model, wanted.levels)
