"""Attempts that the machine cuts short: tried again from the last epoch, within bounds."""

import pytest

from search.decisions import conductor as conductors
from search.decisions.progress import MOST_LOSSES
from search.record.journal import Journal
from search.record.records import GPU_MEMORY, LOST, MACHINE, PROCESS, STORAGE, EndRow
from tests.made.sweeps import OBJECTIVE, leads, made_plan, row


@pytest.fixture
def lead(tmp_path, monkeypatch):
    monkeypatch.setattr(conductors, "REST_S", 0.0)
    yield from leads(tmp_path, made_plan(trials=6, seed=3, scheduler="none"))


def lose(led, number, cause=PROCESS):
    led.conductor.hear(EndRow(trial=number, state=LOST, epoch=0, reason=f"the {cause} went away", cause=cause))


def test_a_lost_trial_keeps_its_epochs_and_goes_on_from_the_last(lead):
    led = lead(concurrent=1)
    led.conductor.next_task()
    for epoch in (1, 2):
        led.conductor.hear(row(0, epoch, 60.0 - epoch))
    lose(led, 0)
    (end,) = led.records(EndRow)
    assert (end.state, end.cause, end.epoch, end.reason) == (LOST, PROCESS, 2, "the process went away")
    assert not led.journal.trials[0].has_ended
    assert not led.conductor.has_handed_out_all
    task = led.conductor.next_task()
    assert (task.trial, task.attempt, task.after_epoch, task.parts) == (0, 2, 2, 1)
    assert [led.conductor.hear(row(0, epoch, 50.0)) for epoch in range(3, 9)] == [True] * 5 + [False]
    assert led.journal.trials[0].state == "finished"


def test_a_lost_trial_rests_in_its_place(lead, monkeypatch):
    monkeypatch.setattr(conductors, "REST_S", 60.0)
    led = lead(concurrent=1)
    led.conductor.next_task()
    lose(led, 0)
    assert led.conductor.next_task() is None, "a trial was drawn before the lost one had shown what it is worth"
    assert not led.conductor.has_handed_out_all
    monkeypatch.setattr(led.conductor, "_clock", lambda: 1e12)
    assert led.conductor.next_task().trial == 0


@pytest.mark.parametrize("cause", [PROCESS, GPU_MEMORY])
def test_a_trial_that_kills_its_process_three_times_is_given_up_with_the_reason(lead, cause):
    led = lead(concurrent=1)
    for attempt in range(1, MOST_LOSSES + 1):
        assert led.conductor.next_task().attempt == attempt
        lose(led, 0, cause)
    trial = led.journal.trials[0]
    assert (trial.state, trial.reason) == ("failed", f"given up after 3 lost attempts: the {cause} went away")
    assert not led.conductor.fault
    assert led.conductor.next_task().trial == 1


def test_a_new_epoch_starts_the_count_anew(lead):
    led = lead(concurrent=1)
    for epoch in range(1, 8):
        led.conductor.next_task()
        led.conductor.hear(row(0, epoch, 60.0))
        lose(led, 0)
    assert led.journal.trials[0].state == LOST
    assert led.journal.trials[0].losses == 1


def test_each_attempt_without_gpu_memory_halves_the_parts_of_a_batch(lead):
    led = lead(concurrent=1)
    parts = []
    for epoch in (1, 2, 3):
        parts.append(led.conductor.next_task().parts)
        led.conductor.hear(row(0, epoch, 60.0))
        lose(led, 0, GPU_MEMORY)
    led = lead(again=led, concurrent=1)
    assert [*parts, led.conductor.next_task().parts] == [1, 2, 4, 8]


@pytest.mark.parametrize(("cause", "losses"), [(STORAGE, 1), (MACHINE, MOST_LOSSES)])
def test_a_full_disk_or_a_machine_that_stays_broken_stops_the_sweep_and_fails_nobody(lead, cause, losses):
    led = lead(concurrent=2)
    led.conductor.next_task(), led.conductor.next_task()
    for lost in range(losses):
        assert not led.conductor.fault
        if lost:
            led.conductor.next_task()
        lose(led, 0, cause)
    assert led.conductor.fault == f"the {cause} went away"
    assert led.conductor.next_task() is None
    led.conductor.close("error")
    assert [trial.state for trial in led.journal.trials.values()] == [LOST, "stopped"]
    again = lead(again=led)
    assert [again.conductor.next_task().trial for _ in range(2)] == [0, 1]


def test_a_loss_is_read_as_it_was_written_and_a_driver_killed_before_giving_up_gives_up_later(lead):
    led = lead(concurrent=1)
    for _ in range(MOST_LOSSES - 1):
        led.conductor.next_task()
        lose(led, 0)
    led.conductor.next_task()
    led.journal.append(EndRow(trial=0, state=LOST, epoch=0, reason="killed", cause=PROCESS))
    read = Journal(led.journal.path).trials[0]
    assert read == led.journal.trials[0]
    assert (read.losses, read.cause) == (MOST_LOSSES, PROCESS)
    again = lead(again=led, concurrent=1)
    assert again.conductor.next_task().trial == 1
    assert again.journal.trials[0].state == "failed"


def test_the_sampler_learns_nothing_from_a_loss(lead):
    def drawn(losses):
        led = lead(plan=made_plan(f"lost-{losses}", trials=8, seed=5, scheduler="none"), concurrent=1)
        for number in range(8):
            for attempt in range(1, 3):
                task = led.conductor.next_task()
                assert (task.trial, task.attempt) == (number, attempt)
                if attempt == 1 and number in losses:
                    lose(led, number)
                    continue
                for epoch in range(1, 9):
                    led.conductor.hear(row(number, epoch, 50.0 + number % 3 - 0.1 * epoch))
                break
        return [(trial.point, trial.score(OBJECTIVE)) for trial in led.journal.trials.values()]

    assert drawn(()) == drawn((2, 5, 6))
