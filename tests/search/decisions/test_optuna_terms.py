"""Our domains and trials in Optuna's words."""

import json
import math
import random
import warnings

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.samplers._tpe.sampler import _split_trials
from optuna.trial import TrialState

from search.decisions.optuna_terms import distribution, frozen, rank, to_point, told_values
from search.decisions.sampler import PointSampler
from search.record.plan import value_at
from search.record.trial import Terms, Trial
from spaces.domains import Choice, Float, Grid, Int, Normal, nearest, typed
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
    assert told_values(one, (SEVERAL[1], SEVERAL[0])) == (
        9.0,
        40.0,
    )  # of the sweep's first error, whose weights are kept


def test_of_several_objectives_one_that_is_lacking_or_no_number_makes_the_trial_the_worst():
    for scores in ([[40.0, math.nan]], [[40.0]], []):
        known = frozen(trial(0, scores, "finished", {"x": 0.1, "y": 0.1}), {}, SEVERAL[:2])
        assert (known.state, known.values) == (TrialState.PRUNED, None)


def test_a_running_trial_counts_by_its_place_alone():
    early, late = told([trial(0, scores, "running", {"x": 0.1, "y": 0.1}) for scores in ([50.0], [50.0, 40.0])], SQUARE)
    assert early == late


def test_a_running_trial_that_has_been_compared_counts_by_what_it_had_shown_there():
    one = trial(0, [50.0, 40.0, 30.0], "running", {"x": 0.1, "y": 0.1})
    known = frozen(one, SQUARE, (OBJECTIVE,), 2)
    assert (known.state, known.intermediate_values) == (TrialState.PRUNED, {1: 50.0, 2: 40.0})
    assert frozen(one, SQUARE, SEVERAL[:2], 2).state is TrialState.RUNNING, "not with several objectives"
    ended = trial(1, [50.0], "finished", {"x": 0.1, "y": 0.1})
    assert frozen(ended, SQUARE, (OBJECTIVE,), 1).state is TrialState.COMPLETE


@pytest.mark.parametrize("good", range(0, 40, 3))
def test_ranks_are_those_of_optunas_own_model(good):
    chance = random.Random(good)
    states = ["finished", "pruned", "diverged", "failed", "stopped", "running", "paused"]
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
    ("domain", "inside", "outside", "term"),
    [
        (Float(1e-4, 1e-2, log=True), 1e-3, 0.0, 1e-4),
        (Float(0.0, 0.5), 0.5, 0.6, 0.5),
        (Float(0.0, 0.5, step=0.1), 0.3, 0.34, 0.3),
        (Int(2, 8), 8, 9, 8),
        (Int(32, 96, step=32), 64, 50, 64),
        (Int(10, 1000, log=True), 10, 1, 10),
        (Int(1, 9), 4, None, 5),
        (Choice((1, 2, 4)), 4, 3.5, "4"),
        (Choice((True, False)), True, "yes", "true"),
        (Choice(((1, 2), (3,))), (1, 2), (2, 1), "[1, 2]"),
        (Grid((1, 2, 4)), 4, 3.5, 2),
        (Normal(0.0, 1.0, -4.0, 4.0), 0.0, -9.0, 0.0),
    ],
)
def test_a_value_outside_its_domain_is_told_as_the_nearest_inside(domain, inside, outside, term):
    # Trial 0 is the recipe, whose values need not lie where the space searches; without a parameter it would take the
    # knob out of the joint model.
    known = told([trial(0, [50.0], point={"x": inside}), trial(1, [50.0], point={"x": outside})], {"x": domain})
    assert to_point({"x": domain}, known[0].params) == {"x": inside}
    assert known[1].params == {"x": term}
    for one in known:
        assert one.distributions["x"]._contains(one.distributions["x"].to_internal_repr(one.params["x"]))


def test_a_knob_that_is_not_searched_in_a_trial_is_told_with_the_recipes_value():
    domains = {"loop.epochs": Int(1, 4), "loop.keep": Choice(("last", "lowest")), "x": Float(0.0, 1.0)}
    (known,) = told([trial(0, [50.0], point={"x": 0.3})], domains)  # the recipe has 8 epochs, and keeps the lowest
    assert known.params == {"loop.epochs": 4, "loop.keep": '"lowest"', "x": 0.3}


