"""Reader of .npz and .npy files of plain numbers, which compares their headers with the size of the file before any
memory is taken."""

from __future__ import annotations

import io
import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

Array = NDArray[Any]
REMEDY = "copy or download it again"
# Deflate shrinks at most 1032-fold. Measured numbers do not shrink a hundredfold; a file that does so at this size is
# made to fill the memory.
MOST_SHRUNK, SMALL_BYTES = 200, 2**26
# What zipfile, zlib and numpy raise on bytes that are no archive or no array.
UNREADABLE = (
    ValueError, KeyError, TypeError, EOFError, OverflowError, MemoryError, RecursionError, NotImplementedError,
    RuntimeError, SyntaxError, struct.error, zlib.error, zipfile.BadZipFile, tokenize.TokenError,
)  # fmt: skip
_HEADERS: dict[tuple[int, int], Callable[[BinaryIO], tuple[tuple[int, ...], bool, np.dtype[Any]]]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def check_members(path: Path, members: Iterable[zipfile.ZipInfo], size: int) -> None:
    """Raises DataError where parts of an archive of `size` bytes announce more than it can hold."""
    announced, packed = 0, 0
    for info in members:
        announced, packed = announced + info.file_size, packed + info.compress_size
        if info.compress_type == zipfile.ZIP_STORED and info.file_size != info.compress_size:
            raise DataError(str(path), [f"'{info.filename}' is damaged: its sizes contradict each other; {REMEDY}"])
    if packed > size or (announced > SMALL_BYTES and announced > MOST_SHRUNK * size):
        found = f"announces {announced:,} bytes of content in a file of {size:,}"
        raise DataError(str(path), [f"{found}, which cannot hold them; {REMEDY}"])


def read_header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Reads shape and type of an array file, and moves to its content. ValueError says what is wrong."""
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"has header version {version}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # headers of Python 2 are read all the same
        shape, _, dtype = _HEADERS[version](file)
    return shape, dtype


def read_npz(path: Path, wanted: Collection[str] | None = None) -> tuple[dict[str, Array], tuple[str, ...]]:
    """Reads the arrays called `wanted` (None: all) that an .npz file has; returns them and the names of all.

    DataError when it is missing or damaged, when an array announces more than the file can hold, or holds objects."""
    try:
        size = path.stat().st_size
        with zipfile.ZipFile(path) as archive:
            infos = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            chosen = {name: info for name, info in infos.items() if wanted is None or name in wanted}
            check_members(path, chosen.values(), size)
            found = {name: _array(archive.read(info), f"'{name}' ") for name, info in chosen.items()}
    except OSError as error:
        raise DataError(str(path), [f"cannot be read: {error.strerror or error}"]) from None
    except DataError:
        raise
    except UNREADABLE as error:
        raise DataError(str(path), [f"is no readable .npz of plain numbers ({error})"]) from None
    return found, tuple(infos)


def read_npy(path: Path) -> Array:
    """Reads the array in an .npy file. DataError as in `read_npz`."""
    try:
        return _array(path.read_bytes(), "")
    except OSError as error:
        raise DataError(str(path), [f"cannot be read: {error.strerror or error}"]) from None
    except UNREADABLE as error:
        raise DataError(str(path), [f"is no readable .npy of plain numbers ({error})"]) from None


def _array(content: bytes, place: str) -> Array:
    """Parses the bytes of an array file. ValueError says what is wrong."""
    file = io.BytesIO(content)
    shape, dtype = read_header(file)
    if dtype.hasobject:
        raise ValueError(f"{place}holds objects")
    announced, here = math.prod(shape) * dtype.itemsize, len(content) - file.tell()
    if min(shape, default=0) < 0 or announced > here:
        raise ValueError(f"{place}announces shape {shape} of {dtype}, {announced:,} bytes, and holds {here:,}")
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: Array = np.lib.format.read_array(file, allow_pickle=False)
    return found
