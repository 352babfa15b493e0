"""Sweeps over spaces with conditions, points and new domains, led without Ray."""

import pytest

from search.decisions.optuna_terms import frozen
from search.record.plan import value_at
from search.record.records import TrialRow
from spaces.domains import nearest
from spaces.errors import ConfigError
from tests.made.sweeps import OBJECTIVE, leads, made_plan, row

SPACE = """
model: graformer
recipes:
  small: {network.width: 24, network.layers: 2, network.heads: 4, loop.epochs: 8}
search:
  network.layers: {choice: [2, 3]}
  network.heads: {choice: [1, 2, 4], when: {network.layers: 3}}
  network.dropout: {grid: [0.0, 0.1], when: {network.heads: [1, 2]}}
"""
# layers 2; layers 3 with heads 4; with heads 1 or 2 and two dropouts each
CONFIGS = 1 + 1 + 4


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "mine.yaml").write_text(SPACE)
    return made_plan("mine", tmp_path / "mine.yaml", trials=20)


@pytest.fixture
def lead(tmp_path, plan):
    yield from leads(tmp_path, plan)


def run(led, count=1000):
    """Runs trials of one epoch each."""
    for _ in range(count):
        task = led.conductor.next_task()
        if task is None:
            return
        led.conductor.hear(row(task.trial, 1, 50.0 + task.trial))
        led.conductor.failed(task.trial, "enough")


def test_a_conditional_space_is_searched_to_its_last_config_and_none_comes_twice(lead, plan):
    led = lead(concurrent=1)
    run(led)
    trials = list(led.journal.trials.values())
    assert led.conductor.is_exhausted
    assert len({trial.config_id for trial in trials}) == len(trials) == CONFIGS
    assert trials[0].point == {"network.layers": 2}
    for trial in trials:
        assert ("network.heads" in trial.point) == (trial.point["network.layers"] == 3)
        assert ("network.dropout" in trial.point) == (trial.point.get("network.heads") in (1, 2))
        # The config, which MLflow shows, has the recipe's value of what is not searched.
        for path in plan.domains.keys() - trial.point.keys():
            assert trial.knob(path) == value_at(plan.base, path)
            section, name = path.split(".")
            assert trial.config[section][name] == value_at(plan.base, path)


def test_a_knob_whose_parent_is_set_by_hand_is_searched_or_not_in_the_whole_sweep(tmp_path, plan):
    space = tmp_path / "mine.yaml"
    assert made_plan(space=space, changes={"network.heads": 2}).domains.keys() == {"network.layers", "network.dropout"}
    assert made_plan(space=space, changes={"network.heads": 4}).domains.keys() == {"network.layers"}
    with pytest.raises(ConfigError, match="nothing to search"):
        made_plan(space=space, changes={"network.layers": 2})


def test_the_sampler_is_told_a_whole_point_of_every_trial(lead, plan):
    led = lead(concurrent=1)
    run(led, 4)
    for trial in led.journal.trials.values():
        known = frozen(trial, plan.domains, (OBJECTIVE,))
        assert known.params.keys() == plan.domains.keys()
    assert frozen(led.journal.trials[0], plan.domains, (OBJECTIVE,)).params["network.heads"] == "4"


def test_a_resumed_conditional_sweep_draws_what_the_unbroken_one_would_have(lead, tmp_path):
    space = tmp_path / "wide.yaml"
    space.write_text(SPACE.replace("{grid: [0.0, 0.1], ", "{normal: [0.1, 0.02], low: 0, "))
    drawn = []
    for name, stop in (("unbroken", None), ("broken", 3)):
        plan = made_plan(name, space, trials=8, seed=5)
        led = lead(plan=plan, concurrent=1)
        if stop:
            run(led, stop)
            led = lead(led, plan=plan, concurrent=1)
        run(led)
        drawn.append([trial.point for trial in led.journal.trials.values()])
    assert len(drawn[0]) == 8
    assert drawn[0] == drawn[1]


def test_the_points_of_a_space_come_after_the_recipe(lead, tmp_path):
    space = tmp_path / "points.yaml"
    points = "points: [{network.layers: 3, network.heads: 2}, {network.layers: 3}]\n"
    space.write_text(SPACE + points)
    plan = made_plan("points", space, trials=5)
    led = lead(plan=plan, concurrent=1)
    run(led, 2)
    led = lead(led, plan=plan, concurrent=1)
    run(led)
    assert [one.point for one in led.records(TrialRow)[:3]] == [
        {"network.layers": 2},
        {"network.layers": 3, "network.heads": 2, "network.dropout": value_at(plan.base, "network.dropout")},
        {"network.layers": 3, "network.heads": 4},
    ]
    assert len(led.journal.trials) == 5


def test_trial_0_of_a_space_without_recipes_is_the_default_config(lead, tmp_path):
    space = tmp_path / "bare.yaml"
    space.write_text("model: graformer\nbase: {network.width: 24}\nsearch: {network.layers: {range: [2, 3]}}\n")
    plan = made_plan("bare", space, recipe="", trials=2)
    led = lead(plan=plan)
    run(led, 1)
    assert led.said[0] == "trial 0 starts: recipe default"
    assert (plan.base.network.width, plan.sweep.recipe) == (24, "default")


def test_drawn_values_of_every_domain_lie_in_it(lead, tmp_path):
    space = tmp_path / "all.yaml"
    space.write_text("""
model: graformer
search:
  optim.lr: {lognormal: [1e-3, 2]}
  optim.lr_decay: {range: [0.8, 0.95], step: 0.05}
  optim.lr_decay_steps: {log: [1000, 9000], step: 1000}
  optim.clip: {grid: [0.5, 1, 2]}
  network.dropout: {normal: [0.1, 0.05], low: 0, high: 0.3}
  network.layers: {normal: [4, 2], low: 2, high: 8, step: 1}
""")
    plan = made_plan("all", space, recipe="", trials=8)
    led = lead(plan=plan)
    run(led)
    assert len(led.journal.trials) == 8
    for trial in list(led.journal.trials.values())[1:]:
        assert trial.point == {path: nearest(domain, trial.point[path]) for path, domain in plan.domains.items()}
        assert type(trial.point["network.layers"]) is type(trial.point["optim.lr_decay_steps"]) is int
