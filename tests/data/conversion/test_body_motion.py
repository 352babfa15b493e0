"""AMASS and the like: SMPL parameters become joints by the body model that the user has, and are refused without."""

import numpy as np
import pytest

from data.__main__ import VERBS
from data.bodies.skinning import posed
from data.formats.meshes.body_models import read_models
from data.formats.poses import h36m
from data.synthetic.meshes.mesh_models import write_made_models
from spaces import cli

FRAMES = 60


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with a body model."""
    folder = tmp_path_factory.mktemp("models")
    write_made_models(folder, "body")
    return folder


def parameters(width=156, **changed):
    """Arrays of a file: somebody who stands with z up, walks along y and swings the arms."""
    seconds = np.arange(FRAMES) / 50
    poses = np.zeros((FRAMES, width))
    poses[:, 0] = np.pi / 2  # the model stands along y
    poses[:, 3 * 16] = 0.3 * np.sin(6 * seconds)
    path = np.stack((0 * seconds, -seconds, 0.95 + 0 * seconds), 1)
    return {"poses": poses, "trans": path, "betas": np.zeros(16), "mocap_framerate": np.array(50.0)} | changed


def convert(folder, *more, **arrays):
    (folder / "in").mkdir(exist_ok=True)
    np.savez(folder / "in" / "a_poses.npz", **arrays)
    np.savez(folder / "in" / "shape.npz", betas=np.zeros(16))  # lies in every folder of AMASS
    words = ["convert", "cmu", folder / "in", "--out", folder / "out", "--set", "made", *more]
    return cli.main("data", "Data sets.", VERBS, [str(word) for word in words])


@pytest.mark.parametrize("width", [72, 156])
def test_joints_are_those_of_the_posed_body(tmp_path, models, width):
    arrays = parameters(width)
    assert convert(tmp_path, "--models", models, **arrays) == 0
    found = h36m.read(tmp_path / "out", "made", "gt", joints=17).sequences[0].pose3d
    model, levels = read_models(models, "body")
    pose = np.zeros((FRAMES, 72))
    pose[:, :66] = arrays["poses"][:, :66]
    true = levels.h36m_regressor @ posed(model, pose, np.zeros((FRAMES, 10)))[0] + arrays["trans"][:, None]
    assert len(found) == FRAMES
    np.testing.assert_allclose(found - found[:, :1], true - true[:, :1], atol=1e-5)
    np.testing.assert_allclose(found[..., 2], true[..., 2], atol=1e-5)


def test_a_gender_is_told(tmp_path, models, capsys):
    assert convert(tmp_path, "--models", models, **parameters(gender=np.array("female"))) == 0
    assert "a_poses.npz: shape numbers of a female body are used with the neutral model" in capsys.readouterr().out


def test_without_a_body_model_the_need_is_told(tmp_path, capsys):
    assert convert(tmp_path, **parameters()) == 2
    assert "a_poses.npz: the joints of its SMPL parameters need a body model: give --models" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"poses": np.zeros((FRAMES, 165))}, "SMPL-X: its shape numbers are not those of SMPL"),
        ({"poses": np.zeros((FRAMES, 63))}, "expected (n, 72 or 156)"),
        ({"trans": np.zeros((FRAMES - 1, 3))}, "trans has shape (59, 3); expected (60, 3)"),
        ({"mocap_framerate": np.array(0.0)}, "tells no rate"),
        ({"trans": np.full((FRAMES, 3), np.nan)}, "numbers that are not finite"),
    ],
)
def test_files_at_fault_are_refused(tmp_path, models, capsys, changed, why):
    assert convert(tmp_path, "--models", models, **parameters(**changed)) == 2
    assert why in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
