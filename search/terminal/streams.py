"""Redirection of stdout and stderr while a panel stands on the terminal: what anybody prints becomes lines above it."""

from __future__ import annotations

import os
import re
import select
import sys
import threading
from collections.abc import Callable

from spaces.console import visible

SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
POLL_S = 0.1
READ_BYTES = 1 << 16
CLOSE_S = 1.0


class Capture:
    """Redirects the file descriptors 1 and 2, so that C++ code and child processes are redirected too, as far as they
    are a terminal, and calls `tell` with each line that arrives, without control characters. `terminal`: a descriptor
    of the terminal itself."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        flush()
        self._kept = {number: os.dup(number) for number in (1, 2) if os.isatty(number)}
        self.terminal = os.dup(1)
        self._source, sink = os.pipe()
        for number in self._kept:
            os.dup2(sink, number)
        os.close(sink)
        self._rest = b""
        self._is_over = False
        self._thread = threading.Thread(target=self._follow, name="capture", daemon=True)
        self._thread.start()

    def restore(self) -> None:
        """Gives stdout and stderr back to the terminal, and passes on what has arrived until then."""
        flush()
        for number, kept in self._kept.items():
            os.dup2(kept, number)
            os.close(kept)
        self._kept = {}
        self._is_over = True
        self._thread.join(CLOSE_S)

    def _follow(self) -> None:
        # Not until the pipe's end: a child process may hold it for longer.
        while True:
            is_last = self._is_over
            if select.select([self._source], [], [], 0.0 if is_last else POLL_S)[0]:
                found = os.read(self._source, READ_BYTES)
                self._take(found)
                if found:
                    continue
            if is_last:
                self._take(b"\n" if self._rest else b"")
                os.close(self._source)
                return

    def _take(self, found: bytes) -> None:
        *lines, self._rest = (self._rest + found).split(b"\n")
        for line in lines:
            text = SEQUENCE.sub("", line.decode(errors="backslashreplace")).rstrip()
            # Of a line that was written over, as by a progress bar, what stands there in the end.
            self._tell(visible(text.rsplit("\r", 1)[-1].replace("\t", "    ")))


def flush() -> None:
    """Flushes stdout and stderr; one that is closed or broken is left alone."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
