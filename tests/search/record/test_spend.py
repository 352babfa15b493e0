"""Device time of a sweep: what it counts, its split by what came of it, and its cost."""

import json
import random
import time

import pytest

from search.record.history import fork_journal
from search.record.journal import FILE, Journal
from search.record.lines import read_rows
from search.record.records import (
    AttemptRow,
    CloseRow,
    EndRow,
    EpochRow,
    ExtendRow,
    NoteRow,
    OpenRow,
    SessionRow,
    TrialRow,
)
from search.record.spending.spend import Spend
from search.record.spending.split import HOUR_MS, amount_text
from search.record.state import SweepState
from search.results.leaderboard import leaderboard, leaderboard_text
from search.tracking.projection import Projection
from tests.made.sweeps import OBJECTIVE, made_journal, made_plan, made_sweep

DONE = CloseRow(reason="done")


def born(number):
    return TrialRow(trial=number, point={}, config_id=f"{number:010x}")


def attempt(number, after=0, nth=1):
    return AttemptRow(trial=number, attempt=nth, after_epoch=after)


def epoch(number, at, seconds=10.0):
    return EpochRow(trial=number, epoch=at, metrics={OBJECTIVE: 50.0}, seconds=seconds, lr=1e-3, loss=0.1)


def end(number, state, at=1, cause=None):
    return EndRow(trial=number, state=state, epoch=at, reason="", cause=cause)


def spent(*rows, gpus=1.0, places=2, plan=None):
    """The spend after these records, given with the second of each; the sweep begins at second 100."""
    usual = {"objective": OBJECTIVE, "trials": 5, "recipe": "small"}
    state = SweepState()
    head = [(made_sweep(plan={**usual, **(plan or {})}), 100), (SessionRow(places=places, gpus=gpus), 100)]
    for row, second in [*head, *rows]:
        state.apply(row.changed(ts_ms=1000 * second))
    return state.spend


def seconds(spend):
    split = spend.split()
    parts = (split.useful, split.pruned, split.lost, split.idle)
    return tuple(None if hours is None else round(3600 * hours, 3) for hours in parts)


START = [(born(0), 100), (attempt(0), 100), (born(1), 100), (attempt(1), 100)]
TRAINED = [*START, (epoch(0, 1), 110), (epoch(1, 1), 110)]


@pytest.mark.parametrize(
    ("rows", "parts"),
    [
        ([*TRAINED], (20, 0, 0, 0)),
        ([*TRAINED, (end(0, "finished"), 110), (end(1, "pruned"), 110), (DONE, 115)], (10, 10, 0, 10)),
        ([*TRAINED, (end(0, "paused"), 110), (end(1, "diverged"), 112), (DONE, 112)], (10, 12, 0, 2)),
        # What waits is pruned at the end of the sweep, and then its time is, too.
        ([*TRAINED, (end(0, "paused"), 110), (end(0, "pruned"), 120), (end(1, "finished"), 120)], (20, 10, 0, 10)),
        ([*TRAINED, (end(1, "stopped"), 110), (end(0, "failed"), 111)], (10, 0, 11, 1)),
        ([*TRAINED, (end(0, "stopped", cause="user"), 110), (end(1, "finished"), 110)], (10, 10, 0, 0)),
        # Lost after 5 s of its second epoch; 10 s pass before it starts again, and 4 until its epoch of 10 s begins.
        (
            [
                *TRAINED,
                (end(1, "finished"), 110),
                (end(0, "lost", cause="machine"), 115),
                (attempt(0, 1, 2), 125),
                (epoch(0, 2), 139),
                (end(0, "finished", 2), 139),
            ],
            (30, 0, 9, 39),
        ),
        # An interrupt cuts epochs off; the session after it has another number of places and trains them again.
        (
            [
                *TRAINED,
                (CloseRow(reason="interrupted"), 114),
                (OpenRow(), 200),
                (SessionRow(places=1, gpus=1.0), 200),
                (attempt(0, 1, 2), 200),
                (epoch(0, 2), 213),
            ],
            (30, 0, 11, 0),
        ),
        # A driver that died did so at its last record; what comes from others later is none of its time.
        (
            [
                *TRAINED,
                (epoch(0, 2), 120),
                (NoteRow(text="dead"), 900),
                (end(1, "stopped", cause="user"), 950),
                (OpenRow(), 1000),
                (SessionRow(places=1, gpus=1.0), 1000),
                (DONE, 1001),
            ],
            (20, 10, 0, 11),
        ),
        # An enlargement takes a pruned trial up again.
        (
            [
                *TRAINED,
                (end(0, "pruned"), 110),
                (end(1, "finished"), 110),
                (DONE, 110),
                (OpenRow(), 110),
                (ExtendRow(trials=9, waiting=(0,)), 110),
            ],
            (20, 0, 0, 0),
        ),
    ],
)
def test_every_second_of_a_place_is_useful_pruned_lost_or_idle(rows, parts):
    assert seconds(spent(*rows)) == parts


