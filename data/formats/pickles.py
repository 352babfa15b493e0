"""Safe unpickling: object arrays of .npz files and bare pickles, restricted to plain data.

`numpy.load(allow_pickle=True)` runs whatever a file asks for; here only numbers, text, lists, tuples, dictionaries and
numpy arrays of them are admitted."""

from __future__ import annotations

import io
import pickle
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from spaces.errors import did_you_mean

from ..errors import DataError

# What numpy writes for arrays, scalars and types; the inner package is `core` in numpy 1, `_core` in numpy 2.
ADMITTED = frozenset(
    {
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy._core.numeric", "_frombuffer"),
    }
)
# Everything the unpickler raises on bytes that are no pickle, or one of objects that do not fit together.
BROKEN_PICKLE = (
    pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, KeyError, OverflowError,
    TypeError, ValueError,
)  # fmt: skip
REMEDY = "copy or download it again"
Admit = Callable[[str, str], Any]  # module, name -> a harmless stand-in for what is asked for, None for no such


def member_names(path: Path) -> tuple[str, ...]:
    """Returns the keys of an .npz file. DataError when it is missing or no archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(name.removesuffix(".npy") for name in archive.namelist())
    except FileNotFoundError:
        raise DataError(str(path), ["no such file"]) from None
    except zipfile.BadZipFile:
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
            return archive.read(f"{key}.npy")
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DataError(str(path), [f"'{key}' is damaged ({error}); {REMEDY}"]) from None
    except KeyError:
        raise DataError(str(path), [f"'{key}' is no numpy array; write the file with numpy.savez"]) from None
    except (NotImplementedError, RuntimeError) as error:
        raise DataError(str(path), [f"'{key}' cannot be unpacked ({error}); write it with numpy.savez"]) from None
    except OSError as error:
        raise DataError(str(path), [f"cannot be read: {error.strerror}"]) from None


def _check_header(path: Path, key: str, payload: io.BytesIO) -> None:
    """Moves `payload` to the pickle. Header versions beyond 2.0 are for field names, never for objects."""
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    try:
        version = np.lib.format.read_magic(payload)
        dtype = readers[version](payload)[2] if version in readers else None
    except ValueError as error:
        raise DataError(str(path), [f"'{key}' is damaged ({error}); {REMEDY}"]) from None
    if dtype is None or dtype.kind != "O":
        found = f"holds {dtype} numbers" if dtype is not None else f"has header version {version}"
        expected = "a dictionary is stored as numpy.savez(file, name=dictionary)"
        raise DataError(str(path), [f"'{key}' {found}, not Python objects; {expected}"])


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
    if (home, name) not in ADMITTED:
        asked = f"the file asks to import {module}.{name}; it is not plain data"
        remedy = "do not open it with other tools, they may run it; get it again from a source you trust"
        raise DataError(str(path), [f"{asked}: {remedy}"])
    return getattr(sys.modules[home], name)


def _latin1_bytes(text: str, encoding: str) -> bytes:
    """Replaces `_codecs.encode` for Latin-1; other encodings would load further code by name."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"bytes spelled in {encoding}")
    return text.encode(encoding)


def _no_bytes() -> bytes:
    return b""
