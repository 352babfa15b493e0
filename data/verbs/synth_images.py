"""`python -m data synth --images N`: writes the embedded image set, or a mesh set, once."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ..formats.images import h36m_images
from ..formats.meshes.mesh_tsv import MeshSet
from ..synthetic.images.images import NAME, write_images
from ..synthetic.meshes.mesh_sets import PARTS, SETS, write_mesh_set
from ..synthetic.once import made_once
from .tables import mesh_summary, summary, table


def synth_images(root: Path, seed: int, count: int, *, force: bool) -> int:
    """Says what it did. DataError, and nothing written, when a folder of that name is there that it did not write."""
    folder = root / NAME
    seconds = made_once(folder, seed, count, partial(write_images, seed=seed, count=count), force=force)
    if _said(folder, seed, count, seconds):
        found = h36m_images.available_keypoints(root, NAME)
        print(table([summary(h36m_images.read(root, NAME, keypoints)) for keypoints in found]))
    return 0


def synth_mesh(root: Path, name: str, seed: int, count: int, *, force: bool) -> int:
    """The same for a mesh set; count 0: as many images as it has unless told otherwise."""
    made = SETS[name]
    folder, images = root / name, count or made.images
    write = partial(write_mesh_set, kind=made.kind, seed=seed, count=images)
    seconds = made_once(folder, seed, images, write, force=force)
    if _said(folder, seed, images, seconds):
        print(table([mesh_summary(MeshSet(folder / f"{part}.yaml", made.kind)) for part in PARTS]))
    return 0


def _said(folder: Path, seed: int, count: int, seconds: float | None) -> bool:
    """Whether there is more to say."""
    if seconds is None:
        print(f"{folder} has {count} images of seed {seed} already; nothing written")
        return False
    print(f"wrote {count} images of seed {seed} to {folder} in {seconds:.0f} s:")
    return True
