"""Reader and writer of coarser mesh levels, `mesh_downsampling.npz` and `mano_downsampling.npz`: sparse matrices by
level.

A: adjacency without diagonal; D: downsampling, one 1 in each row, so that it selects vertices; U: upsampling from three
vertices."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ...bodies.body_model import BodyModel
from ...bodies.coarsening import Index, between, coarser, edges_of
from ...errors import DataError
from ..pickles import read_object
from .body_pickles import admit, compressed


def read_levels(path: Path, model: BodyModel, sizes: tuple[int, ...]) -> tuple[Index, tuple[Index, ...]]:
    """Returns the edges [2, E] of the last level of the given sizes, and the index lists down to it: from a sampling
    file, or computed from the template where there is none. Only its entries A and D are opened, never `M`, a foreign
    class."""
    if not path.exists():
        return made_levels(model, sizes)
    problems: list[str] = []
    adjacent, kept_in = (_entries(path, key, problems) for key in "AD")
    wanted = (len(model.v_template), *sizes)
    lists = []
    for at, (fine, coarse) in enumerate(pairwise(wanted)):
        try:
            lists.append(_selected(kept_in[at] if at < len(kept_in) else None, fine, coarse))
        except ValueError as error:
            problems.append(f"'D' at level {at} {error}")
    found = np.zeros((2, 0), np.int64)
    try:
        found = _edges(adjacent[len(sizes)] if len(sizes) < len(adjacent) else None, sizes[-1])
    except ValueError as error:
        problems.append(f"'A' at level {len(sizes)} {error}")
    if problems:
        raise DataError(str(path), problems)
    return found, tuple(lists)


def made_levels(model: BodyModel, sizes: tuple[int, ...]) -> tuple[Index, tuple[Index, ...]]:
    """Computes the same from the template alone."""
    points, edges, down = model.v_template, edges_of(model.faces), []
    for size in sizes:
        kept, edges = coarser(points, edges, size)
        points = points[kept]
        down.append(kept)
    return edges, tuple(down)


def _entries(path: Path, key: str, problems: list[str]) -> list[Any]:
    content = read_object(path, key, admit)
    if isinstance(content, np.ndarray) and content.ndim == 1:
        return list(content)
    problems.append(f"'{key}' is no list of matrices")
    return []


def _selected(matrix: object, fine: int, coarse: int) -> Index:
    """Returns the columns that the rows of a selection matrix pick. ValueError where it is no selection matrix."""
    indptr, indices, data, shape = compressed(matrix)
    if shape != (coarse, fine):
        raise ValueError(f"has shape {shape}, expected {(coarse, fine)}")
    lines = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    rows, columns = (lines, indices) if "csr" in getattr(matrix, "kind", "") else (indices, lines)
    order = np.argsort(rows, kind="stable")
    if not np.array_equal(rows[order], np.arange(coarse)) or not (data == 1).all():
        raise ValueError("does more than pick one vertex for each row")
    return columns[order]


def _edges(matrix: object, size: int) -> Index:
    indptr, indices, _, shape = compressed(matrix)
    if shape != (size, size):
        raise ValueError(f"has shape {shape}, expected {(size, size)}")
    lines = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    pairs = np.stack((np.minimum(lines, indices), np.maximum(lines, indices)))
    return np.unique(pairs[:, pairs[0] < pairs[1]], axis=1)


def write_sampling(file: BinaryIO, model: BodyModel, sizes: tuple[int, ...]) -> None:
    """Writes adjacencies A, upsampling U and downsampling D of a chain of levels, computed from the template."""
    points, edges = model.v_template, edges_of(model.faces)
    adjacent, up, down = [_adjacency(edges, len(points))], [], []
    for size in sizes:
        kept, edges = coarser(points, edges, size)
        ones, rows = np.ones(size), np.arange(size)
        down.append(sparse.csc_matrix((ones, (rows, kept)), shape=(size, len(points))))
        sources, weights = between(points, points[kept])
        lines = np.repeat(np.arange(len(points)), sources.shape[1])
        up.append(sparse.csc_matrix((weights.reshape(-1), (lines, sources.reshape(-1))), shape=(len(points), size)))
        points = points[kept]
        adjacent.append(_adjacency(edges, size))
    np.savez_compressed(file, A=_objects(adjacent), U=_objects(up), D=_objects(down))


def _adjacency(edges: Index, size: int) -> Any:
    ends = np.concatenate((edges, edges[::-1]), axis=1)
    return sparse.csc_matrix((np.ones(ends.shape[1]), tuple(ends)), shape=(size, size))


def _objects(matrices: list[Any]) -> NDArray[Any]:
    found = np.empty(len(matrices), dtype=object)
    for at, matrix in enumerate(matrices):
        found[at] = matrix
    return found
