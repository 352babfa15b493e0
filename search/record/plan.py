"""What a sweep is told to do, as a checked value. No torch, no Ray: bad input is answered at once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spaces.errors import ConfigError, did_you_mean, shown
from spaces.schema import Knob, config_id, knob, load, tree_id, tree_of
from spaces.space import Domain, Draft, Space, find_space, parse_space, read_draft, typed
from spaces.yaml_text import parse_yaml
from trainables.config import OBJECTIVES, TrainConfig, changed, config_from, default_config, knobs_of

from .records import Facts, SweepRow

STORAGE = "mlruns/sweeps"
CONFIRMED = "confirmed"  # the recipe of a sweep over seeds


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepConfig:
    """The options of `launch` that steer the sweep itself."""

    recipe: str = knob("", help="published configuration of trial 0 and base of all others; empty: the space's first")
    trials: int = knob(20, least=1, help="configurations to try, the recipe included")
    concurrent: int | None = knob(None, least=1, help="trials at a time; none: as many as the devices hold")
    sampler: str = knob("tpe", choices=("tpe", "random"), help="who draws the points")
    scheduler: str = knob("asha", choices=("asha", "none"), help="who stops weak trials early")
    objective: str = knob("val/mpjpe_mm", choices=OBJECTIVES, help="metric whose lowest value wins")
    executor: str = knob(
        "auto",
        choices=("auto", "solo", "group"),
        help="how a trial runs; solo: one process; group: Ray Train workers; auto: group above one worker",
    )
    workers: int = knob(1, least=1, help="workers of one trial, which share every batch")
    cpus_per_worker: float = knob(1.0, above=0, help="CPU cores of one worker")
    gpus_per_worker: float | None = knob(None, least=0, help="GPUs of one worker; none: 1 where there are GPUs")
    time_budget_s: float | None = knob(None, above=0, unit="s", help="wall-clock limit of the sweep")
    at_least: int = knob(0, least=0, help="trials that go on to their last epoch when the time budget is over")
    checkpoints: str = knob("", help="fsspec URI, e.g. s3://bucket/sweeps, where trials also keep their checkpoints")
    seed: int = knob(0, least=0, help="seed of the sampler and of every trial")

    @property
    def chosen_executor(self) -> str:
        """The executor that `auto` stands for."""
        return self.executor if self.executor != "auto" else "group" if self.workers > 1 else "solo"

    def problems(self) -> Iterator[tuple[str, str]]:
        """One process is one worker."""
        if self.executor == "solo" and self.workers > 1:
            yield "workers", "needs --executor group: solo is one process"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A sweep ready to run: its options, its space, and the whole config of the recipe. Its first trials are `points`,
    where there are any; then the recipe and what the sampler draws."""

    name: str
    sweep: SweepConfig
    space: Space
    space_text: str
    base: TrainConfig
    pinned: tuple[str, ...]
    points: tuple[Mapping[str, Any], ...] = ()

    @property
    def is_confirmation(self) -> bool:
        """Whether it trains one config with several seeds."""
        return self.sweep.recipe == CONFIRMED

    @property
    def domains(self) -> dict[str, Domain]:
        """Searched knobs; what the user set by hand is not searched."""
        found, known = self.space.domains(self.sweep.recipe), knobs_of(self.space.model)
        return {path: typed(domain, known[path]) for path, domain in found.items() if path not in self.pinned}

    def config(self, point: Mapping[str, object]) -> TrainConfig:
        """The recipe with a point put in; ConfigError when the point breaks a law."""
        return changed(self.base, point, f"{self.name}, point {dict(point)}")


def make_plan(
    name: str, sweep: SweepConfig, space_name: str, changes: Mapping[str, object], where: str = "launch"
) -> Plan:
    """The plan of a new sweep from its space and the user's changes; ConfigError lists every problem."""
    return plan_from(read_draft(find_space(space_name)), name, sweep, changes, where)


# Knobs that an option or the space decides; a second word on them would make the books disagree.
_DECIDED = {"model": "name another model or space instead", "loop.select": "use --objective", "loop.seed": "use --seed"}


def plan_from(
    draft: Draft, name: str, sweep: SweepConfig, changes: Mapping[str, object], where: str = "launch"
) -> Plan:
    """The plan from a space file, right or wrong: what is wrong with it is told with what is wrong with the changes."""
    faults = list(draft.faults)
    if draft.space is not None:
        try:
            known = knobs_of(draft.space.model)
        except ConfigError as error:
            raise ConfigError(where, [*(f"{draft.where}: {fault}" for fault in faults), str(error)]) from None
        faults += [*draft.space.check(known), *_searched_twice(draft.space)]
        if not faults:
            return _plan(name, sweep, draft.space, draft.text, changes, where)
    told = [f"{draft.where}: {fault}" for fault in faults]
    if draft.space is not None:
        recipes = draft.space.recipes
        told += _recipe_faults(sweep.recipe, draft.space) if sweep.recipe and recipes else []
        told += _change_faults(changes, known)
    raise ConfigError(where, told)


