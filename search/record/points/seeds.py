"""Plan of a confirmation: given configs, each with several seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spaces.schema import config_id, tree_id
from spaces.space import parse_space
from spaces.yaml_text import parse_yaml
from trainables.config import TrainConfig

from ..plan import CONFIRMED, Plan, SweepConfig
from ..records import SweepRow


def confirm_plan(
    name: str,
    sweep: SweepConfig,
    config: TrainConfig,
    candidates: Sequence[Mapping[str, Any]] = ({},),
    origin: dict[str, str] | None = None,
) -> Plan:
    """Builds the plan of a confirmation: `sweep.trials` trials, all `candidates` (points of the base `config`) with one
    seed after the other, starting at `sweep.seed`, so that they are compared whenever it ends. `origin` is that of
    SweepRow."""
    text = f"model: {config.model}\nobjective: {sweep.objective}\nrecipes: {{{CONFIRMED}: {{}}}}\nsearch: {{}}\n"
    return Plan(
        name=name,
        sweep=sweep,
        space=parse_space(parse_yaml(text, name), name),
        space_text=text,
        base=config,
        pinned=(),
        points=tuple(
            {**candidate, "loop.seed": sweep.seed + i}
            for i in range(sweep.trials // len(candidates))
            for candidate in candidates
        ),
        origin=origin,
    )


def holds(sweep: SweepRow, plan: Plan) -> bool:
    """Returns whether a recorded sweep trains the same base config at the same points as a plan."""
    return tree_id(sweep.base) == config_id(plan.base) and sweep.points == plan.points
