"""The append-only record of a sweep, its only truth, on disk before anyone acts on it.

`records` says what there is in it, `lines` how it is written, `state` what it adds up to.
"""

from __future__ import annotations

import dataclasses
import fcntl
import os
import time
from pathlib import Path

from data.errors import DataError
from spaces.errors import ConfigError

from .lines import chain_at, damaged, read_rows
from .records import CloseRow, MisfitError, Row, SweepRow, from_text
from .state import SweepState
from .trial import Trial

FILE = "journal.jsonl"


class Journal:
    """A sweep's records and the trials that they make. Reading needs no lock; writing takes it for good."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None
        self._replay()

    def _replay(self) -> None:
        """Takes in all that is on disk, but for a torn last line."""
        self.state = SweepState()
        self._length = replay(self.path, self.state)

    @property
    def sweep(self) -> SweepRow:
        """The sweep's first record."""
        if self.state.sweep is None:
            raise DataError(str(self.path), ["has no record yet: nothing was begun here"])
        return self.state.sweep

    @property
    def trials(self) -> dict[int, Trial]:
        """Its trials by number."""
        return self.state.trials

    @property
    def is_closed(self) -> bool:
        """Whether it ended and nobody goes on with it."""
        return self.state.is_closed

    @property
    def close_reason(self) -> str:
        """Why it ended last: 'done', 'time budget', 'interrupted' or 'error'; '' before."""
        return self.state.close_reason

    def lock(self) -> None:
        """Opens the journal for writing; ConfigError when another process has it. A torn last line is cut off."""
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            raise ConfigError(
                str(self.path.parent), ["is being run by another process; wait for it or stop it"]
            ) from None
        try:
            # Read again: its last writer may have gone on after this journal was first read.
            self._replay()
            self._begin_line(file)
        except BaseException:
            os.close(file)
            raise
        self._file = file

    def _begin_line(self, file: int) -> None:
        """Cuts a torn last line off, ends a whole one that lacks its end, and goes on from the checksum there."""
        os.ftruncate(file, self._length)
        if self._length and os.pread(file, 1, self._length - 1) != b"\n":
            os.write(file, b"\n")
            self._length += 1
        self._chain = chain_at(self.path, self._length)

    def unlock(self) -> None:
        """Lets others write."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def append(self, row: Row) -> Row:
        """Writes one record through to the disk with the time of now, then takes it into account, as a replay would
        read it. When the disk does not take it, it is not there."""
        assert self._file is not None, "the journal is not locked for writing"
        line = self._chain.line_of(dataclasses.replace(row, ts_ms=time.time_ns() // 1_000_000))
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fsync(self._file)
            read = from_text(line)
            self.state.apply(read)
        except (OSError, MisfitError):
            # Half a line, or one that does not fit, would damage the journal.
            os.ftruncate(self._file, self._length)
            raise
        self._chain.take(line)
        self._length += len(line)
        return read

    def close(self, reason: str, *, has_pictures: bool = False) -> None:
        """Books that the sweep ends: 'done', 'time budget', 'interrupted' or 'error'. has_pictures: beside the weights
        of its best trial."""
        best = self.state.best()
        self.append(
            CloseRow(
                reason=reason,
                best=None if best is None else best.number,
                pictures=has_pictures,
                ended=self.state.ended,
                score=None if best is None else best.own_score,
                at=self._length,
            )
        )

    def leaderboard(self, objective: str) -> list[Trial]:
        """Trials from best to worst; those without a score last, by number."""

        def rank(trial: Trial) -> tuple[float, int]:
            score = trial.score(objective)
            return (float("inf") if score is None else score, trial.number)

        return sorted(self.trials.values(), key=rank)

    def best(self, objective: str) -> Trial | None:
        """The trial with the lowest score, of equal ones the first; None before the first epoch of the sweep."""
        if self.state.sweep is not None and objective == self.state.sweep.objective:
            return self.state.best()
        first = next(iter(self.leaderboard(objective)), None)
        return first if first is not None and first.score(objective) is not None else None


def replay(path: Path, state: SweepState) -> int:
    """Applies every record on disk to an empty state; the length of them in bytes. DataError names a damaged line."""
    length = 0
    for row, size in read_rows(path):
        try:
            state.apply(row)
        except MisfitError as error:
            raise damaged(path, length, str(error)) from None
        length += size
    return length


def create(folder: Path, sweep: SweepRow) -> Journal:
    """A new journal, locked, with its first record; ConfigError when the folder holds one already. One that was left
    before its first record is taken over."""
    folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(folder / FILE)
    if journal.state.sweep is None:
        journal.lock()  # and reads again
    if journal.state.sweep is not None:
        journal.unlock()
        raise ConfigError(str(folder), ["holds a sweep already; choose another name, or resume it"])
    journal.append(sweep)
    return journal


def trial_folder(folder: Path, trial: int) -> Path:
    """Where a trial of the sweep in `folder` keeps its weights and state."""
    return folder / "trials" / f"{trial:04d}"


def sweeps(storage: Path) -> list[Path]:
    """Folders of all sweeps under a storage folder, oldest first; a damaged one has the age of its file."""
    born = []
    for file in storage.glob(f"*/{FILE}"):
        try:
            ts_ms = birth(file)
        except DataError:
            ts_ms = file.stat().st_mtime_ns // 1_000_000
        if ts_ms is not None:
            born.append((ts_ms, file.parent))
    return [folder for _, folder in sorted(born)]


def birth(file: Path) -> int | None:
    """When a sweep began, Unix time in milliseconds; None when its first record is not on disk."""
    first = next(read_rows(file), None)
    return None if first is None else first[0].ts_ms


def is_vacant(folder: Path) -> bool:
    """Whether a folder is empty, but for the journal of a sweep that died before its first record."""
    try:
        return {entry.name for entry in os.scandir(folder)} <= {FILE} and not has_begun(folder)
    except (OSError, DataError):
        return False


def has_begun(folder: Path) -> bool:
    """Whether a folder holds a sweep or run. An empty journal, or one torn in its first line, is none."""
    return birth(folder / FILE) is not None
