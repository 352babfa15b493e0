"""Preflight check of a run: data fields and files that it needs, before anything starts."""

from __future__ import annotations

from collections.abc import Sequence

from data.batches.samples import check_fields, facts_of
from data.poses.splits import TRAINING_PARTS
from data.synthetic.provide import is_due
from spaces.errors import ConfigError, InputError

from .. import registry
from ..config import TrainConfig
from .size import size_problems


def check_run(
    config: TrainConfig, *, is_fresh: bool, parts: Sequence[str] = TRAINING_PARTS, is_here: bool = True
) -> None:
    """Raises ConfigError listing everything that is missing for a run of this config: fields that its data does not
    hold, files that its network is built from, and, for a fresh run, those it starts from. Where one of these is
    missing, the `parts` of the data are checked too, so that one message lists all. `is_here`: it runs on this machine,
    whose memory its network must fit."""
    check_fields(config.data, config.traits.reads)
    demands = registry.get(config.model).demands
    problems = [] if demands is None else list(demands(config.network, config.data, is_fresh))
    # Without its files a network may not be built at all.
    problems += size_problems(config) if is_here and not problems else []
    if not problems:
        return
    if parts and not is_due(config.data):
        try:
            facts_of(config.data, parts)
        except InputError as fault:
            problems += fault.problems_in(config.model)
    raise ConfigError(config.model, problems)
