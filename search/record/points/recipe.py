"""Recipe of a sweep, compared with the published one."""

from __future__ import annotations

from trainables.config import default_config, knobs_of

from ..plan import Plan, value_at


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
