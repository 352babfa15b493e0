"""Finding: one piece of advice on a recorded sweep, and the lines that act on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spaces.errors import ConfigError
from spaces.schema import knobs, spelled
from spaces.space import find_space, read_draft

from ...cli.command import Where
from ...cli.runs.extend import growth_problems
from ...record.journal import Journal
from ...record.options.choices import SCHEDULED
from ...record.plan import Plan, SweepConfig, value_at
from ...record.trial import EPOCHS

EDGE, SPARSE, DIVERGING, STOPPING = "edge", "sparse", "diverging", "stopping"
IRRELEVANT, LUCK, BUDGET = "irrelevant", "luck", "budget"
KINDS = (EDGE, SPARSE, DIVERGING, STOPPING, IRRELEVANT, LUCK, BUDGET)
ROOT = "data.root"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One piece of advice. `kind`: one of KINDS; `knobs`: dotted paths, `trials`: numbers that it concerns; `found`:
    one sentence with figures; `do`: what to do about it; `ranges`: knob -> entry for `search` of a space file, to try;
    `line`: the command to type, '' if it takes a space file first."""

    kind: str
    knobs: tuple[str, ...] = ()
    trials: tuple[int, ...] = ()
    found: str
    do: str
    ranges: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    line: str = ""

    def to_record(self) -> dict[str, Any]:
        """Converts the finding to a JSON object."""
        lists = {"knobs": list(self.knobs), "trials": list(self.trials), "ranges": {**self.ranges}}
        return {"kind": self.kind, **lists, "found": self.found, "do": self.do, "line": self.line}


class Lines:
    """Commands on one sweep, with the places by which it is found."""

    def __init__(self, journal: Journal, plan: Plan, where: Where) -> None:
        self._journal, self._plan, self._where = journal, plan, where

    def extend(self, trials: int | None = None, epochs: int | None = None) -> str:
        """Formats the line that enlarges the sweep; '' if it cannot be."""
        if growth_problems(self._journal.sweep, trials, epochs):
            return ""
        sizes = {"--trials": trials, "--epochs": epochs}
        words = [part for flag, size in sizes.items() if size is not None for part in (flag, size)]
        return self._where.line_told("extend", self._journal.sweep.name, *words)

    def confirm(self) -> str:
        """Formats the line that retrains the best trials with other seeds; '' if there is none beside the recipe."""
        trials = self._journal.trials
        others = [one for one in trials.values() if one.number and one.own_score is not None and not one.broken]
        return self._where.line_told("confirm", self._journal.sweep.name) if 0 in trials and others else ""

    def show(self, trial: int) -> str:
        """Formats the line that prints all that is known of a trial."""
        return self._where.line_told("show", self._journal.sweep.name, "--trial", trial)

    def relaunch(self, changes: Mapping[str, Any] | None = None, **options: object) -> str:
        """Formats the line that launches a sweep like this one, warm-started from it, with other options and with
        `changes` set by hand; '' if its space is not the one that comes with its model."""
        plan, sweep = self._plan, self._journal.sweep
        try:
            if read_draft(find_space(sweep.model)).text != sweep.space:
                return ""
        except ConfigError:
            return ""
        words: list[object] = ["--recipe", plan.sweep.recipe, "--from", sweep.name]
        for name, spec in knobs(SweepConfig).items():
            value = options.get(name, None if name in SCHEDULED else getattr(plan.sweep, name))
            if name in ("recipe", "time_budget_s") or value is None or value == spec.default:
                continue
            for one in value if isinstance(value, tuple) else (value,):
                words += [f"--{name.replace('_', '-')}", spelled(one)]
        fixed = {path: value_at(plan.base, path) for path in plan.pinned} | dict(changes or {})
        for path, value in fixed.items():
            if path == ROOT:
                words += ["--data-root", value] if value != "data/store" else []
            else:
                words += ["--epochs", value] if path == EPOCHS else ["--set", f"{path}={spelled(value)}"]
        return self._where.line_told("launch", sweep.model, *words)
