"""`predict` of meshes: what evaluation finds in the same boxes, the pictures of it, and what is refused."""

import dataclasses
import io
import json

import av
import numpy as np
import pytest
import torch
from PIL import Image

from data.batches.samples import open_samples
from data.formats.meshes.mesh_tsv import MeshSet, Sample, write_set
from data.images.crops import SCALE_PX
from data.inputs.boxes import read_mesh_images
from data.inputs.keypoints import Told
from data.poses.skeleton import BODY_14, BODY_24, HAND_21
from spaces.schema import config_id
from tests.trainables.prediction.mesh_home import MODEL, loaded, predict, run_of, write_home
from trainables import registry
from trainables.models.mesh_graphormer import objective
from trainables.models.mesh_graphormer.files import models_of
from trainables.models.mesh_graphormer.mesh import OF_UNION
from trainables.pictures.meshes import mesh_picture
from trainables.prediction import meshes as predict_meshes
from trainables.weights.checkpoint import load_weights


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return write_home(tmp_path_factory.mktemp("meshes"))


def close(found, expected, atol):
    for name in ("pose3d", "vertices", "camera"):
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=atol, err_msg=name)


@pytest.fixture(scope="module")
def of_set(home, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "o.npz"
    assert predict(home, out) == 0
    return loaded(out)


def test_a_set_gets_the_meshes_that_are_scored_and_cameras_that_show_them_in_place(home, of_set):
    config, model = run_of(home), registry.get(MODEL)
    data = open_samples(config.data, ("test",), device=torch.device("cpu"), reads=config.traits.reads)
    network = model.build(config.network, config.data.sizes)
    network.load_state_dict(load_weights(home / "hand.safetensors")[0])
    with torch.no_grad():
        batch = data.gather("test", data.order("test", 0, 0), config.traits.reads)
        prediction = network.eval()(batch)
    # Sums of other sizes and orders; metres.
    np.testing.assert_allclose(of_set["pose3d"], model.poses(prediction)[:, 0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(of_set["vertices"], prediction.meshes[-1] - prediction.mesh_root, rtol=0, atol=1e-6)
    assert of_set["pose3d"].shape == (5, 21, 3)
    np.testing.assert_allclose(of_set["pose3d"][:, 0], 0, atol=1e-8)  # rounding of one sum made in two ways
    inside = objective.project(prediction.camera, prediction.mesh_joints).numpy()
    labels = [MeshSet(home / "synthetic_hand" / "test.yaml", "hand").label(at) for at in range(5)]
    for found, crop, label in zip(of_set["keypoints"], inside, labels, strict=True):
        expected = label.center + crop * label.scale * SCALE_PX / 2
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)  # pixels
    assert np.array_equal(of_set["faces"], models_of("hand", "")[0].faces)
    np.testing.assert_allclose(of_set["boxes"], [(*one.center, one.scale * SCALE_PX) for one in labels])


def test_the_output_says_what_every_mesh_is_of(home, of_set, tmp_path, capsys):
    assert predict(home, tmp_path / "o.npz", source="list.json") == 0
    found = loaded(tmp_path / "o.npz")
    assert found["files"].tolist() == [f"{at}.jpg" for at in range(5)]
    assert of_set["files"].tolist() == [f"{at:06d}.jpg" for at in range(5)]
    for arrays, fps in ((found, 5), (of_set, 25)):
        assert (arrays["fps"], str(arrays["axes"])) == (fps, "camera")
        assert str(arrays["config_id"]) == config_id(run_of(home))
        assert (tuple(arrays["joints"]), tuple(arrays["parents"])) == (HAND_21.joints, HAND_21.parents)
        assert (arrays["width"].tolist(), arrays["height"].tolist()) == ([224] * 5, [224] * 5)
    out = capsys.readouterr().out
    assert "5 boxes of a hand, crops of 224 x 224 pixels" in out
    assert "778 vertices, 21 joints, metres from the wrist, x right, y down, z forward" in out


def test_boxes_of_a_detector_become_those_that_a_set_is_labelled_with(home, of_set):
    """They are not square and a fifth smaller; the crop is around their middle."""
    boxes = read_mesh_images(home / "list.json", "hand", Told()).boxes
    np.testing.assert_allclose(boxes, of_set["boxes"], rtol=0, atol=1e-6)


def test_the_same_boxes_give_the_same_meshes_whatever_lists_them(home, of_set, tmp_path):
    images = json.loads((home / "list.json").read_text())["images"]
    coco = {
        "images": [{"id": at, "file_name": str(home / one["file"])} for at, one in enumerate(images)],
        "annotations": [{"image_id": at, "bbox": one["box"], "score": 0.5} for at, one in enumerate(images)],
    }
    results = [{"file": str(home / one["file"]), "bbox": one["box"]} for one in images]
    for name, tree in (("coco", coco), ("results", results)):
        (tmp_path / f"{name}.json").write_text(json.dumps(tree))
        assert predict(home, tmp_path / f"{name}.npz", source=tmp_path / f"{name}.json") == 0
        close(loaded(tmp_path / f"{name}.npz"), of_set, 1e-6)


def test_a_whole_image_is_cropped_by_the_square_around_it(home, tmp_path):
    image = Image.open(home / "0.jpg").crop((0, 0, 224, 160))
    image.save(tmp_path / "wide.png")
    side = 224 / 1.2
    listed = [{"file": "wide.png"}, {"file": "wide.png", "box": [112 - side / 2, 80 - side / 2, side, side]}]
    (tmp_path / "both.json").write_text(json.dumps({"images": listed}))
    assert predict(home, tmp_path / "one.npz", source=tmp_path / "wide.png") == 0
    assert predict(home, tmp_path / "both.npz", source=tmp_path / "both.json") == 0
    one, both = loaded(tmp_path / "one.npz"), loaded(tmp_path / "both.npz")
    np.testing.assert_allclose(one["boxes"], [[112, 80, 224]])
    np.testing.assert_allclose(both["boxes"], [[112, 80, 224]] * 2)
    for number in (0, 1):
        close({name: both[name][number : number + 1] for name in ("pose3d", "vertices", "camera")}, one, 1e-6)


def test_several_boxes_in_an_image_are_a_mesh_each_and_what_is_in_the_box_counts(home, tmp_path):
    boxes = [{"image_id": "0.jpg", "bbox": box} for box in ([60, 60, 90, 100], [0, 0, 60, 60])]
    (home / "two.json").write_text(json.dumps({"images": [{"file": "0.jpg"}, {"file": "1.jpg"}], "annotations": boxes}))
    assert predict(home, tmp_path / "o.npz", source="two.json") == 0
    found = loaded(tmp_path / "o.npz")
    # 1.jpg has no box and is meant whole, 0.jpg is not.
    assert found["files"].tolist() == ["1.jpg", "0.jpg", "0.jpg"]
    assert np.abs(found["vertices"][1] - found["vertices"][2]).max() > 1e-4


def test_meshes_do_not_depend_on_how_many_images_are_decoded_at_a_time(home, of_set, tmp_path, monkeypatch):
    monkeypatch.setattr(predict_meshes, "IMAGES", 2)
    assert predict(home, tmp_path / "o.npz") == 0
    close(loaded(tmp_path / "o.npz"), of_set, 1e-5)  # batches of other sizes sum in another order


def test_large_images_are_decoded_fewer_at_a_time():
    sizes = np.array([(100, 100)] * 40 + [(8000, 6000)] * 3 + [(4000, 4000)] * 4)
    found = list(predict_meshes.pieces(sizes))
    assert [at for piece in found for at in piece] == list(range(47))
    assert [len(piece) for piece in found] == [32, 9, 1, 2, 3]
    for piece in found:
        assert sizes[piece].prod(1).sum() <= 2**26


def test_of_labels_nothing_but_the_box_is_needed(home, of_set, tmp_path):
    """FreiHAND's test labels are dummies."""
    hands = MeshSet(home / "synthetic_hand" / "test.yaml", "hand")
    samples = []
    for number in range(len(hands)):
        center, scale = hands.box(number)
        label = {"center": center.tolist(), "scale": scale, "pose": "unknown", "has_smpl": 1}
        samples.append(Sample(key=f"{number}", jpeg=hands.jpeg(number), size=(224, 224), label=label))
    write_set(tmp_path, "bare", samples)
    assert predict(home, tmp_path / "o.npz", source=tmp_path / "bare.yaml") == 0
    close(loaded(tmp_path / "o.npz"), of_set, 1e-6)


def test_a_camera_that_fits_the_labels_shows_joints_where_they_are_labelled(home):
    hands = MeshSet(home / "synthetic_hand" / "test.yaml", "hand")
    labels = [hands.label(at) for at in range(len(hands))]
    boxes = read_mesh_images(hands.path, "hand", Told()).boxes
    joints, pixels = (np.stack([getattr(one, name) for one in labels]) for name in ("joints3d", "joints2d"))
    joints = joints[..., :3] - joints[:, :1, :3]
    inside = (pixels[..., :2] - boxes[:, None, :2]) / (boxes[:, None, 2:] / 2)
    for at, (points, places) in enumerate(zip(joints, inside, strict=True)):
        flat = [[x, 1, 0] for x, _, _ in points] + [[y, 0, 1] for _, y, _ in points]
        scale, *shift = np.linalg.lstsq(np.array(flat), places.T.reshape(-1), rcond=None)[0]
        camera = np.array([[scale, *(np.array(shift) / scale)]])
        shown = predict_meshes.projected(points[None], camera, boxes[at : at + 1])[0]
        assert np.abs(shown - pixels[at, :, :2]).max() < 4  # of 224; the labels know perspective


def test_bodies_have_their_own_joints_and_faces(home, tmp_path, capsys):
    assert predict(home, tmp_path / "o.npz", source="0.jpg", kind="body") == 0
    found = loaded(tmp_path / "o.npz")
    assert (found["pose3d"].shape, found["vertices"].shape) == ((1, 14, 3), (1, 6890, 3))
    assert np.array_equal(found["faces"], models_of("body", "")[0].faces)
    assert tuple(found["joints"]) == BODY_14.joints == tuple(BODY_24.joints[at] for at in OF_UNION)
    assert "metres from the pelvis" in capsys.readouterr().out


# --- pictures


def test_a_picture_shows_the_mesh_that_is_written(home, tmp_path):
    assert predict(home, tmp_path / "o.npz", "--render", str(tmp_path / "o.png"), source="0.jpg") == 0
    found = loaded(tmp_path / "o.npz")
    args = found["vertices"][0], found["faces"], found["camera"][0], found["boxes"][0]
    expected = mesh_picture(Image.open(home / "0.jpg"), *args, "image 0 of 1   0.jpg")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "o.png")), np.asarray(expected))


