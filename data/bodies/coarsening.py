"""Mesh coarsening: selects vertices by farthest-point sampling, connects them, and interpolates the finer level."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

Index = NDArray[np.int64]
Points = NDArray[np.float64]

COARSENING_SEED = 0  # of the first vertex picked
BETWEEN = 3  # coarse vertices that a fine one is interpolated from
TOUCHING = 1e-9  # metres; below this a vertex lies on a coarse one


def edges_of(faces: NDArray[np.integer]) -> Index:
    """Returns the edges [2, E], i < j, of a mesh with faces [n, 3], each pair once."""
    pairs = np.concatenate((faces[:, :2], faces[:, 1:], faces[:, ::2])).astype(np.int64)
    return _unique_pairs(pairs)


def coarser(points: Points, edges: Index, count: int) -> tuple[Index, Index]:
    """Selects `count` of the vertices [P, 3], spread over the mesh; returns their ascending indices and edges [2, E].

    Two of them are neighbours where an edge leads from a vertex that is nearest to the one to a vertex nearest to the
    other."""
    kept = farthest_points(points, count)
    owner = nearest(points, points[kept], 1)[0][:, 0]
    return kept, _unique_pairs(owner[edges].T)


def farthest_points(points: Points, count: int) -> Index:
    """Selects `count` points by farthest-point sampling; returns their indices, ascending."""
    assert 0 < count <= len(points), (count, len(points))
    picks = np.empty(count, np.int64)
    picks[0] = np.random.default_rng(COARSENING_SEED).integers(len(points))
    away = np.full(len(points), np.inf)
    for at in range(1, count):
        away = np.minimum(away, ((points - points[picks[at - 1]]) ** 2).sum(-1))
        picks[at] = away.argmax()
    return np.sort(picks)


def nearest(points: Points, coarse: Points, count: int) -> tuple[Index, Points]:
    """Returns the `count` nearest of the points coarse [C, 3] for every point, [P, count], nearest first, and the
    distances."""
    away, found = KDTree(coarse).query(points, np.arange(1, count + 1))
    return found.astype(np.int64), away


def between(points: Points, coarse: Points) -> tuple[Index, Points]:
    """Returns the coarse points [P, 3] to interpolate every point from, and their weights [P, 3], which sum to 1:
    inverse distances."""
    found, away = nearest(points, coarse, BETWEEN)
    weights = 1 / np.maximum(away, TOUCHING)
    return found, weights / weights.sum(1, keepdims=True)


def _unique_pairs(pairs: Index) -> Index:
    """Returns [2, E] of pairs [n, 2]: i < j, each once, ascending."""
    low, high = pairs.min(1), pairs.max(1)
    differ = low < high
    return np.unique(np.stack((low[differ], high[differ])), axis=1)
