"""Append-only journal of a sweep (write-ahead log): the only source of its state, flushed to disk before any record
takes effect.

`records` defines the record types, `lines` their encoding with checksums, `state` the replay of the records."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from data.errors import DataError
from spaces.errors import ConfigError
from spaces.files import is_locked
from spaces.loading import all_kept

from .coding import from_text
from .lines import chain_at, damaged, read_batches, read_rows
from .records import CloseRow, MisfitError, Row, SweepRow
from .state import SweepState
from .trial import Trial

FILE = "journal.jsonl"


class Journal:
    """Journal of a sweep at `path`, with the state that its records give. Construction replays the file; reading needs
    no lock, and `lock` gives exclusive write access until `unlock`. `now_ms`: the time that stamps new records, Unix
    time in milliseconds; another clock may be set. DataError names a damaged line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now_ms: Callable[[], int] = unix_ms
        self._file: int | None = None
        self._replay()

    def _replay(self) -> None:
        """Rebuilds the state from all records on disk, without a torn last line."""
        self.state = SweepState()
        self._length = replay(self.path, self.state)

    @property
    def sweep(self) -> SweepRow:
        """Returns the sweep's first record. DataError if the journal has no record."""
        if self.state.sweep is None:
            raise DataError(str(self.path), ["has no record yet: nothing was begun here"])
        return self.state.sweep

    @property
    def trials(self) -> dict[int, Trial]:
        """Returns the trials by number."""
        return self.state.trials

    @property
    def is_closed(self) -> bool:
        """Returns whether the sweep was closed and has not been reopened since."""
        return self.state.is_closed

    @property
    def close_reason(self) -> str:
        """Returns the reason of the last close record: 'done', one of `records.BUDGETS`, 'interrupted' or 'error' (''
        before the first)."""
        return self.state.close_reason

    def lock(self) -> None:
        """Locks the journal for writing, replays it again and truncates a torn last line. ConfigError if another
        process holds the lock."""
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
        """Truncates a torn last line, completes one that lacks only its newline, and sets the checksum for the next
        record."""
        os.ftruncate(file, self._length)
        if self._length and os.pread(file, 1, self._length - 1) != b"\n":
            os.write(file, b"\n")
            self._length += 1
        self._chain = chain_at(self.path, self._length)

    def unlock(self) -> None:
        """Releases the write lock; does nothing if it is not held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def append(self, row: Row) -> Row:
        """Appends one record, stamped with the present time, syncs it to disk (fsync), applies it to the state and
        returns it as a replay would read it. OSError or MisfitError if it cannot be written or contradicts the state;
        the file is then truncated to its former length."""
        assert self._file is not None, "the journal is not locked for writing"
        line = self._chain.line_of(row.changed(ts_ms=self.now_ms()))
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
        self._chain.advance(line)
        self._length += len(line)
        return read

    def close(self, reason: str, *, has_pictures: bool = False) -> None:
        """Appends the record that closes the sweep. `reason`: 'done', one of BUDGETS, 'interrupted' or 'error'.
        `has_pictures`: there are pictures beside the best trial's weights."""
        best = self.state.best()
        self.append(
            CloseRow(
                reason=reason,
                best=None if best is None else best.number,
                pictures=has_pictures,
                ended=self.state.ended,
                score=None if best is None else best.own_score,
                at=self._length,
                trials=self.sweep.trials,
                note=self.state.notes[-1] if self.state.notes else None,
            )
        )

    def leaderboard(self, objective: str) -> list[Trial]:
        """Sorts the trials by their score of the metric `objective`, lowest first; those that break a limit come after
        all that keep them, those without a score last, by number."""

        def rank(trial: Trial) -> tuple[bool, bool, float, int]:
            score = trial.score(objective)
            return score is None, bool(trial.broken), 0.0 if score is None else score, trial.number

        return sorted(self.trials.values(), key=rank)

    def best(self, objective: str) -> Trial | None:
        """Returns the trial with the lowest score of the metric `objective` that keeps the limits, the one with the
        lowest number among equals; None if there is none."""
        if self.state.sweep is not None and objective == self.state.sweep.objective:
            return self.state.best()
        first = next(iter(self.leaderboard(objective)), None)
        is_winner = first is not None and first.score(objective) is not None and not first.broken
        return first if is_winner else None


def unix_ms() -> int:
    """Returns the present Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


def replay(path: Path, state: SweepState) -> int:
    """Applies every record of the journal at `path` to the empty `state`; returns the length of the records in bytes.
    DataError names a damaged line."""
    length = 0
    with all_kept():  # records make no circles
        for rows, sizes in read_batches(path):
            for number, row in enumerate(rows):
                try:
                    state.apply(row)
                except MisfitError as error:
                    raise damaged(path, length + sum(sizes[:number]), str(error)) from None
            length += sum(sizes)
    return length


def create(folder: Path, sweep: SweepRow) -> Journal:
    """Creates the journal of a new sweep in `folder`, locks it and appends the first record `sweep`. A journal without
    any record, left by a crash, is reused. ConfigError if the folder holds a sweep already or another process holds the
    lock."""
    folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(folder / FILE)
    if journal.state.sweep is None:
        journal.lock()  # and reads again
    if journal.state.sweep is not None:
        journal.unlock()
        raise ConfigError(str(folder), ["holds a sweep already; choose another name, or resume it"])
    journal.append(sweep)
    return journal


def is_held(path: Path) -> bool:
    """Returns whether a process has locked the journal at `path` for writing, i.e. whether its sweep runs."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    return is_locked(file)


def trial_folder(folder: Path, trial: int) -> Path:
    """Returns the folder of a trial's weights and training state: `folder`/trials/NNNN, where `folder` is the
    sweep's."""
    return folder / "trials" / f"{trial:04d}"


def sweeps(storage: Path) -> list[Path]:
    """Lists the folders of all sweeps and runs under `storage`, oldest first. A damaged journal is dated by its
    modification time; a folder without a first record, and a link to a folder elsewhere, is left out."""
    born = []
    for file in storage.glob(f"*/{FILE}"):
        if leads_out(file.parent):
            continue
        try:
            ts_ms = birth(file)
        except DataError:
            ts_ms = file.stat().st_mtime_ns // 1_000_000
        if ts_ms is not None:
            born.append((ts_ms, file.parent))
    return [folder for _, folder in sorted(born)]


def leads_out(folder: Path) -> bool:
    """Returns whether the folder of a sweep is a link to one that is not in the same storage folder."""
    return folder.is_symlink() and folder.resolve().parent != folder.parent.resolve()


def birth(file: Path) -> int | None:
    """Reads the start time of a sweep from its journal, Unix time in milliseconds; None if there is no first record.
    DataError if the first line is damaged."""
    first = next(read_rows(file), None)
    return None if first is None else first[0].ts_ms


def is_vacant(folder: Path) -> bool:
    """Returns whether a folder can take a new sweep: it holds nothing, or only a journal without a first record."""
    try:
        return {entry.name for entry in os.scandir(folder)} <= {FILE} and not has_begun(folder)
    except (OSError, DataError):
        return False


def has_begun(folder: Path) -> bool:
    """Returns whether a folder holds a sweep or run: a journal with a first record. DataError if the first line is
    damaged."""
    return birth(folder / FILE) is not None
