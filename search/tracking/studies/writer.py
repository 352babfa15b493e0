"""Writes the study of a sweep to a storage file of Optuna's beside its journal."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from optuna.storages.journal import JournalFileBackend

from spaces.files import write_text

from ...cli.results.ui import STUDY
from ...record.lines import read_rows
from ...record.records import SweepRow
from .study import Study

LOCK = "optuna.lock"  # who holds it writes the study
POLL_S = 2.0
LONGEST_S = 60.0  # between two tries
MOST_READ = 5000  # records written together
END_S = 5.0  # that the end of a sweep waits for its study


class Follower:
    """Keeps the study file of a sweep up to date with the journal at `journal`: begins a new file, then appends.
    Whoever makes one holds the lock (`study_lock`)."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._file = journal.with_name(STUDY)
        self._offset = 0
        self._study: Study | None = None

    def advance(self) -> bool:
        """Writes what the journal has more than at the last call; returns whether there was anything."""
        if self._study is None:
            self._begin()
            return True
        rows = list(islice(read_rows(self._journal, self._offset), MOST_READ))
        for row, _ in rows:
            self._study.take(row)
        if logs := self._study.logs():
            JournalFileBackend(str(self._file)).append_logs(logs)
        self._offset += sum(size for _, size in rows)
        return bool(rows)

    def _begin(self) -> None:
        study, offset = None, 0
        for row, size in read_rows(self._journal):
            if study is None and isinstance(row, SweepRow):
                study = Study(row)
            assert study is not None, "the journal has begun with a sweep since it was opened"
            study.take(row)
            offset += size
        if study is not None:
            study.begin()
            # One who reads the old file meanwhile has all of it, and the new one at the next look.
            write_text(self._file, "".join(json.dumps(log) + "\n" for log in study.logs()))
            self._study, self._offset = study, offset


class StudyWriter:
    """Thread of the process that runs a sweep, which writes its study: between `start` and `stop`, in the background.
    Nothing waits for it, and what goes wrong has it begin the file anew, later and later."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="study", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self, timeout_s: float = END_S) -> None:
        """Stops the thread once the whole journal is written, or after `timeout_s` seconds."""
        self._is_over.set()
        self._thread.join(timeout_s)

    def _follow(self) -> None:
        pause, is_last = POLL_S, False
        while not is_last:
            is_last = self._is_over.is_set()
            # Whatever it is (a full disk, another who writes, a library), it is of no concern to the sweep.
            with contextlib.suppress(Exception), study_lock(self._journal) as is_ours:
                follower = Follower(self._journal) if is_ours else None
                while follower is not None:
                    is_last = self._is_over.is_set()
                    if not follower.advance():
                        if is_last:
                            return
                        pause = POLL_S
                        self._is_over.wait(pause)
            pause = min(2 * pause, LONGEST_S)
            self._is_over.wait(0 if is_last else pause)


@contextlib.contextmanager
def study_lock(journal: Path) -> Iterator[bool]:
    """Takes the lock of a sweep's study for the block; yields False if another process has it."""
    lock = os.open(journal.with_name(LOCK), os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        yield False
        return
    try:
        yield True
    finally:
        os.close(lock)


def refresh(journal: Path) -> Path:
    """Writes the study of a sweep anew, unless a process that runs it keeps it; returns the file. Raises OSError if it
    cannot be written, ConfigError or DataError if the journal cannot be read."""
    with study_lock(journal) as is_ours:
        if is_ours:
            Follower(journal).advance()
    return journal.with_name(STUDY)
