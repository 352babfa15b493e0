"""Who leads a sweep: trials handed out, booked and ended, from the journal alone."""

import pytest

from search.decisions.samplers.protocol import REDRAWS
from search.record.plan import value_at
from search.record.records import AttemptRow, CloseRow, EndRow, EpochRow, TrialRow
from spaces.schema import config_id
from tests.made.sweeps import FOUR_POINTS, Led, book, diverged, leads, made_journal, made_plan, row
from trainables.config import config_from


@pytest.fixture(scope="module")
def plan():
    return made_plan(trials=6, seed=3)


@pytest.fixture
def lead(tmp_path, plan):
    yield from leads(tmp_path, plan)


def test_trial_0_is_the_recipe_and_the_others_are_drawn(lead, plan):
    led = lead()
    first, second = led.conductor.next_task(), led.conductor.next_task()
    assert (first.trial, first.attempt, first.after_epoch) == (0, 1, 0)
    assert config_from(first.config, "task") == plan.base
    assert led.journal.trials[0].point == {path: value_at(plan.base, path) for path in plan.domains}
    assert second.trial == 1
    assert config_from(second.config, "task") == plan.config(led.journal.trials[1].point)
    assert led.said[0] == "trial 0 starts: recipe small"


def test_a_trial_and_its_attempt_are_on_record_before_it_is_handed_out(lead):
    led = lead()
    task = led.conductor.next_task()
    (born,), (started,) = led.records(TrialRow), led.records(AttemptRow)
    assert (born.point, born.config_id) == (led.journal.trials[0].point, led.journal.trials[0].config_id)
    assert config_id(config_from(task.config, "task")) == born.config_id
    assert (started.trial, started.attempt, started.after_epoch) == (0, 1, 0)


def test_no_more_trials_run_at_a_time_than_there_are_places(lead):
    led = lead()
    assert [led.conductor.next_task() is None for _ in range(4)] == [False, False, True, True]
    led.conductor.hear(diverged(0, 1))
    assert led.conductor.next_task().trial == 2


def test_a_trial_that_ends_its_last_epoch_is_finished(lead, plan):
    led = lead()
    led.conductor.next_task()
    assert [led.conductor.hear(row(0, epoch, 60.0 - epoch)) for epoch in range(1, 9)] == [True] * 7 + [False]
    (end,) = led.records(EndRow)
    assert (end.trial, end.state, end.epoch, end.reason) == (0, "finished", 8, "")
    assert [one.epoch for one in led.records(EpochRow)] == list(range(1, 9))
    assert led.records(EpochRow)[0].changed(ts_ms=0) == row(0, 1, 59.0)
    assert led.said[-1] == "trial 0 finished after epoch 8, best 52.00 at epoch 8 (the sweep's best)"


def test_a_weak_trial_is_pruned_at_the_first_rung_where_nobody_pauses(lead):
    led = lead()
    led.conductor.next_task(), led.conductor.next_task()
    assert led.conductor.hear(row(0, 1, 50.0))
    assert not led.conductor.hear(row(1, 1, 51.0))
    (end,) = led.records(EndRow)
    assert (end.trial, end.state, end.epoch) == (1, "pruned", 1)
    assert end.reason == "asha: not among the best third at epoch 1"


def test_between_rungs_and_without_a_scheduler_nobody_is_pruned(lead):
    led = lead(plan=made_plan(scheduler="none"))
    led.conductor.next_task(), led.conductor.next_task()
    assert led.conductor.hear(row(0, 1, 50.0))
    assert all(led.conductor.hear(row(1, epoch, 99.0)) for epoch in range(1, 8))


def test_a_diverged_trial_ends_with_its_reason(lead):
    led = lead()
    led.conductor.next_task()
    led.conductor.hear(row(0, 1, 50.0))
    assert not led.conductor.hear(diverged(0, 2, "loss is nan at step 9, lr 1.0e+00"))
    (end,) = led.records(EndRow)
    assert (end.state, end.epoch, end.reason) == ("diverged", 1, "loss is nan at step 9, lr 1.0e+00")
    assert len(led.records(EpochRow)) == 1


def test_a_report_that_is_on_record_changes_nothing(lead):
    led = lead()
    led.conductor.next_task(), led.conductor.next_task()
    for epoch in (1, 2):
        led.conductor.hear(row(0, epoch, 60.0))
    led.conductor.hear(row(1, 1, 50.0))  # now trial 0 would no longer survive the first rung
    before, said = led.journal.path.read_bytes(), list(led.said)
    assert led.conductor.hear(row(0, 1, 10.0))
    assert led.conductor.hear(row(0, 2, 60.0))
    assert (led.journal.path.read_bytes(), led.said) == (before, said)


