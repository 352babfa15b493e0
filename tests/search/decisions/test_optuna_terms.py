"""Our domains and trials in Optuna's words."""

import json
import math
import random

import optuna
import pytest
from optuna.samplers._tpe.sampler import _split_trials
from optuna.trial import TrialState

from search.decisions.optuna_terms import frozen, rank, to_term, values_of
from search.decisions.sampler import PointSampler
from search.record.plan import value_at
from search.record.trial import Trial
from spaces.domains import Choice, Float, Grid, Int, typed
from tests.made.sweeps import OBJECTIVE, SEVERAL, made_plan, made_sweep, trial
from trainables.config import knobs_of

SQUARE = {"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)}


def told(trials, domains):
    """The trials as Optuna knows them."""
    return [frozen(trial, domains, (OBJECTIVE,)) for trial in trials]


def test_optuna_is_told_the_truth_about_every_state():
    states = ["finished", "pruned", "diverged", "failed", "stopped", "running", "waiting", "lost", "paused"]
    trials = [trial(i, [60.0, 50.0, 55.0], state, {"x": 0.1 * i, "y": 0.5}) for i, state in enumerate(states)]
    known = told(trials, SQUARE)
    assert [one.number for one in known] == list(range(9))
    assert [one.state for one in known] == [
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.PRUNED,
        TrialState.FAIL,
        TrialState.PRUNED,
        TrialState.RUNNING,
        TrialState.RUNNING,
        TrialState.RUNNING,
        TrialState.PRUNED,
    ]
    assert [one.params["x"] for one in known] == pytest.approx([0.1 * i for i in range(9)])
    assert known[0].value == 50.0
    assert known[1].intermediate_values == {1: 60.0, 2: 50.0, 3: 55.0}
    assert known[8].intermediate_values == known[1].intermediate_values  # it waits at a rung with what it showed there
    assert known[2].intermediate_values == {}  # what a diverged trial once scored says nothing for its region


@pytest.mark.parametrize("state", ["finished", "pruned", "paused", "stopped"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_report_that_is_no_number_is_told_as_the_worst(state, value):
    # Optuna would rank it by its epoch, before every trial that was pruned earlier.
    cut = [40.0, value] if state != "finished" else [value]
    odd, early = trial(0, cut, state, {"x": 0.1, "y": 0.1}), trial(1, [90.0], "pruned", {"x": 0.2, "y": 0.2})
    known = told([odd], SQUARE)[0]
    assert (known.state, known.value, known.intermediate_values) == (TrialState.PRUNED, None, {})
    assert rank(odd, (OBJECTIVE,)) > rank(early, (OBJECTIVE,))


def test_a_score_before_a_report_that_is_no_number_counts():
    known = told([trial(0, [40.0, math.nan], "finished", {"x": 0.1, "y": 0.1})], SQUARE)[0]
    assert (known.state, known.value) == (TrialState.COMPLETE, 40.0)


@pytest.mark.parametrize("state", ["finished", "pruned", "paused", "stopped"])
def test_several_objectives_are_told_as_they_are_at_the_best_epoch_of_the_first(state):
    one = trial(0, [[50.0, 7.0], [40.0, 9.0], [45.0, 1.0]], state, {"x": 0.1, "y": 0.1})
    known = frozen(one, {}, SEVERAL[:2])
    assert (known.state, known.values) == (TrialState.COMPLETE, [40.0, 9.0])
    assert values_of(one, (SEVERAL[1], SEVERAL[0])) == (1.0, 45.0)


def test_of_several_objectives_one_that_is_lacking_or_no_number_makes_the_trial_the_worst():
    for scores in ([[40.0, math.nan]], [[40.0]], []):
        known = frozen(trial(0, scores, "finished", {"x": 0.1, "y": 0.1}), {}, SEVERAL[:2])
        assert (known.state, known.values) == (TrialState.PRUNED, None)


def test_a_running_trial_counts_by_its_place_alone():
    early, late = told([trial(0, scores, "running", {"x": 0.1, "y": 0.1}) for scores in ([50.0], [50.0, 40.0])], SQUARE)
    assert early == late


@pytest.mark.parametrize("good", range(0, 40, 3))
def test_ranks_are_those_of_optunas_own_model(good):
    chance = random.Random(good)
    states = ["finished", "pruned", "diverged", "failed", "stopped", "running"]
    trials = [
        trial(i, [chance.choice([math.nan, 40.0, 50.0]) for _ in range(chance.randint(0, 4))], chance.choice(states))
        for i in range(40)
    ]
    study = optuna.create_study()
    known = [one for one in told(trials, {}) if one.state is not TrialState.FAIL]
    below, above = _split_trials(study, known, good)
    ranks = [one for one in (rank(one, (OBJECTIVE,)) for one in trials) if one is not None]
    modelled = [one.number for one in above + below if one.state is not TrialState.RUNNING]
    assert sorted(one[-1] for one in ranks) == sorted(modelled)
    assert sorted(one[-1] for one in sorted(ranks)[:good]) == [one.number for one in below]


@pytest.mark.parametrize(
    ("domain", "inside", "outside", "nearest"),
    [
        (Float(1e-4, 1e-2, log=True), 1e-3, 0.0, 1e-4),
        (Float(0.0, 0.5), 0.5, 0.6, 0.5),
        (Float(0.0, 0.5), 0.25, None, 0.25),
        (Int(2, 8), 8, 9, 8),
        (Int(32, 96, step=32), 64, 50, 64),
        (Int(10, 1000, log=True), 10, 1, 10),
        (Int(1, 8), 8, None, 4),
        (Choice((1, 2, 4)), 4, 3.5, "4"),
        (Choice((0.5, 1.0)), 1.0, 0, "0.5"),
        (Choice((True, False)), True, "yes", "true"),
        (Choice((None, 4)), 4, True, "null"),
        (Grid((1, 3, 10)), 10, 4, 1),
        (Choice(((1, 2), (3,))), (3,), (2, 1), "[1, 2]"),
    ],
)
def test_a_value_outside_its_domain_is_told_as_the_nearest_inside(domain, inside, outside, nearest):
    # Trial 0 is the recipe, whose values need not lie where the space searches.
    known = told([trial(0, [50.0], point={"x": inside}), trial(1, [50.0], point={"x": outside})], {"x": domain})
    assert known[0].params["x"] == to_term(domain, inside)
    assert known[1].params == {"x": nearest}


def test_a_knob_that_a_point_lacks_is_told_as_that_of_the_recipe():
    sweep = made_sweep(base={"loop": {"epochs": 8, "batch": 96}, "optim": {"lr": 1.0}})
    domains = {"loop.batch": Choice((32, 64, 128)), "optim.lr": Float(1e-4, 1e-2), "optim.clip": Float(0.0, 2.0)}
    one = Trial(0, {}, "", sweep)
    assert told([one], domains)[0].params == {"loop.batch": "64", "optim.lr": 1e-2, "optim.clip": 1.0}


def test_a_point_survives_optuna_and_the_journal():
    domains = {"a": Choice(((1, 2), (3,))), "b": Choice((None, 4)), "c": Choice((0.5, 1.0)), "d": Int(1, 3)}
    point, _ = PointSampler(domains, (OBJECTIVE,), "tpe", 0, 40).draw(0, lambda point: True)
    assert all(value in domains[path].values for path, value in point.items() if path != "d")
    replayed = json.loads(json.dumps(point))  # tuples become lists there
    known, again = (told([trial(0, [50.0], point=one)], domains)[0].params for one in (point, replayed))
    assert known == again
    assert known.keys() == domains.keys()


def test_choices_are_in_the_type_of_their_knob():
    # YAML says [0, 0.5, 1] and the recipe 1.0: without one type, Optuna would not know the recipe's value.
    plan = made_plan()
    assert all(type(value) is float for value in plan.domains["optim.clip"].values)
    point = {path: value_at(plan.base, path) for path in plan.domains}
    known = told([trial(0, [50.0], point=point)], plan.domains)[0].params
    assert {
        path: json.loads(known[path]) if isinstance(plan.domains[path], Choice) else known[path] for path in known
    } == point


def test_whole_ends_of_a_real_knob_make_a_real_range():
    known = knobs_of("graformer")
    assert typed(Int(0, 1), known["network.dropout"]) == Float(0.0, 1.0)
    assert typed(Int(1, 10, log=True), known["optim.clip"]) == Float(1.0, 10.0, log=True)
    assert typed(Int(0, 4, step=2), known["optim.clip"]) == Int(0, 4, step=2)
    assert typed(Int(2, 8), known["network.layers"]) == Int(2, 8)