@pytest.mark.parametrize("suffix", ["gif", "mp4"])
def test_a_film_shows_every_image_and_a_fast_one_is_thinned(home, tmp_path, suffix, capsys):
    for fps, shown in (("2", 5), ("75", 2)):
        film = tmp_path / f"{fps}.{suffix}"
        assert predict(home, tmp_path / f"{fps}.npz", "--render", str(film), "--fps", fps) == 0
        with av.open(io.BytesIO(film.read_bytes())) as container:
            assert len(list(container.decode(0))) == shown
    assert "rendering 2 frames, one in 3, 25 a second" in capsys.readouterr().out


def test_one_picture_does_not_show_several_images(home, tmp_path, capsys):
    assert predict(home, tmp_path / "o.npz", "--render", str(tmp_path / "o.png"), source="list.json") == 2
    assert "shows one image, and" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# --- what is refused


def test_everything_wrong_with_a_list_comes_at_once_and_nothing_is_written(home, tmp_path, capsys):
    whole = (home / "0.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "good.jpg").write_bytes(whole)
    boxes = ([1, 2, 3], [0, 0, 0, 5], [500, 0, 9, 9], [-20, 0, 15, 9], [0, 0, 999, 5], [0, float("nan"), 5, 5],
             [True, 0, 5, 5], "all", [0, 0, 10**400, 5])  # fmt: skip
    images = [{"file": "good.jpg", "box": box} for box in boxes]
    images += [{"file": "none.jpg"}, {"file": "cut.jpg", "box": [0, 0, 9, 9]}, {"box": [0, 0, 9, 9]}]
    (tmp_path / "k.json").write_text(json.dumps({"images": images}))
    before = sorted(tmp_path.iterdir())
    assert predict(home, tmp_path / "o.npz", source=tmp_path / "k.json") == 2
    told = capsys.readouterr().err
    for part in (
        "12 problems",
        "image 0, good.jpg: box is [1, 2, 3]; expected [x, y, width, height] in pixels",
        "image 1, good.jpg: box is [0, 0, 0, 5] and has no area",
        "image 2, good.jpg: box is [500, 0, 9, 9] and lies outside of the image of 224 x 224",
        "image 3, good.jpg: box is [-20, 0, 15, 9] and lies outside",
        "image 4, good.jpg: box is [0, 0, 999, 5] and more than 2 times as large",
        "image 5, good.jpg: box is [0, nan, 5, 5]; all four must be finite, and none beyond",
        "image 6, good.jpg: box is [True, 0, 5, 5]",
        "image 7, good.jpg: box is 'all'",
        "image 8, good.jpg: box is [0, 0, inf, 5]; all four must be finite",
        "none beyond 1,000,000 pixels",
        "none.jpg: there is no such file",
        "cut.jpg: is no image, or cut off",
        "image 11: names no image file",
    ):
        assert part in told, part
    assert "Traceback" not in told
    assert sorted(tmp_path.iterdir()) == before


def test_broken_rows_of_a_set_are_all_named(home, tmp_path, capsys):
    hands = MeshSet(home / "synthetic_hand" / "test.yaml", "hand")
    jpeg = hands.jpeg(0)
    good = {"center": [112, 112], "scale": 0.9}
    rows = ((jpeg, good), (jpeg[:900], good), (jpeg, {"scale": 0}), (b"no", {"center": [1], "scale": 1}))
    samples = [Sample(key=str(at), jpeg=one, size=(224, 224), label=label) for at, (one, label) in enumerate(rows)]
    write_set(tmp_path, "bad", samples)
    before = sorted(tmp_path.iterdir())
    assert predict(home, tmp_path / "o.npz", source=tmp_path / "bad.yaml") == 2
    told = capsys.readouterr().err
    for part in (
        "row 1: its image is broken",
        "row 2: has no 'center'",
        "row 2: scale is 0",
        "row 3: 'center' has",
        "row 3: its image is broken",
    ):
        assert part in told, part
    assert sorted(tmp_path.iterdir()) == before


def test_what_does_not_go_with_meshes_is_refused(home, tmp_path, capsys):
    film = str(tmp_path / "o.avi")
    options = (
        "--flip",
        "--multiscale",
        "--submission",
        "--width",
        "9",
        "--layout",
        "coco",
        "--video",
        "a",
        "--render",
        film,
    )
    assert predict(home, tmp_path / "o.npz", *options, source="0.jpg", kind="body") == 2
    told = capsys.readouterr().err
    for part in (
        "--flip: mesh_graphormer is not scored from mirrored input",
        "--multiscale: is published for meshes of hands, not for bodies",
        "--submission: FreiHAND is a set of hands, and synthetic_body is none",
        "--width 9: every image tells its own width",
        "--layout coco: mesh_graphormer reads no keypoints",
        "--video a: mesh_graphormer reads no keypoints",
        "o.avi: name a file that ends in .gif or .mp4 or .png",
    ):
        assert part in told, part
    for source in ("hand.safetensors", "hand.yaml"):
        assert predict(home, tmp_path / "o.npz", source=source) == 2
    told = capsys.readouterr().err
    assert "allowed: one image, the .yaml of a mesh set, JSON" in told
    assert "names no 'img' table" in told
    assert list(tmp_path.iterdir()) == []


def test_a_licensed_set_needs_its_body_model(home, tmp_path, capsys):
    assert predict(home, tmp_path / "o.npz", "--set", "data.name=freihand", source="0.jpg") == 2
    assert "network.body_files is empty" in capsys.readouterr().err


def test_meshes_that_are_not_finite_are_a_failed_run(home, tmp_path, capsys, monkeypatch):
    def broken(prediction):
        found = objective.meshes(prediction)
        found.camera[2, 0] = torch.nan
        return found

    model = dataclasses.replace(registry.get(MODEL), meshes=broken)
    monkeypatch.setattr(registry, "get", lambda _: model)
    assert predict(home, tmp_path / "o.npz", "--submission") == 1
    assert "1 of 5 poses are not finite, the first one frame 2" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
