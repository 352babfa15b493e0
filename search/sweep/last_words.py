"""Final output of a sweep: its leaderboard, its best trial, and the command that continues it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

from spaces.cli import FAILED, INTERRUPTED, OK
from spaces.console import terminal_width
from spaces.loading import named

from ..decisions.budget import limit_text
from ..record.confirmed import candidates_of, recommended
from ..record.durations import duration_text
from ..record.journal import Journal
from ..record.plan import CONFIRMED
from ..record.records import BUDGETS, TIME_BUDGET
from ..record.spending.split import amount_text
from ..record.trial import Trial
from ..record.watcher import SILENT, Watcher
from ..results.front import front_trials
from ..results.leaderboard import leaderboard_text
from .place import Place, tell_all, tell_note


class End(NamedTuple):
    """End of a sweep. `reason`: why it ended; `error`: traceback, or ''; `fault`: what the machine refused, or ''."""

    reason: str
    error: str = ""
    fault: str = ""


def tell_result(journal: Journal, place: Place, thrown: int) -> None:
    """Prints the leaderboard of a sweep, its best trial and the command that exports it. `thrown`: number of rejected
    draws."""
    sweep, objective = journal.sweep, journal.sweep.objective
    if sweep.recipe == CONFIRMED:
        confirmation_text = named("search.results.confirm:confirmation_text")  # with torch
        print(f"{confirmation_text(journal)}\n{journal.state.spend.split()}")
    else:
        print(leaderboard_text(journal, partial(place.line, "show"), terminal_width()))
    if thrown:
        print(f"{thrown} draws broke a law or repeated a trial and were drawn again")
    best = journal.best(objective)
    if best is not None:
        exported = _exported(journal, best)
        score = f"best: trial {exported.number}, {objective} {exported.score(objective):.2f}"
        words = () if exported is best else ("--trial", exported.number)
        if len(sweep.objectives) > 1:
            score += f"; on the front are {len(front_trials(journal))} trials, and --trial N exports any of them"
        print(f"{score}; {place.line('export', *words, '--out', free_file(sweep.name))}")
    elif sweep.limits and any(trial.own_score is not None for trial in journal.trials.values()):
        print(f"no trial keeps the limits: {', '.join(limit.text for limit in sweep.limits)}")
    sys.stdout.flush()


def conclude(journal: Journal, place: Place, end: End, unsent: Sequence[str] = (), watcher: Watcher = SILENT) -> int:
    """Prints the lines behind the result of a sweep; returns the exit code. `unsent`: lines about what MLflow has not
    taken; `watcher`: prints what went wrong. The code is 1 after an error or fault, if the recipe failed or nothing
    finished, 130 after an interrupt."""
    reason = end.reason
    tell_all(unsent)
    if end.error:
        watcher.failed(end.error)
        return FAILED
    if end.fault:
        tell_note(place, "resume")
        watcher.failed(f"the sweep stopped: {end.fault}")
        watcher.failed(f"no trial is lost; once that is mended, go on with: {place.line('resume')}")
        return FAILED
    if reason == "interrupted":
        return interrupted(place)
    if reason in BUDGETS:
        tell_note(place, "resume")
        print(_over(journal, reason, place))
        return OK if journal.best(journal.sweep.objective) is not None else FAILED
    return _verdict(journal, place, watcher)


def _over(journal: Journal, reason: str, place: Place) -> str:
    """Says which budget is exhausted, and the command that gives the sweep as much again."""
    spend = journal.state.spend
    if reason == TIME_BUDGET:
        limit = duration_text(spend.time_budget_s or 0)
        again = place.line("resume", "--time-budget", limit)
        return f"the time budget of {limit} is over; to go on for as long again: {again}"
    used = amount_text(spend.used_hours(under_limit=True))
    again = place.line("resume", "--gpu-hours", f"{spend.gpu_hours:g}")
    return f"{used} {spend.unit}-hours of {limit_text(spend)} are spent; to go on for as many again: {again}"


def _exported(journal: Journal, best: Trial) -> Trial:
    """Returns the trial to export: the best one, of a confirmation the best seed of the recommended config."""
    if journal.sweep.recipe != CONFIRMED:
        return best
    objective = journal.sweep.objective
    chosen = recommended(candidates_of(journal.sweep, journal.trials), objective)
    scored = () if chosen is None else [trial for trial in chosen.trials if trial.score(objective) is not None]
    return min(scored, key=lambda trial: float(trial.score(objective) or 0.0), default=best)


def _verdict(journal: Journal, place: Place, watcher: Watcher) -> int:
    """Returns the exit code of a sweep that ran to its end; says what went wrong in it if its recipe failed or no trial
    finished."""
    trials = journal.trials.values()
    failed = [trial.number for trial in trials if trial.state == "failed"]
    if not any(trial.state == "finished" for trial in trials):
        states = ", ".join(f"{count} {state}" for state, count in Counter(trial.state for trial in trials).items())
        watcher.failed(f"no trial finished ({states}); why: {place.line('show', '--trial', 0)}")
    elif 0 in failed:
        watcher.failed(f"trial 0, {journal.sweep.recipe}, failed; why: {place.line('show', '--trial', 0)}")
    else:
        return OK
    return FAILED


def interrupted(place: Place) -> int:
    """Prints the command that continues the sweep; returns the exit code of an interrupt, 130."""
    tell_note(place, "resume")
    print(f"interrupted; go on with: {place.line('resume')}")
    return INTERRUPTED


def free_file(name: str) -> str:
    """Returns a file name for the exported config that does not exist in the working directory, so that the printed
    command is not refused. `name`: the sweep's."""
    names = chain(["best.yaml", f"{name}.yaml"], (f"{name}-{number}.yaml" for number in count(2)))
    return next(file for file in names if not Path(file).exists())
