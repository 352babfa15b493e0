"""Runs of one sweep in the tracker: creates each run once and sends its changes in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from spaces.errors import one_line
from spaces.loading import named
from spaces.schema import flat

from ..record.journal import trial_folder
from ..record.records import CloseRow, Row
from .change import Change
from .projection import Projection
from .tracker import Tracker

REPORT = "report.html"  # among the artifacts of a sweep's run
# By name: figures take seconds to import, and who writes reports stands above this room.
PAGE = "search.results.report.report:page_on"


class SweepRuns:
    """Maps a sweep's trials to tracker runs. `take` each record once, in order, then `send` its changes, as often as
    needed.

    One run per sweep with one child run per trial; a single run (`train`) has one run and no parent. Existing runs are
    listed once, in one query: no other process creates runs of the sweep. `folder`: the sweep's; `objective`: the
    metric to minimise; `complain`: receives a message per file that is missing."""

    def __init__(self, folder: Path, tracker: Tracker, objective: str, complain: Callable[[str], None]) -> None:
        self._folder = folder
        self._tracker = tracker
        self._complain = complain
        self._projection = Projection(objective)
        self._runs: dict[int | None, str] | None = None  # None as a key: the sweep's own; None: not looked up yet
        self._running: set[int | None] = set()  # those of them that are known to be RUNNING
        self._doubtful: set[int | None] = set()  # may or may not be there

    def take(self, row: Row) -> list[Change]:
        """Applies the next record and returns its changes, without sending them."""
        changes = self._projection.take(row)
        # Who interrupts wants it to end.
        if isinstance(row, CloseRow) and row.reason != "interrupted" and not self._projection.is_single:
            report: dict[str, Callable[[], str]] = {REPORT: partial(report_on, self._folder)}
            changes.append(Change(number=None, ts_ms=row.ts_ms, texts=report))
        return changes

    def is_known(self) -> bool:
        """Returns whether the tracker has the sweep's run; False for a store that was emptied."""
        return (0 if self._projection.is_single else None) in self._found()

    def doubt(self, changes: Iterable[Change]) -> None:
        """Marks the runs of these changes, and the sweep's own, to be looked up again: after an error they may have
        been created, rolled back or deleted."""
        for number in {None, *(change.number for change in changes)}:
            self._doubtful.add(number)
            self._running.discard(number)
            if self._runs is not None:
                self._runs.pop(number, None)

    def send(self, changes: Iterable[Change]) -> None:
        """Merges the changes per run and writes them to the tracker, files last, so that a failure there loses nothing
        else. Raises the tracker's exceptions."""
        merged: dict[int | None, Change] = {}
        for change in changes:
            found = merged.setdefault(change.number, Change(number=change.number, ts_ms=change.ts_ms))
            found.add(change)
        if not merged:
            return
        with self._tracker.together():
            for change in merged.values():
                self._write(change)
        for change in merged.values():
            self._send_files(change)

    def touch(self, row: Row) -> None:
        """Rewrites the identifying tags of the record's run, to test whether the tracker answers; raises its exception
        if not."""
        number = self._projection.number_of(row)
        self.send([Change(number=number, ts_ms=row.ts_ms, tags=dict(self._projection.key(number)))])

    def mark_skipped(self, row: Row, reason: str) -> None:
        """Tags the record's run as lacking this record. `reason`: text of the tag."""
        number = self._projection.number_of(row)
        self.send([Change(number=number, ts_ms=row.ts_ms, tags={"skipped": reason})])

    def _found(self) -> dict[int | None, str]:
        """Returns the ids of the existing runs by trial (None: the sweep's own); queries the tracker on the first
        call."""
        if self._runs is None:
            sweep = self._projection.sweep
            listed = self._tracker.find_runs(sweep.model, {"sweep_id": sweep.id})
            self._runs = {}
            for run_id, tags in listed.items():
                number = int(tags["trial"]) if tags.get("trial", "").isdecimal() else None
                if self._projection.key(number).items() <= tags.items():
                    self._runs.setdefault(number, run_id)
        return self._runs

    def _id_of(self, number: int | None) -> str | None:
        """Returns the id of a trial's run, or of the sweep's own (None); None if it does not exist. Queries the tracker
        only for runs marked by `doubt`."""
        runs = self._found()
        if number not in runs and number in self._doubtful:
            run_id = self._tracker.find_run(self._projection.sweep.model, self._projection.key(number))
            if run_id is not None:
                runs[number] = run_id
        self._doubtful.discard(number)
        return runs.get(number)

    def _write(self, change: Change) -> None:
        run_id = self._id_of(change.number)
        if run_id is None:
            run_id, tags = self._make(change), {}
        else:
            tags = change.every_tag()
        if change.data is not None:
            self._tracker.data(run_id, change.data)
        params = {} if change.config is None else flat(change.config)
        if params or tags or change.points or change.end is not None:
            self._tracker.write(run_id, params, tags, change.points, change.end)
        if change.end is not None:
            self._running.discard(change.number)
        if change.goes_on and change.number not in self._running:
            self._tracker.reopen(run_id)
            self._running.add(change.number)

    def _make(self, change: Change) -> str:
        """Creates a run with the tags of the change and returns its id. Config and artifacts of the run's creation are
        added to the change, in case an earlier run was deleted."""
        number, ts_ms, sweep = change.number, change.ts_ms, self._projection.sweep
        birth = self._projection.birth(number, ts_ms)
        later = Change(
            number=number, ts_ms=ts_ms, tags=change.tags, config=change.config, texts=change.texts, late=change.late
        )
        birth.add(later)
        change.tags, change.config, change.texts, change.data = birth.tags, birth.config, birth.texts, birth.data
        name, parent = sweep.name, None
        if number is not None and not self._projection.is_single:
            name, parent = f"{name}/{number:04d}", self._parent(ts_ms)
        tags = {**birth.every_tag(), **self._projection.key(number)}
        run_id = self._tracker.make_run(sweep.model, name, parent, ts_ms, tags)
        self._found()[number] = run_id
        self._running.add(number)
        return run_id

    def _parent(self, ts_ms: int) -> str:
        run_id = self._id_of(None)
        if run_id is None:
            parent = Change(number=None, ts_ms=ts_ms)
            run_id = self._make(parent)
            self._tracker.write(run_id, flat(parent.config or {}), {}, parent.points, None)
            if parent.data is not None:
                self._tracker.data(run_id, parent.data)
            self._send_files(parent)
        return run_id

    def _send_files(self, change: Change) -> None:
        for file, text in change.texts.items():
            self._tracker.text(self._there(change), text(), file)
        for name, what in change.files.items():
            # A file of a trial's folder has the same name among the artifacts of its run.
            home = self._folder if self._projection.is_single else trial_folder(self._folder, change.number or 0)
            path = home / name
            if path.is_file():
                folder = "" if name.parent == Path() else str(name.parent)
                self._tracker.artifact(self._there(change), path, folder)
            else:
                self._complain(f"the {what} of trial {change.number} were not sent: {path} is not there")

    def _there(self, change: Change) -> str:
        run_id = self._id_of(change.number)
        assert run_id is not None, change.number
        return run_id


def report_on(folder: Path) -> str:
    """Formats the report of the sweep in `folder`, or what prevents it: the rest is sent in any case."""
    try:
        text: str = named(PAGE)(folder)
    except Exception as error:  # of records of older versions, and of the libraries that draw
        return f"no report of this sweep: {one_line(error)}\n"
    return text
