"""Command-line driver of every `python -m PACKAGE VERB`: parses and validates first, imports a verb's module only when
it runs."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NoReturn

from .commands import shell_line
from .console import settle_console
from .errors import InputError, shown
from .loading import named, raise_again

OK, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True, kw_only=True, slots=True)
class Verb:
    """One verb of a package. `check`: converts the parsed options to a validated request, without heavy imports; `run`:
    "module:function" that takes the request and returns the exit code, imported only then so that help is instant;
    `loading`: returns, for the request, a context that says so while that module is imported; `dashed`: options whose
    value may begin with a dash."""

    summary: str
    example: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: str
    check: Callable[[argparse.Namespace], object] = lambda options: options
    loading: Callable[[Any], AbstractContextManager[object]] = nullcontext
    dashed: tuple[str, ...] = ()


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Returns the argparse type of an option that takes whole numbers from `least` to `most`."""

    def read(text: str) -> int:
        # Longer digits are beyond any bound, and int() refuses thousands of them with a message of its own.
        number = int(text) if re.fullmatch(r"[+-]?[0-9]{1,20}", text) else None
        if number is None or not least <= number <= most:
            raise argparse.ArgumentTypeError(f"'{shown(text)}' is no whole number from {least} to {most}")
        return number

    return read


def number_above_0(most: float) -> Callable[[str], float]:
    """Returns the argparse type of an option that takes numbers above 0, up to `most`."""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = 0.0
        if not 0 < number <= most:
            raise argparse.ArgumentTypeError(f"'{shown(text)}' is no number above 0 and at most {most:g}")
        return number

    return read


def main(
    package: str,
    about: str,
    verbs: Mapping[str, Verb],
    argv: Sequence[str] | None = None,
    hide: Callable[[str], str] = str,
    prog: str = "",
) -> int:
    """Parses the command line, validates it and runs the verb; returns the exit code: 2 for invalid input (InputError,
    printed without traceback), 130 after an interrupt. `argv`: arguments (None: sys.argv); `hide`: redacts passwords in
    an argument or a message before it is printed; `prog`: name of the program in its help ('': `python -m PACKAGE`)."""
    if argv is None:
        settle_console()

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> NoReturn:
            super().error(hide(message))

    parser = Parser(prog=prog or f"python -m {package}", description=about, allow_abbrev=False)
    lines = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, verb in verbs.items():
        line = lines.add_parser(
            name,
            help=verb.summary,
            description=verb.summary[0].upper() + verb.summary[1:] + ".",
            epilog=f"example: {verb.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,  # an example is to be copied, not wrapped
            allow_abbrev=False,
        )
        verb.add_options(line)
    dashed = {option for verb in verbs.values() for option in verb.dashed}
    options = parser.parse_args(_joined(sys.argv[1:] if argv is None else argv, dashed))
    verb = verbs[options.verb]
    try:
        raise_again()
        request = verb.check(options)  # before the verb's own module is imported
        with verb.loading(request):
            run = named(verb.run)
        return int(run(request))
    except InputError as error:
        print(hide(str(error)), file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        words = sys.argv[1:] if argv is None else argv
        shown = [hide(word) for word in words]
        how = "to go on" if shown == [*words] else "to go on, with the password put back in the place of ***"
        print(f"interrupted; {how}: {shell_line('python', '-m', package, *shown)}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`| head`); stdout must not be flushed again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def _joined(words: Sequence[str], dashed: set[str]) -> list[str]:
    """Returns the words with the value of each option in `dashed` behind an equals sign: argparse would take `-y` for
    an option."""
    found: list[str] = []
    for word in words:
        if found and found[-1] in dashed:
            found[-1] += f"={word}"
        else:
            found.append(word)
    return found
