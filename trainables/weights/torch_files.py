"""Safe reading of `torch.save` files of others: tensors, plain containers and numpy arrays only, nothing is
executed."""

from __future__ import annotations

import io
import pickle
import types
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch

from data.errors import DataError
from data.formats.arrays import REMEDY, UNREADABLE, check_members
from data.formats.pickles import check_codes, plain_class
from spaces.errors import shown

_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_SCRIPT = "constants.pkl"  # only TorchScript archives hold it: programs, which torch.load would run


class _Beside:
    """Placeholder for objects of plain data that training scripts save beside the weights: options, paths, dates,
    collections, states of random generators. It takes whatever it is given, and keeps nothing."""

    def __new__(cls, *parts: object, **named: object) -> _Beside:
        return object.__new__(cls)

    def __init__(self, *parts: object, **named: object) -> None: ...

    def __setstate__(self, state: object) -> None: ...

    def __setitem__(self, key: object, value: object) -> None: ...

    def append(self, value: object) -> None:
        """Drops an item of a collection, as a pickle adds them."""

    def extend(self, values: object) -> None:
        """Drops items of a collection."""


def _as_dict(*parts: object) -> dict[object, object]:
    """Creates the dictionary in the place of a defaultdict or a Counter, with its first items."""
    return dict(parts[0]) if parts and isinstance(parts[0], dict) else {}


# Classes of plain data of the standard library, by module and name; Python 2 called its builtins another way.
_PLAIN = frozenset(
    {
        ("argparse", "Namespace"),
        ("types", "SimpleNamespace"),
        ("collections", "deque"),
        ("copyreg", "_reconstructor"),
        ("copy_reg", "_reconstructor"),
        ("decimal", "Decimal"),
        ("uuid", "UUID"),
        *(("datetime", name) for name in ("date", "datetime", "time", "timedelta", "timezone")),
        *(
            (module, name)
            for module in ("pathlib", "pathlib._local")
            for name in ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")
        ),
        *(
            (module, name)
            for module in ("builtins", "__builtin__")
            for name in (
                *("set", "frozenset", "slice", "range", "xrange", "complex", "bytearray", "object"),
                *("int", "float", "str", "list", "dict", "tuple", "bool"),
            )
        ),
    }
)
# What torch's own savers name for tensors, by module and name; storages are named through `persistent_load`.
_REBUILDERS: dict[tuple[str, str], Any] = {
    ("torch._utils", "_rebuild_tensor"): torch._utils._rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
    ("torch", "Size"): torch.Size,
    ("torch", "device"): torch.device,
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "defaultdict"): _as_dict,
    ("collections", "Counter"): _as_dict,
}
DEPTH = 4  # of containers in a checkpoint that are looked through; weights lie in the first or second


class _Unpickler(pickle.Unpickler):
    """Unpickler of tensors, plain containers and numpy arrays; DataError names anything else."""

    path: Path

    def __init__(self, file: BinaryIO, **options: Any) -> None:
        at = file.tell()
        check_codes(file.read())
        file.seek(at)
        super().__init__(file, **options)

    def find_class(self, module: str, name: str) -> Any:
        if module == "numpy.random" or module.startswith("numpy.random.") or (module, name) in _PLAIN:
            return _Beside
        known = _REBUILDERS.get((module, name))
        return plain_class(self.path, module, name) if known is None else known


def read_torch_file(path: Path) -> object:
    """Reads the object in a checkpoint, tensors on the CPU: zip archives and the pickles of older versions.

    DataError when there is no such file, it is damaged, or it asks to import more than tensors and numpy arrays."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(str(path), [f"cannot be read: {error.strerror}"]) from None
    if not content.startswith((_ZIP, _PICKLE)):
        raise DataError(str(path), ["is no PyTorch checkpoint; give a file that torch.save wrote (.pth, .bin, .tar)"])
    _refuse_programs(path, content)
    found = _read(path, content)
    if problems := _hollow(found, "", DEPTH):
        raise DataError(str(path), problems)
    return found


def _read(path: Path, content: bytes) -> object:
    """Reads the object in the bytes of a checkpoint."""
    # From memory: of a file on disk torch would also try the format of 2016, and unpack it.
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:
        # Torch raises many kinds here; the reader below takes generator states too, and says what is wrong.
        pass
    reader = type("Unpickler", (_Unpickler,), {"path": path})
    module = types.SimpleNamespace(
        __name__="restricted", Unpickler=reader, load=lambda file, **options: reader(file, **options).load()
    )
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=False, pickle_module=module)
    except DataError:
        raise
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise DataError(str(path), [f"is damaged or incomplete ({reason}); {REMEDY}"]) from None


def _refuse_programs(path: Path, content: bytes) -> None:
    if not content.startswith(_ZIP):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            check_members(path, infos, len(content))
    except DataError:
        raise
    except UNREADABLE:
        raise DataError(str(path), [f"is cut off before its end; {REMEDY}"]) from None
    if any(name.rpartition("/")[2] == _SCRIPT for name in (info.filename for info in infos)):
        raise DataError(str(path), ["is a TorchScript program, not weights; save its state_dict() and import that"])


def _hollow(content: object, place: str, depth: int) -> list[str]:
    """Returns a message for each tensor in nested containers that announces more numbers than the file holds, or has
    none of its own."""
    if isinstance(content, torch.Tensor):
        if content.layout != torch.strided or content.is_meta or content.is_quantized:
            return [f"{place or 'it'} is no plain tensor ({content.layout}, {content.device}); save dense ones"]
        held = content.untyped_storage().nbytes()
        if content.numel() * content.element_size() > held:
            return [f"{place or 'it'} announces shape {tuple(content.shape)} and holds {held:,} bytes; {REMEDY}"]
        return []
    if depth == 0 or not isinstance(content, Mapping | list | tuple):
        return []
    parts = content.items() if isinstance(content, Mapping) else enumerate(content)
    return [text for name, part in parts for text in _hollow(part, f"{place}.{shown(name)}".lstrip("."), depth - 1)]
