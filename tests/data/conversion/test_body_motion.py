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


def heights(folder):
    return h36m.read(folder / "out", "made", "gt", joints=17).sequences[0].pose3d[..., 2]


@pytest.mark.parametrize("kind", [str, bytes, object])
@pytest.mark.parametrize("shape", [(), (1,)])
@pytest.mark.parametrize("gender", ["female", "neutral"])
def test_a_gender_is_told_however_it_is_stored(tmp_path, models, capsys, kind, shape, gender):
    text = np.array(gender.encode() if kind is bytes else gender, object if kind is object else None).reshape(shape)
    assert convert(tmp_path, "--models", models, **parameters(gender=text)) == 0
    told = "a_poses.npz: shape numbers of a female body are used with the neutral model"
    assert (told in capsys.readouterr().out) == (gender == "female")


@pytest.mark.parametrize("name", ["mocap_framerate", "mocap_frame_rate", "fps"])
@pytest.mark.parametrize("rate", [np.array(100.0), np.array(100), np.array([100.0], np.float32)])
def test_a_rate_has_one_of_three_names(tmp_path, models, name, rate):
    arrays = parameters() | {name: rate}
    if name != "mocap_framerate":
        del arrays["mocap_framerate"]
    assert convert(tmp_path, "--models", models, **arrays) == 0
    assert heights(tmp_path).shape[0] == FRAMES / 2  # 50 a second of 100


def test_shape_numbers_beyond_those_of_the_model_and_those_of_every_frame_are_the_same(tmp_path, models):
    shape = np.array([2.0, -1, *np.zeros(8)])
    found = []
    for betas in (shape, np.r_[shape, 9 * np.ones(6)], shape[None], np.tile(np.r_[shape, np.ones(6)], (FRAMES, 1))):
        assert convert(tmp_path, "--models", models, "--force", **parameters(betas=betas)) == 0
        found.append(heights(tmp_path))
    assert np.ptp(found, axis=0).max() == 0
    assert convert(tmp_path, "--models", models, "--force", **parameters()) == 0
    assert np.abs(heights(tmp_path) - found[0]).max() > 1e-3


def smplx(**changed):
    """What the SMPL-X files of AMASS hold, beside the markers."""
    arrays = parameters(165, surface_model_type=np.array("smplx"), gender=np.array("neutral"), num_betas=np.array(16))
    parts = {"root_orient": 3, "pose_body": 63, "pose_jaw": 3, "pose_eye": 6, "pose_hand": 90}
    columns = np.cumsum([0, *parts.values()])
    arrays |= {
        name: arrays["poses"][:, first : first + width]
        for (name, width), first in zip(parts.items(), columns, strict=False)
    }
    arrays["mocap_frame_rate"] = arrays.pop("mocap_framerate")
    return arrays | changed


def test_poses_in_parts_are_those_in_one(tmp_path, models):
    assert convert(tmp_path, "--models", models, **parameters()) == 0
    whole = heights(tmp_path)
    arrays = smplx(surface_model_type=np.array("smplh"))
    del arrays["poses"]
    assert convert(tmp_path, "--models", models, "--force", **arrays) == 0
    np.testing.assert_array_equal(heights(tmp_path), whole)


@pytest.mark.parametrize("left_out", ["", "poses", "surface_model_type"])
@pytest.mark.parametrize("kind", [None, object])
def test_smplx_is_refused_however_it_is_told(tmp_path, models, capsys, left_out, kind):
    arrays = smplx(surface_model_type=np.array("smplx", kind))
    arrays.pop(left_out, None)
    assert convert(tmp_path, "--models", models, **arrays) == 2
    assert "SMPL-X: its shape numbers are not those of SMPL; get the SMPL+H files" in capsys.readouterr().err


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
        ({"mocap_framerate": np.array("fast")}, "tells no rate"),
        ({"mocap_framerate": np.array([50.0, 60])}, "tells no rate"),
        ({"betas": np.full(16, np.nan)}, "numbers that are not finite"),
        ({"betas": np.full(16, "a")}, "betas holds <U1; expected numbers"),
        ({"trans": np.full((FRAMES, 3), "a")}, "trans holds <U1; expected numbers"),
        ({"poses": np.zeros((FRAMES, 156), "S1")}, "expected (n, 72 or 156)"),
        ({"trans": np.full((FRAMES, 3), np.nan)}, "numbers that are not finite"),
    ],
)
def test_files_at_fault_are_refused(tmp_path, models, capsys, changed, why):
    assert convert(tmp_path, "--models", models, **parameters(**changed)) == 2
    assert why in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
