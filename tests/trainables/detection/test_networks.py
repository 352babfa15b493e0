"""Networks in ONNX files: joints of people in photos and clips come back in their places, however these are stored."""

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="onnxruntime is optional")
pytest.importorskip("onnx", reason="the networks of these tests are made by onnx")

import av
import onnx
from PIL import ExifTags, Image

from data.errors import DataError
from data.inputs.footage import open_footage
from tests.made.footage import networks
from tests.made.footage.dots import COUNT, as_stored, drawn, standing, write_clip
from trainables.detection import detect as detection
from trainables.detection.detect import detect, open_detector

WIDTH, HEIGHT = 240, 320
FEW = 5  # frames of a clip
KINDS = {
    "simcc": networks.write_simcc,
    "heatmaps": networks.write_heatmaps,
    "movenet": networks.write_movenet,
    "yolo": networks.write_yolo,
    "yolo_end_to_end": lambda path: networks.write_yolo(path, is_end_to_end=True),
    "rtmo": networks.write_mmdeploy,
    "rtmo_short": lambda path: networks.write_mmdeploy(path, is_short=True),
}
CROPPED = ("simcc", "heatmaps", "movenet")
BOXES = {
    "yolox": lambda path: networks.write_mmdeploy(path, other="labels"),
    "yolox_short": lambda path: networks.write_mmdeploy(path, other="labels", is_short=True),
    "yolo": networks.write_yolo,
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The networks, made once."""
    folder = tmp_path_factory.mktemp("networks")
    for name, write in {**KINDS, **{f"{name}_boxes": write for name, write in BOXES.items()}}.items():
        write(folder / f"{name}.onnx")
    return folder


def found_in(path, files, kind, boxes=None):
    people = None if boxes is None else files / f"{boxes}_boxes.onnx"
    return detect(open_footage(path), open_detector(files / f"{kind}.onnx", people), None)


@pytest.mark.parametrize("kind", KINDS)
def test_joints_are_found_within_a_pixel(kind, files, tmp_path):
    places = standing(WIDTH, HEIGHT)
    drawn(WIDTH, HEIGHT, [places]).save(tmp_path / "p.png")
    found = found_in(tmp_path / "p.png", files, kind)
    assert found.values.shape == (1, COUNT, 3)
    assert np.abs(found.values[0, :, :2] - places).max() < 1
    assert (found.values[0, :, 2] > 0.3).all()
    assert (found.facts["width"], found.facts["height"]) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("kind", CROPPED)
@pytest.mark.parametrize("boxes", BOXES)
def test_a_crop_is_that_of_the_person_who_was_found(kind, boxes, files, tmp_path):
    places = standing(WIDTH, HEIGHT, shift=(260, 200))  # of an image in which the whole would be a poor crop
    drawn(4 * WIDTH, 2 * HEIGHT, [places]).save(tmp_path / "p.png")
    found = found_in(tmp_path / "p.png", files, kind, boxes)
    assert np.abs(found.values[0, :, :2] - places).max() < 1
    assert not any("--person-detector" in note for note in found.notes)


@pytest.mark.parametrize("kind", CROPPED)
def test_without_boxes_it_looks_again_around_what_it_found(kind, files, tmp_path):
    places = standing(WIDTH, HEIGHT, shift=(300, 60))
    drawn(2 * WIDTH + 200, HEIGHT + 100, [places]).save(tmp_path / "p.png")
    found = found_in(tmp_path / "p.png", files, kind)
    assert np.abs(found.values[0, :, :2] - places).max() < 1
    assert any("--person-detector" in note for note in found.notes)


@pytest.mark.parametrize("kind", ["simcc", "yolo"])
@pytest.mark.parametrize(("degrees", "mirrored"), [(0, False), (90, False), (180, False), (270, False), (90, True)])
def test_a_clip_is_seen_as_players_show_it(kind, degrees, mirrored, files, tmp_path, monkeypatch):
    """A phone stores what its sensor saw, and how the picture is turned for a viewer."""
    monkeypatch.setattr(detection, "FRAMES", 3)
    every = [standing(WIDTH, HEIGHT, shift=(at, 0)) for at in range(FEW)]
    shown = [drawn(WIDTH, HEIGHT, [places]) for places in every]
    stored = [as_stored(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else image, degrees)
              for image in shown]  # fmt: skip
    write_clip(tmp_path / "c.mp4", stored, degrees=degrees, mirrored=mirrored)
    found = found_in(tmp_path / "c.mp4", files, kind)
    assert (found.facts["width"], found.facts["height"], found.facts["fps"]) == (WIDTH, HEIGHT, 30)
    assert found.frame.tolist() == list(range(FEW))
    # Colours of a film bleed a little.
    assert np.abs(found.values[..., :2] - every).max() < 1.2


@pytest.mark.parametrize("kind", ["heatmaps", "rtmo"])
def test_a_photo_is_turned_as_its_exif_says(kind, files, tmp_path):
    places = standing(WIDTH, HEIGHT)
    lying = drawn(WIDTH, HEIGHT, [places]).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # turn it clockwise to see it
    lying.save(tmp_path / "p.jpg", quality=95, subsampling=0, exif=exif)
    found = found_in(tmp_path / "p.jpg", files, kind)
    assert (found.facts["width"], found.facts["height"]) == (WIDTH, HEIGHT)
    assert np.abs(found.values[0, :, :2] - places).max() < 1


@pytest.mark.parametrize(
    ("kind", "boxes"),
    [
        *((one, "yolox_short") for one in CROPPED),
        ("simcc", "yolo"),
        ("heatmaps", "yolox"),
        *((one, None) for one in KINDS if one not in CROPPED),
    ],
)
def test_frames_without_a_person_have_none(kind, boxes, files, tmp_path):
    images = [drawn(WIDTH, HEIGHT, [standing(WIDTH, HEIGHT)] if at % 2 else []) for at in range(6)]
    write_clip(tmp_path / "c.mp4", images)
    found = found_in(tmp_path / "c.mp4", files, kind, boxes)
    assert found.frame.tolist() == [1, 3, 5]
    assert (found.first, found.last) == (0, 5)
    assert "nobody was found in 3 of 6 frames" in found.notes


def test_a_fixed_batch_of_a_file_changes_nothing(files, tmp_path):
    images = [drawn(WIDTH, HEIGHT, [standing(WIDTH, HEIGHT, shift=(at, 0))]) for at in range(5)]
    write_clip(tmp_path / "c.mp4", images)
    for batch in (1, 3):
        networks.write_simcc(tmp_path / f"{batch}.onnx", batch=batch)
    apart = [detect(open_footage(tmp_path / "c.mp4"), open_detector(tmp_path / f"{batch}.onnx", None), None).values
             for batch in (1, 3)]  # fmt: skip
    # Other batch sizes sum in another order, which the rounding may show.
    for other in (apart[1], found_in(tmp_path / "c.mp4", files, "simcc").values):
        np.testing.assert_allclose(apart[0], other, rtol=0, atol=0.002)


def test_uneven_times_are_told(files, tmp_path):
    images = [drawn(WIDTH, HEIGHT, [standing(WIDTH, HEIGHT)])] * 6
    write_clip(tmp_path / "c.mp4", images, times=[0, 0.03, 0.06, 0.3, 0.33, 0.36])
    notes = found_in(tmp_path / "c.mp4", files, "rtmo").notes
    assert any("do not follow each other evenly" in note for note in notes)


def test_a_clip_that_ends_early_is_told(files, tmp_path):
    images = [drawn(WIDTH, HEIGHT, [standing(WIDTH, HEIGHT, shift=(at % 2, 0))]) for at in range(30)]
    write_clip(tmp_path / "whole.mkv", images, fps=10)
    with av.open(tmp_path / "whole.mkv") as container:
        places = [packet.pos for packet in container.demux(video=0)]
    (tmp_path / "cut.mkv").write_bytes((tmp_path / "whole.mkv").read_bytes()[: places[20]])
    notes = {name: " ".join(found_in(tmp_path / f"{name}.mkv", files, "rtmo").notes) for name in ("whole", "cut")}
    assert "states" not in notes["whole"]
    assert "the clip states 3.0 s and ends after " in notes["cut"]
    assert "if it was cut off, get it again" in notes["cut"]


@pytest.mark.parametrize("kind", CROPPED)
def test_an_image_of_a_pixel_has_nobody(kind, files, tmp_path):
    Image.new("RGB", (1, 1)).save(tmp_path / "p.png")
    assert (found_in(tmp_path / "p.png", files, kind).values[..., 2] < 0.3).all()


def refused(poses, people=None):
    with pytest.raises(DataError) as caught:
        open_detector(poses, people)
    return str(caught.value)


def test_files_that_are_no_such_networks_are_refused_with_what_they_give(files, tmp_path):
    (tmp_path / "no.onnx").write_bytes(b"not a network")
    assert "is no ONNX model that onnxruntime reads" in refused(tmp_path / "no.onnx")
    graph = networks.Graph()
    graph.op("ReduceMax", "input", axes=[1], keepdims=0, to="depth")
    graph.save(tmp_path / "depth.onnx", [1, 3, 64, 64], {"depth": 3})
    told = refused(tmp_path / "depth.onnx")
    assert "gives depth [1, 64, 64]; read are: simcc_x and simcc_y (RTMPose)" in told
    graph = networks.Graph()
    graph.op("Relu", "input", to="out")
    graph.save(tmp_path / "flat.onnx", [1, 8], {"out": 2})
    assert "has the inputs input [1, 8] tensor(float); expected one image" in refused(tmp_path / "flat.onnx")
    assert "read are: simcc_x" in refused(files / "yolox_boxes.onnx")
    assert "read are: dets and labels (YOLOX of MMDeploy)" in refused(files / "simcc.onnx", files / "heatmaps.onnx")
    assert "finds people by itself; leave the option out" in refused(files / "yolo.onnx", files / "yolo_boxes.onnx")
    told = refused(tmp_path / "no.onnx", tmp_path / "depth.onnx")
    assert "no.onnx: is no ONNX model" in told
    assert "depth.onnx: gives depth" in told


def square(sides):
    graph = networks.Graph()
    graph.op("Identity", "input", to="out")
    return graph, sides, {"out": 4}


def scalar():
    graph = networks.Graph()
    graph.op("ReduceMax", "input", keepdims=0, to="out")
    return graph, [1, 3, 64, 64], {"out": 0}


def maps(count):
    graph = networks.Graph()
    depth = graph.op("ReduceMax", "input", axes=[1], keepdims=1)
    graph.op("Concat", *[depth] * count, axis=1, to="maps")
    return graph, [1, 3, 64, 64], {"maps": 4}


@pytest.mark.parametrize(
    ("made", "layout", "told"),
    [
        (square([1, 3, 0, 0]), None, "expected sides of 1 to 4096 pixels"),
        (square([1, 3, 200_000, 200_000]), None, "expected sides of 1 to 4096 pixels"),
        (scalar(), None, "gives out [1]; read are: "),
        (maps(1), None, "1 joints are not possible; allowed: coco (17)"),
        (maps(21), None, "21 joints are not possible; allowed: coco (17)"),
        (maps(15), None, "say --layout humaneva or --layout mpi15"),
        (maps(17), "body25", "17 joints are not possible for layout body25"),
    ],
)
def test_what_can_give_no_pose_is_refused_before_any_frame(made, layout, told, tmp_path):
    graph, sides, outputs = made
    graph.save(tmp_path / "n.onnx", sides, outputs)
    with pytest.raises(DataError) as caught:
        open_detector(tmp_path / "n.onnx", None, layout)
    assert f"--detect: {tmp_path}/n.onnx: " in str(caught.value)
    assert told in str(caught.value)


@pytest.mark.parametrize(("key", "value"), [("kpt_shape", "['x', 3]"), ("imgsz", "['a', 0]"), ("names", "[1,")])
def test_metadata_that_say_nothing_are_left_out(key, value, files, tmp_path):
    model = onnx.load(files / "yolo.onnx")
    (entry,) = (one for one in model.metadata_props if one.key == key)
    entry.value = value
    onnx.save(model, tmp_path / "n.onnx")
    assert open_detector(tmp_path / "n.onnx", None).poses.joints == COUNT
