"""Log of a sweep: every event, one line each with date and time, in a file beside the record."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from pathlib import Path

FILE = "log.txt"
MOST_WAITING = 20_000  # lines that wait for a disk
POLL_S = 0.3  # between two looks for lines: to be woken for each would cost the driver more than to write it
AGAIN_S = 5.0  # after a disk has refused a line
CLOSE_S = 2.0  # that the end of a sweep waits for the disk


class Log:
    """Appends lines to a file in a thread of its own, so that nobody waits for the disk. What is written before `open`
    waits in memory. A disk that is full or away keeps lines waiting, the newest MOST_WAITING of them; `trouble` is what
    it last said, '' once it takes them."""

    def __init__(self) -> None:
        self.trouble = ""
        self._lines: deque[str] = deque(maxlen=MOST_WAITING)
        self._rest = b""  # of a line that the disk has taken in part
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self, path: Path) -> None:
        """Starts to write to the file at `path`, which is created if it is not there."""
        self._thread = threading.Thread(target=self._follow, args=(path,), name="log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        """Appends an event, one line, with the present date and time; returns at once."""
        self._lines.append(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {text}\n")

    def close(self) -> None:
        """Writes what waits, for at most CLOSE_S seconds."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S)

    def _follow(self, path: Path) -> None:
        is_last = False  # asked before the lines are written: what comes before `close` is
        while not is_last:
            is_last = self._over.wait(AGAIN_S if self.trouble else POLL_S)
            try:
                self._write_all(path)
                self.trouble = ""
            except OSError as error:
                self.trouble = error.strerror or str(error)

    def _write_all(self, path: Path) -> None:
        if not (self._rest or self._lines):
            return
        # Opened anew each time, for somebody may move the file away, and a disk may come back.
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            while self._rest or self._lines:
                count = len(self._lines)
                whole = "".join(self._lines.popleft() for _ in range(count))
                self._rest += whole.encode(errors="backslashreplace")
                while self._rest:
                    self._rest = self._rest[os.write(file, self._rest) :]
        finally:
            os.close(file)
