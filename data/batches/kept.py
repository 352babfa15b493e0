"""Arrays of a pose set kept in a file that processes of one machine map into memory: they hold them once, together."""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spaces.errors import InputError
from spaces.files import replacing
from spaces.schema import dump

from ..config import DataConfig
from ..poses.splits import Split
from .poses import DataModule
from .tracks import Span, Tracks
from .truth import Truth
from .windows import Windows

KINDS: dict[str, type[Any]] = {"tracks": Tracks, "windows": Windows, "truths": Truth}


def kept_module(
    config: DataConfig,
    parts: Sequence[str],
    folder: Path,
    split: Split,
    build: Callable[[], DataModule],
    shard: tuple[int, int],
) -> DataModule:
    """Returns the data of a config on the CPU, its arrays mapped from a file of `folder`. The first process to ask
    builds them with `build` and writes the file, for which others wait; where it cannot be written, or the clips have
    images, whose readers cannot be shared, each has its own.

    The folder is one of a single run of processes: a file in it is not compared with the data again."""
    text = f"{dump(config)}{tuple(parts)}"
    file = folder / hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
    try:
        with file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not file.exists():
                module = build()
                if module.sources:
                    return module
                _write(module, file)
                del module
        return _mapped(file, config, split, shard)
    except (OSError, InputError, RuntimeError):  # a full disk, or one without locks or maps
        return build()


def _write(module: DataModule, file: Path) -> None:
    found: dict[str, Any] = {"names": [list(module.actions), list(module.subjects)], "data": module.fingerprint}
    for kind, by_part in module.arrays().items():
        for part, arrays in by_part.items():
            for field in dataclasses.fields(arrays):
                found[f"{kind}.{part}.{field.name}"] = getattr(arrays, field.name)
    found["spans"] = {
        part: [dataclasses.astuple(one) for one in module.spans(part)] for part in module.arrays()["tracks"]
    }
    with replacing(file) as target:
        torch.save(found, target)


def _mapped(file: Path, config: DataConfig, split: Split, shard: tuple[int, int]) -> DataModule:
    found = torch.load(file, mmap=True, weights_only=True)
    kinds: dict[str, dict[str, dict[str, Tensor | None]]] = {kind: {} for kind in KINDS}
    for name, value in found.items():
        if name.count(".") == 2:
            kind, part, field = name.split(".")
            kinds[kind].setdefault(part, {})[field] = value
    arrays = {kind: {part: KINDS[kind](**fields) for part, fields in kinds[kind].items()} for kind in KINDS}
    spans = {
        part: [Span(name=name, first=first, end=end, fps=fps) for name, first, end, fps in rows]
        for part, rows in found["spans"].items()
    }
    actions, subjects = (tuple(names) for names in found["names"])
    return DataModule.of_arrays(
        config, split, arrays, spans, shard=shard, fingerprint=found["data"], actions=actions, subjects=subjects
    )
