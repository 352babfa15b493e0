"""What is wrong with an input text: every problem at once, and the nearest name that is right."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Sequence


class InputError(ValueError):
    """Wrong input from outside: printed bare, exit code 2. `where` names the file or command, `problems` all faults."""

    def __init__(self, where: str, problems: Sequence[str]) -> None:
        self.where = where
        self.problems = tuple(problems)
        super().__init__(where, self.problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return f"{self.where}: {self.problems[0]}"
        return "\n  ".join([f"{self.where}: {len(self.problems)} problems", *self.problems])

    def problems_in(self, where: str) -> list[str]:
        """The problems as part of a larger report on `where`; those of another place keep its name."""
        return [text if self.where == where else f"{self.where}: {text}" for text in self.problems]


class ConfigError(InputError):
    """A configuration, space or option that cannot be used as it stands."""


_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxtuple, _SHORT.maxdict = 2, 4, 4, 4
_SHORT.maxstring, _SHORT.maxother, _SHORT.maxlong = 80, 80, 40


def shown(value: object) -> str:
    """A value for a message, cut to what a line holds. It looks only at the first of a nested value: aliases of YAML
    stand for millions of values in a few lines."""
    text = value if isinstance(value, str) else _SHORT.repr(value)
    return text if len(text) <= 80 else f"{text[:60]}... ({len(text)} characters)"


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """'; did you mean X?' for the nearest of names, or nothing when none is near."""
    near = difflib.get_close_matches(name[:100], list(names), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""
