"""What `predict` writes by the ending of a name: the same poses in every file, all of them or none."""

import csv
import importlib
import json
from importlib.util import find_spec

import numpy as np
import pytest

from data.conversion.motion.bvh import move, read_bvh
from spaces.commands import OPTIONAL
from spaces.schema import dump
from tests import ROOT
from tests.made.commands import predict_with
from tests.made.small import tiny_config
from tests.trainables.prediction.motion.walking import NAMES
from trainables import registry
from trainables.cli import outputs
from trainables.prediction import videos as predicting
from trainables.weights.checkpoint import save_weights

EVERY = ("npz", "json", "csv", "bvh", "trc", "glb", *(["c3d"] if find_spec("ezc3d") else []))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A config of 17 joints, its weights, and keypoints of 60 frames of which 5 have no detection."""
    root = tmp_path_factory.mktemp("outputs")
    config = tiny_config(root, data__joints=17)
    network = registry.get("graformer").build(config.network, config.data.sizes)
    save_weights(root / "c.safetensors", network.state_dict(), config, {"epoch": 1})
    (root / "c.yaml").write_text(dump(config))
    values = np.random.default_rng(5).uniform(100, 900, (60, 17, 2)).cumsum(0) / np.arange(1, 61)[:, None, None]
    values[20:25] = np.nan
    np.savez(root / "k.npz", keypoints=values, width=1000, height=1002, fps=50, layout="h36m")
    return root


def predict(home, first, *others, more=()):
    """`predict` of the keypoints into several files."""
    words = [word for path in others for word in ("--out", str(path))]
    return predict_with(home, "c", "k.npz", first, *words, *more)


@pytest.fixture(scope="module")
def written(home, tmp_path_factory):
    """A file of every format, of one prediction; the folder of them."""
    folder = tmp_path_factory.mktemp("files")
    first, *others = (folder / f"o.{ending}" for ending in EVERY)
    assert predict(home, first, *others) == 0
    return folder


def arrays(folder):
    with np.load(folder / "o.npz") as archive:
        return {name: archive[name] for name in archive.files}


def test_json_holds_what_npz_does(written):
    found, expected = json.loads((written / "o.json").read_text()), arrays(written)
    assert list(found) == list(expected)
    for name, array in expected.items():
        if array.dtype.kind == "f":
            np.testing.assert_allclose(np.array(found[name]), array, rtol=0, atol=6e-6, err_msg=name)
        else:
            assert found[name] == array.tolist(), name


def test_csv_holds_a_row_for_each_frame(written):
    expected = arrays(written)
    with (written / "o.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60
    assert [row["time_s"] for row in rows[:2]] == ["0.000000", "0.020000"]
    assert [at for at, row in enumerate(rows) if row["is_filled"] == "1"] == [20, 21, 22, 23, 24]
    wrist = np.array([[float(row[f"LWrist_{axis}_m"]) for axis in "xyz"] for row in rows])
    np.testing.assert_allclose(wrist, expected["pose3d"][:, 13], rtol=0, atol=6e-6)


def test_motion_files_hold_the_same_poses_with_y_up(written):
    pose = arrays(written)["pose3d"] * (1, -1, -1)
    trc = [line.removesuffix("\t").split("\t")[2:] for line in (written / "o.trc").read_text().splitlines()[6:]]
    markers = np.array([[float(word or "nan") for word in row] for row in trc]).reshape(60, 17, 3) / 1000
    read = [markers]
    if "c3d" in EVERY:
        content = importlib.import_module("ezc3d").c3d(str(written / "o.c3d"))
        read.append(content["data"]["points"][:3].transpose(2, 1, 0) / 1000)
    for found in read:
        assert np.flatnonzero(np.isnan(found).any((1, 2))).tolist() == [20, 21, 22, 23, 24]
        np.testing.assert_allclose(found - found[:, :1], np.where(np.isnan(found), np.nan, pose), rtol=0, atol=1e-5)
        np.testing.assert_allclose(found, markers, rtol=0, atol=1e-5)
    bvh = move(read_bvh(written / "o.bvh"))
    assert bvh.fps == 50
    hips = bvh.points[NAMES["Hip"].lower()] / 100
    np.testing.assert_allclose(hips, np.tile(markers[0, 0], (60, 1)), rtol=0, atol=1e-5)


def test_units_errors_and_gaps_are_told_for_each_file(home, tmp_path, capsys):
    assert predict(home, tmp_path / "o.bvh", *(tmp_path / f"o.{ending}" for ending in ("trc", "csv", "npz"))) == 0
    told = capsys.readouterr().out
    assert "o.bvh: centimetres, y up, 50 frames a second; fitted to fixed bones: mean " in told
    assert " mm, at most " in told
    assert "5 frames without a detection are interpolated" in told
    assert "o.trc: millimetres, y up, 50 frames a second; 5 frames without a detection are left empty" in told
    assert f"{tmp_path}/o.csv, {tmp_path}/o.npz: 17 joints, metres from the hip, x right, y down, z forward" in told


def test_every_wrong_file_is_told_at_once_and_nothing_is_written(home, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(outputs, "find_spec", lambda name: None)
    (tmp_path / "mine.npz").write_text("mine")
    outs = [tmp_path / name for name in ("a.c3d", "b.fbx", "mine.npz", "d.bvh", "d.bvh", "no/e.npz", "plain")]
    assert predict(home, tmp_path / "good.npz", *outs) == 2
    told = capsys.readouterr().err
    for part in (
        "6 problems",
        "a.c3d: needs the package ezc3d, which is not installed; run ",
        " -m pip install ezc3d==1.7.2, or write .trc",
        "b.fbx: name a file that ends in .npz or .json or .csv or .bvh or .c3d or .trc or .glb",
        "plain: name a file that ends in .npz",
        "mine.npz exists",
        "d.bvh: is --out too; choose another name",
        "e.npz: there is no folder",
    ):
        assert part in told, part
    assert [path.name for path in tmp_path.iterdir()] == ["mine.npz"]
    assert (tmp_path / "mine.npz").read_text() == "mine"


def test_a_page_is_drawn_beside_a_film(home, tmp_path):
    pictures = [word for name in ("w.html", "w.gif") for word in ("--render", str(tmp_path / name))]
    assert predict(home, tmp_path / "o.json", more=pictures) == 0
    assert (tmp_path / "w.html").read_text().startswith("<!DOCTYPE html>")
    assert (tmp_path / "w.gif").read_bytes()[:3] == b"GIF"


def test_a_file_that_fails_leaves_no_other(home, tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("no room")

    monkeypatch.setattr(predicting, "render", fail)
    outs = [tmp_path / f"o.{ending}" for ending in ("npz", "bvh", "csv")]
    with pytest.raises(RuntimeError):
        predict(home, *outs, more=("--render", str(tmp_path / "w.html")))
    assert not list(tmp_path.iterdir())


def test_a_c3d_is_refused_for_more_frames_than_it_counts(home, tmp_path, capsys, monkeypatch):
    pytest.importorskip("ezc3d")
    monkeypatch.setattr(outputs, "MOST_FRAMES", {".c3d": 59})
    assert predict(home, tmp_path / "o.c3d") == 2
    assert f"o.c3d: holds at most 59 frames, and {home}/k.npz has 60; cut it" in capsys.readouterr().err
    assert predict(home, tmp_path / "o.trc") == 0


def test_the_package_of_c3d_is_the_one_that_is_tested():
    package, _ = outputs.NEEDED[".c3d"]
    version = OPTIONAL[package]
    lines = (ROOT / "tests" / "requirements.txt").read_text().splitlines()
    assert any(line.partition(";")[0] == f"{package}=={version}" for line in lines)
