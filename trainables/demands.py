"""What a run needs of its data and of files, looked for before anything starts."""

from __future__ import annotations

from data.samples import check_fields
from spaces.schema import ConfigError

from . import registry
from .config import TrainConfig


def check_run(config: TrainConfig, *, is_fresh: bool) -> None:
    """ConfigError listing what is missing for a run of this config: fields that its data does not hold, files that its
    network is built from, and, where it starts anew, those that begin it."""
    check_fields(config.data, config.traits.reads)
    demands = registry.config(config.model).demands
    problems = [] if demands is None else list(demands(config.network, config.data, is_fresh))
    if problems:
        raise ConfigError(config.model, problems)
