"""Summary of a sweep for `list`, read from the first and the last line of its journal where possible."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from data.errors import DataError

from .journal import Journal
from .lines import last_line, read_rows
from .records import CloseRow, MisfitError, SweepRow, from_text


@dataclass(frozen=True, kw_only=True, slots=True)
class Glance:
    """Summary of a sweep. `state`: 'done', 'time budget', 'interrupted', 'error', or 'open' while it runs or after a
    crash; `ended`: number of ended trials; `best`: number of the best trial, and `score`, its value of the objective
    (None: no score yet)."""

    sweep: SweepRow
    state: str
    ended: int
    best: int | None
    score: float | None


def glance(path: Path) -> Glance:
    """Reads the summary of a sweep from its journal at `path`. If the last line is an intact close record at the byte
    offset that it names, only that and the first line are read; otherwise (a running or killed sweep, a journal of an
    earlier version, one that lost a line) the whole journal is replayed. DataError if the journal is damaged or has no
    record."""
    first, close = next(read_rows(path), (None, 0))[0], _close_of(path)
    if isinstance(first, SweepRow) and close is not None and close.ended is not None:
        return Glance(sweep=first, state=close.reason, ended=close.ended, best=close.best, score=close.score)
    journal = Journal(path)
    best = journal.state.best()
    return Glance(
        sweep=journal.sweep,
        state=journal.close_reason if journal.is_closed else "open",
        ended=journal.state.ended,
        best=None if best is None else best.number,
        score=None if best is None else best.own_score,
    )


def _close_of(path: Path) -> CloseRow | None:
    """Reads the close record from the last line of the journal; None unless that line is an intact close record at the
    byte offset at which it was written."""
    line, begin = last_line(path)
    try:
        row = from_text(line)
        # Read again from there on, for its checksum.
        is_whole = [size for _, size in read_rows(path, begin)] == [len(line)]
    except (MisfitError, DataError):
        return None
    return row if isinstance(row, CloseRow) and row.at == begin and is_whole else None
