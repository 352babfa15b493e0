"""Training configuration (`TrainConfig`): model, data, optimiser and loop of one run. No torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any

from data.config import DataConfig
from spaces.errors import ConfigError
from spaces.schema import Knob, flatten, knob, knobs, load, override
from spaces.yaml_text import read_yaml

from . import registry
from .entry import Traits

# Metrics of the validation split whose lowest value selects an epoch, or wins a sweep: of poses, then of meshes.
OBJECTIVES = (
    *("val/mpjpe_mm", "val/p_mpjpe_mm", "val/n_mpjpe_mm", "val/mpjve_mm"),
    *("val/mpvpe_mm", "val/pa_mpvpe_mm"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimConfig:
    """Knobs of the optimiser: Adam with decoupled decay (weight_decay 0 is plain Adam), gradient clipping, stepwise
    learning-rate decay."""

    lr: float = knob(1e-3, above=0, lane=True, help="peak learning rate")
    lr_decay: float = knob(0.9, above=0, most=1, lane=True, help="factor on the rate at every stair; 1: constant rate")
    lr_decay_by: str = knob(
        "steps",
        choices=("steps", "epochs", "share"),
        lane=True,
        help="a stair: so many steps, an epoch, or a share of the epochs",
    )
    lr_decay_steps: int = knob(50_000, least=1, lane=True, unit="steps", help="optimiser steps from stair to stair")
    lr_decay_large: float = knob(
        0.5, above=0, most=1, lane=True, help="factor instead of lr_decay at the end of every so-many-th epoch"
    )
    large_decay_epochs: int = knob(
        0, least=0, lane=True, unit="epochs", help="how often lr_decay_large takes the place of lr_decay; 0: never"
    )
    lr_decay_share: float = knob(0.5, above=0, most=1, lane=True, help="share of the epochs from stair to stair")
    weight_decay: float = knob(0.0, least=0, lane=True, help="decoupled decay, multiplied by the rate")
    beta1: float = knob(0.9, least=0, below=1, lane=True, help="memory of the mean gradient")
    beta2: float = knob(0.999, least=0, below=1, lane=True, help="memory of the mean squared gradient")
    amsgrad: bool = knob(False, help="divide by the largest mean squared gradient so far (AMSGrad)")
    clip: float = knob(1.0, least=0, lane=True, help="limit of the global gradient norm; 0: no clipping")

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yields (field, message) where `large_decay_epochs` is set and the learning rate does not decay by epochs."""
        if self.large_decay_epochs and self.lr_decay_by != "epochs":
            yield "large_decay_epochs", "must be 0 while optim.lr_decay_by = steps; or set optim.lr_decay_by = epochs"


@dataclass(frozen=True, kw_only=True, slots=True)
class LoopConfig:
    """Knobs of the training loop: epochs, batch size, precision, seed, and which checkpoints are kept."""

    epochs: int = knob(10, least=1, most=1_000_000, lane=True, help="passes over the training split")
    batch: int = knob(64, least=1, most=1_000_000, help="samples in one optimiser step, over all workers")
    accumulate: int = knob(
        1, least=1, most=256, help="parts of a batch that are computed one after the other: less memory, the same step"
    )
    precision: str = knob(
        "float32", choices=("float32", "bfloat16"), help="type of the matrix products in training; scores keep float32"
    )
    seed: int = knob(0, least=0, lane=True, help="seed of initialisation, sample order and dropout")
    select: str = knob(
        "val/mpjpe_mm",
        choices=OBJECTIVES,
        lane=True,
        help="metric whose lowest epoch is the best one",
    )
    keep: str = knob(
        "lowest",
        choices=("lowest", "last"),
        lane=True,
        help="epoch that counts as the best, and whose weights are kept: that of the lowest loop.select, or the last",
    )
    snapshot_epochs: int = knob(5, least=0, lane=True, unit="epochs", help="a kept checkpoint every so often; 0: none")

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yields (field, message) where a batch has fewer samples than its accumulated parts."""
        if self.accumulate > self.batch:
            yield "accumulate", f"must be at most loop.batch = {self.batch}: a part has at least one sample"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """Configuration of one run. The types of `network` and `objective` are those of the model in the registry."""

    model: str = knob(MISSING, help="name of the model")
    network: Any
    objective: Any
    data: DataConfig
    optim: OptimConfig
    loop: LoopConfig

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yields (field, message) for the model's laws, which join network and data, and for a metric that the model
        does not have."""
        model = registry.config(self.model)
        yield from model.laws(self.network, self.data.sizes)
        if self.data.scores and not self.traits.takes_scores:
            yield "data.scores", f"must be false: {self.model} takes x and y of each joint alone"
        names = [f"val/{name}" for name in model.selectable]
        if self.loop.select not in names:
            yield "loop.select", f"is no metric of {self.model}; it has {', '.join(names)}"

    @property
    def paced(self) -> tuple[str, ...]:
        """The knobs, by dotted path, that spread a change over all epochs: the same run with more epochs is another one
        from the first epoch on."""
        by_share = ("optim.lr_decay_share",) if self.optim.lr_decay_by == "share" and self.optim.lr_decay < 1 else ()
        return (*by_share, *(f"network.{name}" for name in self.traits.paced))

    @property
    def traits(self) -> Traits:
        """The batch fields that its network reads, whether it can be a lane of an array, and its learning-rate
        factors."""
        found = registry.config(self.model).traits(self.network)
        if self.loop.accumulate == 1 or found.unfusable:
            return found
        return dataclasses.replace(found, unfusable="loop.accumulate parts its batch; lanes are stacked whole")


def sections_of(model: str) -> dict[str, type]:
    """Returns the section types that a model chooses; ConfigError for an unknown model."""
    found = registry.config(model)
    return {"network": found.network, "objective": found.objective}


def knobs_of(model: str) -> dict[str, Knob]:
    """Returns every knob of a model's runs by dotted path."""
    return knobs(TrainConfig, sections_of(model))


def lane_knobs(model: str) -> tuple[str, ...]:
    """Returns the knobs, by dotted path, in which the lanes of one array may differ."""
    return tuple(path for path, one in knobs_of(model).items() if one.lane)


def array_knobs(config: TrainConfig) -> dict[str, object]:
    """Returns the knobs that all lanes of one array share, by dotted path: the shape of the work."""
    free = lane_knobs(config.model)
    return {path: value for path, value in flatten(config).items() if path not in free}


def config_from(tree: object, where: str) -> TrainConfig:
    """Parses a run from a nested mapping; a `provenance` section, as `export` writes it, is ignored."""
    if not isinstance(tree, Mapping) or not isinstance(tree.get("model"), str):
        raise ConfigError(where, ["is no training config: it needs `model: NAME` and the sections of `export`"])
    plain = {key: value for key, value in tree.items() if key != "provenance"}
    return load(TrainConfig, plain, where, sections_of(tree["model"]))


def read_config(path: Path | str) -> TrainConfig:
    """Reads the run in a YAML file."""
    return config_from(read_yaml(path), str(path))


def changed(config: TrainConfig, values: Mapping[str, object], where: str) -> TrainConfig:
    """Returns the run with some knobs changed, by dotted path."""
    return override(config, values, where, sections_of(config.model))


def default_config(model: str, values: Mapping[str, object], where: str) -> TrainConfig:
    """Returns a model's run from knob defaults and overrides by dotted path."""
    return changed(load(TrainConfig, {"model": model}, where, sections_of(model)), values, where)
