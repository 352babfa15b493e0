"""`python -m data VERB`: data sets. Exit codes: 0 done, 2 wrong input, 130 interrupted."""

from __future__ import annotations

import importlib
import shlex
import sys
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from spaces.schema import InputError

FORMATS = ("h36m",)
STORE = Path("data/store")


def main(words: Sequence[str]) -> int:
    """Runs one verb and returns the exit code; wrong usage leaves through argparse with code 2."""
    arguments = _parser().parse_args(words)
    # Only the verb that runs is imported: numpy and torch would make --help slow.
    verb = importlib.import_module(f"data.verbs.{arguments.verb}")
    try:
        return int(verb.run(arguments))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"interrupted; to start over: {shlex.join(['python', '-m', 'data', *words])}", file=sys.stderr)
        return 130


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m data", description="Data sets: write, check, describe.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def add(name: str, does: str, example: str) -> ArgumentParser:
        return verbs.add_parser(
            name,
            help=does,
            description=f"{does[0].upper()}{does[1:]}.",
            epilog=f"example:\n  python -m data {example}",
            formatter_class=RawDescriptionHelpFormatter,
        )

    synth = add("synth", "write the embedded synthetic set in the layout of Human3.6M", "synth --root data/store")
    _add_root(synth)
    synth.add_argument("--seed", type=_seed, default=0, help="another seed is another set (default: %(default)s)")
    synth.add_argument("--force", action="store_true", help="write over what is there")

    check = add("check", "check files, shapes, units, counts and cameras of sets", "check h36m data/store --set cmu")
    check.add_argument("format", choices=FORMATS, metavar="FORMAT", help=f"layout: {', '.join(FORMATS)}")
    check.add_argument("dir", type=Path, metavar="DIR", help="folder of the files")
    check.add_argument("--set", help="one set, data_3d_<set>.npz (default: all in the folder)")
    check.add_argument("--json", action="store_true", help="print JSON instead of a table")

    describe = add("describe", "list sets and named splits with their sizes", "describe --data cmu --json")
    _add_root(describe)
    describe.add_argument("--data", metavar="NAME", help="one split or set (default: all in the folder)")
    describe.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser


def _add_root(parser: ArgumentParser) -> None:
    parser.add_argument("--root", type=Path, default=STORE, help="folder of the sets (default: %(default)s)")


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"'{text}' is not a whole number of at least 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
