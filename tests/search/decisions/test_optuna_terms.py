"""Our domains and trials in Optuna's words."""

import json
import math
import random

import optuna
import pytest
from optuna.samplers._tpe.sampler import _split_trials
from optuna.trial import TrialState

from search.decisions.optuna_terms import distribution, frozen, rank
from search.decisions.sampler import PointSampler
from search.record.plan import value_at
from spaces.space import Choice, Float, Int, typed
from tests.made.sweeps import OBJECTIVE, made_plan, trial
from trainables.config import knobs_of

SQUARE = {"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)}


def told(trials, domains):
    """The trials as Optuna knows them."""
    spaces = {path: distribution(domain) for path, domain in domains.items()}
    return [frozen(trial, spaces, OBJECTIVE) for trial in trials]


def test_optuna_is_told_the_truth_about_every_state():
    states = ["finished", "pruned", "diverged", "failed", "stopped", "running", "waiting", "paused"]
    trials = [trial(i, [60.0, 50.0, 55.0], state, {"x": 0.1 * i, "y": 0.5}) for i, state in enumerate(states)]
    known = told(trials, SQUARE)
    assert [one.number for one in known] == list(range(8))
    assert [one.state for one in known] == [
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.PRUNED,
        TrialState.FAIL,
        TrialState.PRUNED,
        TrialState.RUNNING,
        TrialState.RUNNING,
        TrialState.PRUNED,
    ]
    assert [one.params["x"] for one in known] == pytest.approx([0.1 * i for i in range(8)])
    assert known[0].value == 50.0
    assert known[1].intermediate_values == {1: 60.0, 2: 50.0, 3: 55.0}
    assert known[2].intermediate_values == {}  # what a diverged trial once scored says nothing for its region


def test_a_finished_trial_without_a_score_is_told_as_failed():
    (known,) = told([trial(0, [float("nan")], "finished", {"x": 0.1, "y": 0.1})], SQUARE)
    assert known.state is TrialState.FAIL


def test_a_running_trial_counts_by_its_place_alone():
    early, late = told([trial(0, scores, "running", {"x": 0.1, "y": 0.1}) for scores in ([50.0], [50.0, 40.0])], SQUARE)
    assert early == late


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
    ranks = [one for one in (rank(one, OBJECTIVE) for one in trials) if one is not None]
    modelled = [one.number for one in above + below if one.state is not TrialState.RUNNING]
    assert sorted(one[-1] for one in ranks) == sorted(modelled)
    assert sorted(one[-1] for one in sorted(ranks)[:good]) == [one.number for one in below]


@pytest.mark.parametrize(
    ("domain", "inside", "outside"),
    [
        (Float(1e-4, 1e-2, log=True), 1e-3, 0.0),
        (Float(0.0, 0.5), 0.5, 0.6),
        (Int(2, 8), 8, 9),
        (Int(32, 96, step=32), 64, 48),
        (Int(10, 1000, log=True), 10, 1),
        (Int(1, 8), 4, None),
        (Choice((1, 2, 4)), 4, 3),
        (Choice((True, False)), True, "yes"),
        (Choice(((1, 2), (3,))), (1, 2), (2, 1)),
    ],
)
def test_a_value_outside_its_domain_is_left_out(domain, inside, outside):
    # Trial 0 is the recipe, whose values need not lie where the space searches.
    known = told([trial(0, [50.0], point={"x": inside}), trial(1, [50.0], point={"x": outside})], {"x": domain})
    assert list(known[0].params) == ["x"]
    assert known[1].params == {}


def test_a_point_survives_optuna_and_the_journal():
    domains = {"a": Choice(((1, 2), (3,))), "b": Choice((None, 4)), "c": Choice((0.5, 1.0)), "d": Int(1, 3)}
    point, _ = PointSampler(domains, OBJECTIVE, "tpe", 0, 40).draw(0, lambda point: True)
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
    assert plan.domains.keys() - known.keys() <= {"optim.weight_decay"}  # 0 lies outside every logarithm


def test_whole_ends_of_a_real_knob_make_a_real_range():
    known = knobs_of("graformer")
    assert typed(Int(0, 1), known["network.dropout"]) == Float(0.0, 1.0)
    assert typed(Int(1, 10, log=True), known["optim.clip"]) == Float(1.0, 10.0, log=True)
    assert typed(Int(0, 4, step=2), known["optim.clip"]) == Int(0, 4, step=2)
    assert typed(Int(2, 8), known["network.layers"]) == Int(2, 8)
