"""Which trials stop at a rung when nobody pauses, by the scores of all that ever reached it."""

import math
import random

import pytest

from search.decisions.schedulers.rungs import score_at
from search.decisions.schedulers.stopping import Stopping
from search.record.options.choices import REDUCTION, rungs, scheduler_values
from tests.made.sweeps import OBJECTIVE, trial


def survives(own, others, epoch):
    """Whether a trial goes on from a rung, by looking at every trial on record again."""
    score = score_at(own, epoch, OBJECTIVE)
    if score is None:
        return False
    rivals = [score_at(other, epoch, OBJECTIVE) for other in others if other.number != own.number]
    better = sum(value is not None and value < score for value in rivals)
    return better < math.ceil((1 + sum(value is not None for value in rivals)) / REDUCTION)


def stopping(epochs):
    """The rule with the rungs that a sweep of so many epochs has by default."""
    return Stopping(*default_rungs(epochs), epochs, OBJECTIVE)


def default_rungs(epochs):
    given = dict.fromkeys(("grace", "reduction", "brackets", "max_epochs"))
    values = scheduler_values("stopping", given, epochs)
    return values["grace"], values["reduction"]


def goes_on(table, own, epoch):
    return table.judge(own, epoch, can_pause=True).goes_on


def judged(own, others, epoch, epochs=8):
    """The verdict on a trial that has just reached a rung after all the others."""
    table = stopping(epochs)
    table.replay(others)
    return goes_on(table, own, epoch)


@pytest.mark.parametrize(
    ("epochs", "found"),
    [(1, []), (2, [1]), (3, [1]), (4, [1, 3]), (8, [1, 3]), (10, [1, 3, 9]), (30, [3, 9, 27]), (100, [10, 30, 90])],
)
def test_rungs_start_at_a_tenth_and_triple_until_the_end(epochs, found):
    assert rungs(*default_rungs(epochs), epochs) == found


def test_the_score_at_a_rung_is_the_best_until_then():
    one = trial(0, [60.0, 50.0, 40.0])
    assert [score_at(one, epoch, OBJECTIVE) for epoch in (1, 2, 3, 4)] == [60.0, 50.0, 40.0, None]


@pytest.mark.parametrize(
    ("others", "own", "expected"),
    [
        ([], 99.0, True),  # the first to arrive
        ([50.0], 51.0, False),  # of two, one survives
        ([50.0], 50.0, True),  # an equal is not better
        ([50.0, 60.0], 55.0, False),  # of three, one survives
        ([51.0, 52.0, 53.0], 51.5, True),  # of four, two survive
        ([51.0, 51.2, 53.0], 51.5, False),
        ([50.0] * 3 + [60.0] * 6, 55.0, True),  # of ten, four survive
        ([50.0] * 4 + [60.0] * 5, 55.0, False),
    ],
)
def test_the_best_third_of_a_rung_goes_on(others, own, expected):
    rivals = [trial(i + 1, [value]) for i, value in enumerate(others)]
    me = trial(0, [own])
    assert judged(me, rivals, 1) is expected


def test_only_those_who_reached_a_rung_are_compared_there():
    me = trial(0, [60.0, 60.0, 60.0])
    early = [trial(i, [10.0, 10.0], "pruned") for i in range(1, 6)]
    assert judged(me, early, 3)
    assert not judged(me, early, 1)


def test_what_a_rival_reached_later_does_not_count():
    me, rival = trial(0, [60.0]), trial(1, [61.0, 10.0, 5.0])
    assert judged(me, [rival], 1)


def test_a_trial_whose_score_is_not_a_number_does_not_go_on():
    me = trial(0, [float("nan")])
    assert not judged(me, [], 1)


def test_between_rungs_everybody_goes_on():
    table = stopping(8)
    for number in range(9):
        assert goes_on(table, trial(number, [50.0, 60.0 + number]), 2)
        assert goes_on(table, trial(number, [math.nan]), 2)


@pytest.mark.parametrize("seed", range(6))
def test_verdicts_are_those_of_a_look_at_every_trial_on_record(seed):
    """Four trials run at a time, of lengths that the rungs know or not; some fail; now and then it is resumed."""
    chance = random.Random(seed)
    epochs = chance.choice([8, 10, 30])
    table, scores, lengths, running = stopping(epochs), [], [], []
    verdicts = {True: 0, False: 0}
    while len(scores) < 60 or running:
        while len(running) < 4 and len(scores) < 60:
            running.append(len(scores))
            scores.append([])
            lengths.append(chance.choice([epochs, epochs, 3, 2 * epochs]))
        if chance.random() < 0.05:
            table = stopping(epochs)
            table.replay([trial(number, known) for number, known in enumerate(scores)])
        number = chance.choice(running)
        # Many equals, and now and then no score at all.
        scores[number].append(math.nan if chance.random() < 0.15 else float(chance.randint(40, 49)))
        own, epoch = trial(number, scores[number]), len(scores[number])
        is_rung = epoch in rungs(*default_rungs(epochs), epochs)
        expected = not is_rung or survives(own, [trial(*one) for one in enumerate(scores)], epoch)
        assert goes_on(table, own, epoch) is expected, (number, epoch)
        verdicts[expected] += is_rung
        if not expected or epoch == lengths[number] or chance.random() < 0.02:
            running.remove(number)
    assert min(verdicts.values()) >= 10, verdicts
