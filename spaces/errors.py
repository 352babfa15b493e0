"""What is wrong with an input text: every problem at once, and the nearest name that is right."""

from __future__ import annotations

import difflib
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


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """'; did you mean X?' for the nearest of names, or nothing when none is near."""
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""
