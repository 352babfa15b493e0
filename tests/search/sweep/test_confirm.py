"""`confirm`: seeds as given points of a sweep, scored on the test subjects."""

import math

import pytest

from search.record.plan import SweepConfig, confirm_plan
from search.record.records import ScoreRow
from search.results.confirm import confirmation_text, spread
from tests.made.small import tiny_config
from tests.made.sweeps import book, made_journal


@pytest.fixture
def journal(tmp_path):
    sweep = SweepConfig(trials=3, scheduler="none", recipe="confirmed", seed=4)
    plan = confirm_plan("three", sweep, tiny_config(tmp_path, loop__seed=4))
    assert plan.is_confirmation
    assert plan.points == ({"loop.seed": 4}, {"loop.seed": 5}, {"loop.seed": 6})
    assert [plan.config(point).loop.seed for point in plan.points] == [4, 5, 6]
    made = made_journal(tmp_path, plan)
    for point in plan.points:
        book(made, plan, point, [], "waiting")
    yield made
    made.unlock()


def test_mean_and_deviation_are_those_of_the_seeds(journal):
    assert spread(journal) == {}
    for number, value in enumerate((50.0, 52.0, 57.0)):
        metrics = {"frame_mean": {"mpjpe_mm": value}, "action_mean": {"mpjpe_mm": 1.0}}
        journal.append(ScoreRow(trial=number, metrics=metrics))
    mean, deviation = spread(journal)["frame_mean"]["mpjpe_mm"]
    assert mean == pytest.approx(53)
    assert deviation == pytest.approx(math.sqrt((9 + 1 + 16) / 2))  # of a sample, as the papers give it
    text = confirmation_text(journal)
    assert "test, frame mean over 3 seeds: mpjpe_mm 53.00 +- 3.61" in text
    assert "test, action mean over 3 seeds: mpjpe_mm 1.00 +- 0.00" in text


def test_one_seed_has_no_deviation(journal):
    metrics = {"frame_mean": {"mpjpe_mm": 5.0}, "action_mean": {"mpjpe_mm": 5.0}}
    journal.append(ScoreRow(trial=1, metrics=metrics))
    mean, deviation = spread(journal)["action_mean"]["mpjpe_mm"]
    assert mean == 5.0
    assert math.isnan(deviation)
