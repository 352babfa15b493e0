"""A sweep's time budget: who goes on when it is over, and what a resumed sweep has left of it."""

import pytest

from search.decisions.budget import Budget, Spent, hours_over, spent_before
from search.decisions.conductor import Conductor
from search.executors.simulated import Simulated
from search.record.coding import to_text
from search.record.durations import duration_text, read_duration
from search.record.journal import FILE, Journal
from search.record.records import CloseRow, EpochRow, OpenRow, SessionRow, TrialRow
from tests.made.sweeps import OBJECTIVE, made_journal, made_plan, made_sweep, row
from tests.search.decisions.simulations import Simulation, course_of


class Led:
    """A conductor whose time is over from the moment that `is_over` is set."""

    def __init__(self, folder, at_least=0, **options):
        self.plan = made_plan(at_least=at_least, time_budget_s=100.0, **options)
        self.journal = made_journal(folder, self.plan)
        self.said = []
        self.budget = Budget(self.journal, OBJECTIVE, Spent(100.0, 0.0), at_least, self.said.append)
        self.conductor = Conductor(self.journal, self.plan, 2, self.said.append, self.budget)

    def spend(self):
        self.budget._started -= 1000.0

    @property
    def states(self):
        return [trial.state for trial in self.journal.trials.values()]


@pytest.fixture
def lead(tmp_path):
    made = []

    def make(**options):
        made.append(Led(tmp_path, **options))
        return made[-1]

    yield make
    for led in made:
        led.journal.unlock()


def test_running_trials_end_their_epoch_and_no_other_starts(lead):
    led = lead()
    led.conductor.next_task(), led.conductor.next_task()
    assert led.conductor.hear(row(0, 1, 60.0))
    led.spend()
    assert led.conductor.next_task() is None
    assert not led.conductor.has_handed_out_all  # two still run
    assert not led.conductor.hear(row(0, 2, 50.0))
    assert not led.conductor.hear(row(1, 1, 40.0))
    assert led.states == ["stopped", "stopped"]
    led.conductor.failed(1, "the trial's function returned before its last epoch")  # as Tune says of a stopped one
    assert led.states == ["stopped", "stopped"]
    assert [trial.last_epoch for trial in led.journal.trials.values()] == [2, 1]
    assert led.conductor.next_task() is None
    assert led.conductor.has_handed_out_all
    assert not led.conductor.has_ended_all
    over = [line for line in led.said if "is over" in line]
    assert over == ["the time budget of 100s is over: trials that run end their epoch, no other starts"]


def test_a_last_epoch_that_ends_late_is_finished(lead):
    led = lead(epochs=2)
    led.conductor.next_task()
    led.conductor.hear(row(0, 1, 60.0))
    led.spend()
    assert not led.conductor.hear(row(0, 2, 50.0))
    assert led.states == ["finished"]


def test_a_sweep_that_has_not_begun_when_its_time_is_over_gets_a_first_score(lead):
    led = lead()
    led.spend()
    assert led.conductor.next_task().trial == 0
    assert led.conductor.next_task() is None
    assert led.conductor.hear(row(0, 1, 60.0)) is False
    assert led.states == ["stopped"]
    assert led.conductor.has_handed_out_all


def test_at_least_one_trial_is_finished_when_that_is_asked_for(lead):
    led = lead(at_least=1, epochs=4)
    led.conductor.next_task(), led.conductor.next_task()
    led.conductor.hear(row(0, 1, 60.0))
    led.conductor.hear(row(1, 1, 50.0))
    led.spend()
    assert [led.conductor.hear(row(0, 2, 45.0)), led.conductor.hear(row(1, 2, 49.0))] == [True, False]
    assert sorted(led.states) == ["running", "stopped"]
    # Trial 0 is the best at the moment that the first report comes in late.
    assert [led.conductor.hear(row(0, epoch, 44.0)) for epoch in (3, 4)] == [True, False]
    assert led.states == ["finished", "stopped"]
    assert led.conductor.has_handed_out_all
    assert any("trial 0 goes on to the last epoch, for --at-least 1" in line for line in led.said)