def _searched_twice(space: Space) -> Iterator[str]:
    """Searched knobs that something else decides for the whole sweep."""
    for table, domains in (
        ("search", space.search),
        *((f"narrow.{name}", part) for name, part in space.narrow.items()),
    ):
        for path in domains.keys() & _DECIDED.keys():
            yield f"{table}.{path}: is one for the whole sweep and is not searched; {_DECIDED[path]}"


def _recipe_faults(recipe: str, space: Space) -> list[str]:
    if recipe in space.recipes:
        return []
    found = f"no recipe '{recipe}'{did_you_mean(recipe, space.recipes)}"
    return [f"{found}; recipes of {space.model}: {', '.join(space.recipes)}"]


def _change_faults(changes: Mapping[str, object], known: Mapping[str, Knob]) -> Iterator[str]:
    """What is wrong with each change by itself, where the config that it changes cannot be made."""
    for path, value in changes.items():
        if path in _DECIDED:
            yield f"--set {path}: {_DECIDED[path]}"
        elif path not in known:
            yield f"{path}: no such knob{did_you_mean(path, known)}"
        else:
            try:
                known[path].read(value)
            except ValueError as error:
                yield f"{path} = {shown(value)}: {error}"


def _plan(name: str, sweep: SweepConfig, space: Space, text: str, changes: Mapping[str, object], where: str) -> Plan:
    first = next(iter(space.recipes))
    recipe = sweep.recipe or first
    if problems := _recipe_faults(recipe, space):
        recipe = first  # the changes are checked all the same
    for path, remedy in _DECIDED.items():
        if path in changes:
            problems.append(f"--set {path}: {remedy}")
    values = space.fixed(recipe) | {"loop.seed": sweep.seed, "loop.select": sweep.objective} | dict(changes)
    values.pop("model", None)
    try:
        base = default_config(space.model, values, where)
    except ConfigError as error:
        raise ConfigError(where, [*problems, *error.problems_in(where)]) from None
    if problems:
        raise ConfigError(where, problems)
    options = {field: getattr(sweep, field) for field in SweepConfig.__slots__} | {"recipe": recipe}
    plan = Plan(name=name, sweep=SweepConfig(**options), space=space, space_text=text, base=base, pinned=tuple(changes))
    if not plan.domains:
        raise ConfigError(where, ["every searched knob is set by hand, so there is nothing to search; use `train`"])
    return plan


def confirm_plan(name: str, sweep: SweepConfig, config: TrainConfig) -> Plan:
    """The plan that trains one config with as many seeds as the sweep has trials, from the config's own on."""
    text = f"model: {config.model}\nobjective: {sweep.objective}\nrecipes: {{{CONFIRMED}: {{}}}}\nsearch: {{}}\n"
    return Plan(
        name=name,
        sweep=sweep,
        space=parse_space(parse_yaml(text, name), name),
        space_text=text,
        base=config,
        pinned=(),
        points=tuple({"loop.seed": sweep.seed + i} for i in range(sweep.trials)),
    )


def begun_by(plan: Plan, identity: str, facts: Facts) -> SweepRow:
    """The first record of a sweep with this plan."""
    return SweepRow(
        id=identity,
        name=plan.name,
        model=plan.base.model,
        plan=tree_of(plan.sweep),
        space=plan.space_text,
        base=tree_of(plan.base),
        pinned=plan.pinned,
        points=tuple(dict(point) for point in plan.points),
        facts=facts,
    )


def plan_of(sweep: SweepRow, where: str) -> Plan:
    """The plan that a sweep was launched with. `where`: its journal, for messages."""
    return Plan(
        name=sweep.name,
        sweep=load(SweepConfig, sweep.plan, where),
        space=parse_space(parse_yaml(sweep.space, where), where),
        space_text=sweep.space,
        base=config_from(sweep.base, where),
        pinned=sweep.pinned,
        points=sweep.points,
    )


def holds(sweep: SweepRow, plan: Plan) -> bool:
    """Whether a sweep trains what a plan would: the same config at the same points."""
    return tree_id(sweep.base) == config_id(plan.base) and sweep.points == plan.points


def shortened(plan: Plan) -> list[str]:
    """What trial 0 shrinks against the space's first recipe, which is the published one: a line each."""
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


def value_at(config: object, path: str) -> Any:
    """The value of a knob by dotted path."""
    for name in path.split("."):
        config = getattr(config, name)
    return config


def read_duration(text: str) -> float:
    """Seconds of '90s', '20m', '2h', '1h30m' or plain seconds; ValueError otherwise."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?", text)
    if not text or parts is None:
        raise ValueError(f"'{text}' is no duration; write 90s, 20m, 2h or 1h30m")
    return sum(float(part or 0) * unit for part, unit in zip(parts.groups(), (3600, 60, 1), strict=True))


def duration_text(seconds: float) -> str:
    """Seconds as `read_duration` reads them: '1h30m', '100s', '0.5s'."""
    whole = int(seconds)
    if whole != seconds or whole < 120:
        return f"{seconds:g}s"
    parts = ((whole // 3600, "h"), (whole // 60 % 60, "m"), (whole % 60, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count)


def next_name(storage: Path, model: str) -> str:
    """The first of model-1, model-2, ... that no sweep has."""
    number = 1
    while os.path.exists(storage / f"{model}-{number}"):
        number += 1
    return f"{model}-{number}"
