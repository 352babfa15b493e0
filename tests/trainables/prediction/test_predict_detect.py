"""`predict --detect`: a photo or a clip gives the poses that a file of its 2D gives, and lacks nothing silently."""

from importlib.util import find_spec

import numpy as np
import pytest

from spaces.commands import OPTIONAL
from spaces.schema import dump
from tests import ROOT
from tests.made.commands import predict_with
from tests.made.crops import MODEL as CROPS
from tests.made.crops import trunk_file
from tests.made.footage.dots import as_stored, drawn, standing, write_clip
from tests.made.small import tiny_config, tiny_run
from trainables import registry
from trainables.cli import detecting
from trainables.config import default_config
from trainables.weights.checkpoint import save_weights

MESHES = "mesh_graphormer"
WIDTH, HEIGHT, FRAMES = 240, 320, 12
HAS_PACKAGES = bool(find_spec("onnxruntime") and find_spec("onnx"))
detects = pytest.mark.skipif(not HAS_PACKAGES, reason="onnxruntime is optional; onnx makes the networks of tests")


def saved(root, name, config):
    network = registry.get(config.model).build(config.network, config.data.sizes)
    save_weights(root / f"{name}.safetensors", network.state_dict(), config, {"epoch": 1})
    (root / f"{name}.yaml").write_text(dump(config))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Configs for one view and two, weights, networks, and a clip of a phone that was held upright."""
    root = tmp_path_factory.mktemp("detect")
    saved(root, "c", tiny_config(root, data__joints=17))
    saved(root, "two", tiny_run("sgraformer", root, data__views=2, data__axes="world", data__joints=17))
    tiny = {key: value for key, value in registry.get(CROPS).tiny.items() if key != "network.features"}
    trunk_file(root / "trunk.safetensors", seed=4)
    frozen = {"network.trunk_weights": "trunk.safetensors", "network.trunk_lr_factor": 0.0, "data.root": str(root)}
    saved(root, "crops", default_config(CROPS, {**tiny, **frozen}, "test"))
    (root / "mesh.yaml").write_text(
        dump(
            default_config(
                MESHES, {**registry.get(MESHES).tiny, "network.mesh": "hand", "data.name": "synthetic_hand"}, "test"
            )
        )
    )
    (root / "mesh.safetensors").touch()
    images = [drawn(WIDTH, HEIGHT, [standing(WIDTH, HEIGHT, shift=(at, 0))]) for at in range(FRAMES)]
    images[5] = drawn(WIDTH, HEIGHT, [])
    write_clip(root / "clip.mp4", [as_stored(image, 270) for image in images], degrees=270, fps=25)
    images[0].save(root / "photo.png")
    if HAS_PACKAGES:
        from tests.made.footage import networks

        networks.write_yolo(root / "yolo.onnx")
        networks.write_simcc(root / "simcc.onnx")
    for name in ("yolo.onnx", "simcc.onnx"):
        (root / name).touch()
    return root


def detect(home, out, *more, source="clip.mp4", network="yolo.onnx", kind="c"):
    return predict_with(home, kind, source, out, "--detect", "--detector", str(home / network), *more)


def arrays(path):
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


@detects
def test_the_poses_are_those_of_the_2d_that_it_writes(home, tmp_path, capsys):
    more = ["--detections", str(tmp_path / "k.json"), "--render", str(tmp_path / "f.gif")]
    assert detect(home, tmp_path / "o.npz", *more) == 0
    told = capsys.readouterr().out
    assert f"detecting 2D poses in {home}/clip.mp4" in told
    assert f"{FRAMES} frames, 17 coco joints, {WIDTH} x {HEIGHT} pixels, 25 frames a second" in told
    assert "note: nobody was found in 1 of 12 frames" in told
    assert f"{home}/clip.mp4 -> {tmp_path}/k.json: 2D poses, which --input reads" in told
    found = arrays(tmp_path / "o.npz")
    assert np.flatnonzero(found["is_filled"]).tolist() == [5]
    wrists = standing(WIDTH, HEIGHT)[[9, 10]] + np.arange(FRAMES)[:, None, None] * (1, 0)
    names = found["joints"].tolist()
    seen = found["keypoints"][:, [names.index("LWrist"), names.index("RWrist")]]
    assert np.abs(seen - wrists)[found["is_filled"] == 0].max() < 1.2
    assert predict_with(home, "c", tmp_path / "k.json", tmp_path / "again.npz") == 0
    again = arrays(tmp_path / "again.npz")
    for name, array in found.items():
        np.testing.assert_array_equal(array, again[name], err_msg=name)
    assert (tmp_path / "f.gif").read_bytes()[:3] == b"GIF"


@detects
def test_the_film_shows_the_clip_under_the_keypoints(home, tmp_path, monkeypatch):
    from trainables.prediction import videos

    scenes = []
    monkeypatch.setattr(videos, "render", lambda scene, file, *_: scenes.append(scene) or file.write(b"film"))
    assert detect(home, tmp_path / "o.npz", "--render", str(tmp_path / "f.mp4")) == 0
    (scene,) = scenes
    for at in (0, 7):
        shown = np.asarray(scene.photo(0, at)).astype(int)
        expected = drawn(WIDTH, HEIGHT, [standing(WIDTH, HEIGHT, shift=(at, 0))])
        assert np.abs(shown - np.asarray(expected)).mean() < 3


@detects
def test_a_photo_is_a_film_of_one_frame(home, tmp_path, capsys):
    more = ["--person-detector", str(home / "yolo.onnx"), "--detections", str(tmp_path / "k.json")]
    more += ["--render", str(tmp_path / "o.png")]
    assert detect(home, tmp_path / "o.npz", *more, source="photo.png", network="simcc.onnx") == 0
    assert (tmp_path / "o.png").read_bytes()[1:4] == b"PNG"
    assert "people by yolo.onnx" in capsys.readouterr().out
    assert arrays(tmp_path / "o.npz")["pose3d"].shape == (1, 17, 3)
    assert detect(home, tmp_path / "no.npz", "--render", str(tmp_path / "no.png")) == 2
    assert f"no.png: shows one image, and {home}/clip.mp4 lists {FRAMES}" in capsys.readouterr().err
    assert predict_with(home, "c", tmp_path / "k.json", tmp_path / "again.npz") == 0
    np.testing.assert_array_equal(*(arrays(tmp_path / name)["pose3d"] for name in ("o.npz", "again.npz")))


@detects
def test_views_are_paired_by_the_numbers_of_their_frames(home, tmp_path):
    longer = [drawn(WIDTH, HEIGHT, [standing(WIDTH, HEIGHT, shift=(-at, 0))]) for at in range(FRAMES + 4)]
    write_clip(tmp_path / "other.mp4", longer, fps=25)
    written = [word for name in "ab" for word in ("--detections", str(tmp_path / f"{name}.json"))]
    more = ["--input", str(tmp_path / "other.mp4"), *written, "--render", str(tmp_path / "f.gif")]
    assert detect(home, tmp_path / "o.npz", *more, kind="two") == 0
    found = arrays(tmp_path / "o.npz")
    assert found["is_filled"].sum(1).tolist() == [1 + 4, 0]
    again = ["--input", str(tmp_path / "b.json")]
    assert predict_with(home, "two", tmp_path / "a.json", tmp_path / "again.npz", *again) == 0
    np.testing.assert_array_equal(found["pose3d"], arrays(tmp_path / "again.npz")["pose3d"])


@detects
def test_a_network_that_reads_images_gets_the_photo_and_its_2d(home, tmp_path, capsys):
    more = ["--detections", str(tmp_path / "k.json"), "--render", str(tmp_path / "o.png")]
    assert detect(home, tmp_path / "o.npz", *more, source="photo.png", kind="crops") == 0
    found = arrays(tmp_path / "o.npz")
    assert found["files"].tolist() == ["photo.png"]
    assert predict_with(home, "crops", tmp_path / "k.json", tmp_path / "again.npz") == 0
    np.testing.assert_array_equal(found["pose3d"], arrays(tmp_path / "again.npz")["pose3d"])
    capsys.readouterr()
    assert detect(home, tmp_path / "no.npz", kind="crops") == 2
    assert "is a clip, and this network reads single images" in capsys.readouterr().err


@detects
def test_a_rate_that_is_given_stands_for_that_of_the_clip(home, tmp_path):
    assert detect(home, tmp_path / "o.npz", "--fps", "100") == 0
    assert arrays(tmp_path / "o.npz")["fps"] == 100


@detects
def test_every_fault_of_files_is_told_and_nothing_written(home, tmp_path, capsys):
    (tmp_path / "clip.mp4").write_text("no film")
    out = ["--detections", str(tmp_path / "k.json")]
    assert detect(home, tmp_path / "o.npz", *out, source=tmp_path / "clip.mp4", network="c.yaml") == 2
    told = capsys.readouterr().err
    assert "is neither a photo nor a clip that can be read" in told
    assert "c.yaml: is no ONNX model that onnxruntime reads" in told
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


@detects
def test_every_clip_without_a_person_is_told(home, tmp_path, capsys):
    for name in ("a", "b"):
        write_clip(tmp_path / f"{name}.mp4", [drawn(WIDTH, HEIGHT, [])] * 2)
    assert (
        detect(home, tmp_path / "o.npz", "--input", str(tmp_path / "b.mp4"), source=tmp_path / "a.mp4", kind="two") == 2
    )
    told = capsys.readouterr().err
    assert "--detect: 2 problems" in told
    for name in ("a", "b"):
        assert f"{tmp_path}/{name}.mp4: holds no pose" in told


@detects
def test_weights_of_another_network_are_told_before_anything_is_detected(home, tmp_path, capsys):
    assert detect(home, tmp_path / "o.npz", "--weights", str(home / "two.safetensors")) == 2
    out, err = capsys.readouterr()
    assert "two.safetensors" in err
    assert "detecting" not in out


def test_without_the_package_one_line_says_how_to_get_it(home, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(detecting, "find_spec", lambda name: None)
    assert detect(home, tmp_path / "o.npz") == 2
    told = capsys.readouterr().err
    assert "--detect: needs the package onnxruntime, which is not installed; run " in told
    assert f" -m pip install onnxruntime=={OPTIONAL['onnxruntime']}" in told
    assert not list(tmp_path.iterdir())


def test_the_package_is_the_one_that_is_tested():
    lines = (ROOT / "tests" / "requirements.txt").read_text().splitlines()
    assert f"onnxruntime=={OPTIONAL['onnxruntime']}" in lines


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--detect"], "give --detector end2end.onnx"),
        (["--detect"], detecting.MODEL_URL),
        (["--detector", "{home}/yolo.onnx"], "yolo.onnx: only goes with --detect"),
        (["--detections", "{home}/k.json"], "k.json: only goes with --detect"),
        (["--detect", "--detector", "{home}/gone.onnx"], "gone.onnx: there is no such file"),
        (["--detect", "--detector", "{home}"], "is a folder; give a file"),
        (
            ["--detect", "--detector", "{home}/yolo.onnx", "--width", "9"],
            "--width 9: photos and clips tell their width",
        ),
        (["--detect", "--detector", "{home}/yolo.onnx", "--video", "a"], "--video a: a clip is one video"),
        (["--detect", "--detector", "{home}/yolo.onnx", "--detections", "{home}/k.npz"], "ends in .json"),
        (["--detect", "--detector", "{home}/yolo.onnx", "--detections", "{home}/clip.mp4"], "is --input too"),
        (
            ["--detect", "--detector", "{home}/yolo.onnx", *["--detections", "{home}/k.json"] * 2],
            "2 given for 1 of --input; give one for each",
        ),
        (
            ["--detect", "--detector", "{home}/yolo.onnx", "--detections", "{home}/yolo.onnx"],
            "yolo.onnx: is --detector too",
        ),
    ],
)
def test_options_that_cannot_work_are_refused(words, told, home, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(detecting, "find_spec", lambda name: True)
    assert predict_with(home, "c", "clip.mp4", tmp_path / "o.npz", *(word.format(home=home) for word in words)) == 2
    assert told in capsys.readouterr().err


def test_a_network_that_reads_boxes_needs_no_2d(home, tmp_path, capsys):
    assert detect(home, tmp_path / "o.npz", source="photo.png", kind="mesh") == 2
    assert "--detect: this network reads boxes, not 2D poses; leave it out" in capsys.readouterr().err


@pytest.mark.parametrize(("source", "kind"), [("clip.mp4", "clip"), ("photo.png", "photo")])
def test_footage_without_the_option_is_told_how(source, kind, home, tmp_path, capsys):
    assert predict_with(home, "c", source, tmp_path / "o.npz") == 2
    told = capsys.readouterr().err
    assert f"{source}: is a {kind}, and 2D keypoints are read; add --detect --detector FILE.onnx" in told
