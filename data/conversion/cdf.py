"""Reader of the motion capture files (CDF) of the original Human3.6M release."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cdflib
import numpy as np

from ..errors import DataError

VARIABLE = "Pose"
# What cdflib raises on bytes that are no CDF file, or one that is cut off.
BROKEN = (
    OSError, EOFError, MemoryError, ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError,
    struct.error, zlib.error,
)  # fmt: skip


def read_cdf(path: Path) -> np.ndarray:
    """Reads the rows [n, channels] of the variable 'Pose', as stored: three numbers a joint, millimetres."""
    try:
        # Given a name without such a file, the library would look for another one, or on the net.
        values = np.asarray(cdflib.CDF(path.resolve(strict=True)).varget(VARIABLE))
    except BROKEN as error:
        found = f"cannot be read as CDF with a variable '{VARIABLE}' ({error or type(error).__name__})"
        raise DataError(str(path), [f"{found}; get the file again"]) from None
    if values.dtype.kind != "f" or values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[0] != 1):
        found = f"'{VARIABLE}' is {values.dtype} {values.shape}"
        raise DataError(str(path), [f"{found}; expected numbers of shape (1, frames, 96)"])
    return values.reshape(values.shape[-2:])
