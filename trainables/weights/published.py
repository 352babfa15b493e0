"""Reading of authors' published checkpoints: finds the network's tensors, and the config that fits them."""

from __future__ import annotations

import hashlib
import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from data.errors import DataError
from spaces.errors import ConfigError
from spaces.schema import flatten

from ..config import TrainConfig, default_config
from ..entry import Model
from .misfits import misfits
from .torch_files import read_torch_file

# Where training scripts keep the weights among epoch, optimiser and the like: GraFormer; VideoPose3D and PoseFormer;
# Context-Aware PoseFormer. SGraFormer and Mesh Graphormer save nothing else.
KEYS = ("state_dict", "model_pos", "model")
FACTS = ("epoch", "step", "lr", "error")


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """Weights of a file by our names, and the plain numbers saved beside them."""

    path: Path
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, object]


def read_published(path: Path, model: Model) -> Published:
    """Reads the weights in an authors' file; DataError when there are none, or several candidates."""
    content = read_torch_file(path)
    tensors: dict[str, Tensor] = {}
    twice = []
    for name, tensor in _weights_in(content, path).items():
        ours = model.rename(name)
        if ours in tensors:
            twice.append(f"{ours} is there twice, once as {name}")
        tensors[ours] = tensor
    broken = [
        f"{name} holds values that are not finite"
        for name, tensor in tensors.items()
        if tensor.is_floating_point() and not tensor.isfinite().all()
    ]
    if twice or broken:
        raise DataError(str(path), [*twice, *broken])
    beside = content if isinstance(content, Mapping) else {}
    facts = {name: number for name in FACTS if (number := _number(beside.get(name))) is not None}
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Published(path=path, tensors=tensors, facts={**facts, "imported_from": path.name, "sha256": digest})


def _is_weights(content: object) -> bool:
    return (
        isinstance(content, Mapping)
        and bool(content)
        and all(isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items())
    )


def _weights_in(content: object, path: Path) -> Mapping[str, Tensor]:
    if isinstance(content, Mapping):
        if _is_weights(content):
            return content
        holders = [key for key, value in content.items() if _is_weights(value)]
        for key in [*KEYS, *(holders if len(holders) == 1 else ())]:
            if key in holders:
                weights: Mapping[str, Tensor] = content[key]
                return weights
        found = f"a mapping with the keys {', '.join(map(str, content))}" if content else "an empty mapping"
    else:
        found = f"a {type(content).__name__}"
    expected = f"names mapped to tensors, alone or under one of {', '.join(KEYS)}"
    raise DataError(str(path), [f"holds {found}, no weights; expected: {expected}"])


def _number(value: Any) -> float | int | None:
    """Returns a finite plain number of a plain or numpy number or a tensor of one element; None of anything else."""
    if isinstance(value, Tensor):
        value = value.item() if value.numel() == 1 else None
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    try:
        is_finite = math.isfinite(value)
    except OverflowError:  # a whole number beyond the range of floats
        is_finite = False
    return (int(value) if isinstance(value, numbers.Integral) else float(value)) if is_finite else None


def config_of(
    published: Published, model: Model, fixed: Mapping[str, Any], changes: Mapping[str, object]
) -> tuple[TrainConfig, dict[str, object]]:
    """Returns the run whose network these weights belong to, and the knobs inferred from their shapes.

    `fixed` is the recipe; shapes overrule it. ConfigError when they contradict `changes`, or a law."""
    told = {} if model.infer is None else model.infer({name: tuple(t.shape) for name, t in published.tensors.items()})
    config = default_config(model.name, {**fixed, **told, **changes}, str(published.path))
    chosen = flatten(config)
    problems = [
        f"{knob} = {chosen[knob]} was set, but these weights have {value}; leave it out"
        for knob, value in told.items()
        if chosen[knob] != value
    ]
    if problems:
        raise ConfigError(str(published.path), problems)
    return config, told


def fitted(published: Published, model: Model, config: TrainConfig) -> dict[str, Tensor]:
    """Returns the weights as the network of `config` holds them; ConfigError lists every name and shape that does not
    fit."""
    network = model.build(config.network, config.data.sizes)
    spare = frozenset() if model.spares is None else model.spares(config.network, config.data.sizes)
    tensors = {name: tensor for name, tensor in published.tensors.items() if name not in spare}
    problems = misfits(network, tensors)
    if problems:
        sizes = f"network and data sizes are those of {_network_text(config)}"
        raise ConfigError(
            str(published.path),
            [
                *problems,
                f"{sizes}; --recipe and --set choose others, and MODEL another network",
                *([model.strangers] if model.strangers else []),
            ],
        )
    network.load_state_dict(tensors)
    with torch.no_grad():
        return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def _network_text(config: TrainConfig) -> str:
    sizes = ("data.joints", "data.views", "data.frames")
    shown = {knob: value for knob, value in flatten(config).items() if knob.startswith("network.") or knob in sizes}
    return ", ".join(f"{knob} = {value}" for knob, value in shown.items())
