"""Names as MLflow takes them, and back."""

import itertools
import random

import pytest
from mlflow.utils.validation import _validate_metric_name

from search.tracking.names import KEY_CHARACTERS, key_of, name_of

PIECES = [
    "a",
    "val",
    "_",
    "-",
    ".",
    "..",
    "/",
    "//",
    ":",
    "::",
    ":5b:",
    " ",
    "[0]",
    "é",
    "骨",
    "\n",
    "'",
    "`",
    "%",
    "😀",
]


def names():
    """Every pair of pieces, and longer ones by chance."""
    luck = random.Random(3)
    yield from map("".join, itertools.product(PIECES, repeat=2))
    for _ in range(2000):
        yield "".join(luck.choices(PIECES, k=luck.randint(0, 12)))


def test_every_name_becomes_a_key_that_mlflow_takes_and_comes_back():
    keys = {}
    for name in names():
        key = key_of(name)
        _validate_metric_name(key)
        assert name_of(key) == name
        assert keys.setdefault(key, name) == name


@pytest.mark.parametrize("name", ["val/mpjpe_mm", "optim.lr", "confirmed/trial 5/val/mpjpe_mm mean", "a-b"])
def test_a_name_that_mlflow_takes_stays(name):
    assert key_of(name) == name_of(name) == name


def test_a_long_name_is_shortened_and_still_differs():
    long = ["x" * 400, "x" * 399 + "y", "[" * 300, "a/" * 200]
    assert len(set(map(key_of, long))) == len(long)
    for key in map(key_of, long):
        _validate_metric_name(key)
        assert len(key) <= KEY_CHARACTERS


@pytest.mark.parametrize("key", [":zz:", "a:5B:", "a:61:", ":110000:", "b:"])
def test_a_key_of_others_stays(key):
    assert name_of(key) == key
