"""Costs and limits: what is measured, who ends, who wins, and what a resumed sweep makes of it."""

import math
import os

import pytest

from search.decisions.budget import Budget, Spent
from search.decisions.growth import trials_to_go_on
from search.decisions.optuna_terms import UNKNOWN, frozen
from search.decisions.sampler import PointSampler
from search.executors.simulated import Course
from search.record.journal import FILE, Journal
from search.record.records import AttemptRow, CostRow, EndRow, EpochRow, OpenRow
from spaces.domains import Float
from tests.made.sweeps import OBJECTIVE, leads, made_plan, made_sweep, row, trial
from tests.search.decisions.simulations import Simulation, course_of, happenings

SQUARE = {"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)}
SEVERAL = f"{OBJECTIVE},parameters"


@pytest.fixture(autouse=True)
def no_disk(monkeypatch):
    """Journals are written, and none must survive a power cut."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture
def lead(tmp_path):
    yield from leads(tmp_path, made_plan(trials=4, epochs=4, objective=SEVERAL, limit=("parameters<=100",)))


def costly(number, config):
    """A made-up training of a network of so many parameters."""
    course = course_of(number, config)
    return Course(course.values, course.epoch_s, {"parameters": 20.0 * (number + 1)})


def cost(number, parameters):
    return CostRow(trial=number, costs={"parameters": parameters})


@pytest.mark.parametrize("scheduler", ["asha", "stopping", "hyperband", "none"])
def test_a_sweep_of_two_objectives_measures_each_trial_once_and_ends(tmp_path, scheduler):
    done = Simulation(tmp_path, course=costly, objective=SEVERAL, scheduler=scheduler, sampler="tpe").run()
    costs = [one for one in done.rows() if isinstance(one, CostRow)]
    assert sorted(one.trial for one in costs) == list(range(9))
    assert {one.costs["parameters"] for one in costs} == {20.0 * number for number in range(1, 10)}
    assert set(done.states) <= {"finished", "pruned"}
    assert done.journal.sweep.objective == OBJECTIVE
    assert done.journal.trials[0].knob("loop.select") == OBJECTIVE


def test_costs_are_asked_for_until_they_are_on_record(lead):
    led = lead()
    assert led.conductor.next_task().costs == ("parameters",)
    assert led.conductor.hear(cost(0, 50.0))
    assert led.conductor.hear(cost(0, 99.0))  # of another attempt: the first counts
    assert led.journal.trials[0].costs == {"parameters": 50.0}
    assert led.conductor.hear(row(0, 1, 40.0))
    again = lead(led)
    task = again.conductor.next_task()
    assert (task.trial, task.after_epoch, task.costs) == (0, 1, ())


def test_a_sweep_that_names_no_cost_measures_none(lead):
    assert lead(plan=made_plan("plain", trials=2)).conductor.next_task().costs == ()


def test_a_cost_beyond_its_limit_ends_a_trial_before_its_first_epoch(lead):
    led = lead()
    led.conductor.next_task()
    assert not led.conductor.hear(cost(0, 150.0))
    end = led.records(EndRow)[0]
    assert (end.state, end.epoch, end.reason) == ("pruned", 0, "limit parameters<=100: parameters is 150")
    assert not led.conductor.hear(row(0, 1, 1.0))  # it came too late
    assert not led.records(EpochRow)
    assert led.conductor.next_task().trial == 1
    assert led.conductor.hear(cost(1, 100.0))


def test_a_driver_that_died_between_cost_and_end_ends_the_trial_when_it_goes_on(lead):
    led = lead()
    led.conductor.next_task()
    led.journal.append(cost(0, 150.0))
    again = lead(led)
    assert again.conductor.next_task().trial == 1
    assert again.records(EndRow)[0].reason == "limit parameters<=100: parameters is 150"
    assert len(again.records(AttemptRow)) == 2


def test_a_resumed_sweep_with_limits_decides_as_the_unbroken_one(tmp_path):
    options = {"objective": SEVERAL, "limit": ("parameters<=130",), "scheduler": "asha", "sampler": "tpe"}
    whole = Simulation(tmp_path / "whole", workers=1, course=costly, **options).run()
    wanted = happenings(whole.rows())
    for length in range(5, len(whole.rows()), 19):
        part = Simulation(tmp_path / f"part{length}", workers=1, course=costly, **options)
        while len(part.rows()) < length and part.executor.step():
            pass
        part.journal.unlock()
        journal = Journal(tmp_path / f"part{length}" / "first" / FILE)
        journal.lock()
        journal.append(OpenRow())
        again = Simulation(None, workers=1, course=costly, journal=journal, **options)
        again.executor.run()
        again.conductor.close("done")
        journal.unlock()
        assert happenings(again.rows()) == wanted


def test_device_seconds_are_counted_over_attempts_and_end_a_trial_before_they_break_the_limit(lead):
    plan = made_plan("timed", trials=2, epochs=8, scheduler="none", workers=2, limit=("gpu_seconds<=3.5",))
    led = lead(plan=plan)
    assert led.conductor.next_task().costs == ()
    assert led.conductor.hear(row(0, 1, 50.0))  # half a second on two workers
    led = lead(led, plan=plan)
    assert led.conductor.next_task().trial == 0
    assert led.conductor.hear(row(0, 2, 49.0))
    assert not led.conductor.hear(row(0, 3, 48.0))
    assert [one.metrics["gpu_seconds"] for one in led.records(EpochRow)] == [1.0, 2.0, 3.0]
    assert led.records(EndRow)[-1].reason == "limit gpu_seconds<=3.5: another epoch would take it from 3 to 4"
    assert led.journal.best(OBJECTIVE).number == 0  # its weights keep the limit


def aligned_row(number, epoch, error, aligned):
    return row(number, epoch, error).changed(metrics={OBJECTIVE: error, "val/p_mpjpe_mm": aligned})


def test_who_breaks_a_limit_never_wins(lead):
    led = lead(plan=made_plan("bounded", trials=4, scheduler="none", limit=("val/p_mpjpe_mm<=30",)), concurrent=4)
    for number, scores in enumerate([[(40.0, 35.0)], [(50.0, 25.0)], [(45.0, 29.0), (44.0, 31.0)], [(60.0, 40.0)]]):
        led.conductor.next_task()
        for epoch, (error, aligned) in enumerate(scores, 1):
            assert led.conductor.hear(aligned_row(number, epoch, error, aligned))
        if number == 2:
            assert led.journal.best(OBJECTIVE).number == 1  # 44 is lower, and beyond the limit
    assert [one.number for one in led.journal.leaderboard(OBJECTIVE)] == [1, 0, 2, 3]
    assert led.journal.trials[2].broken == ("val/p_mpjpe_mm 31, limit 30",)
    led.conductor.hear(aligned_row(2, 3, 43.0, 30.0))
    assert led.journal.best(OBJECTIVE).number == 2
    led.journal.unlock()
    assert Journal(led.journal.path).best(OBJECTIVE).number == 2  # also where the best is looked for afterwards


def test_a_sweep_of_which_nobody_keeps_the_limits_ends_with_its_time_all_the_same(lead):
    led = lead(plan=made_plan("bounded", trials=9, limit=("val/mpjpe_mm<=1",)))
    led.conductor.next_task()
    led.conductor.hear(row(0, 1, 40.0))
    budget = Budget(led.journal, OBJECTIVE, Spent(1.0, 2.0), 0, lambda line: None)
    assert budget.is_over
    assert not budget.may_start(())


def test_an_enlarged_sweep_leaves_alone_who_broke_a_limit():
    limited = made_sweep(plan={"objective": OBJECTIVE, "trials": 5, "recipe": "small", "limit": ["macs<=5"]})
    barred, pruned = (made(limited, number, costs) for number, costs in enumerate([{"macs": 9.0}, {"macs": 1.0}]))
    plan = made_plan(trials=9, scheduler="none", limit=("macs<=5",))
    assert trials_to_go_on(plan, [barred, pruned]) == ([pruned], [])


def made(sweep, number, costs, x=0.5, state="pruned", scores=(), y=0.5):
    one = trial(number, scores, state, {"x": x, "y": y}, sweep=sweep)
    one.costs |= costs
    return one


def test_optuna_is_told_of_every_limit_by_how_much_a_trial_breaks_it():
    names = ["latency_ms<=5", "macs<=200", "val/mpjpe_mm<=50"]
    sweep = made_sweep(plan={"objective": OBJECTIVE, "trials": 5, "recipe": "small", "limit": names})
    told = frozen(made(sweep, 0, {"latency_ms": 6.0, "macs": 100.0}), SQUARE, (OBJECTIVE,)).constraints
    # In units of each limit, as Optuna adds them up.
    assert told == pytest.approx({"latency_ms": 0.2, "macs": -0.5, OBJECTIVE: UNKNOWN})
    wild = frozen(made(sweep, 1, {"latency_ms": 1e9}, scores=[math.nan]), SQUARE, (OBJECTIVE,)).constraints
    assert set(wild.values()) == {UNKNOWN}


# Half of a child's knobs in NSGA-II are drawn anew; a Gaussian process takes a second a draw.
@pytest.mark.parametrize(("name", "draws", "least"), [("tpe", 12, 10), ("gp", 2, 2), ("nsga2", 30, 19)])
@pytest.mark.parametrize("objectives", [(OBJECTIVE,), (OBJECTIVE, "macs")])
def test_samplers_that_learn_draw_where_the_limits_are_kept(name, draws, least, objectives):
    plan = {"objective": ",".join(objectives), "trials": 60, "recipe": "small", "limit": ["macs<=5"]}
    sweep, trials = made_sweep(plan=plan), []
    for number in range(32):
        x, y = (((step * number) % 32 + 0.5) / 32 for step in (7, 11))
        # The error falls beyond the limit too.
        trials.append(made(sweep, number, {"macs": 10 * x}, x, "finished", [60.0 - 20 * x], y))
    points = PointSampler(SQUARE, objectives, name, 1, 60, trials)
    drawn = [points.draw(number, lambda point: True)[0]["x"] for number in range(40, 40 + draws)]
    assert sum(x <= 0.55 for x in drawn) >= least, drawn
