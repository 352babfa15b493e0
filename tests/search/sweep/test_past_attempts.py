"""What Tune says of an attempt that is over, while the trial goes on in another one."""

from types import SimpleNamespace

from search.record.records import PAUSED
from search.sweep.tune import LossCallback, Reins
from tests.made.sweeps import Led, made_plan, row


def attempt(number):
    """A Tune trial, whose process died without a word."""
    return SimpleNamespace(config={"trial": 0, "attempt": number}, pickled_error_file=None, error_file=None)


def test_the_end_of_a_paused_attempt_says_nothing_of_the_one_that_follows(tmp_path):
    led = Led(tmp_path, made_plan(scheduler="asha", trials=5), 1)
    for number in range(3):
        assert led.conductor.next_task().trial == number
        led.conductor.hear(row(number, 1, 50.0 + number))
    trial = led.journal.trials[0]
    assert trial.state == PAUSED
    assert led.conductor.next_task().attempt == 2
    callback = LossCallback(Reins(led.conductor, lambda: ""))
    callback.on_trial_complete(0, [], attempt(1))
    callback.on_trial_error(0, [], attempt(1))
    assert (trial.state, trial.losses) == ("running", 0)
    callback.on_trial_complete(0, [], attempt(2))
    assert trial.state == "failed"
    led.journal.unlock()
