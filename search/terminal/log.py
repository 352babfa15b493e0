"""Log of a sweep: every event, one line each with date and time, in a file beside the record."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from pathlib import Path

FILE = "log.txt"
MOST_WAITING = 20_000  # lines that wait for a disk
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
        self._wake = threading.Event()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self, path: Path) -> None:
        """Starts to write to the file at `path`, which is created if it is not there."""
        self._thread = threading.Thread(target=self._follow, args=(path,), name="log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        """Appends an event, one line, with the present date and time; returns at once."""
        self._lines.append(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {text}\n")
        self._wake.set()

    def close(self) -> None:
        """Writes what waits, for at most CLOSE_S seconds."""
        self._over.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S)

    def _follow(self, path: Path) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            is_last = self._over.is_set()  # asked first: what comes before `close` is written
            try:
                self._write_all(path)
                self.trouble = ""
            except OSError as error:
                self.trouble = error.strerror or str(error)
                if not is_last:
                    self._over.wait(AGAIN_S)
                    self._wake.set()
            if is_last:
                return

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
