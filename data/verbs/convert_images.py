"""`python -m data convert h36m-images`: writes label files for the frames of Human3.6M's videos."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from spaces.commands import command

from ..conversion import h36m_images
from ..errors import DataError
from ..formats.images.h36m_images import IMAGES
from ..formats.images.h36m_labels import write_labels

NOTES_SHOWN = 5


def convert_h36m_images(arguments: Namespace) -> int:
    """Writes the label files beside the images, or into --out, where it makes a link to them."""
    images: Path = arguments.dir
    out: Path = arguments.out
    if not arguments.force:
        there = [path for path in sorted(out.glob("h36m_*.pkl")) if path.is_file()]
        remedy = "--force writes over it, --out names another folder"
        if there:
            raise DataError(str(out), [f"{path.name} exists; {remedy}" for path in there])
    labels = h36m_images.make_labels(images, arguments.poses)
    for file, records in labels.files.items():
        write_labels(out / file, records)
        print(f"wrote {out / file}: labels of {len(records)} images")
    link = out / IMAGES
    if not link.exists():
        link.symlink_to((images / IMAGES).resolve())
        print(f"{link} leads to {(images / IMAGES).resolve()}")
    if labels.unused:
        print(f"note: {labels.unused} images lie behind the last pose of their recording and have no label")
    if labels.left_out:
        shown = ", ".join(labels.left_out[:NOTES_SHOWN])
        print(f"note: no images of {len(labels.left_out)} recordings and cameras: {shown}")
    print(f"next: {command('data', 'check h36m-images', out.parent, '--set', out.name)}")
    return 0
