"""The points of a space: after the recipe, checked before anything starts, and kept in the journal."""

import pytest

from search.record.plan import begun_by, plan_of
from spaces.errors import ConfigError
from tests.made.sweeps import FACTS, made_plan

SPACE = """
model: graformer
recipes:
  small: {network.width: 24, network.layers: 2, network.heads: 4, loop.epochs: 8}
  other: {network.width: 24, network.layers: 2, network.heads: 2, loop.epochs: 8}
search:
  network.width: {choice: [24, 32]}
  network.layers: {choice: [2, 3]}
  network.heads: {choice: [2, 4], when: {network.layers: 3}}
  optim.lr: {log: [1e-4, 1e-2]}
narrow:
  other: {network.width: }
points:
  - {network.width: 32, optim.lr: 1e-3}
  - {network.width: 32, optim.lr: '0.001'}
  - {network.layers: 3, network.heads: 2, optim.lr: 0.5}
"""


@pytest.fixture
def plan_from(tmp_path):
    def plan_from(text=SPACE, **options):
        (tmp_path / "mine.yaml").write_text(text)
        return made_plan(space=tmp_path / "mine.yaml", **options)

    return plan_from


def faults_of(plan_from, *points, **options):
    text = SPACE[: SPACE.index("points:")] + "points:\n" + "".join(f"  - {point}\n" for point in points)
    with pytest.raises(ConfigError) as caught:
        plan_from(text, **options)
    return list(caught.value.problems)


def test_the_recipe_comes_first_and_a_point_that_comes_twice_once(plan_from):
    first = {"network.width": 32, "optim.lr": 1e-3}
    second = {"network.layers": 3, "network.heads": 2, "optim.lr": 0.5}  # a point may lie outside its domains
    assert plan_from().points == ({}, first, second)


def test_a_space_without_points_starts_with_the_recipe(plan_from):
    plan = plan_from(SPACE[: SPACE.index("points:")])
    assert plan.points == ()
    assert plan.first_points == ({},)


def test_knobs_that_are_not_searched_keep_the_values_of_the_sweep(plan_from):
    by_hand = plan_from(changes={"optim.lr": 1e-3})
    assert by_hand.points == ({}, {"network.width": 32}, {"network.layers": 3, "network.heads": 2})
    narrowed = plan_from(recipe="other")
    assert narrowed.points[1] == {"optim.lr": 1e-3} or narrowed.points == ({}, narrowed.points[-1])


def test_points_are_on_record(plan_from):
    plan = plan_from()
    again = plan_of(begun_by(plan, "id", FACTS), "journal")
    assert again.points == plan.points
    assert again.first_points == plan.first_points


def test_all_that_is_wrong_with_points_comes_at_once(plan_from):
    points = "{network.widht: 32}", "{network.width: wide}", "{data.frames: 1}", "{optim.lr: 1, loop.seed: 3}"
    found = [fault.split(": ", 1)[1] for fault in faults_of(plan_from, *points)]
    assert found[0].startswith("points[0].network.widht: no such knob; did you mean network.width?")
    assert found[1].startswith("points[1].network.width = wide: expected int")
    assert found[2] == "points[2].data.frames is not searched; give it a domain in search, or fix it in base"
    assert found[3].startswith("points[3].loop.seed is not searched")
    assert len(found) == 4


def test_points_that_break_a_law_or_a_condition_come_at_once(plan_from):
    found = faults_of(plan_from, "{network.width: 25}", "{network.layers: 2, network.heads: 2}", "{network.heads: 3}")
    assert [one[:9] for one in found] == ["points[0]", "points[1]", "points[2]", "points[2]"][: len(found)]
    assert "network.heads = 4 must divide the width" in found[0]
    assert found[1] == "points[1].network.heads: its condition `when` does not hold in this point; take it out"


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ("{optim.lr: 1}", "points must be a list of mappings"),
        ("[3]", "points[0] must be a mapping of dotted paths to values, found 3"),
        ("[{optim.lr: 1}, {}]", "points[1] must be a mapping of dotted paths to values, found {}"),
    ],
)
def test_points_of_another_form_are_refused(plan_from, points, words):
    with pytest.raises(ConfigError, match="points") as caught:
        plan_from(SPACE[: SPACE.index("points:")] + f"points: {points}\n")
    assert words in str(caught.value)
