"""What a value becomes in a knob, and what a knob refuses."""

import pytest

from spaces.schema import knobs
from tests.spaces.config import SECTIONS, Run


def read(path, value):
    return knobs(Run, SECTIONS)[path].read(value)


@pytest.mark.parametrize(
    ("path", "given", "value"),
    [
        ("optim.lr", "1e-4", 1e-4),  # common YAML loaders read 1e-4 as text
        ("optim.lr", "1E-4", 1e-4),
        ("optim.lr", 1, 1.0),
        ("optim.stairs", "20", 20),
        ("net.flip", True, True),
        ("net.flip", "true", True),
        ("net.flip", "False", False),
        ("net.limit", None, None),
        ("net.limit", "none", None),
        ("net.limit", "null", None),
        ("net.limit", "12", 12),
        ("net.names", "a,b", ("a", "b")),
        ("net.names", " a , b,", ("a", "b")),
        ("net.names", "", ()),
        ("net.names", ["a", "b c"], ("a", "b c")),
        ("net.sizes", "3, 5", (3, 5)),
        ("net.sizes", (3,), (3,)),
        ("net.kind", "max", "max"),
        ("model", "1e-4", "1e-4"),
        ("model", "none", "none"),
    ],
)
def test_the_declared_type_decides(path, given, value):
    read_value = read(path, given)
    assert read_value == value
    assert type(read_value) is type(value)


@pytest.mark.parametrize(
    ("path", "given", "why"),
    [
        ("model", False, "expected str, got bool"),  # common YAML loaders read `no` as false
        ("model", 3, "expected str, got int"),
        ("model", None, "expected str, got NoneType"),
        ("optim.lr", True, "expected float, got bool"),
        ("optim.lr", "fast", "expected float, got text 'fast'"),
        ("optim.lr", None, "expected float, got NoneType"),
        ("optim.lr", [1e-3], "expected float, got list"),
        ("optim.lr", "nan", "must be finite"),
        ("optim.lr", float("inf"), "must be finite"),
        pytest.param("optim.lr", 10**400, "must be finite", id="huge"),
        ("optim.stairs", True, "expected int, got bool"),
        ("optim.stairs", 1.5, "expected int, got float"),
        ("optim.stairs", "1.5", "expected int, got text '1.5'"),
        ("optim.stairs", "", "expected int, got text ''"),
        ("net.flip", 1, "expected bool, got int"),
        ("net.flip", "yes", "expected bool, got str"),
        ("net.limit", 2.0, "got float"),
        ("net.names", 3, "expected list of str, got int"),
        ("net.names", ["a", 3], "expected str, got int"),
        ("net.sizes", "1,x", "expected int, got text 'x'"),
        ("net.sizes", {"a": 1}, "expected list of int, got dict"),
    ],
)
def test_a_value_of_another_type_is_refused_with_both_types(path, given, why):
    with pytest.raises(ValueError) as caught:
        read(path, given)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("path", "inside", "outside", "words"),
    [
        ("optim.lr", 1e-9, 0, "float and > 0"),
        ("optim.decay", 1, 1.01, "float and > 0 and <= 1"),
        ("optim.stairs", 1, 0, "int and >= 1 and < 1000"),
        ("optim.stairs", 999, 1000, "int and >= 1 and < 1000"),
        ("net.limit", 1, 0, "int or none and >= 1"),
        ("net.sizes", (1, 9), (9, 0), "list of int and >= 1"),
    ],
)
def test_bounds_hold_at_their_edge_and_are_named(path, inside, outside, words):
    assert read(path, inside) == inside
    with pytest.raises(ValueError, match="out of bounds") as caught:
        read(path, outside)
    assert words in str(caught.value)


def test_a_wrong_choice_is_answered_with_the_nearest_and_all():
    with pytest.raises(ValueError) as caught:
        read("net.kind", "mediann")
    assert str(caught.value) == "not allowed; did you mean median?; one of mean, median, max"
