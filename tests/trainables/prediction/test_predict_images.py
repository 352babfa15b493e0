"""`predict` on images: the poses that evaluation gives where the boxes are the same, and pictures that show them."""

import io
import json

import av
import numpy as np
import pytest
import torch
from PIL import Image

from data.formats.source import read_poses
from spaces.schema import config_id, dump
from tests.made.commands import predict_with
from tests.made.crops import MODEL, trunk_file
from tests.made.images import made_images, opened, settings_for
from trainables import registry
from trainables.config import default_config
from trainables.pictures.sheets import MARGIN, PANEL, RIGHT, STRIP
from trainables.prediction import images as predict_images
from trainables.runs.features import attach_features
from trainables.scoring.evaluation import predict as evaluated
from trainables.weights.checkpoint import load_weights, save_weights

CROP = (64, 32)


def run_of(root, **network):
    """A config of the made set with a frozen trunk from a file."""
    values = {f"data.{name}": value for name, value in own_knobs(settings_for(root)).items()}
    frozen = {"network.trunk_weights": "trunk.safetensors", "network.trunk_lr_factor": 0.0}
    tiny = dict(registry.get(MODEL).tiny)
    return default_config(
        MODEL, {**tiny, **values, **frozen, **{f"network.{k}": v for k, v in network.items()}}, "test"
    )


