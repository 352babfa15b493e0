"""Draws for a warm start: the points that the sampler of an earlier sweep would try next."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from spaces.errors import ConfigError
from spaces.schema import config_id

from ..record.journal import FILE, Journal
from ..record.options.sampling import LEARNING
from ..record.plan import Plan
from ..record.points.first import translated
from ..record.trial import Terms, Trial
from .sampler import PointSampler

# Half of a short sweep, and no more than ten: they know nothing of the new task. In simulated sweeps of 8 and of 20
# trials over like tasks they reached more often what twice as many cold trials reach, with 60 trials ten of them
# helped and 20 did not, and after unlike tasks they cost nothing: most end at the first rung there.
MOST = 10


def with_draws(plan: Plan, earlier: Path) -> Plan:
    """Returns the plan of a warm start with draws after its other first points; as it is if its sampler does not
    learn. `earlier`: folder of the earlier sweep. DataError if its journal is damaged."""
    if plan.sweep.sampler not in LEARNING:
        return plan
    room = plan.sweep.trials - len(plan.first_points)
    draws = continued(plan, Journal(earlier / FILE), min(MOST, plan.sweep.trials // 2, room))
    return dataclasses.replace(plan, points=(*plan.first_points, *draws))


def continued(plan: Plan, source: Journal, most: int) -> list[dict[str, Any]]:
    """Draws at most so many points by TPE from the trials of an earlier sweep that can be translated to the plan, each
    as if the ones before were running."""
    objective = plan.sweep.primary
    known = [
        trial
        for trial in source.trials.values()
        if trial.score(objective) is not None and translated(plan, trial) is not None
    ]
    sampler = PointSampler(plan.domains, plan.sweep.objectives, "tpe", plan.sweep.seed, len(known), known)
    ids = {config_id(plan.config(point)) for point in plan.first_points}

    def is_new(point: dict[str, Any]) -> bool:
        try:
            return config_id(plan.config(point)) not in ids
        except ConfigError:
            return False

    found: list[dict[str, Any]] = []
    first, terms = max(source.trials, default=0) + 1, Terms.of(source.sweep)
    for number in range(first, first + most):
        point, _ = sampler.draw(number, is_new)
        if point is None:
            break
        ids.add(config_id(plan.config(point)))
        found.append(point)
        sampler.tell(Trial(number, point, "", terms))
    return found
