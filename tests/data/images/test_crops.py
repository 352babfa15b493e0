"""Boxes, affine maps and crops of images."""

import io

import numpy as np
import pytest
from PIL import Image

from data.config import DataConfig
from data.images import crops
from spaces.errors import ConfigError
from spaces.schema import load
from trainables import registry
from trainables.config import default_config

HEIGHT, WIDTH = 256, 192


@pytest.fixture
def boxes():
    rng = np.random.default_rng(5)
    return rng.uniform(100, 900, (6, 2)), rng.uniform(50, 600, 6)


def test_the_way_back_undoes_the_way_into_a_crop(boxes):
    there = crops.affine(*boxes, HEIGHT, WIDTH)
    points = np.random.default_rng(6).uniform(0, 1000, (6, 17, 2))
    # Errors of float64 times coordinates of a thousand pixels.
    np.testing.assert_allclose(crops.moved(crops.moved(points, there), crops.inverse(there)), points, atol=1e-9)


def test_the_ends_of_a_box_become_the_ends_of_the_crop(boxes):
    center, width_px = boxes
    maps = crops.affine(center, width_px, HEIGHT, WIDTH)
    half = np.stack(((width_px - 1) / 2, np.zeros(6)), axis=-1)
    ends = crops.moved(np.stack((center - half, center, center + half), axis=1), maps)
    np.testing.assert_allclose(ends, np.broadcast_to(((0, 127.5), (95.5, 127.5), (191, 127.5)), (6, 3, 2)), atol=1e-9)


def test_a_box_of_the_body_is_two_metres_wide_and_reaches_below_the_root():
    found = crops.body_boxes(np.array((0.0, 0.0, 2.0)), np.array((100.0, 100.0)), np.array((50.0, 40.0)))
    np.testing.assert_allclose(found, (0, -5, 100, 95))
    center, scale = crops.center_and_scale(found)
    np.testing.assert_allclose((*center, *scale), (50, 45, 0.5, 0.5))


def test_a_box_around_keypoints_is_a_quarter_larger_and_has_the_shape_of_the_crop():
    wide = np.array(((0.0, 10.0), (40.0, 12.0)))
    center, width = crops.keypoint_boxes(wide, HEIGHT, WIDTH)
    assert (center.tolist(), width) == ([20, 11], 50)
    tall = wide[:, ::-1]
    _, width = crops.keypoint_boxes(tall, HEIGHT, WIDTH)
    assert width == 50 * WIDTH / HEIGHT
    assert crops.keypoint_boxes(np.zeros((3, 2)), HEIGHT, WIDTH)[1] > 1  # one point has a box as well


def test_the_last_pixel_of_a_crop_is_a_little_short_of_one():
    units = crops.to_crop_units(np.array(((0.0, 0.0), (191.0, 255.0))), HEIGHT, WIDTH)
    np.testing.assert_allclose(units, ((-1, -1), (0.98958333, 0.9921875)))


def test_a_crop_of_the_whole_image_is_the_image():
    levels = np.random.default_rng(7).integers(0, 256, (64, 32, 3), np.uint8)
    whole = crops.affine(np.array((15.5, 31.5)), np.array(32.0), 64, 32)
    np.testing.assert_array_equal(crops.warp(Image.fromarray(levels), whole, 64, 32), levels)


def test_what_lies_beyond_the_image_is_black():
    image = Image.new("RGB", (40, 40), (200, 200, 200))
    found = crops.warp(image, crops.affine(np.array((0.0, 20.0)), np.array(20.0), 64, 32), 64, 32)
    assert not found[:, :15].any()
    assert (found[:, 17:] == 200).all()


def test_a_crop_around_keypoints_holds_them():
    image = Image.new("RGB", (100, 80))
    points = np.array(((30.0, 20.0), (60.0, 70.0)))
    for x, y in points.astype(int).tolist():
        image.paste((255, 255, 255), (x - 1, y - 1, x + 2, y + 2))
    pixels, units = crops.cropped(image, points, 64, 32)
    assert (pixels.shape, units.dtype) == ((3, 64, 32), np.float32)
    for x, y in np.rint((units + 1) * (16, 32)).astype(int).tolist():
        assert pixels[:, y, x].min() > 100


@pytest.mark.parametrize("content", [b"", b"no image", b"\xff\xd8\xff\xe0" + bytes(40)])
def test_what_is_no_image_is_told(content):
    with pytest.raises(ValueError) as error:
        crops.decode(content)
    assert str(error.value)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_of_16_bits_is_as_light_as_of_8(kind):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(grey.astype(np.uint16) * 257).save(file := io.BytesIO(), kind)
    np.testing.assert_array_equal(np.asarray(crops.decode(file.getvalue())), np.stack([grey] * 3, -1))


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_pixels_of_32_bits_whose_white_is_unknown_are_refused(kind):
    Image.fromarray(np.arange(256).reshape(16, 16).astype(kind)).save(file := io.BytesIO(), "TIFF")
    with pytest.raises(ValueError, match="nothing tells which is white; save it with 8 bits"):
        crops.decode(file.getvalue())


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_an_image_is_turned_as_its_camera_was_held(kind, tmp_path):
    """Orientation 6: the first row of pixels is the right side of what was seen."""
    stored = Image.new("RGB", (40, 24))
    stored.paste((255, 255, 255), (0, 0, 40, 8))
    told, file = Image.Exif(), io.BytesIO()
    told[0x0112] = 6
    stored.save(file, kind, exif=told)
    found = np.asarray(crops.decode(file.getvalue()))
    assert found.shape == (40, 24, 3)
    assert (found[:, 17:] > 200).all()
    assert (found[:, :15] < 50).all()
    (tmp_path / "lying").write_bytes(file.getvalue())
    assert crops.upright_size(tmp_path / "lying") == (24, 40)
    cut_off = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x09"
    stored.save(file := io.BytesIO(), kind, exif=cut_off)
    with pytest.warns(UserWarning, match="Corrupt EXIF data"):
        assert np.asarray(crops.decode(file.getvalue())).shape == (24, 40, 3)


def test_a_side_that_the_trunk_cannot_halve_is_refused_with_those_near_it():
    with pytest.raises(ConfigError, match=r"crop_width.*multiple of 32; legal near it: 192, 224"):
        load(DataConfig, {"crop_width": 200}, "tests", {})
    assert load(DataConfig, {"crop_height": 96, "crop_width": 64}, "tests", {}).sizes.crop == (96, 64)


@pytest.mark.parametrize("name", registry.names())
def test_such_a_side_is_told_once_whatever_model_reads_the_crop(name):
    tiny = {path: value for path, value in registry.get(name).tiny.items() if not path.startswith("data.crop")}
    with pytest.raises(ConfigError) as caught:
        default_config(name, {**tiny, "data.crop_height": 96, "data.crop_width": 200}, "tests")
    assert caught.value.problems == ("data.crop_width = 200 must be a multiple of 32; legal near it: 192, 224",)
