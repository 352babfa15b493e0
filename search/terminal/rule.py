"""Choice of the events of trials that are worth a line on the terminal."""

from __future__ import annotations

from ..record.records import STOPPED, AttemptRow, CostRow, EndRow, EpochRow, TrialEvent
from ..record.trial import Trial

MOST = 3  # lines of a trial in all


class LineRule:
    """Chooses at most MOST events of each trial: its first start, one between (a pause, a lost attempt, another start),
    and its end. Epochs and costs are left to panel and log."""

    def __init__(self) -> None:
        self._told: dict[int, int] = {}

    def takes(self, row: TrialEvent, trial: Trial) -> bool:
        """Returns whether an event of `trial`, which has its record `row` already, gets a line; counts it then."""
        if isinstance(row, EpochRow | CostRow):
            return False
        told = self._told.get(trial.number, 0)
        if isinstance(row, AttemptRow) and not told:
            now = 1
        elif isinstance(row, EndRow) and (trial.has_ended or row.state == STOPPED):
            now = MOST
        else:
            now = MOST - 1
        if now <= told:
            return False
        self._told[trial.number] = now
        return True
