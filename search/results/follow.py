"""`show --follow`: prints the events of a sweep as its journal takes them, while another process runs it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data.errors import DataError
from spaces.cli import OK
from spaces.console import visible

from ..decisions.progress import choice_text, end_text, epoch_line, start_text
from ..record.journal import replay
from ..record.lines import read_rows
from ..record.plan import CONFIRMED
from ..record.records import (
    AttemptRow,
    CloseRow,
    CostRow,
    EndRow,
    EpochRow,
    ExtendRow,
    MisfitError,
    NoteRow,
    OpenRow,
    Row,
    ScoreRow,
    SessionRow,
)
from ..record.state import SweepState
from ..record.trial import Trial
from .front import value_text

POLL_S = 0.5  # between two looks at the journal


def follow(path: Path, line: str) -> int:
    """Prints the state of a sweep, then a line for each event from now on, until the sweep has closed; returns the exit
    code. Reads the journal at `path` without its lock, each record once. `line`: the command that shows the sweep.
    DataError if the journal is damaged, or is removed meanwhile."""
    state = SweepState()
    offset = replay(path, state)
    print(state_text(state), flush=True)
    while not state.is_closed:
        time.sleep(POLL_S)
        if not path.exists():
            raise DataError(str(path), ["is not there any more: somebody has deleted the sweep"])
        for row, size in read_rows(path, offset):
            try:
                state.apply(row)
            except MisfitError as error:
                raise DataError(str(path), [f"is damaged: {error}"]) from None
            offset += size
            if text := event_text(state, row):
                print(f"{time.strftime('%H:%M:%S', time.localtime(row.ts_ms / 1000))}  {visible(text)}", flush=True)
    print(f"its leaderboard: {line}")
    return OK


def state_text(state: SweepState) -> str:
    """Formats where a sweep is, one line: its state, how many trials have ended, what runs, the best one."""
    sweep, best = state.sweep, state.best()
    assert sweep is not None, "a sweep that is shown has begun"
    running = [str(trial.number) for trial in state.trials.values() if trial.state == "running"]
    parts = [
        f"sweep {sweep.name}: {state.close_reason if state.is_closed else 'open'}",
        f"{state.ended} of {sweep.trials} trials have ended",
        *([f"running: {', '.join(running)}"] if running and not state.is_closed else []),
        *([] if best is None else [f"best: trial {best.number}, {sweep.objective} {best.own_score:.2f}"]),
    ]
    return visible("; ".join(parts))


def event_text(state: SweepState, row: Row) -> str:
    """Formats a record, which `state` has taken just now, as the driver of the sweep prints the event; '' for one that
    is no event of its own."""
    text: Callable[[SweepState, Any], str] | None = _TEXTS.get(type(row))
    return "" if text is None else text(state, row)


def _start(state: SweepState, row: AttemptRow) -> str:
    trial = state.trials[row.trial]
    return start_text(trial, choice_of(state, trial))


def choice_of(state: SweepState, trial: Trial) -> str:
    """Formats what a trial that starts trains next, as its line says it: where it differs from the best one so far."""
    assert state.sweep is not None, "a trial without a sweep"
    is_drawn = state.sweep.single or state.sweep.recipe == CONFIRMED
    rival = state.best() or (state.trials[0] if trial.number else None)
    return choice_text(trial, "" if is_drawn else state.sweep.recipe, rival)


def _epoch(state: SweepState, row: EpochRow) -> str:
    assert state.sweep is not None, "an epoch without a sweep"
    return epoch_line(state.trials[row.trial], row, state.sweep.objective, state.best())


def _end(state: SweepState, row: EndRow) -> str:
    assert state.sweep is not None, "an end without a sweep"
    return end_text(state.trials[row.trial], state.sweep.objective, state.best())


def _costs(state: SweepState, row: CostRow) -> str:
    return f"trial {row.trial}: {', '.join(f'{name} {value_text(value)}' for name, value in row.costs.items())}"


def _tested(state: SweepState, row: ScoreRow) -> str:
    scores = (f"{name} {value:.2f} ({mean})" for mean, found in row.metrics.items() for name, value in found.items())
    return f"trial {row.trial} on the test subjects: {', '.join(scores)}"


def _extended(state: SweepState, row: ExtendRow) -> str:
    sizes = ((row.trials, "trials"), (row.epochs, "epochs"))
    return f"the sweep is enlarged to {', '.join(f'{size} {what}' for size, what in sizes if size is not None)}"


def _session(state: SweepState, row: SessionRow) -> str:
    devices = f", {row.gpus:g} GPUs each" if row.gpus else ""
    return f"the sweep runs, {row.places} trials at a time{devices}"


def _closed(state: SweepState, row: CloseRow) -> str:
    return f"closed: {state_text(state)}"


_TEXTS: dict[type[Row], Callable[[SweepState, Any], str]] = {
    AttemptRow: _start,
    EpochRow: _epoch,
    EndRow: _end,
    CostRow: _costs,
    ScoreRow: _tested,
    ExtendRow: _extended,
    SessionRow: _session,
    OpenRow: lambda state, row: "the sweep goes on",
    NoteRow: lambda state, row: f"note: {row.text}",
    CloseRow: _closed,
}