def test_one_that_went_on_and_is_lost_is_replaced(lead):
    led = lead(at_least=1, epochs=4, scheduler="none")
    led.conductor.next_task(), led.conductor.next_task()
    led.conductor.hear(row(0, 1, 50.0))
    led.conductor.hear(row(1, 1, 60.0))
    led.spend()
    assert led.conductor.hear(row(0, 2, 45.0))
    assert not led.conductor.hear(row(1, 2, 49.0))
    led.conductor.failed(0, "died")
    task = led.conductor.next_task()
    assert (task.trial, task.after_epoch) == (1, 2)
    assert [led.conductor.hear(row(1, epoch, 44.0)) for epoch in (3, 4)] == [True, False]
    assert led.states == ["failed", "finished"]


def test_late_trials_are_not_pruned(lead):
    led = lead(at_least=1)
    led.conductor.next_task(), led.conductor.next_task()
    led.conductor.hear(row(0, 1, 50.0))
    led.spend()
    assert led.conductor.hear(row(0, 2, 90.0))
    assert led.conductor.hear(row(0, 3, 90.0))


def test_a_sweep_whose_trials_have_all_ended_is_done_whatever_the_time(lead):
    led = lead(trials=1, epochs=1)
    led.conductor.next_task()
    led.conductor.hear(row(0, 1, 50.0))
    led.spend()
    assert led.conductor.has_ended_all


# --- device-hours


class Counted(Simulation):
    """A sweep on the virtual clock whose device-hours are limited."""

    def __init__(self, folder, journal=None, at_least=0, gpus=1.0, **options):
        usual = {"trials": 12, "scheduler": "asha", "gpu_hours": 15 / 3600, "at_least": at_least}
        super().__init__(folder, 2, journal=journal, **{**usual, **options})
        self.began = self.journal.now_ms() + 1000
        self.journal.now_ms = lambda: self.began + round(1000 * self.clock.now)
        self.journal.append(SessionRow(places=2, gpus=gpus))
        spent = spent_before(self.journal.path, self.plan.sweep.time_budget_s)
        self.budget = Budget(self.journal, OBJECTIVE, spent, at_least, self.said.append, self.clock)
        self.conductor = Conductor(self.journal, self.plan, 2, self.said.append, self.budget, clock=self.clock)
        self.executor = Simulated(self.conductor, course_of, 2, self.clock)

    @property
    def used_s(self):
        return 3600 * self.journal.state.spend.used_hours()

    def go(self):
        self.executor.run()
        assert self.conductor.has_handed_out_all
        self.conductor.close(self.budget.reason or "done")
        self.journal.unlock()
        return self


def reopened(path, **limits):
    journal = Journal(path)
    journal.lock()
    journal.append(OpenRow(**limits))
    return journal


def test_a_hard_stop_ends_running_epochs_and_leaves_a_sweep_that_goes_on(tmp_path):
    whole = Counted(tmp_path / "whole", gpu_hours=None).go()
    first = Counted(tmp_path / "cut").go()
    # The longest epoch takes 2 s, and one on each of two places was running.
    assert 15 <= first.used_s < 15 + 2 * 2
    assert first.journal.close_reason == "gpu hours"
    assert set(first.states) <= {"finished", "paused", "stopped"}
    assert {trial.reason for trial in first.trials if trial.state == "stopped"} == {"gpu hours"}
    line = "the limit of 0.00417 GPU-hours is reached: trials that run end their epoch, no other starts"
    assert [said for said in first.said if "is reached" in said] == [line]
    journal = reopened(first.journal.path, gpu_hours=1.0)
    second = Counted(tmp_path, journal=journal, plan=first.plan).go()
    assert second.journal.close_reason == "done"
    epochs = [(one.trial, one.epoch) for one in second.rows() if isinstance(one, EpochRow)]
    assert len(epochs) == len(set(epochs)), "no epoch is trained twice"
    assert len(second.trials) == len(whole.trials)
    assert set(second.states) == {"finished", "pruned"}


