"""Safe reading of `torch.save` files of others: tensors, plain containers and numpy arrays only, nothing is
executed."""

from __future__ import annotations

import io
import pickle
import types
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch

from data.errors import DataError
from data.formats.pickles import plain_class

# What torch's own savers name for tensors, by module and name; storages are named through `persistent_load`.
_REBUILDERS: dict[tuple[str, str], Any] = {
    ("torch._utils", "_rebuild_tensor"): torch._utils._rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
    ("torch", "Size"): torch.Size,
    ("torch", "device"): torch.device,
    ("collections", "OrderedDict"): OrderedDict,
}
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_SCRIPT = "constants.pkl"  # only TorchScript archives hold it: programs, which torch.load would run


class _GeneratorState:
    """Placeholder for NumPy's random generators, whose state several training scripts save beside the weights."""

    def __init__(self, *parts: object) -> None: ...

    def __setstate__(self, state: object) -> None: ...


class _Unpickler(pickle.Unpickler):
    """Unpickler of tensors, plain containers and numpy arrays; DataError names anything else."""

    path: Path

    def find_class(self, module: str, name: str) -> Any:
        if module == "numpy.random" or module.startswith("numpy.random."):
            return _GeneratorState
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
        raise DataError(str(path), [f"is damaged or incomplete ({reason}); copy or download it again"]) from None


def _refuse_programs(path: Path, content: bytes) -> None:
    if not content.startswith(_ZIP):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        raise DataError(str(path), ["is cut off before its end; copy or download it again"]) from None
    if any(name.rpartition("/")[2] == _SCRIPT for name in names):
        raise DataError(str(path), ["is a TorchScript program, not weights; save its state_dict() and import that"])
