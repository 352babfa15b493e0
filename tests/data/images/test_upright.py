"""One place for either kind of pixels, so that photos and clips are turned alike in every reader."""

import ast

import pytest

from tests.made.sources import place, trees

OPENERS = {
    "Image.open": {"data.images.crops", "data.inputs.footage"},  # the second asks for the kind alone
    "av.open": {"data.images.clips", "trainables.pictures.films"},  # the second writes
    "cv2.VideoCapture": set(),
}


@pytest.mark.parametrize("opener", OPENERS)
def test_pixels_are_opened_where_they_are_turned(opener):
    faults = [
        place(name, node.lineno)
        for name, tree in trees().items()
        if name not in OPENERS[opener]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == opener
    ]
    assert not faults, faults