def test_a_trial_that_has_ended_is_not_heard(lead):
    led = lead()
    led.conductor.next_task()
    led.conductor.hear(diverged(0, 1))
    before = led.journal.path.read_bytes()
    assert not led.conductor.hear(row(0, 2, 1.0))
    led.conductor.failed(0, "died")
    assert led.journal.path.read_bytes() == before


def test_a_trial_that_raised_is_failed_with_its_traceback_and_frees_its_place(lead):
    led = lead(concurrent=1)
    led.conductor.next_task()
    led.conductor.hear(row(0, 1, 60.0))
    assert led.conductor.next_task() is None
    led.conductor.failed(0, "Traceback\n  deep\nRuntimeError: out of memory\n")
    (end,) = led.records(EndRow)
    assert (end.state, end.epoch) == ("failed", 1)
    assert end.reason.startswith("Traceback\n  deep")
    assert led.said[-1].endswith(": RuntimeError: out of memory")
    assert led.conductor.next_task().trial == 1


@pytest.mark.parametrize("reason", ["", "\n"])
def test_a_reason_without_text_is_no_trouble(lead, reason):
    led = lead()
    led.conductor.next_task()
    led.conductor.failed(0, reason)
    assert led.journal.trials[0].state == "failed"


def test_a_budget_stops_running_trials_and_an_interrupt_leaves_them_open(lead):
    for reason, state, ends in (("time budget", "stopped", 1), ("interrupted", "running", 0)):
        led = lead(plan=made_plan(f"ended-by-{reason.split()[0]}"))
        led.conductor.next_task()
        led.conductor.hear(row(0, 1, 60.0))
        led.conductor.close(reason)
        (close,) = led.records(CloseRow)
        assert (close.reason, close.best) == (reason, 0)
        assert led.journal.trials[0].state == state
        assert len(led.records(EndRow)) == ends
        assert not led.journal.trials[0].has_ended


def test_a_sweep_without_scores_closes_without_a_best(lead):
    led = lead()
    led.conductor.close("done")
    assert led.records(CloseRow)[0].best is None


def test_a_resumed_sweep_goes_on_with_what_is_unfinished_and_repeats_nothing(lead, plan):
    led = lead(concurrent=4)
    for _ in range(4):
        led.conductor.next_task()
    for epoch in range(1, 9):
        led.conductor.hear(row(0, epoch, 60.0 - epoch))
    led.conductor.hear(row(1, 1, 50.0))
    led.conductor.hear(row(2, 1, 70.0))  # pruned
    led.conductor.failed(3, "died")
    led.conductor.close("interrupted")
    assert [one.state for one in led.journal.trials.values()] == ["finished", "running", "pruned", "failed"]

    again = lead(led)
    tasks = [again.conductor.next_task(), again.conductor.next_task()]
    assert [(task.trial, task.attempt, task.after_epoch) for task in tasks] == [(1, 2, 1), (4, 1, 0)]
    assert tasks[0].config == led.journal.trials[1].config
    assert again.said[0].startswith("trial 1 starts again, after epoch 1: ")
    assert again.conductor.next_task() is None
    again.conductor.hear(diverged(1, 2))
    assert again.conductor.next_task().trial == 5
    assert not again.conductor.has_handed_out_all  # trials 4 and 5 may be lost and come again
    again.conductor.hear(diverged(4, 1))
    again.conductor.hear(diverged(5, 1))
    assert again.conductor.has_handed_out_all
    assert len(again.records(TrialRow)) == plan.sweep.trials


def test_trials_stopped_by_a_budget_go_on_when_resumed(lead):
    led = lead()
    led.conductor.next_task()
    led.conductor.hear(row(0, 1, 60.0))
    led.conductor.close("time budget")
    task = lead(led).conductor.next_task()
    assert (task.trial, task.attempt, task.after_epoch) == (0, 2, 1)


def test_a_trial_cut_off_before_its_end_record_is_finished_on_resume(lead):
    led = lead()
    led.conductor.next_task()
    for epoch in range(1, 8):
        led.conductor.hear(row(0, epoch, 60.0))
    led.journal.append(row(0, 8, 59.0))
    again = lead(led)
    assert again.conductor.next_task().trial == 1
    assert again.journal.trials[0].state == "finished"


