"""Output of an attempt: what its process prints goes to a text file in the trial's folder."""

from __future__ import annotations

import io
import os
import socket
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from trainables.runs.names import output_file

STDOUT, STDERR = 1, 2  # file descriptors


class _Stream(io.RawIOBase):
    """Unbuffered stream to a file descriptor that drops what cannot be written, e.g. on a full disk."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def writable(self) -> bool:
        """Returns True."""
        return True

    def fileno(self) -> int:
        """Returns the file descriptor."""
        return self._descriptor

    def write(self, data: Any) -> int:
        """Writes bytes and returns their number; raises nothing."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            pass
        return size


@contextmanager
def output_kept(folder: Path, rank: int, who: str) -> Iterator[None]:
    """Appends to the output file of a trial's folder what this process prints while the block runs: stdout and stderr
    of Python, and their file descriptors, for messages of libraries below Python. First comes a line with `who`, this
    host, process and time, last the traceback of an exception, which is raised on.

    The descriptors are put back at the end, as later trials use this process. A file that cannot be opened or written
    changes nothing but the output. `rank`: of this process in its worker group, which chooses the file."""
    streams = sys.stdout, sys.stderr
    _flush()
    before = _redirected(folder / output_file(rank))
    if not before:
        yield
        return
    ours = [_text_stream(number) for number in before]
    sys.stdout, sys.stderr = ours
    try:
        started = datetime.now().astimezone().isoformat(timespec="seconds")
        ours[0].write(f"--- {who}, {socket.gethostname()}, process {os.getpid()}, {started}\n")
        yield
    except Exception:
        ours[1].write(traceback.format_exc())
        raise
    finally:
        _flush()
        sys.stdout, sys.stderr = streams
        for number, saved in before.items():
            os.dup2(saved, number)
            os.close(saved)


def _redirected(path: Path) -> dict[int, int]:
    """Opens a file for appending and makes stdout and stderr write to it. Returns their descriptors -> copies of what
    they were; {} if the file cannot be opened, with nothing changed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        before = {number: os.dup(number) for number in (STDOUT, STDERR)}
    except OSError:
        return {}
    for number in before:
        os.dup2(file, number)
    os.close(file)
    return before


def _text_stream(descriptor: int) -> io.TextIOWrapper:
    raw: Any = _Stream(descriptor)
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # a full disk; a closed stream, or none
            continue