def own_knobs(settings):
    names = ("name", "root", "crop_height", "crop_width", "train_subjects", "val_subjects", "test_subjects")
    return {name: getattr(settings, name) for name in names}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A set whose boxes are those of its keypoints, its test images as a list, configs and weights of both kinds."""
    root = tmp_path_factory.mktemp("photos")
    made_images(root, around=CROP)
    trunk_file(root / "trunk.safetensors", seed=4)
    live, cached = run_of(root), run_of(root, features="cached")
    torch.manual_seed(6)
    network = registry.get(MODEL).build(live.network, live.data.sizes)
    registry.get(MODEL).begin(network, live.network, root)
    weights = network.state_dict()
    head = {name: tensor for name, tensor in weights.items() if not name.startswith("backbone.")}
    for name, config, tensors in (("live", live, weights), ("cached", cached, head)):
        (root / f"{name}.yaml").write_text(dump(config))
        save_weights(root / f"{name}.safetensors", tensors, config, {"epoch": 1})
    poses, _ = read_poses(live.data, ("test",))
    images = [
        {"file": str(clip.images[0].file(at).relative_to(root)), "keypoints": clip.pose2d[0][at].astype(float).tolist()}
        for clip in poses.sequences
        for at in range(len(clip.pose3d))
    ]
    (root / "k.json").write_text(json.dumps({"layout": "h36m", "images": images}))
    (root / "one.json").write_text(json.dumps({"layout": "h36m", "images": images[:1]}))
    return root


def predict(home, out, *more, kind="live", source="k.json"):
    return predict_with(home, kind, source, out, *more)


def poses_in(path):
    with np.load(path) as out:
        return out["pose3d"]


def expected_poses(home, kind, *, flip):
    """What evaluation gives for the test images, from the root."""
    config, model = run_of(home, features=kind), registry.get(MODEL)
    data = opened(home, ("test",))
    attach_features(data, config, home)
    network = model.build(config.network, config.data.sizes)
    network.load_state_dict(load_weights(home / f"{kind}.safetensors")[0])
    network.eval()
    reads, count = config.traits.reads, data.count("test")
    found = evaluated(lambda batch: model.poses(network(batch)), reads, data, "test", 0, count, flip=flip)
    return (found - found[:, :1]).numpy()


@pytest.mark.parametrize(("kind", "flip"), [("live", False), ("live", True), ("cached", False)])
def test_images_get_the_poses_of_evaluation_where_the_boxes_are_those_of_their_keypoints(home, tmp_path, kind, flip):
    assert predict(home, tmp_path / "o.npz", *(["--flip"] if flip else []), kind=kind) == 0
    found = poses_in(tmp_path / "o.npz")
    assert np.abs(found).max() > 0.01
    # Keypoints go through screen units and float32 there.
    np.testing.assert_allclose(found, expected_poses(home, kind, flip=flip), rtol=0, atol=1e-5)


def test_what_the_image_shows_counts(home, tmp_path):
    """The same keypoints on a black image of the same size are of another pose."""
    images = json.loads((home / "one.json").read_text())["images"]
    Image.new("RGB", (100, 96)).save(tmp_path / "black.png")
    both = [{**images[0], "file": str(home / images[0]["file"])}, {**images[0], "file": "black.png"}]
    (tmp_path / "k.json").write_text(json.dumps({"layout": "h36m", "images": both}))
    assert predict(home, tmp_path / "o.npz", source=tmp_path / "k.json") == 0
    one, other = poses_in(tmp_path / "o.npz")
    assert np.abs(one - other).max() > 0.01


def test_a_head_on_cached_maps_gives_the_poses_of_the_whole_network_in_a_mirror_too(home, tmp_path):
    for kind in ("live", "cached"):
        assert predict(home, tmp_path / f"{kind}.npz", "--flip", kind=kind) == 0
    np.testing.assert_allclose(
        poses_in(tmp_path / "cached.npz"), poses_in(tmp_path / "live.npz"), rtol=0, atol=1e-6
    )  # the same sums


def test_poses_do_not_depend_on_how_many_images_are_decoded_at_a_time(home, tmp_path, monkeypatch):
    assert predict(home, tmp_path / "all.npz") == 0
    monkeypatch.setattr(predict_images, "IMAGES", 2)
    assert predict(home, tmp_path / "two.npz") == 0
    # Other batch sizes sum in another order.
    np.testing.assert_allclose(poses_in(tmp_path / "two.npz"), poses_in(tmp_path / "all.npz"), rtol=0, atol=1e-5)


def test_the_output_says_which_image_every_pose_is_of(home, tmp_path, capsys):
    assert predict(home, tmp_path / "o.npz", "--fps", "4") == 0
    images = json.loads((home / "k.json").read_text())["images"]
    with np.load(tmp_path / "o.npz") as out:
        skeleton = run_of(home).data.sizes.skeleton
        assert out["pose3d"].shape == (3, 17, 3)
        assert not out["pose3d"][:, 0].any()
        assert out["files"].tolist() == [image["file"] for image in images]
        assert (out["width"].tolist(), out["height"].tolist()) == ([100] * 3, [96] * 3)
        np.testing.assert_allclose(out["keypoints"], [image["keypoints"] for image in images], rtol=1e-6)
        assert tuple(out["joints"]) == skeleton.joints
        assert tuple(out["parents"]) == skeleton.parents
        assert (out["fps"], str(out["axes"]), str(out["config_id"])) == (4, "camera", config_id(run_of(home)))
    assert "3 images, h36m joints, crops of 32 x 64 pixels" in capsys.readouterr().out


def test_everything_wrong_comes_at_once_and_nothing_is_written(home, tmp_path, capsys):
    here = json.loads((home / "k.json").read_text())["images"]
    whole = (home / here[1]["file"]).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    images = [
        {**here[0], "file": "none.jpg"}, {**here[1], "file": "cut.jpg"}, {"file": str(home / here[2]["file"])},
        {"file": str(home / here[0]["file"]), "keypoints": [[1, 2, 3]] * 5},
    ]  # fmt: skip
    (tmp_path / "k.json").write_text(json.dumps({"layout": "h36m", "images": images}))
    before = sorted(tmp_path.iterdir())
    options = ("--render", str(tmp_path / "f.png"))
    assert predict(home, tmp_path / "o.npz", *options, source=tmp_path / "k.json") == 2
    told = capsys.readouterr().err
    for part in (
        "4 problems",
        "none.jpg: there is no such file",
        "cut.jpg: is no image",
        "has no keypoints",
        "5 joints",
    ):
        assert part in told, part
    assert "Traceback" not in told
    assert sorted(tmp_path.iterdir()) == before


def test_options_that_images_make_senseless_are_refused(home, tmp_path, capsys):
    options = (
        "--width",
        "100",
        "--height",
        "96",
        "--render",
        str(tmp_path / "f.avi"),
        "--input",
        str(home / "one.json"),
        "--video",
        "a.mp4",
    )
    assert predict(home, tmp_path / "o.npz", *options) == 2
    told = capsys.readouterr().err
    for part in (
        "--width 100: every image tells its own width",
        "--height 96: every image tells its own height",
        "--video a.mp4: images are no video",
        "name a file that ends in .gif or .mp4 or .png",
        "--input: 2 given, but data.views = 1; give one file",
    ):
        assert part in told, part
    assert predict(home, tmp_path / "o.npz", "--render", str(tmp_path / "f.png")) == 2
    assert "shows one image, and" in capsys.readouterr().err
    assert predict(home, tmp_path / "o.npz", source="live.yaml") == 2
    assert "is no JSON" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_trunk_that_is_not_there_is_told(home, tmp_path, capsys):
    assert predict(home, tmp_path / "o.npz", "--set", f"data.root={tmp_path}", kind="cached") == 2
    assert "network.trunk_weights names the trunk's weights" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def shown(path):
    """The frames of a film or picture [n, Y, X, 3]."""
    if path.suffix == ".png":
        return np.asarray(Image.open(path).convert("RGB"))[None].astype(int)
    with av.open(io.BytesIO(path.read_bytes())) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(0)]).astype(int)


@pytest.mark.parametrize(
    ("suffix", "source", "loss"), [("png", "one.json", 4), ("gif", "k.json", 20), ("mp4", "k.json", 8)]
)
def test_a_picture_shows_the_image_and_its_skeleton_in_place(home, tmp_path, suffix, source, loss):
    """`loss`: grey levels that half of the pixels may lose to the format, 256 colours in a GIF, and to another way of
    enlarging; another image would be some 80 apart."""
    film = tmp_path / f"f.{suffix}"
    assert predict(home, tmp_path / "o.npz", "--render", str(film), source=source) == 0
    frames, images = shown(film), json.loads((home / source).read_text())["images"]
    assert frames.shape == (len(images), PANEL + 2 * STRIP, 2 * PANEL, 3)
    side = PANEL - 2 * MARGIN  # of the image, which is wider than high
    high = round(side * 96 / 100)
    top = STRIP + MARGIN + (side - high) // 2
    for frame, image in zip(frames, images, strict=True):
        panel = frame[top : top + high, MARGIN : MARGIN + side]
        photo = Image.open(home / image["file"]).resize((side, high), Image.Resampling.BILINEAR)
        apart = np.abs(panel - np.asarray(photo)).max(-1)
        # The skeleton covers a part of the image; most of the rest is as it was.
        assert np.median(apart) < loss
        x, y = np.rint(np.array(image["keypoints"])[3, :2] * side / 100).astype(int)
        if 0 <= x < side and 0 <= y < high:
            pen = np.array([int(RIGHT[at : at + 2], 16) for at in (1, 3, 5)])
            assert np.abs(panel[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] - pen).max(-1).min() < 60


def test_a_page_holds_the_images_and_motion_files_their_poses(home, tmp_path):
    words = ("--out", str(tmp_path / "o.csv"), "--out", str(tmp_path / "o.bvh"), "--render", str(tmp_path / "o.html"))
    assert predict(home, tmp_path / "o.npz", *words) == 0
    with np.load(tmp_path / "o.npz") as found:
        count, files = len(found["pose3d"]), found["files"].tolist()
    text = (tmp_path / "o.html").read_text()
    assert text.count("data:image/jpeg;base64,") == count
    rows = (tmp_path / "o.csv").read_text().splitlines()
    assert [row.split(",")[1] for row in rows] == ["file", *files]
    assert f"Frames: {count}" in (tmp_path / "o.bvh").read_text()
