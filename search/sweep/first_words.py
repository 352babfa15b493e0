"""Lines that a sweep tells before its first trial."""

from __future__ import annotations

from trainables.config import default_config, knobs_of

from ..record.options.choices import PBT
from ..record.plan import Plan, value_at
from ..record.spending.spend import CPU, Spend


def shortened(plan: Plan) -> list[str]:
    """Lists how trial 0 differs from the published recipe, the space's first, in epochs, downsampling, data subset and
    network: one line per knob."""
    first = next(iter(plan.space.recipes))
    published = default_config(plan.space.model, plan.space.fixed(first), plan.space.where)
    watched = ("loop.epochs", "data.downsample", "data.subset", "network.")
    known = knobs_of(plan.space.model)
    lines = []
    for path in known:
        if path.startswith(watched):
            ours, theirs = value_at(plan.base, path), value_at(published, path)
            if ours != theirs:
                lines.append(f"{path}: {ours} here, {theirs} in recipe {first}")
    return lines


def population_notes(plan: Plan) -> list[str]:
    """Says which knobs population-based training does not search, as they cannot change while a trial trains."""
    found = plan.space.domains(plan.sweep.recipe)
    known = knobs_of(plan.space.model)
    fixed = [path for path in found if path not in plan.pinned and not known[path].lane]
    if plan.sweep.scheduler != PBT or not fixed:
        return []
    return [f"pbt changes knobs while trials train; these cannot, and keep the recipe's values: {', '.join(fixed)}"]


def limit_notes(spend: Spend) -> list[str]:
    """Says how device-hours are counted where there is no GPU, if a limit or a price needs them. `spend`: of the sweep,
    with its present session."""
    if spend.unit != CPU or (spend.gpu_hours is None and spend.price is None):
        return []
    return [f"trials have no GPU here: device-hours are CPU-hours, {spend.devices:g} for each hour of a trial"]
