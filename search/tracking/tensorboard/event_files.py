"""Event files of TensorBoard, written without a thread. Takes a second to import."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.summary import hparams, scalar

from spaces.schema import is_number, spelled


class EventFile:
    """A new event file of one trial in `folder`, which is created. Any call may raise OSError."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # By default the name has the second alone, and a file of the same second would be written over.
        self._file = EventsWriter(str(folder / "events"), filename_suffix=f".{time.time_ns()}")

    def start(self, knobs: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """Writes the values of knobs by dotted path, as hyperparameters of the trial, and which `metrics` it has."""
        values = {path: value if is_number(value) else spelled(value) for path, value in knobs.items()}
        experiment, start, _ = hparams(values, dict(metrics))
        self._write(experiment, 0, time.time())
        self._write(start, 0, time.time())

    def scalars(self, values: Mapping[str, float], step: int, ts_ms: int) -> None:
        """Writes values by name at a step. `ts_ms`: Unix time in milliseconds."""
        for name, value in values.items():
            self._write(scalar(name, value), step, ts_ms / 1000)
        self._file.flush()

    def close(self) -> None:
        """Writes that the trial has ended, and closes the file."""
        _, _, end = hparams({}, {})
        self._write(end, 0, time.time())
        self._file.close()

    def _write(self, summary: Any, step: int, seconds: float) -> None:
        self._file.write_event(Event(wall_time=seconds, step=step, summary=summary))
