"""The embedded set is written when the default is asked for, and never otherwise."""

from pathlib import Path

import pytest

from data.config import DataConfig
from data.formats.poses import h36m, humaneva, mpi_inf_3dhp
from data.synthetic.provide import provide
from tests.made.poses import made_in_place_of_synthetic


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made_in_place_of_synthetic(monkeypatch)
    return tmp_path


def test_the_default_in_the_default_folder_is_written_once(here):
    provide(DataConfig())
    file = h36m.file_3d(Path("data/store"), "synthetic")
    written = file.stat().st_mtime_ns
    provide(DataConfig())
    assert file.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("name", "joints", "file"),
    [
        ("synthetic_humaneva15", 15, humaneva.file_3d(Path("data/store"), "synthetic_humaneva15")),
        ("synthetic_3dhp", 17, mpi_inf_3dhp.file_test(Path("data/store"), "synthetic_3dhp")),
    ],
)
def test_its_twins_of_other_layouts_are_written_too(here, name, joints, file):
    provide(DataConfig(name="3dhp"))
    assert not file.exists()
    provide(DataConfig(name=name, joints=joints))
    assert file.is_file()


def test_other_sets_and_other_folders_are_not_written(here):
    provide(DataConfig(name="h36m"))
    provide(DataConfig(root="elsewhere"))
    assert not list(here.iterdir())


def test_a_set_that_is_there_in_part_is_left_as_it_is(here):
    provide(DataConfig())
    missing = h36m.file_2d(Path("data/store"), "synthetic", "gt")
    missing.unlink()
    provide(DataConfig())
    assert not missing.exists()
