"""Ways in which a running sweep shows itself, `--progress`, and what a terminal can do."""

from __future__ import annotations

import os
import sys

from spaces.console import is_colour_refused

LIVE, LINES, QUIET = "live", "lines", "quiet"
MODES = (LIVE, LINES, QUIET)


def mode_of(wanted: str | None) -> str:
    """Chooses the mode of an output: `wanted`, one of MODES (None: LIVE); LINES in the place of LIVE where stdout is no
    terminal, or one that cannot go back to a line."""
    mode = wanted or LIVE
    return LINES if mode == LIVE and not can_redraw() else mode


def can_redraw() -> bool:
    """Returns whether stdout is a terminal whose lines can be overwritten: not a file or a pipe, not TERM=dumb."""
    return sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


def has_colour() -> bool:
    """Returns whether colours may be used on the terminal: NO_COLOR is not set."""
    return not is_colour_refused()
