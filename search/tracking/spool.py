"""Sends a sweep's journal to the tracker in the background. While the tracker is unreachable the records wait in the
journal, so the sweep never waits and loses none; a record sent twice is stored once."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from spaces.errors import ConfigError, InputError
from spaces.files import write_text

from ..environment.store import redacted
from ..record.lines import read_rows
from ..record.records import Row, trial_of
from .change import Change
from .sweep_runs import SweepRuns
from .tracker import DeletedExperiment, Tracker

OFFSETS = "mlflow.offset"  # JSON: hash of the redacted tracking URI -> bytes of the journal that this store has
LOCK = "mlflow.lock"  # two processes that look for a run at once would both make it
POLL_S = 0.5
READ_BYTES = 1 << 20
TRIES = 5  # of one record, before it is given up
TROUBLE_CHARACTERS = 500  # servers answer with whole pages
MOST_READ = 2000  # records held in memory
# Records sent together: some fifty trials from birth to end, each in one call, which costs as much as one for every
# record. A database takes no other writer meanwhile, for about a second.
MOST_SENT = 400


class Unsent(NamedTuple):
    """Record that is not sent yet, with its length in bytes and its changes."""

    row: Row
    size: int
    changes: list[Change]


class Backlog:
    """Counts the journal's lines after a byte offset; thread-safe. Each line is read at most once, and those sent
    before they were counted are never read."""

    def __init__(self, journal: Path, offset: int) -> None:
        self._journal = journal
        self._counted = offset  # bytes, up to where
        self._lines = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock, open(self._journal, "rb") as file:
            end = file.seek(self._counted)
            while part := file.read(READ_BYTES):
                self._lines += part.count(b"\n")
                # What is torn off now is counted when it is whole.
                self._counted = end + whole if (whole := part.rfind(b"\n") + 1) else self._counted
                end += len(part)
            return self._lines

    def advance(self, offset: int, lines: int) -> None:
        """Moves on to a later byte offset. `lines`: number of lines in between, which no longer count."""
        with self._lock:
            self._lines = max(0, self._lines - lines)
            self._counted = max(self._counted, offset)


class Spool:
    """Follows a journal and sends its records to the tracker: in a background thread between `start` and `stop`, or in
    the calling thread with `send_all`.

    `sent`: number of records accepted. `problems`: records and files that will never be sent, and why. `trouble`: last
    error of the tracker, '' once a send succeeds; `is_deleted`: it was a DeletedExperiment. `objective`: the metric to
    minimise. `uri`: resolved tracking URI; progress is saved per URI beside the journal. `pause_s`: first and longest
    wait after an error, in seconds, doubled in between."""

    def __init__(
        self,
        journal_path: Path,
        tracker_factory: Callable[[], Tracker],
        objective: str,
        uri: str,
        pause_s: tuple[float, float] = (1.0, 30.0),
    ) -> None:
        self.sent = 0
        self.problems: list[str] = []
        self.trouble = ""
        self.is_deleted = False
        self._journal = journal_path
        self._tracker_factory = tracker_factory
        self._objective = objective
        self._store = hashlib.sha256(redacted(uri).encode()).hexdigest()[:12]
        self._pause_s = pause_s
        self._go_to(self._saved_offsets().get(self._store, 0))
        self._lock: int | None = None
        self._runs: SweepRuns | None = None
        self._unsent: deque[Unsent] = deque()
        self._errors = 0  # in a row
        self._refusals = 0  # those of them by a tracker that answers
        self._most = MOST_SENT
        self._deadline: float | None = None  # monotonic; set by `stop`
        self._rests_s = 0.0
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="spool", daemon=True)

    def start(self, rests_s: float = 0.0) -> None:
        """Starts the background thread, which sends nothing in the first `rests_s` seconds, unless it is to end."""
        self._rests_s = rests_s
        self._thread.start()

    def pending(self) -> int:
        """Counts the records on disk that the tracker has not accepted."""
        return len(self._backlog)

    def drain(self, timeout_s: float) -> bool:
        """Waits until all records are sent; returns False after `timeout_s` seconds or if the thread is not running."""
        deadline = time.monotonic() + timeout_s
        self._wake.set()
        while self.pending():
            if time.monotonic() >= deadline or not self._thread.is_alive():
                return False
            time.sleep(0.02)
        return True

    def finish(self, timeout_s: float) -> None:
        """Has the thread end once all records are sent, at the tracker's next error, or after `timeout_s` seconds;
        returns at once."""
        self._deadline = time.monotonic() + timeout_s
        self._wake.set()

    def stop(self, timeout_s: float) -> None:
        """Does as `finish` and waits for the end of the thread, but no longer than that."""
        self.finish(timeout_s)
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def send_all(self) -> bool:
        """Sends all records in the calling thread, with waits after errors; returns False after TRIES errors of an
        unreachable tracker."""
        try:
            while self._advance() or self._errors:
                if self._errors - self._refusals >= TRIES:
                    return False
                if self._errors:
                    time.sleep(self._pause())
            return True
        finally:
            self._release()

    def _follow(self) -> None:
        try:
            self._wake.wait(self._rests_s)
            while True:
                deadline = self._deadline
                if self._advance() and (deadline is None or time.monotonic() < deadline):
                    continue
                if deadline is not None:
                    return
                self._wake.wait(self._pause())
                self._wake.clear()
        finally:
            self._release()

    def _pause(self) -> float:
        first, longest = self._pause_s
        return min(longest, first * 2 ** min(self._errors - 1, 30)) if self._errors else POLL_S

    def _advance(self) -> bool:
        """Sends the next batch of records; returns False if there is none or it failed."""
        is_answering = False
        try:
            runs = self._connected()
            self._read(runs)
            if not self._unsent:
                self._forgive()
                return False
            # Few after an error, to find the one that is at fault.
            batch = list(islice(self._unsent, self._most))
            if self._errors:
                runs.touch(batch[0].row)
                is_answering = True
            runs.send([change for unsent in batch for change in unsent.changes])
            self._pass(len(batch))
            self.sent += len(batch)
        except Exception as error:
            # Whatever it is, it must not end the thread: it is shown as `trouble`, and tried again.
            return self._failed(error, is_answering)
        self._most = min(MOST_SENT, 2 * self._most)
        return True

    def _forgive(self) -> None:
        self._errors, self._refusals, self.trouble, self.is_deleted = 0, 0, "", False

    def _read(self, runs: SweepRuns) -> None:
        if not self._unsent:
            rows = islice(read_rows(self._journal, self._offset), MOST_READ)
            self._unsent.extend(Unsent(row, size, runs.take(row)) for row, size in rows)

    def _go_to(self, offset: int) -> None:
        self._offset = offset
        self._backlog = Backlog(self._journal, offset)

    def _pass(self, count: int) -> None:
        self._offset += sum(self._unsent.popleft().size for _ in range(count))
        self._backlog.advance(self._offset, count)
        self._forgive()
        offsets = self._saved_offsets() | {self._store: self._offset}
        write_text(self._journal.with_name(OFFSETS), json.dumps(offsets))

    def _failed(self, error: Exception, is_answering: bool) -> bool:
        """Handles a failed batch: the next one has one record. Returns whether that record was skipped, which happens
        once the tracker, though reachable, has refused it TRIES times."""
        self._errors += 1
        self._refusals += is_answering
        self.is_deleted = isinstance(error, DeletedExperiment)
        told = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        self.trouble = " ".join(redacted(told).split())[:TROUBLE_CHARACTERS]
        if self._runs is not None:
            self._runs.doubt(change for unsent in islice(self._unsent, self._most) for change in unsent.changes)
        self._most = 1
        if self._runs is None or self._refusals < TRIES:
            return False
        row = self._unsent[0].row
        number = trial_of(row)
        whose = f"kind '{row.kind}' (trial {'-' if number is None else number})"
        lost = f"a record of {whose} was refused: {self.trouble}"
        try:
            self._runs.mark_skipped(row, lost)
            self._complain(lost)
            self._pass(1)
        except Exception:
            # It cannot even be told what it lacks, as when its disk is full: the record waits, `trouble` says why.
            return False
        return True

    def _complain(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def _connected(self) -> SweepRuns:
        """Returns the tracker's runs with all records up to the saved offset applied. Takes the lock file; starts from
        offset 0 if the store or the journal does not match the offset. ConfigError if another process holds the
        lock."""
        if self._runs is not None:
            return self._runs
        self._acquire()
        offset, past = self._saved_offsets().get(self._store, 0), 0
        tracker = self._tracker_factory()
        runs = self._new_runs(tracker)
        for row, size in read_rows(self._journal):
            if past >= offset:
                break
            runs.take(row)
            past += size
        # A journal put back from a backup, or a store that was emptied: from the start; what is there stays there once.
        if past != offset or (past and not runs.is_known()):
            offset, runs = 0, self._new_runs(tracker)
        self._go_to(offset)
        self._runs = runs
        return runs

    def _new_runs(self, tracker: Tracker) -> SweepRuns:
        return SweepRuns(self._journal.parent, tracker, self._objective, self._complain)

    def _acquire(self) -> None:
        if self._lock is None:
            lock = os.open(self._journal.with_name(LOCK), os.O_CREAT | os.O_RDWR, 0o644)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                raise ConfigError(str(self._journal.parent), ["another process is sending this sweep"]) from None
            self._lock = lock

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = self._runs = None
            self._unsent.clear()

    def _saved_offsets(self) -> dict[str, int]:
        try:
            return dict(json.loads(self._journal.with_name(OFFSETS).read_text()))
        except (FileNotFoundError, ValueError):
            return {}


def sync(
    journal_path: Path,
    tracker_factory: Callable[[], Tracker],
    objective: str,
    uri: str,
    pause_s: tuple[float, float] = (1.0, 2.0),
) -> Spool:
    """Sends all unsent records in the calling thread and returns the spool, whose `sent`, `pending`, `problems` and
    `trouble` tell the result. Arguments as of Spool."""
    spool = Spool(journal_path, tracker_factory, objective, uri, pause_s)
    spool.send_all()
    return spool
