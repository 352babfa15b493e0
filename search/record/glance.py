"""A sweep at a glance: the line that `list` shows of it, from two lines of its journal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from data.errors import DataError

from .journal import Journal
from .lines import last_line, read_rows
from .records import CloseRow, MisfitError, SweepRow, from_text


@dataclass(frozen=True, kw_only=True, slots=True)
class Glance:
    """A sweep and how far it is. `state`: 'done', 'time budget', 'interrupted', 'error', or 'open' while it runs or
    after a crash; `ended`: trials; `best`: the number of the best one, with its `score`."""

    sweep: SweepRow
    state: str
    ended: int
    best: int | None
    score: float | None


def glance(path: Path) -> Glance:
    """How a journal stands. One that ended says so in its last line, and where that line should begin: where it does,
    the first line is all that is read besides. Any other - of a running sweep, of one that was killed, of an earlier
    version, of one that lost a line - is read as a whole. DataError when it is damaged."""
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
    """The last line where it is that of a sweep that ended and stands where it was written; None otherwise."""
    line, begin = last_line(path)
    try:
        row = from_text(line)
        # Read again from there on, for its checksum.
        is_whole = [size for _, size in read_rows(path, begin)] == [len(line)]
    except (MisfitError, DataError):
        return None
    return row if isinstance(row, CloseRow) and row.at == begin and is_whole else None
