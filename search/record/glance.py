"""Summary of a sweep for `list`, read from the first and the last line of its journal where possible."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from data.errors import DataError

from .coding import from_text
from .journal import Journal
from .lines import last_line, line_before, read_rows
from .records import CloseRow, MisfitError, NoteRow, SweepRow


@dataclass(frozen=True, kw_only=True, slots=True)
class Glance:
    """Summary of a sweep. `state`: 'done', one of BUDGETS, 'interrupted', 'error', or 'open' while it runs or after a
    crash; `ended`: number of ended trials, of `trials` planned ones; `best`: number of the best trial, and `score`, its
    value of the objective (None: no score yet); `note`: the last remark, '' without one."""

    sweep: SweepRow
    state: str
    ended: int
    trials: int
    best: int | None
    score: float | None
    note: str


def glance(path: Path) -> Glance:
    """Reads the summary of a sweep from its journal at `path`. If the last line is an intact close record at the byte
    offset that it names, or remarks follow on one, only that end and the first line are read; otherwise (a running or
    killed sweep, a journal of an earlier version, one that lost a line) the whole journal is replayed. DataError if the
    journal is damaged or has no record."""
    first, (close, note) = next(read_rows(path), (None, 0))[0], _end_of(path)
    if isinstance(first, SweepRow) and close is not None and close.ended is not None:
        return Glance(
            sweep=first,
            state=close.reason,
            ended=close.ended,
            trials=close.trials or first.trials,
            best=close.best,
            score=close.score,
            note=note or close.note or "",
        )
    journal = Journal(path)
    best = journal.state.best()
    return Glance(
        sweep=journal.sweep,
        state=journal.close_reason if journal.is_closed else "open",
        ended=journal.state.ended,
        trials=journal.sweep.trials,
        best=None if best is None else best.number,
        score=None if best is None else best.own_score,
        note=journal.state.notes[-1] if journal.state.notes else "",
    )


def _end_of(path: Path) -> tuple[CloseRow | None, str]:
    """Reads the close record with which the journal ends, and the last of the remarks behind it, '' without any. None
    unless that record is intact, at the byte offset at which it was written, and followed by nothing but remarks."""
    note, line, begin = "", *last_line(path)
    end = begin + len(line)
    try:
        while isinstance(row := from_text(line), NoteRow):
            note = note or row.text
            line, begin = line_before(path, begin)
        # Read again from there on, for its checksum.
        is_whole = sum(size for _, size in read_rows(path, begin)) == end - begin
    except (MisfitError, DataError):
        return None, ""
    return (row, note) if isinstance(row, CloseRow) and row.at == begin and is_whole else (None, "")
