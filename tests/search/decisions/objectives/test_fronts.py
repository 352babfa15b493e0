"""Several objectives at a rung: fronts, who passes, who waits, and what does not depend on the order of arrival."""

import random

import numpy as np
import pytest

from search.decisions.fronts import Fronts, front_of, is_undominated, spread_order
from search.decisions.schedulers.asha import Asha
from search.decisions.schedulers.hyperband import Hyperband
from search.decisions.schedulers.stopping import Stopping
from search.record.records import PAUSED
from tests.made.sweeps import SEVERAL, trial

TWO = ",".join(SEVERAL[:2])


def sorted_anew(costs, numbers):
    """The fronts of some rows, one after the other."""
    left, fronts = sorted(numbers), []
    while left:
        free = is_undominated(costs[left])
        fronts.append({one for one, is_free in zip(left, free, strict=True) if is_free})
        left = [one for one, is_free in zip(left, free, strict=True) if not is_free]
    return fronts


@pytest.mark.parametrize("objectives", [2, 3])
def test_fronts_kept_point_by_point_are_those_sorted_anew(objectives):
    draw = np.random.default_rng(objectives)
    costs, fronts, there = np.round(draw.normal(size=(80, objectives)), 1), Fronts(objectives), set()
    for number, row in enumerate(costs):
        fronts.add(number, row)
        there.add(number)
        if draw.random() < 0.3:
            gone = int(draw.choice(sorted(there)))
            fronts.remove(gone)
            there.remove(gone)
        expected, count = sorted_anew(costs, there), 0
        assert {one for one in there if fronts.is_first(one)} == set().union(*expected[:1])
        for i, front in enumerate(expected):
            count += len(front)
            assert {one for one in there if fronts.is_among(one, count)} == set().union(*expected[: i + 1])
            if count < len(there):  # one more: of the next front
                more = {one for one in there if fronts.is_among(one, count + 1)}
                assert len(more) == count + 1
                assert more <= set().union(*expected[: i + 2])


def test_a_front_that_does_not_fit_is_spread_over():
    costs = np.array([[0.0, 10.0], [1.0, 9.0], [2.0, 8.0], [9.0, 1.0], [10.0, 0.0], [5.0, 5.0]])
    assert spread_order(costs, 3) == [0, 4, 5]
    assert spread_order(costs * [1.0, 1000.0], 3) == [0, 4, 5]  # whatever the units
    assert sorted(spread_order(costs, 9)) == list(range(6))
    assert spread_order(np.array([[1.0, 2.0]] * 3), 2) == [0, 1]


def arrive(scheduler, trials, number, scores, can_pause):
    one = trials[number] = trial(number, scores, "running")
    verdict = scheduler.judge(one, len(scores), can_pause=can_pause)
    one.state = verdict.state or "running"
    scheduler.tell(one)
    return verdict


def dominated(values, others):
    return any(all(a <= b for a, b in zip(o, values, strict=True)) and o != values for o in others)


@pytest.mark.parametrize("kind", [Asha, Stopping])
@pytest.mark.parametrize("names", [SEVERAL[:2], SEVERAL])
def test_a_newcomer_on_the_front_of_a_rung_goes_on_at_once(kind, names):
    chance = random.Random(len(names))
    for _ in range(20):
        scheduler, rivals, trials = kind(1, 3, 10, ",".join(names)), [], {}
        stopped = 0
        for number in range(40):
            # Few different values, so that some are equal; a rising floor makes late ones worse on the whole.
            values = [float(chance.randint(0, 12) + number // 4) for _ in names]
            goes_on = arrive(scheduler, trials, number, [values], kind is Asha).goes_on
            assert goes_on or dominated(values, rivals), (values, rivals)
            stopped += not goes_on
            rivals.append(values)
        assert stopped > 0


def test_of_those_behind_the_front_the_best_third_passes_and_a_third_is_whole_fronts_first():
    scheduler, trials = Stopping(1, 3, 10, TWO), {}
    for number, values in enumerate([[1.0, 9.0], [9.0, 1.0]]):
        assert arrive(scheduler, trials, number, [values], False).goes_on
    # Behind: with three there, one place in three, which the front has.
    assert arrive(scheduler, trials, 2, [[9.5, 9.5]], False).state == "pruned"
    for number in (3, 4, 5, 6):
        arrive(scheduler, trials, number, [[10.0 + number, 10.0 + number]], False)
    # Of eight three pass: the two of the front, and the best behind it.
    verdict = arrive(scheduler, trials, 7, [[2.0, 9.2]], False)
    assert verdict.goes_on
    verdict = arrive(scheduler, trials, 8, [[9.0, 9.1]], False)
    assert (verdict.state, verdict.reason) == ("pruned", "asha: not among the best third at epoch 1")


def test_who_waits_is_promoted_when_the_third_grows_or_the_front_is_left():
    scheduler, trials = Asha(1, 3, 10, TWO), {}
    for number, values in enumerate([[1.0, 1.0], [5.0, 2.0], [2.0, 5.0]]):
        arrive(scheduler, trials, number, [values], True)
    assert [one.state for one in trials.values()] == ["running", PAUSED, PAUSED]
    assert scheduler.next_up() is None
    for number in (3, 4, 5):
        assert arrive(scheduler, trials, number, [[9.0, 9.0 + number]], True).state == PAUSED
    # Of six two pass: the lowest first objective of the two that spread over the second front.
    assert scheduler.next_up() == 2
    trials[2].state = "running"
    scheduler.tell(trials[2])
    assert scheduler.next_up() is None
    trials[0].state = "diverged"
    scheduler.tell(trials[0])
    assert scheduler.next_up() == 1  # on the first front now
    trials[1].state = "running"
    scheduler.tell(trials[1])
    assert scheduler.next_up(at_least=6) == 3


def test_a_rung_ranks_a_trial_by_the_best_epoch_of_the_first_error_until_then():
    scheduler, trials = Stopping(1, 3, 10, "parameters," + SEVERAL[0]), {}
    for number, (size, scores) in enumerate([(100.0, [50.0]), (200.0, [40.0]), (300.0, [45.0])]):
        one = trials[number] = trial(number, scores, "running")
        one.costs["parameters"] = size
        assert scheduler.judge(one, 1, can_pause=False).goes_on == (number < 2)
    without = trial(3, [30.0], "running")
    assert scheduler.judge(without, 1, can_pause=False).state == "pruned"  # its cost is not known


@pytest.mark.parametrize("kind", ["asha", "hyperband"])
def test_a_replay_of_the_trials_in_any_order_decides_alike(kind):
    def made():
        return Asha(1, 3, 10, TWO) if kind == "asha" else Hyperband(1, 3, 10, 2, TWO)

    chance, one, trials = random.Random(4), made(), {}
    for number in range(60):
        arrive(one, trials, number, [[chance.uniform(0, 9), chance.uniform(0, 9)]], True)
    again, order = made(), list(trials.values())
    chance.shuffle(order)
    again.replay(order)
    for at_least in (0, 1, 9, 60):
        assert one.next_up(at_least=at_least) == again.next_up(at_least=at_least)


def test_the_front_of_a_sweep_is_by_the_weights_in_hand():
    values = [[50.0, 1.0], [40.0, 2.0], [45.0, 3.0], [float("nan"), 0.0]]
    trials = [trial(number, [one]) for number, one in enumerate(values)]
    assert [one.number for one in front_of(trials, SEVERAL[:2])] == [1, 0]
    assert front_of(trials[3:], SEVERAL[:2]) == []
