"""What an enlarged sweep trains: which trials go on, from where, and what new ones know of them."""

import pytest

from search.decisions.budget import spent_before
from search.decisions.growth import trials_to_go_on
from search.record.history import fork_journal
from search.record.journal import FILE, Journal
from search.record.options.choices import PAUSING
from search.record.plan import plan_of
from search.record.records import AttemptRow, EndRow, EpochRow, ExtendRow
from tests.made.sweeps import Led, leads, made_plan, row


@pytest.fixture(scope="module")
def plan():
    return made_plan(trials=4, seed=3)


@pytest.fixture
def lead(tmp_path, plan):
    yield from leads(tmp_path, plan)


def train(led, score_of):
    """Leads a sweep to its end; `score_of`: trial, epoch -> score."""
    while not led.conductor.has_handed_out_all:
        task = led.conductor.next_task()
        epoch = task.after_epoch + 1
        while led.conductor.hear(row(task.trial, epoch, score_of(task.trial, epoch))):
            epoch += 1
    led.conductor.close("done")


def falling(trial, epoch):
    return 60.0 + 5 * trial - epoch


def grown(lead, led, again=(), waiting=(), **sizes):
    """The sweep, enlarged and led on as by another process."""
    extension = ExtendRow(again=tuple(again), waiting=tuple(waiting), **sizes)
    led.journal.append(extension)
    return lead(again=led, plan=plan_of(led.journal.sweep, "journal"), concurrent=1)


def wanted(led, **sizes):
    plan = plan_of(led.journal.sweep.grown(ExtendRow(**sizes)), "journal")
    again, waiting = trials_to_go_on(plan, led.journal.trials.values())
    assert not waiting or plan.sweep.scheduler in PAUSING
    return [trial.number for trial in again]


def test_more_trials_are_drawn_after_those_on_record(lead):
    led = lead(concurrent=1)
    train(led, falling)
    before = {number: (trial.state, trial.last_epoch) for number, trial in led.journal.trials.items()}
    more = grown(lead, led, trials=7)
    train(more, falling)
    assert len(more.journal.trials) == 7
    assert {number: (trial.state, trial.last_epoch) for number, trial in more.journal.trials.items()} | before == {
        number: (trial.state, trial.last_epoch) for number, trial in more.journal.trials.items()
    }


def test_an_enlarged_sweep_draws_what_a_sweep_of_that_size_draws(lead):
    # TPE counts its blind draws by the planned number; from eight trials on that is the same two.
    short, long = (
        lead(plan=made_plan(name, trials=trials, seed=3), concurrent=1) for name, trials in (("a", 8), ("b", 11))
    )
    for led in (short, long):
        train(led, falling)
    train(grown(lead, short, trials=11), falling)
    points = [[trial.point for trial in Journal(led.journal.path).trials.values()] for led in (short, long)]
    assert points[0] == points[1]


def test_longer_trials_go_on_from_their_last_epoch_and_no_epoch_is_trained_twice(lead):
    led = lead(plan=made_plan("longer", trials=3, scheduler="none"), concurrent=1)
    train(led, falling)
    assert wanted(led, epochs=20) == [0, 1, 2]
    more = grown(lead, led, again=(0, 1, 2), epochs=20)
    train(more, falling)
    epochs = [(one.trial, one.epoch) for one in more.records(EpochRow)]
    assert len(epochs) == len(set(epochs)) == 3 * 20
    assert [one.after_epoch for one in more.records(AttemptRow)] == [0, 0, 0, 8, 8, 8]
    assert {(trial.state, trial.last_epoch) for trial in more.journal.trials.values()} == {("finished", 20)}


def test_a_task_of_a_longer_trial_has_the_longer_config_and_knows_the_shorter_ones(lead):
    led = lead(plan=made_plan("tasks", trials=1), concurrent=1)
    train(led, falling)
    born = led.journal.trials[0].config_id
    task = grown(lead, led, again=(0,), epochs=20).conductor.next_task()
    assert (task.config["loop"]["epochs"], task.after_epoch, task.former) == (20, 8, (born,))


def test_trials_that_go_on_are_judged_at_the_new_rungs(lead):
    led = lead(concurrent=2)
    for _ in range(2):
        led.conductor.next_task()
    for epoch in range(1, 9):  # side by side, the first always ahead at a rung
        for number in (1, 0):
            led.conductor.hear(row(number, epoch, 60.0 - epoch - number))
    states = {number: trial.state for number, trial in led.journal.trials.items()}
    assert states == {0: "pruned", 1: "finished"}
    more = grown(lead, led, again=(1,), epochs=40)  # rungs 4, 12, 36
    assert more.conductor.next_task().trial == 1
    assert more.conductor.hear(row(1, 9, 51.0))


def test_a_pruned_trial_goes_on_if_the_new_rungs_would_not_prune_it(lead):
    led = lead(plan=made_plan("again", trials=6), concurrent=2)
    for _ in range(2):
        led.conductor.next_task()
    led.conductor.hear(row(0, 1, 50.0))
    led.conductor.hear(row(1, 1, 51.0))
    assert led.journal.trials[1].state == "pruned"
    assert wanted(led, trials=12) == [], "second of two: still not among the best third"
    for number in range(2, 5):
        led.conductor.next_task()
        led.conductor.hear(row(number, 1, 60.0 + number))
    assert wanted(led, trials=12) == [1], "second of five: it is now"
    assert wanted(led, epochs=80) == [1], "the first rung is where it was"


