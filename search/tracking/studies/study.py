"""A sweep's records as operations on a study in a journal storage of Optuna's."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.study import StudyDirection
from optuna.trial import TrialState

from ...record.plan import plan_of
from ...record.records import AttemptRow, CloseRow, EndRow, EpochRow, Row, SweepRow, TrialRow
from ...record.state import SweepState
from .terms import Times, shown_state, shown_trial

METRIC_NAMES = "study:metric_names"  # the attribute in which optuna 5.0 keeps the names of a study's values
Log = dict[str, Any]


class Kept(BaseJournalBackend):
    """Backend of Optuna's journal storage that keeps what is appended in memory until somebody takes it."""

    def __init__(self) -> None:
        self._first = 0  # number of the first log that is kept
        self._logs: list[Log] = []

    def read_logs(self, log_number_from: int) -> Iterable[Log]:
        """Returns the logs from a number on."""
        return self._logs[log_number_from - self._first :]

    def append_logs(self, logs: list[Log]) -> None:
        """Appends logs."""
        self._logs += logs

    def take(self) -> list[Log]:
        """Returns the logs and keeps them no longer."""
        taken, self._logs = self._logs, []
        self._first += len(taken)
        return taken


class Study:
    """Study of one sweep. `take` each record once, in order; `begin` makes trials of all that was taken until then, and
    `logs` returns what Optuna's storage file lacks since it was last called.

    ConfigError if the sweep's plan cannot be read. What `take` raises after `begin` means that the storage cannot
    express a change, as of a trial that goes on after its end: a study that begins after that change can."""

    def __init__(self, sweep: SweepRow) -> None:
        self._domains = plan_of(sweep, sweep.name).domains if sweep.space else {}
        self._objectives = sweep.objectives
        self._state = SweepState()
        self._times: dict[int, Times] = {}
        self._kept = Kept()
        self._storage: JournalStorage | None = None
        self._study_id = 0
        self._ids: dict[int, int] = {}

    def take(self, row: Row) -> None:
        """Applies the next record."""
        self._state.apply(row)
        match row:
            case AttemptRow(trial=number):
                self._times[number] = (self._times.get(number, (row.ts_ms, None))[0], None)
            case EndRow(trial=number):
                self._times[number] = (self._times.get(number, (row.ts_ms, None))[0], row.ts_ms)
        if self._storage is not None:
            self._tell(self._storage, row)

    def begin(self) -> None:
        """Creates the study with all trials so far."""
        sweep = self._state.sweep
        assert sweep is not None, "nothing was taken yet"
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # or it announces the study
        self._storage = storage = JournalStorage(self._kept)
        directions = [StudyDirection.MINIMIZE] * len(self._objectives)
        self._study_id = storage.create_new_study(directions, sweep.name)
        storage.set_study_system_attr(self._study_id, METRIC_NAMES, list(self._objectives))
        for name, value in (("sweep_id", sweep.id), ("model", sweep.model), ("recipe", sweep.recipe)):
            storage.set_study_user_attr(self._study_id, name, value)
        for number in self._state.trials:
            self._create(storage, number)

    def logs(self) -> list[Log]:
        """Returns the logs since the last call."""
        return self._kept.take()

    def _create(self, storage: JournalStorage, number: int) -> None:
        trial, times = self._state.trials[number], self._times.get(number, (None, None))
        made = shown_trial(trial, self._domains, self._objectives, times, self._state.is_closed)
        self._ids[number] = storage.create_new_trial(self._study_id, made)

    def _tell(self, storage: JournalStorage, row: Row) -> None:
        match row:
            case TrialRow(trial=number):
                self._create(storage, number)
            case AttemptRow(trial=number):
                storage.set_trial_state_values(self._ids[number], TrialState.RUNNING)
            case EpochRow(trial=number):
                value = row.metrics.get(self._objectives[0], math.nan)
                if len(self._objectives) == 1 and math.isfinite(value):
                    storage.set_trial_intermediate_value(self._ids[number], row.epoch, value)
            case EndRow(trial=number):
                self._end(storage, number)
            case CloseRow():
                for number, trial in self._state.trials.items():
                    if trial.state in ("running", "paused"):
                        self._end(storage, number)

    def _end(self, storage: JournalStorage, number: int) -> None:
        """Sets the state that a trial has now."""
        trial, times = self._state.trials[number], self._times.get(number, (None, None))
        made = shown_trial(trial, self._domains, self._objectives, times, self._state.is_closed)
        for name, value in made.user_attrs.items():
            storage.set_trial_user_attr(self._ids[number], name, value)
        for name, value in made.system_attrs.items():
            storage.set_trial_system_attr(self._ids[number], name, value)
        state, values = shown_state(trial, self._objectives, self._state.is_closed)
        storage.set_trial_state_values(self._ids[number], state, values)
