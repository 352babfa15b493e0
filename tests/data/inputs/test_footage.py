"""Photos and clips by their content, and the 2D poses in them as files that are read again."""

import json

import numpy as np
import pytest
from PIL import Image

from data.errors import DataError
from data.inputs.detections import write_frames, write_photo
from data.inputs.detectors.detected import Person, detected
from data.inputs.detectors.recognised import read_detected
from data.inputs.footage import Frames, open_footage
from data.inputs.keypoints import Told
from data.inputs.photos import detected_photo, read_photos
from data.poses.skeleton import H36M_17
from tests.made.footage.dots import drawn, standing, write_clip


def moving(count):
    return [drawn(64, 96, [standing(64, 96, shift=(at, 0))]) for at in range(count)]


def test_content_tells_a_photo_from_a_clip(tmp_path):
    first, *rest = moving(3)
    first.save(tmp_path / "photo.bin", "png")
    first.save(tmp_path / "still.gif")
    for ending in ("gif", "png"):
        first.save(tmp_path / f"film.{ending}", save_all=True, append_images=rest, duration=40)
    write_clip(tmp_path / "clip.mp4", [first, *rest])
    (tmp_path / "clip.mp4").rename(tmp_path / "clip.jpg")
    is_clip = {path.name: open_footage(path).clip is not None for path in tmp_path.iterdir()}
    assert is_clip == {"photo.bin": False, "still.gif": False, "film.gif": True, "film.png": True, "clip.jpg": True}
    assert len(list(open_footage(tmp_path / "film.png").frames())) == 3
    first.save(tmp_path / "film.webp", save_all=True, append_images=rest)
    (tmp_path / "text.mp4").write_text("no film")
    (tmp_path / "apple.heic").write_bytes(b"\x00\x00\x00\x24ftypheic" + bytes(64))
    wrong = {
        "text.mp4": "is neither a photo nor a clip",
        "film.webp": "is a moving WebP, which is not read; save it as GIF or MP4",
        "gone.mp4": "there is no such file",
        "apple.heic": "is a photo as HEIC, which is not read; save it as JPEG",
    }
    for name, told in wrong.items():
        with pytest.raises(DataError, match=told):
            open_footage(tmp_path / name)


def test_frames_are_found_by_number_also_backwards(tmp_path):
    images = moving(6)
    write_clip(tmp_path / "c.mp4", images)
    frames = Frames(open_footage(tmp_path / "c.mp4"))
    for at in (0, 0, 2, 5, 1, 3):
        apart = [np.abs(np.asarray(frames(at)).astype(int) - np.asarray(image)).mean() for image in images]
        assert int(np.argmin(apart)) == at
    assert frames(6) is None


def people(path, *, names=None):
    """Two people in frames 1 and 3 of five, one of them in frame 2."""
    rng = np.random.default_rng(2)
    rows = np.round(rng.uniform(0, 1, (5, 17, 3)) * (640, 480, 1), 3)
    found = [
        Person(frame, one, score=0.5 + at / 10)
        for at, (frame, one) in enumerate(zip((1, 1, 2, 3, 3), rows, strict=True))
    ]
    facts = {"width": 640, "height": 480, "fps": 29.97, "usual": "coco", **({"joints": names} if names else {})}
    return detected(path, found, listed=range(5), facts=facts)


@pytest.mark.parametrize("names", [None, tuple(f"joint {at}" for at in range(17))])
@pytest.mark.parametrize("layout", [None, "h36m"])
def test_what_is_written_is_read_again_to_the_last_digit(names, layout, tmp_path):
    given = people(tmp_path / "c.mp4", names=names)
    with (tmp_path / "k.json").open("wb") as file:
        write_frames(file, given, layout)
    found = read_detected(tmp_path / "k.json")
    np.testing.assert_array_equal(found.values, given.values)
    np.testing.assert_array_equal(found.score, given.score)
    assert found.frame.tolist() == given.frame.tolist()
    assert (found.first, found.last, found.step, found.is_numbered) == (0, 4, 1, given.is_numbered)
    assert found.ids is None
    for fact in ("width", "height", "fps", "usual"):
        assert found.facts[fact] == given.facts[fact], fact
    assert found.facts.get("layout") == layout
    assert tuple(found.facts.get("joints", ())) == (names or ())
    assert len((tmp_path / "k.json").read_text().splitlines()) == 7


def test_a_photo_is_listed_from_the_folder_of_its_file(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    photo = tmp_path / "in" / "p.png"
    Image.new("RGB", (640, 480)).save(photo)
    given = people(photo)
    with (tmp_path / "out" / "k.json").open("wb") as file:
        write_photo(file, given, None, photo, tmp_path / "out" / "k.json")
    assert json.loads((tmp_path / "out" / "k.json").read_text())["images"][0]["file_name"] == "../in/p.png"
    again = read_photos(tmp_path / "out" / "k.json", Told(), H36M_17)
    direct = detected_photo(photo, given, Told(), H36M_17)
    np.testing.assert_array_equal(again.pixels, direct.pixels)
    assert direct.image(0).size == (640, 480)
    assert direct.made == again.made
    assert "several people in p.png" in direct.notes[0]
