"""Safe unpickling: object arrays of .npz files and bare pickles, restricted to plain data.

`numpy.load(allow_pickle=True)` runs whatever a file asks for; here only numbers, text, lists, tuples, dictionaries and
numpy arrays of them are admitted."""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from spaces.errors import did_you_mean, shown

from ..errors import DataError
from .arrays import REMEDY, UNREADABLE, check_members, read_header

# What numpy writes for arrays, scalars and types; the inner package is `core` in numpy 1, `_core` in numpy 2.
ADMITTED = frozenset(
    {
        ("numpy", "dtype"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy._core.numeric", "_frombuffer"),
    }
)
# Everything the unpickler raises on bytes that are no pickle, or one of objects that do not fit together.
BROKEN_PICKLE = (
    pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, KeyError, OverflowError,
    TypeError, ValueError, MemoryError, RecursionError, NotImplementedError,
)  # fmt: skip
SMALL_PICKLE = 2**20  # bytes; the codes of larger ones are not looked through, which takes a second a million
Admit = Callable[[str, str], Any]  # module, name -> a harmless stand-in for what is asked for, None for no such


def member_names(path: Path) -> tuple[str, ...]:
    """Returns the keys of an .npz file. DataError when it is missing or no archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(name.removesuffix(".npy") for name in archive.namelist())
    except FileNotFoundError:
        raise DataError(str(path), ["no such file"]) from None
    except (zipfile.BadZipFile, NotImplementedError):
        raise DataError(str(path), [f"is no .npz archive, or cut off before its end; {REMEDY}"]) from None
    except OSError as error:
        raise DataError(str(path), [f"cannot be read: {error.strerror}"]) from None


def read_object(path: Path, key: str, admit: Admit | None = None) -> object:
    """Reads the object under `key` of an .npz file: the content of a 0-d object array, a larger object array as it is.

    DataError when file or key is missing, the archive is damaged, the array holds no objects, or the pickle asks to
    import anything but numpy arrays and the replacements that `admit` gives."""
    names = member_names(path)
    if key not in names:
        found = f"{did_you_mean(key, names)}; keys here: {', '.join(names) or 'none'}"
        raise DataError(str(path), [f"has no key '{key}'{found}"])
    payload = io.BytesIO(_member(path, key))
    _check_header(path, key, payload)
    try:
        check_codes(payload.getvalue()[payload.tell() :])
        array = _PlainUnpickler(path, payload, admit).load()
    except DataError:
        raise
    except BROKEN_PICKLE as error:
        raise DataError(str(path), [f"'{key}' is damaged ({error}); {REMEDY}"]) from None
    if not isinstance(array, np.ndarray) or array.dtype.kind != "O":
        raise DataError(str(path), [f"'{key}' holds {type(array).__name__} where its header says objects; {REMEDY}"])
    content: object = array[()]
    return content


def read_pickle(path: Path, admit: Admit | None = None) -> object:
    """Reads the object in a bare pickle, under the same rules. DataError when it is missing, damaged, or not plain
    data."""
    try:
        with path.open("rb") as file:
            check_codes(file.read(SMALL_PICKLE + 1))
            file.seek(0)
            return _PlainUnpickler(path, file, admit).load()
    except OSError as error:
        raise DataError(str(path), [f"cannot be read: {error.strerror}"]) from None
    except DataError:
        raise
    except BROKEN_PICKLE as error:
        raise DataError(str(path), [f"is no pickle, or a damaged one ({error}); {REMEDY}"]) from None


def _member(path: Path, key: str) -> bytes:
    """Reads the bytes of one array file; reading to the end makes zipfile compare the checksum."""
    try:
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo(f"{key}.npy")
            check_members(path, [info], path.stat().st_size)
            return archive.read(info)
    except DataError:
        raise
    except (MemoryError, ValueError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DataError(str(path), [f"'{key}' is damaged ({error}); {REMEDY}"]) from None
    except KeyError:
        raise DataError(str(path), [f"'{key}' is no numpy array; write the file with numpy.savez"]) from None
    except (NotImplementedError, RuntimeError) as error:
        raise DataError(str(path), [f"'{key}' cannot be unpacked ({error}); write it with numpy.savez"]) from None
    except OSError as error:
        raise DataError(str(path), [f"cannot be read: {error.strerror}"]) from None


def _check_header(path: Path, key: str, payload: io.BytesIO) -> None:
    """Moves `payload` to the pickle. DataError unless its header announces objects."""
    try:
        _, dtype = read_header(payload)
    except UNREADABLE as error:
        raise DataError(str(path), [f"'{key}' is damaged ({error}); {REMEDY}"]) from None
    if dtype.kind != "O":
        expected = "a dictionary is stored as numpy.savez(file, name=dictionary)"
        raise DataError(str(path), [f"'{key}' holds {dtype} numbers, not Python objects; {expected}"])


class _PlainUnpickler(pickle.Unpickler):
    """Unpickler of plain data; Latin-1 reads the byte strings of Python 2 files as text of the same characters."""

    def __init__(self, path: Path, payload: BinaryIO, admit: Admit | None = None) -> None:
        super().__init__(payload, encoding="latin1")
        self._path, self._admit = path, admit

    def find_class(self, module: str, name: str) -> Any:
        stand_in = self._admit(module, name) if self._admit is not None else None
        return plain_class(self._path, module, name) if stand_in is None else stand_in


def plain_class(path: Path, module: str, name: str) -> Any:
    """Returns the class that a pickle of numpy arrays may import; DataError names anything else."""
    # Up to protocol 2 there is no code for bytes: they are spelled as a call of one of these.
    if (module, name) == ("_codecs", "encode"):
        return _latin1_bytes
    if (module, name) in (("__builtin__", "bytes"), ("builtins", "bytes")):
        return _no_bytes
    home = module.replace("numpy.core.", "numpy._core.")
    if (home, name) in _ARRAYS:
        return _ARRAYS[home, name]
    if (home, name) not in ADMITTED:
        asked = f"the file asks to import {module}.{name}; it is not plain data"
        remedy = "do not open it with other tools, they may run it; get it again from a source you trust"
        raise DataError(str(path), [f"{asked}: {remedy}"])
    return getattr(sys.modules[home], name)


class _ArrayClass:
    """Placeholder of `numpy.ndarray` in pickles, which only name it: called, it would take the memory of any shape."""

    def __init__(self, *parts: object) -> None:
        raise pickle.UnpicklingError("an array without content")


def _empty_array(kind: object, shape: object, code: object) -> NDArray[Any]:
    """Creates the array without rows that a pickle fills next, whatever shape is asked for."""
    if kind is not _ArrayClass or shape != (0,):
        raise pickle.UnpicklingError(f"an array of shape {shown(shape)} without content")
    return np.ndarray((0,), np.int8)


_ARRAYS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _ArrayClass,
    ("numpy._core.multiarray", "_reconstruct"): _empty_array,
}


def check_codes(content: bytes) -> None:
    """Checks that no code of a small pickle announces more than the pickle holds. UnpicklingError if one does, or if it
    is damaged."""
    if len(content) > SMALL_PICKLE:
        return
    try:
        for code, number, _ in pickletools.genops(content):
            # The unpickler takes memory for as many places as the largest number says.
            if "PUT" in code.name and isinstance(number, int) and number > len(content):
                raise pickle.UnpicklingError(f"place {number} in a pickle of {len(content)} bytes")
    except (ValueError, EOFError, struct.error, OverflowError) as error:
        raise pickle.UnpicklingError(str(error)) from None


def _latin1_bytes(text: str, encoding: str) -> bytes:
    """Replaces `_codecs.encode` for Latin-1; other encodings would load further code by name."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"bytes spelled in {encoding}")
    return text.encode(encoding)


def _no_bytes() -> bytes:
    return b""
