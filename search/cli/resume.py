"""Options of `resume`, and the checked request made from them."""

from __future__ import annotations

import argparse

from .launch import SweepRequest
from .places import add_places, add_storage, find_sweep


def add_resume_options(parser: argparse.ArgumentParser) -> None:
    """NAME and where to look for it."""
    parser.add_argument("name", metavar="NAME", help="the interrupted sweep")
    add_storage(parser)
    add_places(parser)


def check_resume(options: argparse.Namespace) -> SweepRequest:
    """The request, or ConfigError when there is no such sweep."""
    folder = find_sweep(options.storage, options.name)
    return SweepRequest(
        name=options.name,
        plan=None,
        folder=folder.resolve(),
        tracking_uri=options.tracking_uri,
        address=options.address,
    )
