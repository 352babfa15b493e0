"""`python -m data convert freihand|3dpw`: converts the downloads of FreiHAND and 3DPW to mesh sets."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from spaces.commands import command

from ..conversion import freihand, three_dpw
from ..errors import DataError
from ..formats.meshes.body_models import read_models
from ..formats.meshes.mesh_tsv import MeshSet, write_linelist, write_set
from .tables import mesh_summary, table


def convert_freihand(arguments: Namespace) -> int:
    """Writes all training images as `train`, parts of them as `train_part` and `val`, and `test`."""
    out: Path = arguments.out
    _refuse_present(out, ("train", "train_part", "val", "test"), force=arguments.force)
    source = freihand.read_freihand(arguments.dir)
    write_set(out, "train", freihand.train_samples(source))
    for name, rows in source.parts().items():
        write_linelist(out, name, rows, "train")
    if source.test:
        write_set(out, "test", freihand.test_samples(source))
    names = ("train", "train_part", "val", *(["test"] if source.test else []))
    _tell(out, names, "hand")
    print("note: val is the last tenth of the training hands, in no other part but `train`; test has no public labels")
    if not source.test:
        print(f"note: {arguments.dir} has no {freihand.IMAGES['test']}, so there is no test")
    return 0


def convert_3dpw(arguments: Namespace) -> int:
    """Writes `train`, `validation` and `test`."""
    out: Path = arguments.out
    _refuse_present(out, three_dpw.PARTS, force=arguments.force)
    model, levels = read_models(arguments.models, "body")
    tracks = three_dpw.read_3dpw(arguments.dir)
    for part, people in tracks.items():
        write_set(out, part, three_dpw.samples(people, model, levels))
    _tell(out, three_dpw.PARTS, "body")
    return 0


def _refuse_present(out: Path, names: tuple[str, ...], *, force: bool) -> None:
    there = [f"{name}.yaml" for name in names if (out / f"{name}.yaml").exists()]
    if there and not force:
        remedy = "--force writes over it, --out names another folder"
        raise DataError(str(out), [f"{name} exists; {remedy}" for name in there])


def _tell(out: Path, names: tuple[str, ...], kind: str) -> None:
    print(f"wrote mesh sets to {out}:")
    print(table([mesh_summary(MeshSet(out / f"{name}.yaml", kind)) for name in names]))
    print(f"next: {command('data', 'check tsv', out)}")
