"""Forecast of a sweep's length and device-hours, against what it takes on the simulated executor."""

import os
import statistics
import time

import pytest

from search.decisions.forecast import MOST_EPOCHS, Forecast, played
from search.record.durations import rough_text
from search.record.journal import Journal
from search.record.records import OpenRow, SessionRow
from tests.made.sweeps import FOUR_POINTS, made_plan, row
from tests.search.decisions.simulations import Simulation, course_of

PLACES = 3


@pytest.fixture(autouse=True)
def no_disk(monkeypatch):
    """Many journals are written, and none must survive a power cut."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


class Foretold(Simulation):
    """A sweep on the virtual clock whose forecast looks at every record. `outlooks`: epochs on record and outlook since
    the first line."""

    def __init__(self, folder, seed=0, gpus=1.0, **options):
        def course(number, config):
            return course_of(number, config, seed)

        super().__init__(folder, PLACES, course, **options)
        self.began = self.journal.now_ms() + 1000
        self.journal.now_ms = lambda: self.began + round(1000 * self.clock.now)
        self.journal.append(SessionRow(places=PLACES, gpus=gpus))
        self.lines, self.outlooks = [], []
        self.forecast = Forecast(self.journal, self.plan, PLACES, self.lines.append)
        self.conductor._watch = self.look

    def look(self, report):
        self.forecast.look(report)
        if self.lines:
            self.outlooks.append((self.spend.epochs, self.forecast.outlook()))

    @property
    def spend(self):
        return self.journal.state.spend

    def off(self, share):
        """By which factor the forecast was wrong when this share of the epochs was trained, at the least the first
        one: device-hours, and length."""
        outlook = next(found for epochs, found in self.outlooks if epochs >= share * self.spend.epochs)
        return outlook.hours / self.spend.used_hours(), outlook.wall_s / self.spend.wall_s()


@pytest.mark.parametrize(("name", "first", "half"), [("asha", 0.35, 0.2), ("none", 0.25, 0.1)])
def test_a_forecast_is_near_the_truth_after_the_first_rung_and_nearer_at_half(tmp_path, name, first, half):
    early, late, lines = [], [], []
    for seed in range(2):
        done = Foretold(tmp_path / str(seed), seed, trials=40, scheduler=name).run()
        early += [abs(factor - 1) for factor in done.off(0)]
        late += [abs(factor - 1) for factor in done.off(0.5)]
        lines.append(len(done.lines))
    assert statistics.mean(early) < first
    assert statistics.mean(late) < half
    assert statistics.mean(lines) <= 3


def test_the_first_line_comes_when_as_many_trials_as_places_are_at_the_first_rung(tmp_path):
    led = Foretold(tmp_path, trials=12, price_per_gpu_hour=2.0)
    while not led.lines:
        assert led.executor.step()
    assert sum(trial.last_epoch >= 1 for trial in led.trials) == PLACES
    assert led.lines[0].startswith("forecast: ")
    outlook = led.forecast.outlook()
    assert led.lines[0] == (
        f"forecast: {rough_text(outlook.wall_s)} in all, {outlook.hours:.3g} GPU-hours, cost {2 * outlook.hours:.3g}"
    )
    led.journal.unlock()


def test_without_rungs_the_first_line_comes_with_finished_trials(tmp_path):
    led = Foretold(tmp_path, trials=12, scheduler="none", gpus=0.0)
    while not led.lines:
        assert led.executor.step()
    assert led.states.count("finished") == PLACES
    assert led.lines[0].endswith(" CPU-hours")
    led.journal.unlock()


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"gpu_hours": 1e-3}, "; the limit of 0.001 GPU-hours ends it before"),
        ({"time_budget_s": 4.0}, "; the time budget ends it before"),
        ({"gpu_hours": 1.0, "time_budget_s": 3600.0}, " GPU-hours"),
    ],
)
def test_a_forecast_says_that_a_limit_ends_the_sweep_before(tmp_path, limits, words):
    done = Foretold(tmp_path, trials=20, **limits).run()
    assert done.lines[0].endswith(words)


def test_a_resumed_sweep_is_forecast_with_what_was_spent_before(tmp_path):
    first = Foretold(tmp_path, trials=20)
    first.executor.run(lambda: first.spend.epochs >= 20)
    first.conductor.close("interrupted")
    first.journal.unlock()
    journal = Journal(first.journal.path)
    journal.lock()
    journal.append(OpenRow())
    lines = []
    forecast = Forecast(journal, first.plan, PLACES, lines.append)
    number = next(trial.number for trial in journal.trials.values() if not trial.has_ended)
    report = journal.append(row(number, journal.trials[number].last_epoch + 1, 50.0))
    forecast.look(report)
    assert len(lines) == 1
    assert forecast.outlook().hours > journal.state.spend.used_hours() > 0
    journal.unlock()


def test_nothing_is_forecast_before_the_first_epoch(tmp_path):
    led = Foretold(tmp_path, trials=4)
    assert led.forecast.outlook() is None
    led.journal.unlock()


@pytest.mark.parametrize(("trials", "epochs"), [(1, 1), (1, 30), (100_000, 20), (20, 20_000)])
def test_a_sweep_of_any_size_is_played_through_in_a_moment(trials, epochs):
    plan = made_plan(trials=trials, epochs=epochs, scheduler="none")
    began = time.process_time()
    course = played(plan, 4)
    assert time.process_time() - began < 4
    assert course.epochs[0] == 0
    assert course.epochs[-1] == (len(course.epochs) - 1) * epochs <= max(MOST_EPOCHS, 4 * epochs)


def test_a_searched_length_counts_with_all_that_it_may_be(tmp_path):
    space = tmp_path / "long.yaml"
    space.write_text(FOUR_POINTS.replace("search:", "search:\n  loop.epochs: {choice: [2, 4, 9]}"))
    plan = made_plan("long", space, epochs=None, trials=100, scheduler="none")
    assert played(plan, 4).epochs[-1] == pytest.approx(500, rel=0.1)


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1s"), (44.6, "45s"), (100, "2m"), (3700, "1h2m"), (7200, "2h")])
def test_a_forecast_names_no_second_that_nobody_knows(seconds, text):
    assert rough_text(seconds) == text
