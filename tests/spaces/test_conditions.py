"""Conditional knobs: what is searched where, and conditions that cannot hold."""

import pytest

from spaces.conditions import active, attainable
from spaces.space import parse_space
from spaces.yaml_text import parse_yaml
from trainables.config import knobs_of

# Of the model: depth and widths mean what the tests need, whatever they do to a network.
SPACE = """
model: graformer
recipes: {original: {network.layers: 2}, small: {network.layers: 3}}
search:
  network.layers: {choice: [2, 3, 4]}
  network.heads: {choice: [1, 2, 4], when: {network.layers: [3, 4]}}
  network.dropout: {range: [0.0, 0.5], when: {network.heads: 2, optim.clip: 1}}
  optim.clip: {grid: [0, 1, 2]}
narrow:
  small:
    network.heads: {choice: [1, 2]}
    network.dropout: {range: [0.0, 0.1], when: {}}
"""
POINT = {"network.layers": 3, "network.heads": 2, "network.dropout": 0.1, "optim.clip": 1.0}


def parsed(text):
    return parse_space(parse_yaml(text, "mine.yaml"), "mine.yaml")


def faults_of(text):
    return parsed(text).check(knobs_of("graformer"))


def test_conditions_are_read_and_a_narrow_domain_keeps_that_of_search():
    space = parsed(SPACE)
    heads = {"network.layers": (3, 4)}
    assert space.conditions("original") == {
        "network.heads": heads,
        "network.dropout": {"network.heads": (2,), "optim.clip": (1,)},
    }
    assert space.conditions("small") == {"network.heads": heads}
    assert space.check(knobs_of("graformer")) == []


@pytest.mark.parametrize(
    ("changes", "dropped"),
    [
        ({}, []),
        ({"network.layers": 2}, ["network.heads", "network.dropout"]),  # a condition on what is not searched fails
        ({"network.heads": 4}, ["network.dropout"]),
        ({"optim.clip": 2.0}, ["network.dropout"]),
    ],
)
def test_a_point_lacks_the_knobs_whose_conditions_do_not_hold(changes, dropped):
    point = {**POINT, **changes}
    found = active(point, parsed(SPACE).conditions("original"), lambda path: pytest.fail(f"{path} is in the point"))
    assert found == {path: value for path, value in point.items() if path not in dropped}
    assert active(found, parsed(SPACE).conditions("original"), lambda path: None) == found


@pytest.mark.parametrize(("fixed", "is_searched"), [(1, True), (2, False)])
def test_a_condition_on_a_knob_that_is_not_searched_looks_at_its_value(fixed, is_searched):
    found = active({"a": 1}, {"a": {"b": (1,)}}, {"b": fixed}.get)
    assert found == ({"a": 1} if is_searched else {})


@pytest.mark.parametrize(("fixed", "left"), [(1, ["a", "b", "c"]), (2, ["c"])])
def test_a_knob_that_is_active_in_no_point_is_told_apart(fixed, left):
    conditions = {"a": {"fixed": (1,)}, "b": {"a": (3,), "c": (4,)}}
    assert attainable(["a", "b", "c"], conditions, {"fixed": fixed}.get) == left


def test_a_list_of_json_is_the_tuple_of_a_condition():
    assert active({"a": 1, "b": [3, 5]}, {"a": {"b": ((3, 5),)}}, {}.get) == {"a": 1, "b": [3, 5]}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("network.layers: [3, 4]", "network.layrs: [3, 4]", ["heads: when: network.layrs: no such knob; did you mean"]),
        ("network.layers: [3, 4]", "network.layers: [3, 5]", ["network.layers = 5: none of the values searched for"]),
        ("network.layers: [3, 4]", "network.layers: deep", ["network.layers = deep: expected int, got text 'deep'"]),
        ("network.layers: [3, 4]", "optim.beta1: 2", ["when: optim.beta1 = 2: out of bounds"]),
        ("network.layers: [3, 4]", "network.dropout: 0.1", ["when: network.dropout takes any number of a range"]),
        (
            "optim.clip: {grid: [0, 1, 2]}",
            "optim.clip: {grid: [0, 2]}",
            ["optim.clip = 1: none of the values searched"],
        ),
        (
            "{choice: [2, 3, 4]}",
            "{choice: [2, 3, 4], when: {network.heads: 1}}",
            ["in a circle", "network.layers -> network.heads -> network.layers"],
        ),
        (
            "{choice: [2, 3, 4]}",
            "{choice: [2, 3, 4], when: {network.layers: 2}}",
            ["network.layers -> network.layers"],
        ),
    ],
)
def test_a_condition_that_cannot_hold_is_refused(old, new, words):
    assert old in SPACE
    found = "\n".join(faults_of(SPACE.replace(old, new)))
    assert all(word in found for word in words), found


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("network.layers", "when needs a mapping, such as {other.knob: value}, found network.layers"),
        ("[network.layers]", "when needs a mapping"),
        ("{network.layers: {choice: [3]}}", "when.network.layers needs a value or a list of values, found"),
        ("{network.layers: []}", "when.network.layers needs a value or a list of values, found []"),
    ],
)
def test_a_condition_of_another_form_is_refused_with_the_other_faults(condition, words):
    text = SPACE.replace("{network.layers: [3, 4]}", condition).replace("[1, 2, 4]", "[1, 1]")
    with pytest.raises(ValueError) as caught:
        parsed(text)
    first, second = caught.value.problems
    assert first.startswith("search.network.heads: choice repeats a value")
    assert second.startswith(f"search.network.heads: {words}")


def test_all_faults_of_conditions_come_at_once():
    text = SPACE.replace("network.layers: [3, 4]", "network.layers: [5, 6], network.lairs: 1")
    text = text.replace("optim.clip: 1}", "network.dropout: 0.1}")
    assert len(faults_of(text)) == 5
