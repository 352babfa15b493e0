"""Plan of a sweep: its validated options, search space and base config. Imports no torch and no Ray, so that invalid
input is reported at once."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spaces.conditions import active, attainable, typed_conditions
from spaces.domain_text import When
from spaces.domains import limits
from spaces.errors import ConfigError, did_you_mean, shown
from spaces.schema import Knob, knob, load, tree_of
from spaces.space import Domain, Draft, Space, find_space, parse_space, read_draft, typed
from spaces.yaml_text import parse_yaml
from trainables import registry
from trainables.config import TrainConfig, changed, config_from, default_config, knobs_of

from .options.choices import ASHA, LOGS, PBT, SCHEDULED, SCHEDULERS, STOPPING, scheduler_problems, scheduler_values
from .options.objectives import (
    ALLOWED,
    Limit,
    limits_of,
    limits_problem,
    model_problems,
    names_in,
    objective_problems,
    primary_of,
    several_refusals,
)
from .options.population import population_problems
from .options.sampling import SAMPLERS, sampler_refusal
from .points.given import first_points
from .records import KEEP_BEST, KEEP_LAST, KEEPS, Facts, SweepRow

STORAGE = "mlruns/sweeps"
MOST_TRIALS, MOST_WORKERS = 100_000, 10_000  # of a sweep, and of a trial; more is a slip
CONFIRMED = "confirmed"  # the recipe of a sweep over seeds


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepConfig:
    """Options of `launch` that configure the sweep itself: trials, sampler, scheduler, objective, resources, time
    budget, seed."""

    recipe: str = knob("", help="published configuration of trial 0 and base of all others; empty: the space's first")
    trials: int = knob(20, least=1, most=MOST_TRIALS, help="configurations to try, the recipe included")
    concurrent: int | None = knob(
        None, least=1, most=MOST_TRIALS, help="trials at a time; none: as many as the devices hold"
    )
    sampler: str = knob(
        "tpe",
        choices=SAMPLERS,
        help="who draws the points; tpe, gp, cmaes, nsga2 learn from the trials, qmc, random, grid do not; none: at "
        "random, for pbt",
    )
    scheduler: str = knob(ASHA, choices=SCHEDULERS, help="who pauses or stops weak trials early")
    grace: int | None = knob(
        None, least=1, help="first epoch after which the scheduler judges; none: a tenth of --max-epochs"
    )
    reduction: int | None = knob(
        None, least=2, help="of how many trials one passes a rung, and the factor from rung to rung; none: 3"
    )
    brackets: int | None = knob(None, least=1, help="brackets of hyperband; none: 3, or one a rung if those are fewer")
    max_epochs: int | None = knob(
        None, least=1, help="epoch below which the scheduler judges; none: the length of the longest trial"
    )
    objective: str = knob(
        "val/mpjpe_mm",
        help=f"metric or cost whose lowest value wins, or several with commas; each one of {', '.join(ALLOWED)}",
    )
    limit: tuple[str, ...] = knob((), help="what a trial must keep to win, as 'latency_ms<=5'; may be given again")
    executor: str = knob(
        "auto",
        choices=("auto", "solo", "group"),
        help="how a trial runs; solo: one process; group: Ray Train workers; auto: group above one worker",
    )
    workers: int = knob(1, least=1, most=MOST_WORKERS, help="workers of one trial, which share every batch")
    cpus_per_worker: float = knob(1.0, above=0, most=MOST_WORKERS, help="CPU cores of one worker")
    gpus_per_worker: float | None = knob(
        None, least=0, most=MOST_WORKERS, help="GPUs of one worker; none: 1 where there are GPUs"
    )
    time_budget_s: float | None = knob(None, above=0, unit="s", help="wall-clock limit of the sweep")
    gpu_hours: float | None = knob(
        None, above=0, unit="h", help="limit of device-hours: the time of each trial times its GPUs, or workers on CPUs"
    )
    price_per_gpu_hour: float | None = knob(None, above=0, help="price of a device-hour, for the cost in any currency")
    at_least: int = knob(
        0, least=0, most=MOST_TRIALS, help="trials that go on to their last epoch when time or device-hours are over"
    )
    checkpoints: str = knob("", help="fsspec URI, e.g. s3://bucket/sweeps, where trials also keep their checkpoints")
    keep: str = knob(
        KEEP_LAST,
        choices=KEEPS,
        help="checkpoints of ended trials that stay; best: the weights of the sweep's best trial; last: every trial's "
        "best weights and last training state; all: also a state every loop.snapshot_epochs",
    )
    log: str = knob(LOGS[0], choices=LOGS, help="also write event files of every trial, for TensorBoard")
    seed: int = knob(0, least=0, help="seed of the sampler and of every trial")

    @property
    def objectives(self) -> tuple[str, ...]:
        """Returns the metrics and costs to minimise."""
        return names_in(self.objective)

    @property
    def primary(self) -> str:
        """Returns the first objective that is an error: it selects the best epoch of a trial, and the best trial."""
        return primary_of(self.objective)

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Returns what a trial must keep to win."""
        return limits_of(self.limit)

    @property
    def chosen_executor(self) -> str:
        """Returns the executor in use, 'solo' or 'group'; `auto` resolves to 'group' above one worker."""
        return self.executor if self.executor != "auto" else "group" if self.workers > 1 else "solo"

    def problems(self) -> Iterator[tuple[str, str]]:
        """Checks objectives and limits, and that the solo executor has one worker; yields (field, message) per
        problem."""
        yield from (("objective", problem) for problem in objective_problems(self.objective))
        if problem := limits_problem(self.limit):
            yield "limit", f"cannot be read: {problem}"
        if self.executor == "solo" and self.workers > 1:
            yield "workers", "needs --executor group: solo is one process"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Validated plan of a sweep: its options, its search space, the full config of the recipe (`base`) and the knobs
    set by hand (`pinned`). Its first trials are `points`, if any; otherwise trial 0 is the recipe. All further trials
    are sampled. `origin` is that of SweepRow."""

    name: str
    sweep: SweepConfig
    space: Space
    space_text: str
    base: TrainConfig
    pinned: tuple[str, ...]
    points: tuple[Mapping[str, Any], ...] = ()
    origin: dict[str, str] | None = None

    @property
    def is_confirmation(self) -> bool:
        """Returns whether the sweep trains given configs with several seeds (`confirm`)."""
        return self.sweep.recipe == CONFIRMED

    @property
    def first_points(self) -> tuple[Mapping[str, Any], ...]:
        """Returns the points of the first trials; {} is the recipe."""
        return self.points or ({},)

    @property
    def domains(self) -> dict[str, Domain]:
        """Returns the domain of every searched knob, by dotted path; knobs set by hand are not searched, nor those
        whose condition holds in no point."""
        found, known = self.space.domains(self.sweep.recipe), knobs_of(self.space.model)
        searched = [path for path in found if path not in self.pinned]
        if self.sweep.scheduler == PBT:
            searched = [path for path in searched if known[path].lane]  # the others shape what a state must fit
        paths = attainable(searched, self._conditions, lambda path: value_at(self.base, path))
        return {path: typed(found[path], known[path]) for path in paths}

    @property
    def _conditions(self) -> dict[str, When]:
        conditions = self.space.conditions(self.sweep.recipe)
        return typed_conditions(conditions, knobs_of(self.space.model)) if conditions else {}

    def active(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the point without the knobs whose conditions do not hold in it: they keep the recipe's values."""
        return active(point, self._conditions, lambda path: value_at(self.base, path))

    def config(self, point: Mapping[str, Any]) -> TrainConfig:
        """Builds the config of a point: the recipe's config with the values of the point's active knobs. ConfigError if
        they violate a constraint of the model."""
        return changed(self.base, self.active(point), f"{self.name}, point {dict(point)}")


