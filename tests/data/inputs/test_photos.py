"""Lists of images with keypoints: what is read, in which forms, and what is refused, all at once."""

import json

import numpy as np
import pytest
from PIL import Image

from data.errors import DataError
from data.inputs.keypoints import Told
from data.inputs.photos import FILES_SHOWN, read_photos
from data.poses.skeleton import H36M_17, HUMANEVA_15

SIZES = ((120, 80), (64, 96), (50, 50))


@pytest.fixture
def folder(tmp_path):
    """Three images of different sizes in a folder of their own."""
    (tmp_path / "shots").mkdir()
    for number, size in enumerate(SIZES):
        Image.new("RGB", size, (number * 50,) * 3).save(tmp_path / "shots" / f"{number}.png")
    return tmp_path


def points(seed=0, joints=17):
    return np.random.default_rng(seed).uniform(5, 45, (joints, 3))


def listed(folder, content, told=None, skeleton=H36M_17):
    (folder / "k.json").write_text(json.dumps(content))
    return read_photos(folder / "k.json", told or Told(), skeleton)


def problems(folder, content, told=None, skeleton=H36M_17):
    with pytest.raises(DataError) as found:
        listed(folder, content, told, skeleton)
    return found.value.problems


def entries(**changes):
    return [{"file": f"shots/{at}.png", "keypoints": points(at).tolist()} | changes for at in range(3)]


def test_every_image_has_its_own_size_and_keypoints(folder):
    read = listed(folder, {"layout": "h36m", "fps": 2, "images": entries()})
    assert read.files == ("shots/0.png", "shots/1.png", "shots/2.png")
    assert read.sizes.tolist() == [list(size) for size in SIZES]
    np.testing.assert_array_equal(read.pixels, np.stack([points(at)[:, :2] for at in range(3)]))
    assert (read.layout, read.fps, read.made, read.notes) == ("h36m", 2.0, (), ())
    assert [read.image(at).size for at in range(3)] == list(SIZES)
    assert listed(folder, {"layout": "h36m", "images": entries()}).fps == 25


@pytest.mark.parametrize("ending", ["gif", "png", "webp", "tiff"])
def test_a_file_of_several_images_is_no_image(ending, folder):
    first, *more = (Image.new("RGB", SIZES[0], (at * 90, 0, 0)) for at in range(3))
    first.save(folder / f"p.{ending}", save_all=True, append_images=more)
    told = problems(folder, {"layout": "h36m", "images": [{"file": f"p.{ending}", "keypoints": points().tolist()}]})
    assert told == (f"p.{ending}: holds 3 images; save the one that is meant as a file of its own",)


def test_the_preview_beside_a_photo_of_a_phone_is_none_of_it(folder):
    first, other = (Image.new("RGB", SIZES[0], (at * 90, 0, 0)) for at in range(2))
    first.save(folder / "p.jpg", "MPO", save_all=True, append_images=[other])
    entry = {"file": "p.jpg", "keypoints": points().tolist()}
    assert listed(folder, {"layout": "h36m", "images": [entry]}).files == ("p.jpg",)


def test_the_forms_of_coco_are_read_alike(folder):
    flat = [points(at).ravel().tolist() for at in range(3)]
    images = [{"id": at + 7, "file_name": f"shots/{at}.png", "width": 9, "height": 9} for at in range(3)]
    forms = [
        {"layout": "coco", "images": entries()},
        {"images": images, "annotations": [{"image_id": at + 7, "keypoints": flat[at]} for at in (2, 0, 1)]},
        [{"image_id": f"shots/{at}.png", "keypoints": flat[at], "score": 0.5} for at in range(3)],
        [{"file": f"shots/{at}.png", "keypoints": flat[at]} for at in range(3)],
    ]
    first, *others = (listed(folder, form) for form in forms)
    for other in others:
        assert (other.files, other.layout, other.made) == (first.files, "coco", first.made)
        np.testing.assert_array_equal(other.pixels, first.pixels)
    assert "Hip is the middle of the hips" in first.made


