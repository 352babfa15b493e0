"""Trials that pause and are promoted: whole sweeps of the product's own conductor on the simulated executor."""

import dataclasses
import os

import pytest

from search.decisions.budget import Budget, Spent
from search.decisions.conductor import Conductor
from search.decisions.schedulers.pauses import GROUP_RESTART_S, WORTH, can_pause
from search.record.journal import FILE, Journal
from search.record.options.choices import PAUSING, SCHEDULED, SCHEDULERS
from search.record.plan import plan_of
from search.record.records import PAUSED, AttemptRow, EndRow, EpochRow, OpenRow, TrialRow
from tests.made.sweeps import FOUR_POINTS, OBJECTIVE, Led, leads, made_journal, made_plan, made_sweep, row
from tests.search.decisions.simulations import EPOCHS, Simulation, course_of, happenings


@pytest.fixture(autouse=True)
def no_disk(monkeypatch):
    """Hundreds of journals are written, and none must survive a power cut."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture
def lead(tmp_path):
    yield from leads(tmp_path, made_plan(trials=6, epochs=EPOCHS, scheduler="asha"))


@pytest.mark.parametrize("name", SCHEDULERS)
def test_no_epoch_is_trained_twice_and_every_attempt_goes_on_where_the_last_one_ended(tmp_path, name):
    done = Simulation(tmp_path, scheduler=name, trials=20).run()
    epochs = [(one.trial, one.epoch) for one in done.rows() if isinstance(one, EpochRow)]
    assert len(epochs) == len(set(epochs)) == done.executor.spent
    reached = {}
    for one in done.rows():
        if isinstance(one, AttemptRow):
            assert one.after_epoch == reached.get(one.trial, 0)
        elif isinstance(one, EpochRow):
            assert one.epoch == reached.get(one.trial, 0) + 1
            reached[one.trial] = one.epoch
    again = sum(trial.attempts > 1 for trial in done.trials)
    assert (again > 0) == (name in (*PAUSING, "pbt"))
    assert set(done.states) == ({"finished"} if name in ("none", "pbt") else {"finished", "pruned"})


def two_wait(led):
    """Two that wait at the first rung, the best first; four trials are left to be drawn."""
    for number in (0, 1):
        assert led.conductor.next_task().trial == number
        assert not led.conductor.hear(row(number, 1, 60.0 + number))


def test_a_free_place_is_for_a_promotion_first_and_else_for_a_newcomer(lead):
    led = lead(concurrent=1)
    two_wait(led)
    assert led.conductor.next_task().trial == 2, "of two nobody passes"
    led.conductor.hear(row(2, 1, 70.0))
    promoted = led.conductor.next_task()
    assert (promoted.trial, promoted.attempt, promoted.after_epoch) == (0, 2, 1)
    assert led.said[-1].startswith("trial 0 starts again, after epoch 1: ")
    assert led.conductor.hear(row(0, 2, 60.0))
    assert not led.conductor.hear(row(0, 3, 60.0))
    for number in (3, 4, 5):
        assert led.conductor.next_task().trial == number
        led.conductor.hear(row(number, 1, 70.0 + number))
    # All are drawn: the best at epoch 3 passes although it is alone, and then the second best of six at epoch 1.
    assert led.conductor.next_task().trial == 0
    for epoch in range(4, EPOCHS + 1):
        led.conductor.hear(row(0, epoch, 60.0))
    assert led.conductor.next_task().trial == 1
    assert not [led.conductor.hear(row(1, epoch, 61.0)) for epoch in (2, 3)][-1]
    assert led.conductor.next_task() is None
    assert led.conductor.has_handed_out_all
    assert led.conductor.has_ended_all
    assert [trial.state for trial in led.journal.trials.values()] == ["finished"] + [PAUSED] * 5


@pytest.mark.parametrize("scheduler", ["asha", "hyperband", "stopping"])
def test_a_promoted_trial_is_no_bad_one_to_the_sampler(tmp_path, scheduler):
    plan = made_plan(trials=6, epochs=EPOCHS, scheduler=scheduler)
    conductor = Conductor(made_journal(tmp_path, plan), plan, 1, lambda line: None)
    for number in range(3):
        assert conductor.next_task().trial == number
        assert conductor.hear(row(number, 1, 60.0 - number)) == (scheduler == "stopping" or number == 2)
        if scheduler == "stopping":
            break
    number = 0 if scheduler == "stopping" else 2
    conductor.hear(row(number, 2, 50.0))
    known = {one.number: one for one in conductor._points._history.modelled(9)}[number]
    # Sweeps of the stopping rule go on as those of earlier versions.
    assert known.state.name == ("RUNNING" if scheduler == "stopping" else "PRUNED")
    assert list(known.intermediate_values) == ([] if scheduler == "stopping" else [1])
    conductor.journal.unlock()


def test_who_pauses_is_on_record_and_gives_its_place_to_another(lead):
    led = lead(concurrent=1)
    led.conductor.next_task()
    assert not led.conductor.hear(row(0, 1, 51.0))
    (end,) = led.records(EndRow)
    assert (end.trial, end.state, end.epoch) == (0, PAUSED, 1)
    assert end.reason == "asha: not yet among the best third at epoch 1"
    assert not led.journal.trials[0].has_ended
    assert led.journal.state.ended == 0
    assert led.conductor.next_task().trial == 1


def test_what_is_still_paused_at_a_good_end_is_pruned_there(tmp_path):
    done = Simulation(tmp_path, trials=20, reduction=4)
    done.executor.run()
    waiting = {trial.number: trial.last_epoch for trial in done.trials if trial.state == PAUSED}
    assert waiting
    done.conductor.close("done")
    for number, epoch in waiting.items():
        trial = done.trials[number]
        assert (trial.state, trial.reason) == ("pruned", f"asha: not among the best quarter at epoch {epoch}")
    assert done.journal.state.ended == 20
    done.journal.unlock()


@pytest.mark.parametrize("reason", ["time budget", "interrupted", "error"])
def test_at_another_end_they_wait_on_and_are_promoted_by_a_resumed_sweep(lead, reason):
    led = lead(concurrent=1)
    two_wait(led)
    led.conductor.close(reason)
    again = lead(led, concurrent=1)
    assert [trial.state for trial in again.journal.trials.values()] == [PAUSED] * 2
    assert again.conductor.next_task().trial == 2
    again.conductor.hear(row(2, 1, 70.0))
    promoted = again.conductor.next_task()
    assert (promoted.trial, promoted.attempt, promoted.after_epoch) == (0, 2, 1)


@pytest.mark.parametrize("trials", [1, 2, 3, 20])
@pytest.mark.parametrize("name", PAUSING)
def test_however_few_trials_there_are_one_is_finished(tmp_path, trials, name):
    done = Simulation(tmp_path, trials=trials, scheduler=name, epochs=100).run()
    assert "finished" in done.states
    assert set(done.states) <= {"finished", "pruned"}


def test_one_is_finished_although_the_best_of_a_rung_diverge(tmp_path):
    def course(number, config):
        made = course_of(number, config)
        return dataclasses.replace(made, values=(*made.values[:5], {OBJECTIVE: float("nan")})) if number < 5 else made

    done = Simulation(tmp_path, trials=6, course=course).run()
    assert "diverged" in done.states
    assert done.states[5] == "finished"


# --- killed and resumed


class Script:
    """A sweep that is cut off after some record of another one and led on by a new conductor, to which its workers,
    which nothing disturbed, report in the order of the other one."""

    def __init__(self, whole, folder, cut, workers):
        lines = whole.journal.path.read_bytes().splitlines(keepends=True)
        (folder / FILE).write_bytes(b"".join(lines[:cut]))
        self.journal = Journal(folder / FILE)
        self.journal.lock()
        self.journal.append(OpenRow())
        self.conductor = Conductor(self.journal, whole.plan, workers, lambda line: None)
        self.rest = [
            one
            for one in whole.rows()[cut:]
            if isinstance(one, EpochRow) or (isinstance(one, EndRow) and one.state == "diverged")
        ]

    def run(self):
        self.fill()
        for report in self.rest:
            self.conductor.hear(report)
            self.fill()
        assert self.conductor.has_handed_out_all
        self.conductor.close("done")
        self.journal.unlock()
        return happenings(Simulation.rows(self))

    def fill(self):
        while self.conductor.next_task() is not None:
            pass


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_sweep_cut_off_after_any_record_and_resumed_is_the_unbroken_one(tmp_path, name):
    workers, epochs = 3, 4 if name in ("none", "median", "pbt") else EPOCHS
    sampler = {"asha": "tpe", "pbt": "none"}.get(name, "random")
    trials = 8 if name == "median" else 6  # of fewer it prunes none

    def course(number, config):
        return course_of(number, config, is_rough=True)

    whole = Simulation(tmp_path, workers, course, scheduler=name, epochs=epochs, trials=trials, sampler=sampler).run()
    expected, rows = happenings(whole.rows()), whole.rows()
    turns = [trial.turns for trial in whole.trials]
    assert any(turns) == (name == "pbt")
    assert {"diverged", "pruned"} - ({"pruned"} if name in ("none", "pbt") else set()) <= set(whole.states)
    for cut in range(1, len(rows), 3 if name == "pbt" else 1):
        folder = tmp_path / f"cut-{cut}"
        folder.mkdir()
        script = Script(whole, folder, cut, workers)
        assert script.run() == expected, rows[cut - 1]
        assert [trial.turns for trial in script.journal.trials.values()] == turns, rows[cut - 1]


def test_a_driver_that_dies_between_a_rungs_epoch_and_its_pause_pauses_it_when_resumed(lead):
    led = lead(concurrent=2)
    led.conductor.next_task(), led.conductor.next_task()
    led.journal.append(row(1, 1, 60.0))
    again = lead(led, concurrent=2)
    tasks = [again.conductor.next_task(), again.conductor.next_task()]
    assert again.journal.trials[1].state == PAUSED
    assert [task.trial for task in tasks] == [0, 2]


def test_who_was_let_through_before_the_driver_died_is_not_judged_again(lead):
    led = lead(concurrent=3)
    tasks = [led.conductor.next_task() for _ in range(3)]
    went_on = [led.conductor.hear(row(task.trial, 1, score)) for task, score in zip(tasks, (60, 70, 50), strict=True)]
    assert went_on == [False, False, True]
    assert led.conductor.next_task().trial == 3
    assert led.conductor.hear(row(3, 1, 40.0))  # now trial 2 would no longer be among the best third
    again = lead(led, concurrent=2)
    assert sorted([again.conductor.next_task().trial, again.conductor.next_task().trial]) == [2, 3]


def test_after_a_kill_those_that_waited_wait_and_those_that_ran_go_on(tmp_path):
    whole = Simulation(tmp_path / "whole", trials=12).run()
    first = Simulation(tmp_path, trials=12)
    first.executor.run(lambda: first.states.count(PAUSED) >= 3)
    first.executor.fill()
    assert PAUSED in first.states
    before, running = first.states, set(first.executor.running)
    first.journal.unlock()  # nothing else is said: the process is dead
    journal = Journal(first.journal.path)
    journal.lock()
    journal.append(OpenRow())
    again = Simulation(tmp_path, journal=journal, plan=first.plan)
    assert again.states == before
    again.executor.fill()
    assert set(again.executor.running) == running
    assert [trial.number for trial in again.trials if trial.state == PAUSED] == [
        number for number, state in enumerate(before) if state == PAUSED
    ]
    again.run()
    epochs = [(one.trial, one.epoch) for one in again.rows() if isinstance(one, EpochRow)]
    assert len(epochs) == len(set(epochs)), "no epoch is booked twice"
    assert len(again.trials) == len(whole.trials)
    assert "finished" in again.states


def test_a_paused_trial_that_the_user_stops_ends_at_once_and_is_not_promoted(lead):
    led = lead(concurrent=1)
    two_wait(led)
    led.conductor.dismiss(0)
    assert (led.journal.trials[0].state, led.journal.trials[0].has_ended) == ("stopped", True)
    led.conductor.next_task()
    led.conductor.hear(row(2, 1, 70.0))
    assert led.conductor.next_task().trial == 3, "trial 0 would have been promoted"


# --- with others


class Timed(Led):
    """A sweep whose time is over once `spend` was called."""

    def __init__(self, folder, **options):
        plan = made_plan(epochs=EPOCHS, time_budget_s=100.0, scheduler="asha", **options)
        super().__init__(folder, plan)
        self.now = 0.0
        spent, at_least = Spent(100.0, 0.0), plan.sweep.at_least
        budget = Budget(self.journal, OBJECTIVE, spent, at_least, self.said.append, clock=lambda: self.now)
        self.conductor = Conductor(self.journal, plan, 2, self.said.append, budget)


def test_at_least_one_is_finished_by_promoting_the_nearest_when_the_time_is_over(tmp_path):
    led = Timed(tmp_path, trials=6, at_least=1)
    for number, score in ((0, 50.0), (1, 60.0), (2, 55.0)):
        led.conductor.next_task()
        led.conductor.hear(row(number, 1, score))
    assert led.conductor.next_task().trial == 0
    led.conductor.failed(0, "died")
    led.now = 1000.0
    assert not led.conductor.has_handed_out_all
    assert led.conductor.next_task().trial == 2, "the best of those that wait"
    assert [led.conductor.hear(row(2, epoch, 60.0)) for epoch in range(2, EPOCHS + 1)] == [True] * 7 + [False]
    assert led.journal.trials[2].state == "finished"
    assert led.conductor.has_handed_out_all
    led.journal.unlock()


def test_without_at_least_those_that_wait_when_the_time_is_over_wait_on(tmp_path):
    led = Timed(tmp_path, trials=6)
    led.conductor.next_task()
    led.conductor.hear(row(0, 1, 50.0))
    led.conductor.next_task()
    led.now = 1000.0
    assert not led.conductor.hear(row(1, 1, 60.0))
    assert led.conductor.has_handed_out_all
    led.conductor.close("time budget")
    assert [trial.state for trial in led.journal.trials.values()] == [PAUSED] * 2
    led.journal.unlock()


@pytest.mark.parametrize(
    ("executor", "epoch_s", "pauses"),
    [("solo", 0.1, True), ("group", 0.1, False), ("group", 499.0, False), ("group", 500.0, True)],
)
def test_a_group_pauses_only_where_its_restart_does_not_matter(tmp_path, executor, epoch_s, pauses):
    assert (GROUP_RESTART_S, WORTH) == (25.0, 20)
    assert can_pause(executor, epoch_s) is pauses
    led = Led(tmp_path, made_plan(executor=executor, epochs=EPOCHS, scheduler="asha"))
    led.conductor.next_task(), led.conductor.next_task()
    led.conductor.hear(row(0, 1, 50.0).changed(seconds=epoch_s))
    led.conductor.hear(row(1, 1, 60.0).changed(seconds=epoch_s))
    assert led.journal.trials[1].state == (PAUSED if pauses else "pruned")
    led.journal.unlock()


def test_a_trial_whose_own_length_is_a_rung_is_finished_there(tmp_path):
    space = tmp_path / "long.yaml"
    space.write_text(FOUR_POINTS.replace("search:", "search:\n  loop.epochs: {choice: [1, 3, 9]}"))
    plan = made_plan("long", space, epochs=None, trials=8, scheduler="asha")
    assert (plan.sweep.grace, plan.sweep.max_epochs) == (1, 9)
    done = Simulation(tmp_path, plan=plan).run()
    for trial in done.trials:
        assert trial.last_epoch <= trial.knob("loop.epochs")
        if trial.last_epoch == trial.knob("loop.epochs"):
            assert trial.state == "finished"
    assert len([one for one in done.rows() if isinstance(one, TrialRow)]) == 8


def test_a_sweep_of_an_earlier_version_goes_on_with_the_rule_it_began_with(tmp_path):
    plan = made_plan(epochs=20, scheduler="asha")
    journal = made_journal(tmp_path, plan)
    head = journal.sweep
    old = {name: value for name, value in head.plan.items() if name not in SCHEDULED}
    journal.unlock()
    sweep = plan_of(made_sweep(plan=old, space=head.space, base=head.base), "here").sweep
    assert (sweep.scheduler, sweep.grace, sweep.reduction, sweep.max_epochs) == ("stopping", 2, 3, 20)
