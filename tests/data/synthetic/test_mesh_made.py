"""Mesh sets that are drawn, and those that are converted from downloads."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from data.__main__ import VERBS
from data.bodies import axis_angle
from data.bodies.body_joints import labelled_joints
from data.bodies.skinning import posed
from data.config import DataConfig
from data.formats.meshes.body_models import read_models
from data.formats.meshes.mesh_tsv import MeshSet
from data.images.crops import decode
from data.synthetic.meshes import mesh_sets
from data.synthetic.meshes.mesh_models import made_models, write_made_models
from data.synthetic.provide import provide
from spaces import cli
from tests.made.meshes import made_3dpw, made_freihand


def main(words):
    return cli.main("data", "Data sets.", VERBS, words)


@pytest.fixture(scope="module", params=["hand", "body"])
def drawn(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    mesh_sets.write_mesh_set(folder, request.param, 0, 40)
    return request.param, folder


def test_a_drawn_set_is_of_three_parts_and_its_model(drawn):
    kind, folder = drawn
    assert [len(MeshSet(folder / f"{part}.yaml", kind)) for part in mesh_sets.PARTS] == [32, 4, 4]
    read_models(folder / mesh_sets.MODELS, kind)


def test_labels_of_a_drawn_set_are_those_of_the_posed_model(drawn):
    kind, folder = drawn
    model, levels = made_models(kind)
    labels = [MeshSet(folder / "val.yaml", kind).label(number) for number in range(4)]
    pose, betas = (np.stack([getattr(label, name) for label in labels]).astype(float) for name in ("pose", "betas"))
    joints = labelled_joints(model, levels, *posed(model, pose, betas))
    for label, expected in zip(labels, joints, strict=True):
        np.testing.assert_allclose(label.joints3d[:, :3], expected, atol=2e-5)
        assert (label.joints2d[:, 2] == 1).all()


def test_joints_lie_on_the_figure_and_the_figure_in_its_box(drawn):
    kind, folder = drawn
    mesh_set = MeshSet(folder / "train.yaml", kind)
    on_figure = []
    for number in range(len(mesh_set)):
        label = mesh_set.label(number)
        pixels = np.asarray(decode(mesh_set.jpeg(number)), int)
        places = label.joints2d[:, :2]
        half = label.scale * 100
        assert (np.abs(places - label.center) < half).all()
        x, y = np.rint(places).astype(int).T
        # The darkest shade of a figure is brighter than any background.
        on_figure.append(pixels[y, x].max(-1) > 60)
    assert np.mean(on_figure) > 0.95


def test_a_seed_gives_the_same_bytes_and_another_one_others(tmp_path):
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        mesh_sets.write_mesh_set(tmp_path / name, "hand", seed, 10)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.tsv"))
    assert len(files) == 12
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file
    images = [tmp_path / name / "train.img.tsv" for name in ("one", "other")]
    assert images[0].read_bytes() != images[1].read_bytes()


def test_people_of_one_part_are_in_no_other(drawn):
    kind, folder = drawn
    shapes = [
        {tuple(MeshSet(folder / f"{part}.yaml", kind).label(at).betas.tolist()) for at in range(4)}
        for part in mesh_sets.PARTS
    ]
    assert not shapes[0] & shapes[1]
    assert not shapes[0] & shapes[2]


def test_synth_writes_a_mesh_set_once_and_check_finds_nothing(tmp_path, capsys):
    line = ["synth", "--root", str(tmp_path), "--mesh", "hand", "--images", "20"]
    assert main(line) == 0
    assert "train  hand      16" in capsys.readouterr().out
    assert main(line) == 0
    assert "nothing written" in capsys.readouterr().out
    assert main([*line[:-1], "30"]) == 2
    assert "holds 20 images of seed 0, not 30 of seed 0" in capsys.readouterr().err
    assert main(["check", "tsv", str(tmp_path / "synthetic_hand"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["problems"] == []
    assert main(["describe", "--root", str(tmp_path), "--data", "synthetic_hand", "--json"]) == 0
    meshes = json.loads(capsys.readouterr().out)["meshes"]
    assert [(one["part"], one["kind"], one["images"]) for one in meshes] == [
        ("train", "hand", 16), ("val", "hand", 2), ("test", "hand", 2),
    ]  # fmt: skip


def test_a_made_split_is_written_when_it_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hand = mesh_sets.SETS["synthetic_hand"]
    few = mesh_sets.MadeSet(name=hand.name, kind=hand.kind, images=10)
    monkeypatch.setattr("data.synthetic.store.MESH_SETS", {hand.name: few})
    provide(DataConfig(name="synthetic_hand", root="elsewhere"))
    provide(DataConfig(name="freihand"))
    assert not list(tmp_path.iterdir())
    provide(DataConfig(name="synthetic_hand"))
    written = Path("data/store/synthetic_hand/train.img.tsv").stat().st_mtime_ns
    provide(DataConfig(name="synthetic_hand"))
    assert Path("data/store/synthetic_hand/train.img.tsv").stat().st_mtime_ns == written


def test_freihand_becomes_a_mesh_set(tmp_path, capsys):
    source, out = made_freihand(tmp_path / "raw"), tmp_path / "store" / "freihand"
    assert main(["convert", "freihand", str(source), "--out", str(out)]) == 0
    assert "last tenth" in capsys.readouterr().out
    sets = {name: MeshSet(out / f"{name}.yaml", "hand") for name in ("train", "train_part", "val", "test")}
    assert {name: len(found) for name, found in sets.items()} == {"train": 40, "train_part": 36, "val": 4, "test": 2}
    label, again = sets["train"].label(3), sets["train"].label(13)
    joints = np.array(json.loads((source / "training_xyz.json").read_text()))[3]
    np.testing.assert_allclose(label.joints3d[:, :3], joints, atol=1e-6)
    np.testing.assert_allclose(label.joints2d[:, :2], 480 * joints[:, :2] / joints[:, 2:] + 112, atol=2e-3)
    assert np.array_equal(label.pose, again.pose)  # the same hand before another background
    assert (label.center.tolist(), label.scale) == ([112, 112], 0.9)
    assert {sets["val"].label(at).pose[0] for at in range(4)} == {sets["train"].label(9).pose[0]}
    assert sets["test"].label(0).has.tolist() == [0, 0, 1]
    assert sets["train"].jpeg(5) == (source / "training/rgb/00000005.jpg").read_bytes()
    assert main(["convert", "freihand", str(source), "--out", str(out)]) == 2
    assert "train.yaml exists; --force" in capsys.readouterr().err


def test_faults_of_a_freihand_download_are_told_together(tmp_path, capsys):
    source = made_freihand(tmp_path / "raw")
    (source / "training_K.json").unlink()
    (source / "training_mano.json").write_text("[[1, 2]]")
    (source / "training/rgb/00000007.jpg").unlink()
    assert main(["convert", "freihand", str(source), "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    for part in ("training_K.json: cannot be read", "training_mano.json: has shape", "no 00000007.jpg"):
        assert part in told, told
    assert not (tmp_path / "out").exists()


@pytest.fixture
def smpl(tmp_path):
    write_made_models(tmp_path / "smpl", "body")
    return tmp_path / "smpl"


def test_3dpw_becomes_mesh_sets_in_camera_axes(tmp_path, smpl, capsys):
    source, out = made_3dpw(tmp_path / "raw"), tmp_path / "3dpw"
    assert main(["convert", "3dpw", str(source), "--models", str(smpl), "--out", str(out)]) == 0
    found = MeshSet(out / "validation.yaml", "body")
    assert len(found) == 5  # two people, three frames, one of them without a valid camera
    assert found.key(4) == "walk_validation_1/image_00001.jpg"
    raw = pickle.loads((source / "sequenceFiles/validation/walk_validation.pkl").read_bytes())
    label = found.label(1)
    world = axis_angle.matrices(raw["poses"][0][1][:3])
    np.testing.assert_allclose(
        axis_angle.matrices(label.pose[:3].astype(float)), np.diag((1, -1, -1)) @ world, atol=1e-5
    )
    np.testing.assert_allclose(label.pose[3:], raw["poses"][0][1][3:], atol=1e-6)
    np.testing.assert_allclose(label.betas, raw["betas"][0][:10], atol=1e-6)
    keypoints = raw["poses2d"][0][1]
    np.testing.assert_allclose(label.joints2d[19, :2], keypoints[:2, 0], atol=1e-3)  # nose
    np.testing.assert_allclose(label.joints2d[0, :2], keypoints[:2, 10], atol=1e-3)  # right ankle
    assert not label.joints2d[13:18].any()  # head top to jaw: no such keypoint
    model, levels = made_models("body")
    joints = labelled_joints(
        model, levels, *posed(model, label.pose[None].astype(float), label.betas[None].astype(float))
    )
    np.testing.assert_allclose(label.joints3d[:, :3], joints[0], atol=2e-5)
    capsys.readouterr()
    assert main(["check", "tsv", str(out)]) == 0


def test_faults_of_a_3dpw_download_are_told_together(tmp_path, smpl, capsys):
    source = made_3dpw(tmp_path / "raw")
    (source / "imageFiles/walk_train/image_00001.jpg").unlink()
    (source / "sequenceFiles/test/walk_test.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    file = source / "sequenceFiles/validation/walk_validation.pkl"
    content = pickle.loads(file.read_bytes())
    content["poses2d"][0] = content["poses2d"][0][:, :2]
    file.write_bytes(pickle.dumps(content))
    assert main(["convert", "3dpw", str(source), "--models", str(smpl), "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    for part in (
        "1 images are missing, the first image_00001.jpg",
        "os.system",
        "poses2d: (3, 2, 18) where (3, 3, 18)",
    ):
        assert part in told, told
    assert not (tmp_path / "out").exists()
    assert main(["convert", "3dpw", str(source), "--models", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "register at" in capsys.readouterr().err