def test_of_several_people_the_surest_is_taken_and_those_without_joints_are_nobody(folder):
    people = [(0.2, points(1)), (0.9, points(2)), (0.95, np.zeros((17, 3)))]
    results = [{"image_id": "shots/0.png", "keypoints": rows.ravel().tolist(), "score": s} for s, rows in people]
    read = listed(folder, results, Told(layout="h36m"))
    np.testing.assert_array_equal(read.pixels[0], points(2)[:, :2])
    assert read.notes == ("several people in shots/0.png: the one with the highest score is taken in each",)
    (found,) = problems(folder, results[2:], Told(layout="h36m"))
    assert found == "shots/0.png: has no keypoints; detect the person in it, or leave the image out"


def test_keypoints_of_another_image_are_told(folder):
    away = points() + np.array((200, 0, 0))
    read = listed(folder, {"layout": "h36m", "images": [*entries()[1:], entries(keypoints=away.tolist())[0]]})
    assert read.notes == ("most joints lie outside of shots/0.png: do the keypoints belong to these images?",)


def test_all_that_is_wrong_with_images_and_keypoints_comes_at_once(folder):
    whole = (folder / "shots" / "0.png").read_bytes()
    (folder / "shots" / "cut.png").write_bytes(whole[: len(whole) // 2])
    hidden = points()
    hidden[13, 2], hidden[16, 0] = 0, np.nan
    good = points().tolist()
    found = problems(
        folder,
        {
            "layout": "h36m",
            "fps": -1,
            "images": [
                {"file": "shots/none.png", "keypoints": good},
                {"file": "shots/cut.png", "keypoints": points(joints=21).tolist()},
                {"file": "shots/0.png", "keypoints": points(joints=21).tolist()},
                {"file": "shots/1.png"},
                {"file": "shots/2.png", "keypoints": hidden.tolist()},
                {"file": "shots", "keypoints": [["a", "b"]] * 17},
                {"keypoints": good},
                "shots/3.png",
            ],
        },
    )
    expected = [
        "image 5, shots: `keypoints` must be [x, y] or [x, y, score] for each joint",
        "image 6: names no image file",
        "image 7: names no image file",
        "fps = -1: expected frames a second",
        "shots/none.png: there is no such file",
        "shots/cut.png: is no image, or cut off",
        "shots/cut.png, shots/0.png: 21 joints are not possible",
        "shots/1.png, shots: has no keypoints; detect the person in it",
        "shots/2.png: no LWrist, RWrist, and nothing tells where: give hidden joints",
        "shots: cannot be read: Is a directory",
    ]
    assert len(found) == len(expected), found
    for start in expected:
        assert any(problem.startswith(start) for problem in found), start


@pytest.mark.parametrize("content", [{}, [], "x", {"images": {}}, {"images": []}, {"frames": [points().tolist()]}])
def test_a_file_that_lists_no_images_is_told_the_forms(folder, content):
    (found,) = problems(folder, content)
    assert "lists no images; allowed: JSON {layout, images: " in found


def test_what_is_no_json_is_told_so(folder):
    (folder / "k.json").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match="is no JSON; allowed: "):
        read_photos(folder / "k.json", Told(), H36M_17)


def test_options_and_joints_count_as_for_videos(folder):
    (found,) = problems(folder, {"images": entries()})
    assert "17 joints may be coco or h36m or 3dhp" in found
    (found,) = problems(folder, {"layout": "h36m", "images": entries()}, Told(layout="coco"))
    assert "--layout coco, but the file says layout 'h36m'" in found
    fifteen = entries(keypoints=points(joints=15).tolist())
    assert listed(folder, {"images": fifteen}, skeleton=HUMANEVA_15).layout == "humaneva"
    (found,) = problems(folder, {"images": fifteen})
    assert "15 humaneva joints have no Neck" in found


def test_a_fault_of_many_images_is_one_line(folder):
    many = [{"file": f"{at}.png", "keypoints": points().tolist()} for at in range(FILES_SHOWN + 4)]
    (found,) = problems(folder, {"layout": "h36m", "images": many})
    assert found == "0.png, 1.png, 2.png, 3.png, 4.png and 4 more: there is no such file"
