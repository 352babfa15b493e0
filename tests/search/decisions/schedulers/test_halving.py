"""Who pauses at a rung, who is promoted and in which order, and in which bracket a trial competes; the median rule."""

import collections
import random
import statistics

import pytest

from search.decisions.schedulers.asha import Asha
from search.decisions.schedulers.hyperband import Hyperband
from search.decisions.schedulers.median import RIVALS, Median
from search.record.records import PAUSED
from tests.made.sweeps import OBJECTIVE, trial


class Rungs:
    """Trials that arrive at the rungs of ASHA: first rung 1, then 3 and 9."""

    def __init__(self, scheduler=None):
        self.scheduler = scheduler or Asha(1, 3, 10, OBJECTIVE)
        self.trials = {}

    def arrive(self, number, *scores):
        """The trial reaches the epoch of its last score; returns whether it goes on."""
        one = self.trials[number] = trial(number, scores, "running")
        verdict = self.scheduler.judge(one, len(scores), can_pause=True)
        one.state = verdict.state or "running"
        self.scheduler.tell(one)
        return verdict.goes_on

    def end(self, number, state):
        self.trials[number].state = state
        self.scheduler.tell(self.trials[number])

    def promoted(self):
        """All that are promoted now, in their order."""
        order = []
        while (number := self.scheduler.next_up()) is not None:
            order.append(number)
            self.end(number, "running")
        return order


def test_of_those_that_reached_a_rung_the_best_third_goes_on():
    rungs = Rungs()
    went_on = [rungs.arrive(number, score) for number, score in enumerate([50.0, 60.0, 70.0, 55.0, 45.0, 65.0])]
    # Of fewer than three nobody passes; the fifth is the best of five; the sixth makes place for a second.
    assert went_on == [False, False, False, False, True, False]
    assert rungs.promoted() == [0]
    assert not rungs.arrive(6, 52.0)
    assert [rungs.arrive(number, 80.0) for number in (7, 8)] == [False, False]
    assert rungs.promoted() == [6]  # third of nine


def test_equals_are_ranked_by_number():
    rungs = Rungs()
    assert not any(rungs.arrive(number, 50.0) for number in range(7))
    assert rungs.promoted() == [0, 1]


def test_the_best_of_a_rung_passes_it_when_nobody_else_is_to_come():
    rungs = Rungs()
    assert not rungs.arrive(0, 50.0)
    assert not rungs.arrive(1, 40.0)
    assert rungs.scheduler.next_up() is None
    assert rungs.scheduler.next_up(at_least=1) == 1
    rungs.end(1, "running")
    assert rungs.scheduler.next_up(at_least=1) is None
    assert rungs.scheduler.next_up(at_least=2) == 0


def test_the_highest_rung_is_promoted_first_and_there_the_best():
    rungs = Rungs()
    for number in range(12):
        rungs.arrive(number, 60.0 + number)
    assert rungs.promoted() == [0, 1, 2, 3]
    at_the_second = [rungs.arrive(number, *[score] * 3) for number, score in enumerate([50.0, 55.0, 56.0, 57.0])]
    assert not any(at_the_second)
    assert rungs.promoted() == [0]
    for promoted, newcomers in ((4, (12, 13, 14)), (5, (15, 16, 17))):
        for number in newcomers:
            rungs.arrive(number, 90.0)
        assert rungs.promoted() == [promoted]
        assert not rungs.arrive(promoted, *[60.0 + promoted] * 3)
    for number in (18, 19, 20):
        rungs.arrive(number, 90.0)
    # Trial 1 is second of six at epoch 3, and trial 6 seventh of 21 at epoch 1.
    assert rungs.promoted() == [1, 6]


def test_a_place_is_handed_on_by_those_that_diverge_or_fail():
    rungs = Rungs()
    for number in range(3):
        rungs.arrive(number, 50.0 + number)
    assert rungs.promoted() == [0]
    rungs.end(0, "diverged")
    assert rungs.promoted() == [1]
    rungs.end(1, "failed")
    assert rungs.promoted() == [2]


def test_a_trial_without_a_finite_score_ends_at_its_first_rung():
    rungs = Rungs()
    verdict = rungs.scheduler.judge(trial(0, [float("nan")], "running"), 1, can_pause=True)
    assert (verdict.state, verdict.reason) == ("pruned", "asha: no finite score until epoch 1")


@pytest.mark.parametrize(("reduction", "part"), [(2, "half"), (3, "third"), (4, "quarter"), (7, "1/7")])
def test_a_reason_names_the_rule_the_part_and_the_epoch(reduction, part):
    made = Asha(2, reduction, 30, OBJECTIVE)
    made.judge(trial(0, [50.0, 50.0]), 2, can_pause=True)
    verdict = made.judge(trial(1, [60.0, 60.0]), 2, can_pause=True)
    assert (verdict.state, verdict.reason) == (PAUSED, f"asha: not yet among the best {part} at epoch 2")
    last = made.verdict_on_waiting(trial(1, [60.0, 60.0], PAUSED))
    assert last.reason == f"asha: not among the best {part} at epoch 2"
    stopped = made.judge(trial(2, [70.0, 70.0]), 2, can_pause=False)
    assert (stopped.state, stopped.reason) == ("pruned", last.reason)


def test_brackets_begin_a_rung_later_each_and_cost_about_the_same():
    made = Hyperband(1, 3, 10, 3, OBJECTIVE)
    brackets = [made.bracket_of(number) for number in range(26)]
    assert brackets[0] == 0, "the recipe competes where most do"
    assert collections.Counter(brackets) == {0: 18, 1: 6, 2: 2}
    assert max(sum(1 for one in brackets[at : at + 4] if one == 0) for at in range(22)) < 4, "they are mixed"
    for bracket in range(3):
        number = brackets.index(bracket)
        judged = [made.judge(trial(number, [50.0] * epoch), epoch, can_pause=True).state for epoch in (1, 3, 9)]
        assert judged == [""] * bracket + [PAUSED] * (3 - bracket)
    # Two more in the second bracket: only there three have come, and the best of them is promoted.
    for number in [number for number, bracket in enumerate(brackets) if bracket == 1][1:3]:
        made.judge(trial(number, [60.0] * 3), 3, can_pause=True)
    for bracket in range(3):
        made.tell(trial(brackets.index(bracket), [50.0] * 3, PAUSED))
    assert made.next_up() == brackets.index(1)


@pytest.mark.parametrize("seed", range(4))
def test_the_median_rule_compares_with_the_median_of_the_others(seed):
    chance, made, rows = random.Random(seed), Median(2, 8, OBJECTIVE), []
    judged = collections.Counter()
    for number in range(25):
        scores = []
        for epoch in range(1, chance.randint(1, 9)):
            scores.append(float(chance.randint(40, 60)))
            others = [min(other[:epoch]) for other in rows if len(other) >= epoch]
            is_judged = 2 <= epoch < 8 and len(others) >= RIVALS
            expected = not is_judged or min(scores) <= statistics.median(others)
            verdict = made.judge(trial(number, scores), epoch, can_pause=True)
            assert verdict.goes_on == expected, (number, epoch)
            judged[expected] += is_judged
        rows.append(scores)
    assert min(judged.values()) > 3, judged