def make_plan(
    name: str, sweep: SweepConfig, space_name: str, changes: Mapping[str, object], where: str = "launch"
) -> Plan:
    """Builds the plan of a new sweep. `space_name`: model name or path of a space file; `changes`: dotted path -> value
    set by the user; `where`: the command, for messages. ConfigError lists every problem."""
    return plan_from(read_draft(find_space(space_name)), name, sweep, changes, where)


# Knobs that an option or the space decides; a second word on them would make the books disagree.
_DECIDED = {"model": "name another model or space instead", "loop.select": "use --objective", "loop.seed": "use --seed"}


def plan_from(
    draft: Draft, name: str, sweep: SweepConfig, changes: Mapping[str, object], where: str = "launch"
) -> Plan:
    """Builds the plan from a space file that may be invalid, so that its errors are reported together with those of the
    options. Arguments as in `make_plan`. ConfigError lists every problem."""
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
    """Checks that the space searches no knob that an option sets for the whole sweep; yields a message per such
    knob."""
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
    """Checks each change by itself, for when the config that it changes cannot be built; yields a message per fault."""
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
    searched = [domain for path, domain in space.domains(recipe).items() if path not in changes]
    if searched and (refusal := sampler_refusal(sweep.sampler, len(sweep.objectives), searched, len(sweep.limits))):
        problems.append(refusal)
    problems += several_refusals(len(sweep.objectives), sweep.scheduler, keeps_one=sweep.keep == KEEP_BEST)
    known = registry.config(space.model).selectable
    named = [*sweep.objectives, *(limit.metric for limit in sweep.limits)]
    problems += model_problems((name for name in named if name != sweep.primary), known, space.model)
    values = space.fixed(recipe) | {"loop.seed": sweep.seed, "loop.select": sweep.primary} | dict(changes)
    values.pop("model", None)
    try:
        base = default_config(space.model, values, where)
    except ConfigError as error:
        raise ConfigError(where, [*problems, *error.problems_in(where)]) from None
    executor, objectives = sweep.chosen_executor, len(sweep.objectives)
    problems += population_problems(
        sweep.scheduler, sweep.sampler, sweep.trials, executor, objectives, sweep.checkpoints
    )
    given = {name: getattr(sweep, name) for name in SCHEDULED}
    epochs = _longest(base, {} if "loop.epochs" in changes else space.domains(recipe))
    problems += scheduler_problems(sweep.scheduler, given, epochs)
    if problems:
        raise ConfigError(where, problems)
    options = {field: getattr(sweep, field) for field in SweepConfig.__slots__} | {"recipe": recipe}
    options |= {"objective": ",".join(sweep.objectives), **scheduler_values(sweep.scheduler, given, epochs)}
    plan = Plan(name=name, sweep=SweepConfig(**options), space=space, space_text=text, base=base, pinned=tuple(changes))
    if not plan.domains:
        problem = "every searched knob is set by hand, or depends on one that is, so there is nothing to search"
        if sweep.scheduler == PBT:
            raise ConfigError(where, [f"--scheduler {PBT}: no knob is searched that may change in training; use asha"])
        raise ConfigError(where, [f"{problem}; use `train`"])
    return dataclasses.replace(plan, points=first_points(space, base, plan.domains, plan.active))


