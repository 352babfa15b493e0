"""Checkpoints on disk: weights as safetensors, training state as plain types; every write atomic."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from data.errors import DataError
from data.formats.json_text import parse_json
from spaces.errors import ConfigError
from spaces.files import replacing
from spaces.schema import dump, flatten
from spaces.yaml_text import parse_yaml

from ..config import TrainConfig, config_from
from .misfits import misfits

METADATA = "posesweep"
# Keys of a training state, and their types.
STATE_KEYS: Mapping[str, type | tuple[type, ...]] = {
    "config_id": str, "epoch": int, "step": int, "best_epoch": int, "best_score": (int, float), "history": list,
    "network": dict, "moments": dict,
}  # fmt: skip


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Writes a training state of `Engine.state`."""
    with replacing(path) as file:
        torch.save(dict(state), file)


def load_state(path: Path) -> dict[str, Any]:
    """Reads a state that `save_state` wrote; nothing but tensors and plain types is unpickled."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise DataError(str(path), ["there is no checkpoint here"]) from None
    except Exception as error:  # torch raises RuntimeError, UnpicklingError, EOFError and more for broken files
        raise DataError(
            str(path), [f"is no readable checkpoint ({error.__class__.__name__}); use another one"]
        ) from None
    held = state if isinstance(state, dict) else {}
    wrong = [key for key, kind in STATE_KEYS.items() if not isinstance(held.get(key), kind)]
    if wrong:
        raise DataError(str(path), [f"is no training state of ours: it has no {', '.join(wrong)}; use another one"])
    return held


def save_weights(path: Path, tensors: Mapping[str, Tensor], config: TrainConfig, facts: Mapping[str, object]) -> None:
    """Writes weights with the config of their run: head counts and dropout rates cannot be read from the tensors."""
    # One entry: the format keeps several in no particular order, and equal weights should be equal files.
    metadata = {METADATA: json.dumps({"config": dump(config), "facts": dict(facts)})}
    plain = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with replacing(path) as file:
        file.write(save(plain, metadata))


def load_weights(path: Path) -> tuple[dict[str, Tensor], TrainConfig, dict[str, Any]]:
    """Reads tensors, the config of their run, and the facts saved beside (epoch, score)."""
    made_by, facts = read_maker(path)
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    return tensors, made_by, facts


def read_maker(path: Path) -> tuple[TrainConfig, dict[str, Any]]:
    """Reads the config of the weights' run, and the facts saved beside; no tensor is read."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except FileNotFoundError:
        raise DataError(str(path), ["there is no such weights file"]) from None
    except (SafetensorError, OSError) as error:
        raise DataError(str(path), [f"is no readable safetensors file: {error}"]) from None
    if METADATA not in metadata:
        raise DataError(str(path), ["holds no config beside its weights; convert authors' files before use"])
    config, facts = _maker(metadata[METADATA])
    if config is None or facts is None:
        remedy = "its metadata is not what `train` and `import` write; train or import the weights again"
        raise DataError(str(path), [f"holds no config beside its weights: {remedy}"])
    return config_from(parse_yaml(config, str(path)), str(path)), facts


def _maker(text: str) -> tuple[str | None, dict[str, Any] | None]:
    """Parses the metadata of a weights file: config and facts, None where there are none."""
    try:
        maker = parse_json(text)
    except ValueError:
        return None, None
    config, facts = (maker.get(key) for key in ("config", "facts")) if isinstance(maker, dict) else (None, None)
    return config if isinstance(config, str) else None, facts if isinstance(facts, dict) else None


def load_into(network: nn.Module, path: Path, config: TrainConfig) -> dict[str, Any]:
    """Loads the weights of `path` into the network of `config`, strictly; returns their facts.

    ConfigError when the weights belong to another network or other data sizes, or when names or shapes differ."""
    tensors, made_by, facts = load_weights(path)
    check_kinship(config, made_by, path)
    problems = misfits(network, tensors)
    if problems:
        raise ConfigError(str(path), problems)
    network.load_state_dict(tensors)
    return facts


def check_kinship(config: TrainConfig, made_by: TrainConfig, path: Path) -> None:
    """Raises ConfigError listing every knob of network and data sizes in which the weights' run differs from
    `config`."""
    ours, theirs = flatten(config), flatten(made_by)
    decisive = ["model", *(f"data.{name}" for name in ("joints", "views", "frames", "axes", "scores"))]
    decisive += [knob for knob in ours | theirs if knob.startswith("network.")]
    # As many joints in another order fit every shape and mean nothing.
    ours["skeleton"], theirs["skeleton"] = (one.data.sizes.skeleton.name for one in (config, made_by))
    problems = [
        f"{knob} = {theirs.get(knob)} in the weights, {ours.get(knob)} in the config"
        for knob in [*decisive, "skeleton"]
        if ours.get(knob) != theirs.get(knob)
    ]
    if problems:
        raise ConfigError(str(path), [*problems, "evaluate these weights with the config they were trained with"])
