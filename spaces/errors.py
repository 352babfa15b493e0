"""Exceptions for invalid input, which list every problem at once, and helpers for their messages."""

from __future__ import annotations

import bisect
import difflib
import itertools
import reprlib
from collections.abc import Iterable, Sequence

from .console import visible

LONGEST_TEXT, LONGEST_PROBLEM = 5000, 1500  # characters of a message, and of one problem in it


class InputError(ValueError):
    """Raised for invalid input from outside; printed without traceback, exit code 2. `where`: file or command;
    `problems`: every problem found. The text is cut where it would not fit a screen: at LONGEST_TEXT characters, or
    after `lines_shown` problems."""

    lines_shown: int | None = None

    def __init__(self, where: str, problems: Sequence[str]) -> None:
        self.where = where
        self.problems = tuple(problems)
        super().__init__(where, self.problems)

    def __str__(self) -> str:
        where, lines = _cut(visible(str(self.where))), [_cut(visible(problem)) for problem in self.problems]
        if len(lines) == 1:
            return f"{where}: {lines[0]}"
        kept = lines[: self.lines_shown]
        rest = len(lines) - len(kept)
        last = [f"and {rest} more"] if rest else []
        ends = list(itertools.accumulate(len(line) + 3 for line in kept))
        if ends and ends[-1] > LONGEST_TEXT:
            # The last one often says what to do about all of them.
            count = max(1, bisect.bisect(ends, LONGEST_TEXT - len(kept[-1])))
            last = [f"and {len(lines) - count - 1} more", kept[-1]] if not rest else [f"and {len(lines) - count} more"]
            kept = kept[:count]
        return "\n  ".join([f"{where}: {len(lines)} problems", *kept, *last])

    def problems_in(self, where: str) -> list[str]:
        """Returns the problems for inclusion in a larger report on `where`; those of another file or command are
        prefixed with its name."""
        return [text if self.where == where else f"{self.where}: {text}" for text in self.problems]


class ConfigError(InputError):
    """Raised for an invalid configuration, space or option."""


_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxtuple, _SHORT.maxdict = 2, 4, 4, 4
_SHORT.maxstring, _SHORT.maxother, _SHORT.maxlong = 80, 80, 40


def shown(value: object) -> str:
    """Formats a value for a message, truncated to 80 characters. Nested values are abbreviated before formatting: YAML
    aliases can expand a few lines to millions of values."""
    text = value if isinstance(value, str) else _SHORT.repr(value)
    return visible(text if len(text) <= 80 else f"{text[:60]}... ({len(text)} characters)")


def one_line(error: BaseException, characters: int = 300) -> str:
    """Formats an exception as 'type: text' on one line of at most `characters`."""
    return visible(" ".join(f"{type(error).__name__}: {error}".split()))[:characters]


def _cut(text: str) -> str:
    """Leaves out the middle of a problem beyond LONGEST_PROBLEM characters; its end tells the remedy."""
    if len(text) <= LONGEST_PROBLEM:
        return text
    half = LONGEST_PROBLEM // 2
    return f"{text[:half]} ... ({len(text) - 2 * half} characters left out) ... {text[-half:]}"


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Returns '; did you mean X?' with the name nearest to `name`, '' if none is similar."""
    near = difflib.get_close_matches(name[:100], list(names), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""
