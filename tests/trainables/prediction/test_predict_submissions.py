"""`predict --submission`: the file that FreiHAND's evaluation takes."""

import json
import zipfile

import numpy as np
import pytest

from tests.trainables.prediction.mesh_home import loaded, predict, write_home
from trainables.scoring.submission import submission_path


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return write_home(tmp_path_factory.mktemp("meshes"))


@pytest.fixture(scope="module")
def of_set(home, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "o.npz"
    assert predict(home, out) == 0
    return loaded(out)


def submitted(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["pred.json"]
        joints, vertices = json.loads(archive.read("pred.json"))
    return np.array(joints), np.array(vertices)


def test_a_submission_holds_the_joints_and_vertices_of_the_output_in_order(home, of_set, tmp_path, capsys):
    assert predict(home, tmp_path / "o.npz", "--submission") == 0
    joints, vertices = submitted(tmp_path / "ckpt7-sc10_rot0-pred.zip")
    assert (joints.shape, vertices.shape) == ((5, 21, 3), (5, 778, 3))
    np.testing.assert_allclose(joints, of_set["pose3d"], rtol=0, atol=6e-7)  # rounded to 1e-6 m
    np.testing.assert_allclose(vertices, of_set["vertices"], rtol=0, atol=6e-7)
    assert not joints[:, 0].any()
    out = capsys.readouterr().out
    assert "note: --submission: FreiHAND's evaluation wants 3960 images in its order, these are 5" in out
    assert str(tmp_path / "ckpt7-sc10_rot0-pred.zip") in out


def test_an_averaged_submission_has_its_published_name_and_says_how_often_it_looks(home, of_set, tmp_path, capsys):
    assert predict(home, tmp_path / "o.npz", "--submission", "--multiscale", source="0.jpg") == 0
    joints, vertices = submitted(tmp_path / "ckpt7-multisc-pred.zip")
    found = loaded(tmp_path / "o.npz")
    np.testing.assert_allclose(joints, found["pose3d"], rtol=0, atol=6e-7)
    np.testing.assert_allclose(vertices, found["vertices"], rtol=0, atol=6e-7)
    assert "note: --multiscale: 95 passes over the images" in capsys.readouterr().out
    assert predict(home, tmp_path / "plain.npz", source="0.jpg") == 0
    plain = loaded(tmp_path / "plain.npz")
    assert np.abs(found["vertices"] - plain["vertices"]).max() > 1e-4
    assert np.array_equal(found["camera"], plain["camera"])


def test_weights_that_tell_no_epoch_are_taken_for_the_published_ones(tmp_path):
    assert submission_path(tmp_path / "o.npz", {}, multiscale=False) == tmp_path / "ckpt200-sc10_rot0-pred.zip"
    assert submission_path(tmp_path / "o.npz", {"imported_from": "x.bin"}, multiscale=True).name == (
        "ckpt200-multisc-pred.zip"
    )


def test_a_submission_is_not_written_over_and_equal_ones_are_equal_files(home, tmp_path, capsys):
    assert predict(home, tmp_path / "a.npz", "--submission") == 0
    archive = tmp_path / "ckpt7-sc10_rot0-pred.zip"
    content = archive.read_bytes()
    assert predict(home, tmp_path / "b.npz", "--submission") == 2
    assert f"{archive} exists; give --out in another folder or add --force" in capsys.readouterr().err
    assert not (tmp_path / "b.npz").exists()
    assert predict(home, tmp_path / "b.npz", "--submission", "--force") == 0
    assert archive.read_bytes() == content
    assert predict(home, archive, "--submission", "--force") == 2
    assert "name a file that ends in .npz" in capsys.readouterr().err
