"""Command line `python -m data VERB`: writes, checks, converts and describes data sets."""

from __future__ import annotations

import sys

from spaces.loading import end_at_once

if __name__ == "__main__":
    end_at_once()  # while what follows loads

from spaces.cli import Verb, main

from .cli.check import add_check_options
from .cli.convert import SOURCES, add_convert_options
from .cli.describe import add_describe_options
from .cli.synth import add_synth_options

VERBS = {
    "synth": Verb(
        summary="write the embedded synthetic sets in the layouts of Human3.6M, HumanEva-I, MPI-INF-3DHP, or images",
        example="python -m data synth --root data/store",
        add_options=add_synth_options,
        run="data.verbs.synth:run",
    ),
    "check": Verb(
        summary="check files, shapes, units, counts and cameras of sets",
        example="python -m data check h36m data/store --set synthetic",
        add_options=add_check_options,
        run="data.verbs.check:run",
    ),
    "convert": Verb(
        summary="convert files of others to a layout of ours",
        example=SOURCES["cmu"][1],
        add_options=add_convert_options,
        run="data.verbs.convert:run",
        dashed=("--up",),
    ),
    "describe": Verb(
        summary="list sets and named splits with their sizes",
        example="python -m data describe --data synthetic --json",
        add_options=add_describe_options,
        run="data.verbs.describe:run",
    ),
}

if __name__ == "__main__":
    sys.exit(main("data", "Data sets written, checked, converted, described.", VERBS))
