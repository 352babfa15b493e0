"""Journal of a sweep that starts from the state of another one (`fork`)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from spaces.files import replacing

from .journal import FILE, Journal
from .lines import Chain, read_rows
from .records import CloseRow, NoteRow, OpenRow, SessionRow, SweepRow

FORK, FROM, CONFIRM = "fork", "from", "confirm"  # how a sweep comes from another one (`SweepRow.origin`)
FIRST = "first"  # numbers of the trials, with commas, that are the best of an earlier sweep (FROM)


def fork_journal(source: Path, folder: Path, name: str, identity: str) -> None:
    """Writes to `folder` the journal of a new sweep that holds all records of the trials in the journal at `source`,
    with their times, as if it had trained them, and is closed: as the old one was, or interrupted if that is open.
    `identity`: the new sweep's unique id. DataError if the old journal is damaged."""
    old, chain = Journal(source), Chain()
    with replacing(folder / FILE) as file:
        for row, _ in read_rows(source):
            if isinstance(row, OpenRow | CloseRow | NoteRow | SessionRow):
                continue
            if isinstance(row, SweepRow):
                origin = {"as": FORK, "sweep": row.name, "id": row.id}
                origin |= {FIRST: row.origin[FIRST]} if row.origin and FIRST in row.origin else {}
                now = time.time_ns() // 1_000_000
                row = row.changed(id=identity, name=name, origin=origin, ts_ms=now)
            line = chain.line_of(row)
            chain.advance(line)
            file.write(line)
    new = Journal(folder / FILE)
    new.lock()
    new.close(old.close_reason if old.is_closed else "interrupted")
    new.unlock()


def origin_text(sweep: SweepRow) -> str:
    """Describes which sweep this one comes from and how, for people; '' if from none."""
    origin = sweep.origin or {}
    ways = {FORK: "fork of", FROM: "tries first the best of", CONFIRM: "confirms the best of"}
    how = ways.get(origin.get("as", ""), "")
    return f"{how} {origin.get('sweep', '')}" if how else ""


def proven_trials(origin: Mapping[str, str] | None) -> frozenset[int]:
    """Returns the numbers of the trials that are the best of an earlier sweep. `origin` is that of SweepRow."""
    return frozenset(int(number) for number in (origin or {}).get(FIRST, "").split(",") if number)
