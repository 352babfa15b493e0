"""What every scheduler keeps to, whatever its rule."""

import copy
import functools
import math
import random

import pytest

from search.decisions.schedulers.choose import scheduler_of
from search.record.options.choices import PAUSING, SCHEDULERS
from search.record.records import PAUSED
from tests.made.sweeps import OBJECTIVE, made_plan, trial

EPOCHS = 10


@functools.cache
def plan_of(name):
    return made_plan(scheduler=name, sampler="none" if name == "pbt" else "tpe", epochs=EPOCHS)


def scheduler(name):
    return scheduler_of(plan_of(name))


class Life:
    """Trials that train by chance under a scheduler, as a conductor would lead them."""

    def __init__(self, name, seed, *, can_pause=True):
        self.name, self.chance, self.can_pause = name, random.Random(seed), can_pause
        self.scheduler, self.trials, self.verdicts = scheduler(name), [], []

    def step(self):
        """One more epoch of some trial that is not over."""
        number = self.scheduler.next_up()
        if number is None:
            open_ones = [one.number for one in self.trials if one.state == "running"]
            if len(open_ones) < 4:
                self.trials.append(trial(len(self.trials), state="running"))
                open_ones.append(len(self.trials) - 1)
            number = self.chance.choice(open_ones)
        one = self.trials[number]
        one.state = "running"
        self.scheduler.tell(one)
        value = math.nan if self.chance.random() < 0.1 else float(self.chance.randint(40, 60))
        one.book(one.last_epoch + 1, {OBJECTIVE: value}, (OBJECTIVE,))
        verdict = self.scheduler.judge(one, one.last_epoch, can_pause=self.can_pause)
        self.verdicts.append(verdict)
        if self.chance.random() < 0.05:
            one.state = self.chance.choice(["diverged", "failed"])
        elif one.last_epoch == EPOCHS:
            one.state = "finished"
        else:
            one.state = verdict.state or "running"
        self.scheduler.tell(one)
        return one


@pytest.fixture(params=SCHEDULERS)
def name(request):
    return request.param


def test_a_verdict_is_one_of_three_and_has_its_reason(name):
    life = Life(name, 1)
    for _ in range(300):
        life.step()
    for one in life.verdicts:
        assert one.goes_on == (not one.state) == (not one.reason)
        assert "\n" not in one.reason
        assert one.goes_on or one.reason.startswith(f"{'asha' if name == 'stopping' else name}: ")
    decides = {"none": set(), "median": {"pruned"}, "stopping": {"pruned"}, "pbt": {PAUSED}}.get(
        name, {PAUSED, "pruned"}
    )
    assert {one.state for one in life.verdicts} - {""} == decides


@pytest.mark.parametrize("seed", range(4))
def test_a_scheduler_built_from_the_record_decides_as_the_one_that_lived_through_it(name, seed):
    life = Life(name, seed)
    for _ in range(60):
        life.step()
        again = scheduler(name)
        again.replay(life.trials)
        assert again.next_up() == life.scheduler.next_up()
        newcomer = trial(len(life.trials), [float(life.chance.randint(40, 60))])
        lived = copy.deepcopy(life.scheduler)
        assert again.judge(newcomer, 1, can_pause=True) == lived.judge(newcomer, 1, can_pause=True)


def test_who_is_better_than_all_others_is_never_pruned(name):
    for seed in range(5):
        life = Life(name, seed)
        for _ in range(100):
            life.step()
        best = trial(len(life.trials), [1.0] * (EPOCHS - 1))
        for epoch in range(1, EPOCHS):
            one = trial(best.number, [1.0] * epoch)
            assert life.scheduler.judge(one, epoch, can_pause=True).state != "pruned", epoch


def test_where_no_trial_can_pause_none_does(name):
    life = Life(name, 2, can_pause=False)
    for _ in range(200):
        life.step()
    assert PAUSED not in {one.state for one in life.verdicts}
    assert life.scheduler.next_up() is None


def test_only_who_is_paused_comes_up_and_only_until_it_is_started(name):
    life = Life(name, 3)
    for _ in range(300):
        number = life.scheduler.next_up()
        if number is not None:
            assert life.trials[number].state == PAUSED
            assert life.step().number == number
        else:
            life.step()
    waiting = {one.number for one in life.trials if one.state == PAUSED}
    assert bool(waiting) == (name in (*PAUSING, "pbt"))
    for one in life.trials:
        if one.state == "running":
            one.state = "finished"
            life.scheduler.tell(one)
    while (number := life.scheduler.next_up(at_least=1000)) is not None:
        waiting.remove(number)
        life.trials[number].state = "finished"
        life.scheduler.tell(life.trials[number])
    assert not waiting


def test_who_waits_when_the_sweep_is_over_is_pruned(name):
    one = trial(0, [50.0], PAUSED)
    made = scheduler(name)
    made.replay([one])
    verdict = made.verdict_on_waiting(one)
    assert (verdict.state, bool(verdict.reason)) == ("pruned", True)