def test_a_resumed_sweep_has_used_the_hours_of_earlier_sessions(tmp_path):
    first = Counted(tmp_path, gpu_hours=20 / 3600)
    first.executor.run(lambda: first.used_s >= 10)
    first.conductor.close("interrupted")
    first.journal.unlock()
    second = Counted(tmp_path, journal=reopened(first.journal.path), plan=first.plan)
    second.go()
    assert 20 <= second.used_s < 20 + 2 * 2
    third = reopened(first.journal.path)
    assert hours_over(third.state.spend)
    third.unlock()
    fourth = reopened(first.journal.path, gpu_hours=1.0)
    assert not hours_over(fourth.state.spend)
    fourth.unlock()


@pytest.mark.parametrize(("hours", "seconds", "reason"), [(15, 1000, "gpu hours"), (1000, 5, "time budget")])
def test_of_two_limits_the_first_one_ends_the_sweep(tmp_path, hours, seconds, reason):
    done = Counted(tmp_path, gpu_hours=hours / 3600, time_budget_s=float(seconds)).go()
    assert done.journal.close_reason == reason
    assert {trial.reason for trial in done.trials if trial.state == "stopped"} <= {reason}


def test_at_least_one_is_finished_although_the_hours_are_over(tmp_path):
    done = Counted(tmp_path, at_least=1, gpu_hours=5 / 3600).go()
    assert done.states.count("finished") == 1
    assert done.used_s > 5 + 2 * 2


def test_four_gpus_a_trial_count_four_times(tmp_path):
    done = Counted(tmp_path, gpus=4.0).go()
    assert 15 <= done.used_s < 15 + 4 * 2 * 2
    assert done.clock.now < 5


# --- what is left


SWEEP, OPEN, CLOSE = made_sweep(), OpenRow(), CloseRow(reason="interrupted")
BORN = TrialRow(trial=0, point={}, config_id="0")


def stamped(path, *rows):
    """A journal of records at given seconds; a line of an earlier version, which has no checksum, may be old."""
    lines = [to_text(row.changed(ts_ms=1000 * seconds)) for row, seconds in rows]
    path.write_text("".join(line + "\n" for line in lines))
    return path


@pytest.mark.parametrize(
    ("rows", "limit", "used"),
    [
        ([(SWEEP, 100), (BORN, 130), (CLOSE, 150)], 90, 50),
        ([(SWEEP, 100), (BORN, 130)], 90, 30),
        ([(SWEEP, 100), (CLOSE, 150), (OPEN, 1000), (CLOSE, 1020)], 90, 70),
        ([(SWEEP, 100), (BORN, 130), (OPEN, 1000), (CLOSE, 1005)], 90, 35),
        ([(SWEEP, 100), (CLOSE, 150), (OpenRow(time_budget_s=60.0), 1000), (BORN, 1005)], 60, 5),
        ([], 90, 0),
    ],
)
def test_a_resumed_sweep_has_used_the_spans_that_it_ran(tmp_path, rows, limit, used):
    found = spent_before(stamped(tmp_path / FILE, *rows), 90.0)
    assert (found.limit_s, found.used_s) == (limit, used)


def test_without_a_limit_nothing_is_ever_over(tmp_path):
    assert not spent_before(stamped(tmp_path / FILE, (SWEEP, 1), (CLOSE, 9999)), None).is_over


@pytest.mark.parametrize(
    ("seconds", "text"), [(100, "100s"), (1200, "20m"), (7200, "2h"), (5400, "1h30m"), (0.5, "0.5s"), (3725, "1h2m5s")]
)
def test_a_limit_is_written_as_it_is_read(seconds, text):
    assert duration_text(seconds) == text
    assert read_duration(text) == seconds


@pytest.mark.parametrize(("scheduler", "states"), [("stopping", ["running", "pruned"]), ("asha", ["paused", "paused"])])
def test_a_trial_that_halving_rejects_is_not_stopped_although_the_time_is_over(lead, scheduler, states):
    led = lead(epochs=20, scheduler=scheduler)
    for number, score in ((0, 50.0), (1, 90.0)):
        led.conductor.next_task()
        led.conductor.hear(row(number, 1, score))
    led.conductor.hear(row(0, 2, 50.0))
    led.spend()
    assert not led.conductor.hear(row(1, 2, 90.0))  # epoch 2 of 20 is the first rung; one of two passes
    assert led.states == states