DRAWN = {
    "float": Float(0.0, 0.5),
    "float-step": Float(0.1, 0.9, step=0.1),
    "float-log-step": Float(0.05, 1.0, log=True, step=0.05),
    "odd-log-step": Float(1.0, 9.0, log=True, step=4.0),
    "int-step": Int(16, 512, step=16),
    "int-log": Int(10, 1000, log=True),
    "int-log-step": Int(16, 512, step=16, log=True),
    "int-odd-log-step": Int(1, 10, step=3, log=True),
    "choice": Choice((None, "max", (3, 5), True, 1)),
    "grid": Grid((1, 3, 10)),
    "grid-of-one": Grid((0.5,)),
    "normal": Normal(0.25, 0.03, 0.2, 0.3),
    "normal-step": Normal(4.0, 2.0, 1, 8, step=1),
    "lognormal": Normal(math.log(1e-3), math.log(3), 1e-4, 5e-3, log=True),
}


@given(seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=50)
def test_a_drawn_point_survives_optuna(seed):
    spaces = {path: distribution(domain) for path, domain in DRAWN.items()}
    sampler = optuna.samplers.RandomSampler(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        terms = {path: sampler.sample_independent(None, None, path, space) for path, space in spaces.items()}
    point = to_point(DRAWN, terms)
    for path, domain in DRAWN.items():
        value = point[path]
        assert nearest(domain, value) == value
        assert type(nearest(domain, value)) is type(value)
    replayed = json.loads(json.dumps(point))  # tuples become lists there
    for one in (point, replayed):
        (known,) = told([trial(0, [50.0], point=one)], DRAWN)
        assert to_point(DRAWN, known.params) == point
        for path, space in spaces.items():
            assert space._contains(space.to_internal_repr(known.params[path])), path


def test_a_logarithm_with_a_step_gives_its_ends_their_share():
    domain = Int(16, 512, step=16, log=True)
    space = distribution(domain)
    drawn = [to_point({"x": domain}, {"x": term})["x"] for term in np.geomspace(space.low, space.high, 20_000)]
    assert set(drawn) == set(range(16, 513, 16))
    shares = [drawn.count(value) / len(drawn) for value in (16, 32, 512)]
    widths = [math.log((value + 8) / (value - 8)) / math.log(520 / 8) for value in (16, 32, 512)]
    assert shares == pytest.approx(widths, abs=1e-3)


def test_a_knob_that_a_point_lacks_is_told_as_that_of_the_recipe():
    sweep = made_sweep(base={"loop": {"epochs": 8, "batch": 96}, "optim": {"lr": 1.0}})
    domains = {"loop.batch": Choice((32, 64, 128)), "optim.lr": Float(1e-4, 1e-2), "optim.clip": Float(0.0, 2.0)}
    one = Trial(0, {}, "", Terms.of(sweep))
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
    assert to_point(plan.domains, known) == point


def test_values_of_a_recipe_given_as_text_reach_the_sampler_as_numbers(tmp_path):
    # PyYAML reads 1e-3 as text, also in choices, grids and points.
    space = tmp_path / "mine.yaml"
    space.write_text("""
model: graformer
recipes: {small: {optim.lr: 1e-3, optim.weight_decay: 1e-5, optim.clip: '1', loop.epochs: 8}}
search:
  optim.lr: {log: [1e-4, 1e-2]}
  optim.weight_decay: {choice: [1e-5, 1e-4]}
  optim.clip: {grid: [1, 2]}
points: [{optim.lr: 2e-3, optim.weight_decay: 1e-4}]
""")
    plan = made_plan(space=space)
    point = {path: value_at(plan.base, path) for path in plan.domains}
    assert point == {"optim.lr": 1e-3, "optim.weight_decay": 1e-5, "optim.clip": 1.0}
    assert plan.first_points == ({}, {"optim.lr": 2e-3, "optim.weight_decay": 1e-4})
    assert all(type(value) is float for one in (point, plan.points[1]) for value in one.values())
    (known,) = told([trial(0, [50.0], point=point)], plan.domains)
    assert known.params == {"optim.lr": 1e-3, "optim.weight_decay": "1e-05", "optim.clip": 0}
    assert to_point(plan.domains, known.params) == point


def test_whole_ends_of_a_real_knob_make_a_real_range():
    known = knobs_of("graformer")
    assert typed(Int(0, 1), known["network.dropout"]) == Float(0.0, 1.0)
    assert typed(Int(1, 10, log=True), known["optim.clip"]) == Float(1.0, 10.0, log=True)
    assert typed(Int(0, 4, step=2), known["optim.clip"]) == Int(0, 4, step=2)
    assert typed(Int(2, 8), known["network.layers"]) == Int(2, 8)