def test_a_trial_counts_with_its_gpus_and_on_cpus_with_its_workers():
    four = spent(*TRAINED, gpus=4.0, plan={"workers": 4})
    assert (seconds(four), four.unit) == ((80, 0, 0, 0), "GPU")
    part = spent(*TRAINED, gpus=0.5)
    assert seconds(part) == (10, 0, 0, 0)
    cpus = spent(*TRAINED, gpus=0.0, plan={"workers": 2})
    assert (seconds(cpus), cpus.unit) == ((40, 0, 0, 0), "CPU")


def test_time_that_goes_on_counts_up_to_now():
    spend = spent(*TRAINED, plan={"gpu_hours": 1.0})
    assert spend.used_hours() == pytest.approx(20 / 3600)
    assert spend.used_hours(130_000) == pytest.approx(60 / 3600)
    assert spend.wall_s(130_000) == 30
    assert round(3600 * spend.split(130_000).useful) == 60


def test_only_starts_in_processes_that_are_there_count_for_starts_to_come():
    rows = [*START, (epoch(0, 1), 130), (end(0, "paused"), 130), (born(2), 130), (attempt(2), 130)]
    spend = spent(*rows, (epoch(1, 1), 135), (epoch(2, 1), 141))
    assert (spend.starts, spend.start_ms) == (1, 1000), "the first two began their epochs after 20 and 25 s"


def test_a_new_limit_counts_from_where_it_was_set():
    first = [*TRAINED, (CloseRow(reason="gpu hours"), 110), (OpenRow(gpu_hours=2.0), 500)]
    spend = spent(*first, (SessionRow(places=2, gpus=1.0), 500), (attempt(0, 1, 2), 500), (epoch(0, 2), 510))
    assert (spend.gpu_hours, spend.time_budget_s) == (2.0, None)
    assert spend.used_hours() == pytest.approx(30 / 3600)
    assert spend.used_hours(under_limit=True) == pytest.approx(10 / 3600)
    kept = spent(*TRAINED, (CloseRow(reason="gpu hours"), 110), (OpenRow(), 500), plan={"gpu_hours": 1.0})
    assert kept.used_hours(under_limit=True) == pytest.approx(20 / 3600)


def test_a_journal_of_an_earlier_version_has_no_idle_time(tmp_path):
    plan = made_plan(trials=2)
    journal = made_journal(tmp_path, plan)
    for one in (born(0), attempt(0), epoch(0, 1), end(0, "finished")):
        journal.append(one)
    journal.close("done")
    journal.unlock()
    split = Journal(journal.path).state.spend.split()
    assert split.idle is None
    assert "idle" not in str(split)


def test_a_fork_has_spent_nothing_of_what_it_inherits(tmp_path):
    plan = made_plan(trials=2)
    journal = made_journal(tmp_path, plan)
    journal.now_ms = lambda: 1_000_000
    journal.append(SessionRow(places=1, gpus=1.0))
    for one in (born(0), attempt(0)):
        journal.append(one)
    journal.now_ms = lambda: 1_010_000
    journal.append(epoch(0, 1))
    journal.close("interrupted")
    journal.unlock()
    (tmp_path / "second").mkdir()
    fork_journal(journal.path, tmp_path / "second", "second", "id")
    fork = Journal(tmp_path / "second" / FILE)
    assert fork.state.spend.used_hours() == 0
    assert fork.state.spend.epochs == 1