def test_a_resumed_sweep_draws_what_the_unbroken_one_would_have(lead):
    unbroken = lead(plan=made_plan("unbroken", trials=5))
    broken = lead(plan=made_plan("broken", trials=5))
    for number in range(5):
        if number == 3:
            broken = lead(broken, plan=made_plan("broken", trials=5))
        for led in (unbroken, broken):
            led.conductor.next_task()
            led.conductor.hear(row(number, 1, 60.0 + number))
            led.conductor.failed(number, "done with it")
    drawn = [[one.point for one in led.journal.trials.values()] for led in (unbroken, broken)]
    assert len(drawn[0]) == 5
    assert drawn[0] == drawn[1]


def test_a_small_space_is_searched_without_repeats_and_then_ends(lead, tmp_path):
    space = tmp_path / "four.yaml"
    space.write_text(FOUR_POINTS)
    led = lead(plan=made_plan("four", space, trials=10), concurrent=1)
    tasks = []
    while not led.conductor.has_handed_out_all:
        if (task := led.conductor.next_task()) is not None:
            tasks.append(task)
            led.conductor.hear(row(task.trial, 1, 50.0 + task.trial))
            led.conductor.failed(task.trial, "enough")
    assert led.conductor.next_task() is None
    assert [task.trial for task in tasks] == [0, 1, 2, 3]
    assert len({one.config_id for one in led.journal.trials.values()}) == 4
    assert led.conductor.is_exhausted
    assert led.conductor.thrown >= REDRAWS
    assert f"the space has no new legal point in {REDRAWS} draws: the sweep ends with 4 trials" in led.said


def test_points_that_break_a_law_are_never_trials(lead, tmp_path):
    space = tmp_path / "odd.yaml"
    space.write_text(FOUR_POINTS.replace("[2, 3]", "[2, 3]}\n  network.heads: {choice: [2, 4, 5, 7]"))
    led = lead(plan=made_plan("odd", space, trials=5), concurrent=5)
    tasks = [led.conductor.next_task() for _ in range(5)]
    assert all(task.config["network"]["width"] % task.config["network"]["heads"] == 0 for task in tasks)
    assert [task.trial for task in tasks] == [0, 1, 2, 3, 4]


def test_a_trial_whose_length_is_searched_ends_at_its_own(lead, tmp_path):
    space = tmp_path / "long.yaml"
    space.write_text(FOUR_POINTS.replace("search:", "search:\n  loop.epochs: {choice: [2, 4]}"))
    led = lead(plan=made_plan("long", space, epochs=None, scheduler="none"))
    led.conductor.next_task()
    task = led.conductor.next_task()
    length = task.config["loop"]["epochs"]
    assert length in (2, 4)
    assert [led.conductor.hear(row(1, epoch, 50.0)) for epoch in range(1, length + 1)][-1] is False
    assert led.journal.trials[1].state == "finished"


def test_what_the_user_sets_by_hand_is_not_searched(lead):
    plan = made_plan("pinned", changes={"optim.lr": "2e-3"})
    assert "optim.lr" not in plan.domains
    led = lead(plan=plan)
    tasks = [led.conductor.next_task(), led.conductor.next_task()]
    assert [task.config["optim"]["lr"] for task in tasks] == [2e-3, 2e-3]


def test_every_trial_has_the_seed_and_the_objective_of_the_sweep(lead):
    led = lead(plan=made_plan("seeded", seed=7, objective="val/p_mpjpe_mm"))
    tasks = [led.conductor.next_task(), led.conductor.next_task()]
    assert all((task.config["loop"]["seed"], task.config["loop"]["select"]) == (7, "val/p_mpjpe_mm") for task in tasks)


def test_the_conductor_reads_a_journal_it_did_not_write(lead, plan, tmp_path):
    journal = made_journal(tmp_path, made_plan("by-hand", trials=6, seed=3))
    book(journal, plan, {"optim.lr": 1e-3}, [50.0] * 8)
    book(journal, plan, {"optim.lr": 2e-3}, [55.0], "running")
    book(journal, plan, {"optim.lr": 3e-3}, [], "waiting")
    led = Led(tmp_path, plan, 3, journal)
    tasks = [led.conductor.next_task() for _ in range(3)]
    assert [(task.trial, task.attempt, task.after_epoch) for task in tasks] == [(1, 2, 1), (2, 1, 0), (3, 1, 0)]
    journal.unlock()
