"""What the terminal shows of a single run, `train`: a line per epoch, and the figures of its panel."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from ..record.lines import read_rows
from ..record.records import EpochRow
from ..record.state import SweepState
from ..record.trial import EPOCHS
from .status import Best, RunningTrial, Status

POLL_S = 0.5
FEW = 10  # epochs whose mean length counts for the rest


class SingleRun:
    """Follows the journal at `path` of a run, which its worker writes, in a thread, while the block runs: `tell` is
    called with a line per epoch as it arrives. `about`: what is trained, for the panel. `status` gives its figures and
    may be called in any thread."""

    def __init__(self, path: Path, about: str, tell: Callable[[str], None]) -> None:
        self._path, self._about, self._tell = path, about, tell
        self._started = self._heard = time.monotonic()
        self._state = SweepState()
        self._lengths: list[float] = []  # of all epochs, in seconds
        self._offset = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="epoch-lines")
        self._read(lambda line: None)
        self._earlier_s = sum(self._lengths)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _follow(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._over.wait(POLL_S)
            self._read(self._tell)

    def _read(self, tell: Callable[[str], None]) -> None:
        for row, size in read_rows(self._path, self._offset):
            self._offset += size
            self._state.apply(row)
            if isinstance(row, EpochRow):
                self._heard = time.monotonic()
                self._lengths.append(row.seconds)
                shown = ", ".join(f"{name} {value:.2f}" for name, value in row.metrics.items())
                tell(f"epoch {row.epoch}: loss {row.loss:.6f}, {shown}, {row.seconds:.1f} s")

    def status(self) -> Status:
        """Returns the present figures."""
        sweep, trial = self._state.sweep, self._state.trials[0]
        assert sweep is not None, "the journal of a run has begun"
        now, objective, epochs = time.monotonic(), sweep.objective, int(trial.knob(EPOCHS))
        last = trial.epochs.get(trial.last_epoch, {}).get(objective)
        score, at = trial.own_score, trial.best_epoch(objective)
        return Status(
            name=sweep.name,
            about=self._about,
            objective=objective,
            trials=1,
            done=int(trial.last_epoch >= epochs),
            failed=0,
            paused=0,
            running=(RunningTrial(0, trial.last_epoch, epochs, last, score, (), ""),),
            best=None if score is None or at is None else Best(0, score, at, epochs),
            spent_s=self._earlier_s + now - self._started,
            left_s=self._left_s(epochs - trial.last_epoch, now),
            spend="",
            is_single=True,
        )

    def _left_s(self, epochs: int, now: float) -> float | None:
        """Estimates the seconds that so many more epochs take, by the last ones; None before the first."""
        lengths = self._lengths[-FEW:]
        return max(0.0, epochs * sum(lengths) / len(lengths) - (now - self._heard)) if lengths else None
