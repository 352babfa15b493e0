"""Left hands go mirrored through a network of right ones, and come back."""

import json

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.trainables.prediction.mesh_home import loaded, predict, write_home
from trainables.pictures.meshes import mesh_picture
from trainables.scoring import multiscale

BOXES = ([60, 40, 100, 120], [30, 80, 90, 60], [0, 0, 224, 224], [101, 7, 80, 80], [20, 30, 64, 64])
MIRROR = np.array((-1, 1, 1), np.float32)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Images of hands with boxes, and the same in a mirror, `left.json` without a word on it."""
    root = write_home(tmp_path_factory.mktemp("left"))
    plain, mirrored = [], []
    for at, box in enumerate(BOXES):
        with Image.open(root / f"{at}.jpg") as image:
            ImageOps.mirror(image.convert("RGB")).save(root / f"m{at}.png")
        plain.append({"file": f"{at}.jpg", "box": box})
        mirrored.append({"file": f"m{at}.png", "box": [224 - box[0] - box[2], *box[1:]]})
    write(root / "right.json", plain)
    write(root / "left.json", mirrored)
    return root


def write(path, images, **more):
    path.write_text(json.dumps({"images": images, **more}))


def images_of(home, name):
    return json.loads((home / name).read_text())["images"]


@pytest.fixture(scope="module")
def right(home, tmp_path_factory):
    out = tmp_path_factory.mktemp("right") / "o.npz"
    assert predict(home, out, source="right.json") == 0
    return loaded(out)


def check_mirrored(found, right):
    for name in ("pose3d", "vertices"):
        np.testing.assert_array_equal(found[name], right[name] * MIRROR)
    np.testing.assert_array_equal(found["camera"], right["camera"] * (1, -1, 1))
    # Single precision of pixels, and no more.
    np.testing.assert_allclose(found["keypoints"][..., 0], 224 - right["keypoints"][..., 0], rtol=0, atol=1e-4)
    np.testing.assert_allclose(found["keypoints"][..., 1], right["keypoints"][..., 1], rtol=0, atol=1e-4)


def test_a_mirrored_left_hand_is_the_mirror_of_the_right_one_exactly(home, right, tmp_path, capsys):
    assert np.ptp(right["vertices"], axis=0).max() > 1e-4
    assert predict(home, tmp_path / "o.npz", "--hand", "left", source="left.json") == 0
    found = loaded(tmp_path / "o.npz")
    check_mirrored(found, right)
    assert found["is_left"].all()
    np.testing.assert_array_equal(found["faces"], right["faces"])
    np.testing.assert_array_equal(found["faces_left"], right["faces"][:, ::-1])
    assert "note: 5 of 5 hands are left ones" in capsys.readouterr().out
    assert "is_left" not in right


def test_many_scales_are_mirrored_too(home, tmp_path, monkeypatch):
    monkeypatch.setattr(multiscale, "RUNS", (multiscale.PLAIN, (0.7, 0.0), (1.1, 40.0)))
    for name, more in (("right", ()), ("left", ("--hand", "left"))):
        write(home / "one.json", images_of(home, f"{name}.json")[:1])
        assert predict(home, tmp_path / f"{name}.npz", "--multiscale", *more, source="one.json") == 0
    check_mirrored(loaded(tmp_path / "left.npz"), loaded(tmp_path / "right.npz"))


def test_the_file_tells_the_hand_of_each_box_and_the_option_the_rest(home, right, tmp_path):
    both = images_of(home, "left.json")
    plain = images_of(home, "right.json")
    for at in (1, 3):
        both[at] = {**plain[at], "hand": "right"}
    write(home / "both.json", both)
    assert predict(home, tmp_path / "option.npz", "--hand", "left", source="both.json") == 0
    write(home / "both.json", both, hand="left")
    assert predict(home, tmp_path / "file.npz", source="both.json") == 0
    found, same = loaded(tmp_path / "option.npz"), loaded(tmp_path / "file.npz")
    assert found["is_left"].tolist() == same["is_left"].tolist() == [True, False, True, False, True]
    factors = np.where(found["is_left"][:, None, None], MIRROR, 1)
    np.testing.assert_array_equal(found["vertices"], right["vertices"] * factors)
    np.testing.assert_array_equal(same["vertices"], found["vertices"])


def test_every_file_of_a_left_hand_is_written(home, tmp_path):
    words = [word for name in ("o.glb", "o.csv", "o.json") for word in ("--out", str(tmp_path / name))]
    words += ["--render", str(tmp_path / "o.html")]
    assert predict(home, tmp_path / "o.npz", "--hand", "left", *words, source="left.json") == 0
    assert len(list(tmp_path.iterdir())) == 5
    assert (tmp_path / "o.glb").read_bytes()[:4] == b"glTF"
    rows = (tmp_path / "o.csv").read_text().splitlines()
    assert rows[0].startswith("frame,file,is_left,Wrist_x_m")
    assert [row.split(",")[1:3] for row in rows[1:]] == [[f"m{at}.png", "1"] for at in range(5)]


def test_a_picture_shows_a_left_hand_from_outside(home, tmp_path):
    words = ("--hand", "left", "--render", str(tmp_path / "o.png"))
    assert predict(home, tmp_path / "o.npz", *words, source="m0.png") == 0
    found = loaded(tmp_path / "o.npz")
    args = found["vertices"][0], found["faces_left"], found["camera"][0], found["boxes"][0]
    expected = mesh_picture(Image.open(home / "m0.png"), *args, "image 0 of 1   m0.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "o.png")), np.asarray(expected))


def test_what_is_no_hand_is_refused_with_what_is_possible(home, tmp_path, capsys):
    write(home / "wrong.json", [{"file": "0.jpg", "hand": "both"}])
    assert predict(home, tmp_path / "o.npz", source="wrong.json") == 2
    assert "image 0, 0.jpg: hand is 'both'; allowed: right, left" in capsys.readouterr().err
    assert predict(home, tmp_path / "o.npz", "--hand", "left", "--submission", source="left.json") == 2
    assert "--submission: FreiHAND's evaluation has right hands only" in capsys.readouterr().err
    words = ("--hand", "left", "--out", str(tmp_path / "o.bvh"))
    assert predict(home, tmp_path / "o.npz", *words, source="0.jpg", kind="body") == 2
    told = capsys.readouterr().err
    assert "--hand left: mesh_graphormer on synthetic_body predicts no hands; leave it out" in told
    assert "o.bvh: holds joints in motion, and mesh_graphormer predicts meshes; name a file that ends in .npz" in told
    assert not list(tmp_path.iterdir())


def test_a_body_has_no_hand_whatever_its_file_tells(home, tmp_path):
    write(home / "body.json", [{"file": "0.jpg", "hand": "left"}])
    assert predict(home, tmp_path / "o.npz", source="body.json", kind="body") == 0
    assert "is_left" not in loaded(tmp_path / "o.npz")
