"""Unpickling of official body model files without the packages that they name.

Sparse matrices of scipy and arrays wrapped by chumpy are read as plain records of their saved state; nothing of either
package is imported or run."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

LINKS = 8  # wrappers around wrappers, at most; a file that goes round in circles is not followed


class Record:
    """Placeholder for an object of class `kind`: keeps its saved state and does nothing."""

    kind = ""

    def __init__(self, *parts: object) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: object) -> None:
        self.state = dict(state) if isinstance(state, dict) else {}


def _reconstructed(kind: Any, base: object, state: object) -> Record:
    """Creates the placeholder of an object that Python 2 pickled (`copy_reg._reconstructor`)."""
    return kind() if isinstance(kind, type) and issubclass(kind, Record) else Record()


def admit(module: str, name: str) -> Any:
    """Returns the placeholder class for a class that body model files name; None for any other."""
    package = module.partition(".")[0]
    if package == "chumpy" or module.startswith("scipy.sparse"):
        return type(name, (Record,), {"kind": f"{module}.{name}"})
    return {
        ("copy_reg", "_reconstructor"): _reconstructed,
        ("copyreg", "_reconstructor"): _reconstructed,
        ("__builtin__", "object"): object,
        ("builtins", "object"): object,
        ("__builtin__", "set"): set,
        ("builtins", "set"): set,
        ("collections", "OrderedDict"): OrderedDict,
    }.get((module, name))


def as_array(value: object) -> NDArray[Any]:
    """Converts an array, a wrapped array, or a sparse matrix to a dense array. ValueError says what cannot be
    converted."""
    for _ in range(LINKS):
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
            return value
        if not isinstance(value, Record):
            break
        state = value.state
        if "indptr" in state:
            return sparse(value)
        if "idxs" in state and "a" in state:  # chumpy's selection of entries of another array
            chosen: NDArray[Any] = as_array(state["a"]).reshape(-1)[as_array(state["idxs"]).reshape(-1)]
            shape = state.get("preferred_shape")
            return chosen if shape is None else chosen.reshape(shape)
        if "x" not in state:
            raise ValueError(f"is made of {value.kind}, which only its own package can work out")
        value = state["x"]
    raise ValueError(f"is {_kind(value)}, not numbers")


def sparse(value: object) -> NDArray[np.float64]:
    """Converts a compressed sparse matrix to a dense one."""
    indptr, indices, data, shape = compressed(value)
    is_by_row = "csr" in getattr(value, "kind", "")
    lines = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    found = np.zeros(shape)
    np.add.at(found, (lines, indices) if is_by_row else (indices, lines), data)
    return found


def compressed(value: object) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], tuple[int, int]]:
    """Returns indptr, indices, values and shape of a sparse matrix by columns (csc) or rows (csr).

    ValueError when it is none, or its parts do not fit together."""
    if not isinstance(value, Record) or not any(name in value.kind for name in ("csc", "csr")):
        raise ValueError(f"is {_kind(value)}, not a sparse matrix by columns or rows")
    state = value.state
    try:
        indptr, indices = (np.asarray(state[key]).astype(np.int64) for key in ("indptr", "indices"))
        data = np.asarray(state["data"]).astype(np.float64)
        shape = tuple(int(side) for side in state.get("_shape", state.get("shape", ())))
    except (KeyError, TypeError, ValueError):
        raise ValueError("is a sparse matrix without indptr, indices, data") from None
    if len(shape) != 2:
        raise ValueError("is a sparse matrix without a shape")
    lines, width = shape if "csr" in value.kind else shape[::-1]
    fits = len(indptr) == lines + 1 and len(indices) == len(data) and (np.diff(indptr) >= 0).all()
    if not fits or indptr[0] != 0 or indptr[-1] != len(data) or (len(indices) and indices.min() < 0):
        raise ValueError("is a sparse matrix whose parts do not fit together")
    if len(indices) and indices.max() >= width:
        raise ValueError("is a sparse matrix whose parts do not fit together")
    return indptr, indices, data, (shape[0], shape[1])


def _kind(value: object) -> str:
    if isinstance(value, Record):
        return value.kind
    return f"an array of {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
