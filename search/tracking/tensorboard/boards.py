"""TensorBoard logs of a sweep: an event file per attempt, with knobs as hyperparameters and metrics by epoch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from spaces.errors import one_line
from spaces.loading import named

from ...record.journal import Journal
from ...record.options.choices import TENSORBOARD
from ...record.records import EndRow, EpochRow, Row

if TYPE_CHECKING:
    from .event_files import EventFile

FOLDER = "tensorboard"  # in that of the sweep; a folder per trial in it


class Boards:
    """Writes the epochs and ends of a sweep for TensorBoard as they are recorded, if the sweep asks for that. An error
    is told once, by `tell`, and ends the writing, not the sweep. A record costs the same however many there were."""

    def __init__(self, journal: Journal, tell: Callable[[str], None]) -> None:
        self._journal, self._tell = journal, tell
        self._files: dict[int, EventFile] = {}
        self._writes = journal.sweep.option("log") == TENSORBOARD

    @property
    def folder(self) -> Path:
        """Returns the folder that `tensorboard --logdir` takes."""
        return self._journal.path.parent / FOLDER

    def watch(self, row: Row) -> None:
        """Writes a record of an epoch or of an end of a trial; raises nothing."""
        if not self._writes:
            return
        try:
            if isinstance(row, EpochRow):
                self._file_of(row).scalars(
                    {**row.metrics, "train/loss": row.loss, "train/lr": row.lr, "seconds": row.seconds},
                    row.epoch,
                    row.ts_ms,
                )
            elif isinstance(row, EndRow) and (file := self._files.pop(row.trial, None)) is not None:
                score = self._journal.trials[row.trial].own_score
                if score is not None:
                    file.scalars({f"best/{self._journal.sweep.objective}": score}, row.epoch, row.ts_ms)
                file.close()
        except Exception as error:  # of disks and of the library: a log is no reason to end a trial
            self._writes = False
            self._files.clear()
            self._tell(f"no more logs for TensorBoard: {one_line(error)}")

    def _file_of(self, row: EpochRow) -> EventFile:
        """Returns the open event file of a trial; a new one, with its knobs and costs, if it has none."""
        if row.trial not in self._files:
            # Imported here, as most sweeps have no use for it.
            kind: type[EventFile] = named("search.tracking.tensorboard.event_files:EventFile")
            file = self._files[row.trial] = kind(self.folder / f"{row.trial:04d}")
            trial = self._journal.trials[row.trial]
            file.start(trial.knobs_at(row.epoch), {f"best/{self._journal.sweep.objective}": 0.0})
            file.scalars(trial.costs, 0, row.ts_ms)
        return self._files[row.trial]
