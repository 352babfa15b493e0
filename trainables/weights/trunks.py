"""Loading of pretrained image trunks: official HRNet files, ours of `pretrain`, or the trunk of a whole network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from data.errors import DataError
from spaces.commands import command
from spaces.errors import ConfigError

from ..layers.hrnet import HRNet, PoseHRNet
from .misfits import misfits
from .torch_files import read_torch_file

WHOLE = "backbone."  # before the names of a trunk in a whole network's weights
WRAPPED = "module."  # before all names, where a network was saved from several GPUs
HEATMAPS = "final_layer."  # the pose form's last layer, which no map needs
CLASSIFIER = "classifier."
COUNTER = ".num_batches_tracked"
HOLDERS = ("state_dict", "model")


def load_trunk(trunk: HRNet, path: Path) -> None:
    """Loads the weights of a file into a trunk, strictly; the layer behind the trunk is left out where it has none: the
    heatmap layer of the pose form, the classifier of a compact classification form.

    DataError when there are no weights in it, ConfigError listing every name and shape that does not fit."""
    tensors = read_trunk(path)
    last = HEATMAPS if isinstance(trunk, PoseHRNet) else CLASSIFIER
    if not any(name.startswith(last) for name in trunk.state_dict()):
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(last)}
    # Batch norm of early versions did not count its batches; nothing here reads the count.
    counters = (name for name in trunk.state_dict() if name.endswith(COUNTER))
    tensors |= {name: torch.tensor(0) for name in counters if name not in tensors}
    problems = misfits(trunk, tensors)
    if problems:
        first = tensors.get("stage2.0.branches.0.0.conv1.weight")
        found = "" if first is None else f", it holds one of {len(first)}"
        width = trunk.shape.stages[0].channels[0]
        raise ConfigError(str(path), [*problems, f"a trunk of width {width} is wanted{found}; name another file"])
    trunk.load_state_dict(tensors)


def read_trunk(path: Path) -> dict[str, Tensor]:
    """Reads the tensors of a trunk in a file, by official names."""
    if path.is_dir() or not path.exists():
        where = "there is no such file" if not path.exists() else "is a folder without the trunk's file"
        remedy = f"get the published file, or make one: {command('trainables', 'pretrain', 'CONFIG', '--out', path)}"
        raise DataError(str(path), [f"{where}; network.trunk_weights names the trunk's weights: {remedy}"])
    weights = _read(path)
    plain = {name.removeprefix(WRAPPED): tensor for name, tensor in weights.items()}
    whole = {name.removeprefix(WHOLE): tensor for name, tensor in plain.items() if name.startswith(WHOLE)}
    return whole or plain


def _read(path: Path) -> Mapping[str, Tensor]:
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise DataError(str(path), [f"is no readable safetensors file: {error}"]) from None
    content = read_torch_file(path)
    for holder in HOLDERS:
        if isinstance(content, Mapping) and isinstance(content.get(holder), Mapping):
            content = content[holder]
    if not isinstance(content, Mapping) or not content or not all(isinstance(x, Tensor) for x in content.values()):
        raise DataError(str(path), ["holds no weights: expected names mapped to tensors, alone or under state_dict"])
    return content
