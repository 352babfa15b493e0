"""Requests of users to a sweep, `stop --trial` and `note`: to one that runs, through its driver, else straight to its
journal. Imports no Ray."""

from __future__ import annotations

import time
from pathlib import Path

from spaces.cli import OK
from spaces.errors import ConfigError

from ..cli.runs.stop import StopRequest
from ..cli.upkeep.note import NoteRequest
from ..decisions.conductor import BY_USER, Conductor
from ..record.journal import FILE, Journal, is_held
from ..record.records import STOPPED, USER, EndRow, NoteRow, Row
from ..record.requests import drop, put, waiting
from .place import Place, place_of, settle, spool_of, tell_all

LOOK_S = 1.0  # between two looks of a driver
WAIT_S = 15.0  # for an answer
POLL_S = 0.1


class Desk:
    """Answers the requests to the sweep that this process runs: `look` as often as you like, `answer` for all that wait
    now."""

    def __init__(self, journal: Journal, conductor: Conductor) -> None:
        self._journal = journal
        self._conductor = conductor
        self._next = 0.0
        self._answered: set[Path] = set()  # files that cannot be removed must not be answered again

    def look(self) -> None:
        """Answers what waits, at most once every LOOK_S seconds."""
        if (now := time.monotonic()) >= self._next:
            self._next = now + LOOK_S
            self.answer()

    def answer(self) -> None:
        """Records the remarks that wait, and has the conductor end the trials that are to stop. A request stays until
        it is on record."""
        for path, row in waiting(self._journal.path.parent):
            if path in self._answered:
                continue
            if isinstance(row, NoteRow):
                self._journal.append(row)
            elif isinstance(row, EndRow):
                self._conductor.dismiss(row.trial)
                trial = self._journal.trials.get(row.trial)
                if trial is not None and not trial.has_ended:
                    continue
            self._answered.add(path)
            drop(path)


def stop(request: StopRequest) -> int:
    """Ends a trial for good, a running one after its present epoch; returns the exit code."""
    place = place_of(request.folder, request.where)
    row = EndRow(trial=request.trial, state=STOPPED, epoch=0, reason=BY_USER, cause=USER)
    if not _deliver(row, place):
        show = place.line("show", "--trial", request.trial)
        print(f"trial {request.trial} ends with its present epoch, and is not taken up again; see: {show}")
        return OK
    trial = Journal(place.folder / FILE).trials[request.trial]
    print(f"trial {trial.number} of {place.folder.name}: {trial.state} {trial.reason} after epoch {trial.last_epoch}")
    return OK


def note(request: NoteRequest) -> int:
    """Puts a remark on the record of a sweep; returns the exit code."""
    place = place_of(request.folder, request.where)
    is_there = _deliver(NoteRow(text=request.text), place)
    print(f"sweep {place.folder.name}: the remark {'is on record' if is_there else 'waits for the sweep to take it'}")
    return OK


def _deliver(row: Row, place: Place) -> bool:
    """Puts a request before a sweep, or on its record if nobody runs it; returns whether it is on record within WAIT_S
    seconds."""
    path, deadline = put(place.folder, row), time.monotonic() + WAIT_S
    while path.exists() and time.monotonic() < deadline:
        if not is_held(place.folder / FILE) and _recorded(place):
            return True
        time.sleep(POLL_S)
    return not path.exists()


def _recorded(place: Place) -> bool:
    """Records all requests to a sweep that nobody runs, and sends them to MLflow; returns False if somebody has begun
    to run it."""
    journal = Journal(place.folder / FILE)
    try:
        journal.lock()
    except ConfigError:
        return False
    try:
        for path, row in waiting(place.folder):
            if isinstance(row, NoteRow):
                journal.append(row)
            elif isinstance(row, EndRow) and (trial := journal.trials.get(row.trial)) and not trial.has_ended:
                end = EndRow(trial=row.trial, state=STOPPED, epoch=trial.last_epoch, reason=BY_USER, cause=USER)
                journal.append(end)
            drop(path)
    finally:
        journal.unlock()
    spool = spool_of(journal.path, journal.sweep.objective, place)
    spool.start()
    tell_all(settle(spool, place))
    return True