def test_pruned_trials_wait_again_where_trials_pause_and_are_promoted_among_the_new_ones(lead):
    plan = made_plan("again", trials=6, scheduler="asha", epochs=9)
    led = lead(plan=plan, concurrent=1)
    train(led, lambda trial, epoch: 60.0 + 5 * abs(trial - 2) - epoch)  # trials 2, then 1 and 3, are the best
    before = {number: trial.last_epoch for number, trial in led.journal.trials.items()}
    assert [trial.state for trial in led.journal.trials.values()].count("pruned") == 6 - list(before.values()).count(9)
    again, waiting = trials_to_go_on(
        plan_of(led.journal.sweep.grown(ExtendRow(trials=18)), "journal"), led.journal.trials.values()
    )
    assert [trial.state for trial in (*again, *waiting)] == ["pruned"] * len(waiting)
    assert len(waiting) == [trial.state for trial in led.journal.trials.values()].count("pruned")
    more = grown(lead, led, waiting=[trial.number for trial in waiting], trials=18)
    assert {trial.state for trial in more.journal.trials.values()} == {"finished", "paused"}
    train(more, lambda trial, epoch: 60.0 + 5 * abs(trial - 2) - epoch)
    promoted = [number for number, last in before.items() if more.journal.trials[number].last_epoch > last]
    assert promoted, "new trials made room among the best third"
    assert all(trial.has_ended for trial in more.journal.trials.values())
    attempts = more.records(AttemptRow)
    assert [one.after_epoch for one in attempts if one.trial in promoted][-1] > 0


def test_without_a_state_a_trial_that_is_not_named_stays_as_it_is(lead):
    led = lead(plan=made_plan("left", trials=2, scheduler="none"), concurrent=1)
    train(led, falling)
    more = grown(lead, led, again=(1,), epochs=10)
    train(more, falling)
    assert [trial.last_epoch for trial in more.journal.trials.values()] == [8, 10]
    assert more.conductor.has_ended_all


def test_a_trial_whose_process_dies_before_its_first_new_epoch_goes_on_all_the_same(lead):
    led = lead(plan=made_plan("killed", trials=1), concurrent=1)
    train(led, falling)
    more = grown(lead, led, again=(0,), epochs=10)
    resumed = lead(again=more, plan=plan_of(more.journal.sweep, "journal"), concurrent=1)
    assert (resumed.conductor.next_task().trial, resumed.journal.trials[0].attempts) == (0, 2)


# --- forks


def test_a_fork_knows_the_trials_and_the_rungs_of_the_old_sweep(lead, tmp_path):
    led = lead(concurrent=1)
    train(led, falling)
    fork_journal(led.journal.path, tmp_path / "second", "second", "other")
    fork = Journal(tmp_path / "second" / FILE)
    fork.lock()
    fork.append(ExtendRow(trials=6))
    plan = plan_of(fork.sweep, "journal")
    second = Led(tmp_path, plan, 1, fork)
    assert second.conductor.next_task().trial == 4
    assert not second.conductor.hear(row(4, 1, 99.0)), "the worst of five at the first rung"
    assert second.conductor.next_task().trial == 5
    assert spent_before(fork.path, 100.0).used_s < 60
    fork.unlock()


# --- stops by the user


def test_a_running_trial_ends_with_its_epoch_when_the_user_stops_it(lead):
    led = lead()
    led.conductor.next_task(), led.conductor.next_task()
    led.conductor.hear(row(0, 1, 50.0))
    led.conductor.dismiss(0)
    assert not led.records(EndRow)
    assert not led.conductor.hear(row(0, 2, 49.0))
    (end,) = led.records(EndRow)
    assert (end.trial, end.state, end.reason, end.epoch) == (0, "stopped", "by the user", 2)
    assert led.conductor.next_task().trial == 2, "its place is free"


def test_resume_does_not_take_up_a_trial_that_the_user_has_stopped(lead):
    led = lead()
    led.conductor.next_task(), led.conductor.next_task()
    led.conductor.dismiss(0)
    led.conductor.hear(row(0, 1, 50.0))
    led.conductor.close("time budget")
    again = lead(again=led)
    assert [again.conductor.next_task().trial for _ in range(2)] == [1, 2]


def test_a_trial_that_waits_ends_at_once(lead):
    led = lead(concurrent=1)
    led.conductor.next_task()
    led.conductor.lost(0, "its process died", "process")
    led.conductor.dismiss(0)
    (_, end) = led.records(EndRow)
    assert (end.state, end.reason) == ("stopped", "by the user")
    assert led.conductor.next_task().trial == 1


def test_a_stopped_trial_whose_process_dies_is_not_tried_again(lead):
    led = lead(concurrent=1)
    led.conductor.next_task()
    led.conductor.dismiss(0)
    led.conductor.lost(0, "its process died", "process")
    assert [one.state for one in led.records(EndRow)] == ["stopped"]
    assert led.conductor.next_task().trial == 1


def test_to_stop_what_has_ended_or_is_not_there_changes_nothing(lead):
    led = lead(concurrent=1)
    led.conductor.next_task()
    led.conductor.failed(0, "died")
    before = led.journal.path.read_bytes()
    led.conductor.dismiss(0)
    led.conductor.dismiss(99)
    assert led.journal.path.read_bytes() == before
