"""DataError: all problems of the data at once; the text shows the first twelve."""

from __future__ import annotations

from spaces.errors import InputError

PROBLEMS_SHOWN = 12  # lines; a file with one systematic fault has it in every clip


class DataError(InputError):
    """Data that cannot be used: files, arrays, or what a run asks of them.

    `problems` holds every fault; the text shows the first twelve and counts the rest."""

    lines_shown = PROBLEMS_SHOWN
