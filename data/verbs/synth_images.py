"""`python -m data synth --images N` and `--mesh`: writes the synthetic image set, or a synthetic mesh set, once."""

from __future__ import annotations

from pathlib import Path

from spaces.commands import command

from ..formats.images import h36m_images
from ..formats.meshes.mesh_tsv import MeshSet
from ..synthetic.images.images import NAME
from ..synthetic.meshes.mesh_sets import PARTS, SETS
from ..synthetic.store import write_image_set, write_meshes
from .tables import mesh_summary, summary, table


def synth_images(root: Path, seed: int, count: int, *, force: bool) -> int:
    """Writes the image set and prints its table.

    DataError, and nothing written, when a folder of that name is there that it did not write."""
    if _said(root / NAME, seed, count, write_image_set(root, seed, count, force=force)):
        found = h36m_images.available_keypoints(root, NAME)
        print(table([summary(h36m_images.read(root, NAME, keypoints)) for keypoints in found]))
        print(f"next: {command('data', 'check h36m-images', root, '--set', NAME)}")
    return 0


def synth_mesh(root: Path, name: str, seed: int, count: int, *, force: bool) -> int:
    """Writes a mesh set and prints its table. count 0: its default number of images."""
    made, folder = SETS[name], root / name
    if _said(folder, seed, count or made.images, write_meshes(root, name, seed, count, force=force)):
        print(table([mesh_summary(MeshSet(folder / f"{part}.yaml", made.kind)) for part in PARTS]))
        print(f"next: {command('data', 'check tsv', folder)}")
    return 0


def _said(folder: Path, seed: int, count: int, seconds: float | None) -> bool:
    """Prints that a set was written, or is there already; returns whether a table should follow."""
    if seconds is None:
        print(f"{folder} has {count} images of seed {seed} already; nothing written")
        return False
    print(f"wrote {count} images of seed {seed} to {folder} in {seconds:.0f} s:")
    return True