def _longest(base: TrainConfig, domains: Mapping[str, Domain]) -> int:
    """Returns the number of epochs of the longest trial: the recipe's, or the largest that is searched."""
    searched = domains.get("loop.epochs")
    ends = () if searched is None else limits(searched)
    return max([base.loop.epochs, *(int(value) for value in ends if isinstance(value, int | float))])


def begun_by(plan: Plan, identity: str, facts: Facts) -> SweepRow:
    """Builds the first record of a sweep. `identity`: the sweep's unique id; `facts`: its provenance."""
    return SweepRow(
        id=identity,
        name=plan.name,
        model=plan.base.model,
        plan=tree_of(plan.sweep),
        space=plan.space_text,
        base=tree_of(plan.base),
        pinned=plan.pinned,
        points=tuple(dict(point) for point in plan.points),
        origin=plan.origin,
        facts=facts,
    )


def plan_of(sweep: SweepRow, where: str) -> Plan:
    """Rebuilds the plan that a sweep was launched with from its first record. `where`: the journal, for messages.
    ConfigError if the record does not hold a valid plan."""
    base, options = config_from(sweep.base, where), {**sweep.plan, "keep": sweep.keep}
    if SCHEDULED.keys().isdisjoint(options) and options.get("scheduler") == ASHA:
        # Of an earlier version, whose trials never paused.
        options |= {"scheduler": STOPPING, **scheduler_values(STOPPING, dict.fromkeys(SCHEDULED), base.loop.epochs)}
    return Plan(
        name=sweep.name,
        sweep=load(SweepConfig, options, where),
        space=parse_space(parse_yaml(sweep.space, where), where),
        space_text=sweep.space,
        base=base,
        pinned=sweep.pinned,
        points=sweep.points,
        origin=sweep.origin,
    )


def value_at(config: object, path: str) -> Any:
    """Returns the value of a config's knob by dotted path. AttributeError if there is no such knob."""
    for name in path.split("."):
        config = getattr(config, name)
    return config


def next_name(storage: Path, model: str) -> str:
    """Returns the first of model-1, model-2, ... that no folder in `storage` has."""
    number = 1
    while os.path.exists(storage / f"{model}-{number}"):
        number += 1
    return f"{model}-{number}"