def test_a_sweep_shows_its_device_time_and_cost(tmp_path):
    plan = made_plan(trials=2, price_per_gpu_hour=2.5)
    journal = made_journal(tmp_path, plan)
    began = journal.now_ms() + 10
    for row, hours in (
        *((SessionRow(places=2, gpus=1.0), 0), (born(0), 0), (attempt(0), 0), (born(1), 0), (attempt(1), 0)),
        *((epoch(0, 1), 1), (end(0, "finished"), 1), (epoch(1, 1), 2), (end(1, "pruned"), 2)),
    ):
        journal.now_ms = lambda hours=hours: began + hours * HOUR_MS
        journal.append(row)
    journal.close("done")
    journal.unlock()
    line = "spent: 3 GPU-hours (33% useful, 67% pruned, 0% lost), 1 idle; cost at 2.5 an hour: 7.5, idle 2.5"
    assert leaderboard_text(journal, str).splitlines()[-1] == line
    found = json.loads(json.dumps(leaderboard(journal)))["spend"]
    assert found == {
        **{
            "unit": "GPU-hours",
            "used": 3.0,
            "useful": 1.0,
            "pruned": 2.0,
            "lost": 0.0,
            "idle": pytest.approx(1.0, 1e-4),
        },
        **{"cost": 7.5, "idle_cost": pytest.approx(2.5, 1e-4)},
    }
    projection, changes = Projection(OBJECTIVE), []
    for row, _ in read_rows(journal.path):
        changes += projection.take(row)
    (metrics,) = [values for change in changes for _, _, values in change.points if "spend/cost" in values]
    assert (metrics["spend/used_hours"], metrics["spend/pruned_hours"], metrics["spend/cost"]) == (3.0, 2.0, 7.5)


def test_whatever_happens_the_parts_are_the_whole():
    luck, second = random.Random(0), 100
    state, used, running = SweepState(), 0, {}

    def add(row):
        state.apply(row.changed(ts_ms=1000 * second))

    add(made_sweep())
    add(SessionRow(places=3, gpus=1.0))
    for _ in range(2000):
        step = luck.randint(0, 9)
        second, used = second + step, used + step * len(running)
        if len(running) < 3 and luck.random() < 0.5:
            waits = [one.number for one in state.trials.values() if one.state in ("lost", "paused", "stopped")]
            number = luck.choice(waits) if waits and luck.random() < 0.5 else len(state.trials)
            if number == len(state.trials):
                add(born(number))
            add(attempt(number))
            running[number] = True
        elif running:
            number = luck.choice(list(running))
            add(epoch(number, luck.randint(1, 9), luck.uniform(0, 9)))
            if luck.random() < 0.3:
                add(end(number, luck.choice(["finished", "pruned", "diverged", "failed", "stopped", "lost", "paused"])))
                del running[number]
    spend = state.spend
    split = spend.split(1000 * second)
    assert min(split.useful, split.pruned, split.lost, split.idle) > 0
    assert round(3600 * split.used) == used == round(3600 * spend.used_hours(1000 * second))
    assert round(3600 * (split.used + split.idle)) == 3 * (second - 100)


def test_a_record_costs_the_same_after_ten_and_after_many_trials():
    def cost(trials):
        spend = Spend()
        spend.take(made_sweep().changed(ts_ms=1))
        for number in range(trials):
            for row in (attempt(number), epoch(number, 1), end(number, "paused")):
                spend.take(row.changed(ts_ms=2))
        rows = [one.changed(ts_ms=3) for one in (attempt(0), epoch(0, 2), end(0, "pruned"))]
        taken = []
        for _ in range(200):
            began = time.perf_counter()
            for row in rows:
                spend.take(row)
            spend.split()
            taken.append(time.perf_counter() - began)
        return min(taken)

    assert cost(5000) < 5 * cost(10)


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0.01234, "0.0123"), (0.000456, "0.00046"), (1e-9, "0"), (0, "0"), (12.34, "12.3"), (1234.6, "1235")],
)
def test_amounts_have_three_digits(amount, text):
    assert amount_text(amount) == text
