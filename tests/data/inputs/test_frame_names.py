"""Numbers of frames from names: what varies is the number, and two names never give one."""

import pytest

from data.inputs.frame_names import frame_numbers


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (("walk_000000000000_keypoints.json", "walk_000000000012_keypoints.json"), (0, 12)),
        (("frame0007_id0.png", "frame0010_id0.png"), (7, 10)),
        (("cam01.0031.json", "cam01.0032.json"), (31, 32)),
        (("walk_2.txt", "walk_10.txt", "walk_1.txt"), (2, 10, 1)),
        (("0.jpg", "1.jpg"), (0, 1)),
        (("12", "13"), (12, 13)),
        # A time and a count: both tell frames apart, the count with fewer gaps.
        (("t0033_f1.png", "t0066_f2.png", "t0100_f3.png"), (1, 2, 3)),
        (("only_7_x3.png",), (3,)),
        (("photo.jpg",), (0,)),
    ],
)
def test_the_number_is_what_varies(names, numbers):
    assert frame_numbers(names) == dict(zip(names, numbers, strict=True))


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("a/001.jpg", "b/001.jpg"), "differ in more than a number"),
        (("s1/001.jpg", "s1/002.jpg", "s2/001.jpg", "s2/002.jpg"), "several videos"),
        (("f_1.jpg", "f_01.jpg"), "same frame number"),
        (("f_1.jpg", "f_01.jpg", "f_2.jpg"), "both give frame 1"),
        (("a.jpg", "a.png"), "same frame number"),
        (("cat.jpg", "dog.jpg"), "differ in more than a number"),
        ((f"f_{'9' * 30}.jpg", "f_1.jpg"), "more than 18 digits"),
    ],
)
def test_names_of_no_video_are_no_numbers(names, told):
    found = frame_numbers(names)
    assert isinstance(found, str)
    assert told in found
