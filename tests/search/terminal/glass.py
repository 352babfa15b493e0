"""A terminal for tests: a pseudo-terminal of a given size as stdout and stderr, and what stands on its screen."""

import fcntl
import os
import re
import struct
import termios
import threading
from contextlib import contextmanager

PART = re.compile(r"\x1b\[(\d*)([A-Za-z])|\x1b\[[0-9;]*m|[\r\n]|[^\x1b\r\n]+")


class Terminal:
    """What a pseudo-terminal has received: `text`, all of it; `lines()`, those that stand on it now and above it."""

    def __init__(self, master, slave, columns, rows):
        self._master, self._slave = master, slave
        self._found = b""
        self.resize(columns, rows)

    def resize(self, columns, rows):
        self.columns = columns
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def follow(self):
        while True:
            try:
                found = os.read(self._master, 1 << 16)
            except OSError:
                return
            if not found:
                return
            self._found += found

    @property
    def text(self):
        return self._found.decode(errors="ignore")  # of a character that has come in part

    def lines(self):
        """The lines, without colours, as a terminal that is never resized shows them."""
        shown, row, column = [""], 0, 0
        for part in PART.finditer(self.text.replace("\r\n", "\n")):
            text, count, kind = part[0], part[1], part[2]
            if text == "\n":
                row, column = row + 1, 0
                shown += [""] * (row + 1 - len(shown))
            elif text == "\r":
                column = 0
            elif kind == "A":
                row -= int(count or 1)
                assert row >= 0, "above the first line"
            elif kind == "J":
                shown = [*shown[:row], shown[row][:column]]
            elif not text.startswith("\x1b"):
                while text:
                    if column == self.columns:
                        row, column = row + 1, 0
                        shown += [""] * (row + 1 - len(shown))
                    piece, text = text[: self.columns - column], text[self.columns - column :]
                    shown[row] = shown[row].ljust(column)[:column] + piece + shown[row][column + len(piece) :]
                    column += len(piece)
            else:
                assert text.endswith("m"), f"a code that nobody expects: {text!r}"
        return shown


@contextmanager
def terminal(columns=80, rows=24):
    """Yields a Terminal that stands for the file descriptors 1 and 2 of this process."""
    master, slave = os.openpty()
    made = Terminal(master, slave, columns, rows)
    reader = threading.Thread(target=made.follow)
    reader.start()
    kept = {number: os.dup(number) for number in (1, 2)}
    for number in kept:
        os.dup2(slave, number)
    try:
        yield made
    finally:
        for number, before in kept.items():
            os.dup2(before, number)
            os.close(before)
        os.close(slave)  # the last one: the reader comes to the end
        reader.join(10)
        os.close(master)
