"""`python -m data synth`: writes the embedded synthetic sets once."""

from __future__ import annotations

from argparse import Namespace

from spaces.commands import command

from ..synthetic.store import write_sets
from .layouts import LAYOUTS
from .synth_images import synth_images, synth_mesh
from .tables import table


def run(arguments: Namespace) -> int:
    """Writes the sets asked for and prints their table.

    DataError, and nothing written, when files are there that it did not write."""
    root, seed = arguments.root, arguments.seed
    if arguments.mesh:
        return synth_mesh(root, f"synthetic_{arguments.mesh}", seed, arguments.images, force=arguments.force)
    if arguments.images:
        return synth_images(root, seed, arguments.images, force=arguments.force)
    written = write_sets(root, seed, force=arguments.force)
    if not written:
        print(f"{root} has the synthetic sets of seed {seed} already; nothing written")
        return 0
    print(f"wrote the synthetic sets of seed {seed} to {root}:")
    print(table([LAYOUTS[layout].counts(poses) for layout, poses in sorted(written, key=lambda one: one[1].name)]))
    print(f"next: {command('data', 'check h36m', root)}")
    return 0
