"""What the terminal is sent: control characters and characters that it cannot encode are escaped."""

from __future__ import annotations

import atexit
import io
import os
import re
import shutil
import sys

# Of Unicode besides those of ASCII and Latin-1: line and paragraph ends, and what turns the direction of reading.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_INLINE = re.compile(_CONTROL.pattern.replace(r"\x00-\x1f", r"\x00-\x08\x0b-\x1f"))  # but for tabs and newlines


def visible(text: object) -> str:
    """Formats a value as text on one line: every control character, newlines and tabs among them, is escaped as in
    Python (`\\n`, `\\x1b`)."""
    return _CONTROL.sub(_escaped, str(text))


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


NO_COLOR = "NO_COLOR"
OURS = "set by posesweep"  # as the value of NO_COLOR, which nobody else gives it


class Console(io.TextIOWrapper):
    """Text stream that escapes every control character but newlines and tabs, and whatever its encoding lacks."""

    def write(self, text: str) -> int:
        """Writes the text, escaped; returns the number of characters of the text as given."""
        super().write(_INLINE.sub(_escaped, text))
        return len(text)


def settle_console() -> None:
    """Makes stdout and stderr escape what the terminal cannot show or would obey, and pass on every line at once, so
    that lines of the two stay in order in one file."""
    # Python colours tracebacks and help from 3.13 and 3.14 on, with control characters.
    os.environ.setdefault(NO_COLOR, OURS)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if type(stream) is io.TextIOWrapper:
            stream.flush()
            settled = Console(
                stream.buffer, encoding=stream.encoding, errors="backslashreplace", line_buffering=True, newline="\n"
            )
            setattr(sys, name, settled)


def drop_farewell() -> None:
    """Keeps colorama from writing a code for colours as this process ends, which a settled console would show: tqdm
    starts it, of all places where there is a terminal, once Ray has been imported with its own copy."""
    found = sys.modules.get("colorama.initialise")
    if found is not None:
        atexit.unregister(found.reset_all)


def is_colour_refused() -> bool:
    """Returns whether the user has set NO_COLOR to anything but nothing, which means output without colours."""
    return os.environ.get(NO_COLOR, "") not in ("", OURS)


def terminal_width() -> int | None:
    """Returns how many characters a line of the terminal has; None where stdout is no terminal but a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
