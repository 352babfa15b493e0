"""What a model of several objectives is told of trials that were cut short."""

import pytest

from search.decisions.samplers.forecast import PAIRS, Forecast
from search.decisions.samplers.history import History
from tests.made.sweeps import SEVERAL, trial

TWO = SEVERAL[:2]


def grown(number, start, state="finished", epochs=8):
    """A trial whose first error falls from 2 * start + 10 towards start + 10, and whose second stays at its number."""
    scores = [[start * (1 + (8 - epoch) / 7) + 10, float(number)] for epoch in range(1, epochs + 1)]
    return trial(number, scores, state)


def test_a_trial_that_was_cut_short_is_told_on_the_line_of_those_that_went_on():
    whole = [grown(number, 10.0 + number) for number in range(PAIRS)]
    cut = grown(9, 12.0, "pruned", epochs=1)
    ((error, other),) = Forecast(TWO).values([*whole, cut]).values()
    # After the first epoch 2 * start + 10, at the end start + 10; its second error has no trend.
    assert error == pytest.approx(22.0)
    assert other == 9.0


def test_it_is_never_worse_than_what_it_has_shown_and_without_others_what_it_has_shown():
    cut = grown(9, 12.0, "paused", epochs=1)
    assert Forecast(TWO).values([cut]) == {9: (34.0, 9.0)}
    rising = [trial(number, [[20.0 + number, 1.0], *[[90.0, 1.0]] * 7]) for number in range(PAIRS)]
    assert Forecast(TWO).values([*rising, cut])[9][0] <= 34.0


def test_device_seconds_grow_with_the_epochs_and_other_costs_do_not():
    cut = grown(3, 12.0, "pruned", epochs=2)
    cut.costs |= {"gpu_seconds": 5.0, "macs": 7.0}
    assert Forecast((SEVERAL[0], "gpu_seconds", "macs")).values([cut])[3][1:] == (20.0, 7.0)


def test_running_finished_failed_and_diverged_trials_have_no_forecast():
    states = ("running", "finished", "failed", "diverged", "pruned", "stopped")
    trials = [grown(number, 10.0, state, epochs=8 if state == "finished" else 2) for number, state in enumerate(states)]
    assert sorted(Forecast(TWO).values(trials)) == [4, 5]


def test_the_model_of_several_objectives_sees_the_forecast_and_that_of_one_does_not():
    trials = [*(grown(number, 10.0 + number) for number in range(PAIRS)), grown(4, 12.0, "pruned", epochs=1)]
    several, single = History({}, TWO), History({}, TWO[:1])
    for one in trials:
        several.tell(one)
        single.tell(one)
    assert several.modelled(10)[4].values == pytest.approx([22.0, 4.0])
    assert single.modelled(10)[4].values is None
    assert single.modelled(10)[4].intermediate_values == {1: 34.0}
    # A trial that comes later moves it, though nothing happened to the trial itself.
    later = trial(5, [[34.0, 1.0], *[[14.0, 1.0]] * 7])
    several.tell(later)
    assert several.modelled(10)[4].values[0] < 22.0
