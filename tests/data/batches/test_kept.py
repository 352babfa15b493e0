"""Processes of one machine hold the arrays of a pose set once, in a file that each maps."""

import dataclasses
from pathlib import Path

import pytest
import torch

from data.batches.samples import facts_of, open_samples
from data.poses.splits import TRAINING_PARTS
from tests.made.small import tiny_config, write_tiny

CPU = torch.device("cpu")
FIELDS = ("pose2d", "pose3d", "root3d", "camera", "action")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    root = tmp_path_factory.mktemp("set")
    write_tiny(root)
    return tiny_config(root).data


def files(folder):
    return [path for path in folder.iterdir() if not path.suffix]


def same(one, other):
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in FIELDS)


@pytest.mark.parametrize("changes", [{}, {"flip": False, "frames": 9}, {"views": 2}], ids=["plain", "window", "views"])
def test_what_is_kept_gives_the_batches_of_what_was_read(config, tmp_path, changes):
    wanted = dataclasses.replace(config, **changes)
    plain = open_samples(wanted, device=CPU)
    for _ in range(2):  # made, then found
        kept = open_samples(wanted, device=CPU, kept_in=tmp_path)
        assert (kept.fingerprint, kept.actions, kept.subjects) == (plain.fingerprint, plain.actions, plain.subjects)
        for part in TRAINING_PARTS:
            order = plain.order(part, 1, 0, 8)
            assert torch.equal(kept.order(part, 1, 0, 8), order)
            assert same(kept.gather(part, order, FIELDS), plain.gather(part, order, FIELDS))
            assert (kept.split, kept.spans(part)) == (plain.split, plain.spans(part))
        assert kept.num_scored("val") == plain.num_scored("val")
        assert torch.equal(kept.truth("val").step_weight, plain.truth("val").step_weight)
    assert len(files(tmp_path)) == 1


def test_what_is_kept_is_mapped_from_its_file(config, tmp_path):
    kept = open_samples(config, device=CPU, kept_in=tmp_path)
    address = kept.arrays()["tracks"]["train"].pose3d.data_ptr()
    (file,) = files(tmp_path)
    maps = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(str(file))]
    assert any(int(low, 16) <= address < int(high, 16) for low, high in (words[0].split("-") for words in maps))


def test_who_looks_at_the_data_first_keeps_them_for_the_trials(config, tmp_path, monkeypatch):
    assert facts_of(config, kept_in=tmp_path) == facts_of(config)
    monkeypatch.setattr("data.batches.samples.read_poses", lambda *rest: pytest.fail("it was read again"))
    assert open_samples(config, device=CPU, kept_in=tmp_path).count("train")
    assert len(files(tmp_path)) == 1


def test_other_data_have_another_file(config, tmp_path):
    for frames in (1, 9):
        assert open_samples(dataclasses.replace(config, frames=frames), device=CPU, kept_in=tmp_path).count("val")
    assert len(files(tmp_path)) == 2


def test_where_nothing_can_be_kept_each_has_its_own(config, tmp_path):
    folder = tmp_path / "no such folder"
    assert open_samples(config, device=CPU, kept_in=folder).count("train")
    assert not folder.exists()
