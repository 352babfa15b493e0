"""Keyword options from Python, validated by the parser and the checks of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from spaces.cli import Verb
from spaces.errors import ConfigError, did_you_mean, shown
from spaces.schema import spelled


def request_of(name: str, verb: Verb, target: object, options: Mapping[str, object]) -> tuple[Any, tuple[str, ...]]:
    """Validates the options of a verb as its command line would; returns its request, and its name and arguments as
    they would be typed. ConfigError lists every problem.

    `target`: the positional argument; `options`: names as on the command line, `--gpus-per-worker` as
    `gpus_per_worker`. Values may be text, numbers, truth values, paths, lists and None, which leaves the default. An
    option that may be given again takes a list, and `set` a mapping knob -> value."""
    parser = _Parser(prog=name, add_help=False, allow_abbrev=False)
    verb.add_options(parser)
    flags = parser._option_string_actions
    known = {flag.removeprefix("--").replace("-", "_"): action for flag, action in flags.items()}
    words: list[str] = []
    problems: list[str] = []
    for option, value in options.items():
        if option not in known:
            near = did_you_mean(option, known) or f"; options: {', '.join(known)}"
            problems.append(f"{shown(option)}: no such option of {name}{near}")
        elif known[option].nargs == 0 and not isinstance(value, bool | None):
            problems.append(f"{option} = {shown(value)}: expected True or False")
        else:
            words += _words(known[option], value)
    try:
        request = verb.check(parser.parse_args([*words, "--", str(target)]))
    except ConfigError as error:
        raise ConfigError(name, [*problems, *error.problems_in(name)]) from None
    if problems:
        raise ConfigError(name, problems)
    return request, (name, str(target), *words)


def _words(action: argparse.Action, value: object) -> Iterator[str]:
    """Spells the value of one option as it would be typed. '=' keeps a value that begins with '-' from being taken for
    an option."""
    flag = action.option_strings[-1]
    if value is None or (value is False and action.nargs == 0):
        return
    if action.nargs == 0:
        yield flag
        return
    # All but the plainest kind add to what was given before.
    may_repeat = type(action) is not argparse._StoreAction
    if may_repeat and isinstance(value, Mapping):
        yield from (f"{flag}={knob}={spelled(one)}" for knob, one in value.items())
    elif may_repeat and isinstance(value, list | tuple):
        yield from (f"{flag}={spelled(one)}" for one in value)
    else:
        yield f"{flag}={spelled(value)}"


class _Parser(argparse.ArgumentParser):
    """Parser that raises ConfigError instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(self.prog, [message])
