"""What a sweep's own run shows of the whole sweep while it goes on: the best so far, counts of states, device time, and
a description with the leaderboard."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping

from spaces.console import visible
from spaces.domain_text import entry_of, entry_text
from spaces.errors import ConfigError
from spaces.schema import spelled
from spaces.space import parse_space
from spaces.yaml_text import parse_yaml

from ..record.plan import CONFIRMED
from ..record.records import EndRow, EpochRow, ExtendRow, Row, SweepRow, trial_of
from ..record.spending.split import HOUR_MS
from ..record.state import SweepState
from ..record.trial import Trial
from .change import Change

DESCRIPTION = "mlflow.note.content"  # the tag that MLflow's UI shows as the description of a run
LEADERS = 10
RENEWAL_MS = 30_000  # between two descriptions, by the records' times
BY_SECONDS = "best_by_device_seconds"


class Overview:
    """Follows a sweep for its own run. `take` each record once, in order, after the state has taken it. `state`: the
    sweep's; `objective`: the metric to minimise.

    A record costs the same however many trials and epochs there are; a description is built once in RENEWAL_MS, and
    when it is sent."""

    def __init__(self, state: SweepState, objective: str) -> None:
        self._state = state
        self._objective = objective
        self._ends = 0  # of attempts; unlike the number of ended trials it never falls
        self._second = -1  # the step of the last best by device-seconds
        self._best: float | None = None
        self._states: dict[int, str] = {}
        self._counts: Counter[str] = Counter()
        self._told: dict[str, int] = {}
        self._leaders: dict[int, float] = {}
        self._renewed_ms: int | None = None
        self._is_due = False

    def take(self, row: Row) -> list[Change]:
        """Returns what the record changes in the sweep's own run: [] or one change."""
        change = Change(number=None, ts_ms=row.ts_ms)
        match row:
            case EpochRow():
                self._rank(self._state.trials[row.trial])
                self._take_best(change)
            case ExtendRow():
                for number in (*row.again, *row.waiting):
                    self._count(number)
            case _ if (born := trial_of(row)) is not None:
                self._count(born)
        if isinstance(row, EndRow):
            self._take_end(change)
        if self._is_due and (self._renewed_ms is None or row.ts_ms - self._renewed_ms >= RENEWAL_MS):
            self.describe(change)
        return [change] if change.points or change.late else []

    def describe(self, change: Change) -> None:
        """Adds the description to a change of the sweep's own run; its text is that of the time when it is sent."""
        change.late[DESCRIPTION] = self._description
        self._renewed_ms, self._is_due = change.ts_ms, False

    def _count(self, number: int) -> None:
        before, after = self._states.get(number), self._state.trials[number].state
        if before is not None:
            self._counts[before] -= 1
        self._counts[after] += 1
        self._states[number] = after

    def _take_best(self, change: Change) -> None:
        best = self._state.best()
        if best is None or best.own_score is None or best.own_score == self._best:
            return
        self._best, self._is_due = best.own_score, True
        # Two within a second have steps of their own, as one step holds one value.
        self._second = max(self._second + 1, int(self._hours() * HOUR_MS / 1000))
        change.points.append((self._second, change.ts_ms, {f"{BY_SECONDS}/{self._objective}": self._best}))

    def _take_end(self, change: Change) -> None:
        self._ends, self._is_due = self._ends + 1, True
        values: dict[str, float] = {"device_hours": self._hours()}
        if self._best is not None:
            values[f"best/{self._objective}"] = self._best
        for state, count in self._counts.items():
            if self._told.get(state) != count:
                values[f"trials/{state}"] = self._told[state] = count
        change.points.append((self._ends, change.ts_ms, values))

    def _hours(self) -> float:
        return self._state.spend.used_hours()

    def _rank(self, trial: Trial) -> None:
        """Keeps the best trials by the score that each has now."""
        score, before = trial.own_score, self._leaders.get(trial.number)
        if score is None or score == before:
            return
        if before is not None and score > before:
            # It may make room for any other.
            scores = ((one.own_score, one.number) for one in self._state.trials.values() if one.own_score is not None)
            self._leaders = {number: score for score, number in heapq.nsmallest(LEADERS, scores)}
            return
        self._leaders[trial.number] = score
        if len(self._leaders) > LEADERS:
            del self._leaders[max(self._leaders, key=lambda number: (self._leaders[number], number))]

    def _description(self) -> str:
        sweep = self._state.sweep
        assert sweep is not None, "nothing was taken yet"
        counts = ", ".join(f"{count} {state}" for state, count in self._counts.items() if count)
        ranked = sorted((score, number) for number, score in self._leaders.items())
        leaders = [trial for _, number in ranked if not (trial := self._state.trials[number]).broken]
        head = f"{len(self._state.trials)} of {sweep.trials} trials: {counts or 'none yet'}"
        if leaders:
            head += f". Best: trial {leaders[0].number}, {self._objective} {leaders[0].own_score:.2f}"
        parts = [*map(visible, self._state.notes), head, *([_table(leaders, self._objective)] if leaders else [])]
        return "\n\n".join([*parts, f"Trial 0 is the recipe {sweep.recipe}; {self._state.spend.split()}"])


def searched_of(sweep: SweepRow) -> Mapping[str, str]:
    """Returns the domain of each searched knob, by dotted path, as text: 'log [0.0001, 0.003]'. {} for a space that
    cannot be read, and for a confirmation, which searches none."""
    if sweep.recipe == CONFIRMED:
        return {}
    try:
        space = parse_space(parse_yaml(sweep.space, sweep.name), sweep.name)
    except ConfigError:
        return {}
    recipe, when = sweep.recipe, space.conditions(sweep.recipe)
    found = {path: domain for path, domain in space.domains(recipe).items() if path not in sweep.pinned}
    return {path: entry_text(entry_of(domain), when.get(path)) for path, domain in found.items()}


def _table(trials: list[Trial], objective: str) -> str:
    """Formats trials as a Markdown table, one column per searched knob, named as in the leaderboard."""
    paths = list(dict.fromkeys(path for trial in trials for path in trial.point))
    header: list[object] = ["trial", "state", objective, "epochs", *(path.split(".", 1)[-1] for path in paths)]
    rows: list[list[object]] = [
        [trial.number, trial.state, f"{trial.own_score:.2f}", trial.last_epoch]
        + [_shown(trial.point.get(path)) for path in paths]
        for trial in trials
    ]
    lines: list[list[object]] = [header, ["---"] * len(header), *rows]
    return "\n".join(map(_line, lines))


def _line(cells: list[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return "" if value is None else visible(spelled(value))
