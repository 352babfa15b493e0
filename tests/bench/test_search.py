"""The yardstick of searches: what its tasks are like, how it counts, and that it runs the product's own conductor."""

import json
import math
import random

import numpy as np
import pytest

from bench import search
from bench.simulation.replay import FILE, Replay
from bench.simulation.tasks import EPOCHS, KINDS, OBJECTIVE, Task, on_steps, plan_for, recipe_of, unit
from spaces.domains import Choice

PLAN = plan_for("none", 0)


@pytest.fixture(scope="module", params=[0, 8])
def task(request):
    return Task(request.param)


def test_a_task_has_a_best_point_that_nothing_drawn_beats(task):
    units = on_steps(PLAN.domains, np.random.default_rng(1).uniform(size=(3000, len(PLAN.domains))))
    finals = task.finals(units)
    assert finals.min() >= task.best
    assert np.mean(np.isinf(finals)) == pytest.approx(task.kind.diverging, abs=0.03)
    assert np.median(finals[np.isfinite(finals)]) > task.best + 10
    assert task.regret(recipe_of(PLAN)) > 0


def test_kinds_follow_from_the_number_and_constants_differ_within_a_kind():
    tasks = [Task(number) for number in (1, 6)]
    assert {task.kind for task in tasks} == {KINDS[1]}
    assert tasks[0].best != tasks[1].best
    assert len(set(KINDS)) == 5


def test_early_values_tell_something_of_the_end_and_not_all(task):
    units = task.drawn(2000)
    errors, when = task.curves(units)
    errors = errors[when == 0]
    ranks = [np.argsort(np.argsort(errors[:, epoch])) for epoch in (4, 14, EPOCHS - 1)]
    early, late = (np.corrcoef(ranks[i], ranks[2])[0, 1] for i in (0, 1))
    assert 0.2 < early < late < 0.99


def test_more_crossing_makes_early_values_tell_less():
    task = Task(0)
    units = task.drawn(2000)

    def told():
        errors, when = task.curves(units)
        good = (when == 0) & (errors[:, -1] < np.median(errors[:, -1]))
        ranks = [np.argsort(np.argsort(errors[good, epoch])) for epoch in (4, -1)]
        return np.corrcoef(*ranks)[0, 1]

    before = told()
    task._jitter, task._overfit = 3 * task._jitter, 3 * task._overfit
    assert told() < before - 0.02


def test_a_course_is_that_of_its_seed_and_ends_where_it_diverges(task):
    first, again, other = (task.course(recipe_of(PLAN), seed) for seed in (0, 0, 1))
    assert first == again != other
    assert len(first.values) == EPOCHS
    fast = {**recipe_of(PLAN), "optim.lr": 3e-3, "loop.batch": 32, "network.layers": 8, "optim.clip": 0}
    values = [one[OBJECTIVE] for one in task.course(fast, 0).values]
    assert len(values) < EPOCHS
    assert math.isnan(values[-1])
    assert all(map(math.isfinite, values[:-1]))


def drawn(domain, chance):
    if isinstance(domain, Choice):
        return chance.choice(domain.values)
    return chance.randint(domain.low, domain.high) if isinstance(domain.low, int) else domain.low


@pytest.fixture
def file(tmp_path):
    """A table of 8 configs of 6 epochs, of which the last diverges."""
    chance = random.Random(1)
    configs = [
        {
            "knobs": {path: drawn(domain, chance) for path, domain in PLAN.domains.items()} if i else recipe_of(PLAN),
            "epoch_s": 1.0 + i,
            OBJECTIVE: [100.0 + i - epoch for epoch in range(6)] if i < 7 else [90.0, 80.0, None, None, None, None],
        }
        for i in range(8)
    ]
    path = tmp_path / "table.json"
    path.write_text(json.dumps({"recipe": "original", "configs": configs}))
    return path


def test_a_replay_shows_what_was_measured_and_no_config_twice_before_all_are_taken(file):
    table = Replay(file)
    assert (table.epochs, table.whole, table.best) == (6, 2, 95.0)
    rows = json.loads(file.read_text())["configs"]
    run = table.begun()
    assert [one[OBJECTIVE] for one in run.course(rows[3]["knobs"], 0).values] == rows[3][OBJECTIVE]
    near = {**rows[3]["knobs"], "optim.lr_decay": 0.87}
    assert run.course(near, 0) != run.course(rows[3]["knobs"], 0), "that one is taken"
    assert run.course(near, 0) == run.course(near, 1), "the same again, whatever the seed"
    others = [{**near, "network.dropout": i / 100} for i in range(1, 7)]
    shown = {id(run.course(one, 0)) for one in (rows[3]["knobs"], near, *others)}
    assert len(shown) == 8
    assert id(run.course({**near, "network.dropout": 0.3}, 0)) in shown, "then the nearest again"
    assert table.begun().course(near, 0) == run.course(rows[3]["knobs"], 0), "each run has the whole table"
    bad = table.begun()
    values = [one[OBJECTIVE] for one in bad.course(rows[7]["knobs"], 0).values]
    assert values[:2] == [90.0, 80.0]
    assert len(values) == 3
    assert math.isnan(values[2])
    assert bad.regret(rows[7]["knobs"]) == math.inf
    assert bad.regret(recipe_of(PLAN)) == 0
    assert table.blind_seconds() == 2 * 6 * 4.5 / 4


def test_the_kept_replay_holds_64_configs_of_its_recipe_that_learned():
    tree = json.loads(FILE.read_text(encoding="utf-8"))
    configs = tree["configs"]
    assert len(configs) == 64
    assert len({json.dumps(config["knobs"], sort_keys=True) for config in configs}) == 64
    table = Replay()
    domains = table.plan("asha", 0).domains
    assert all(config["knobs"].keys() == domains.keys() for config in configs)
    units = np.array([[unit(domains[name], value) for name, value in config["knobs"].items()] for config in configs])
    assert ((units >= 0) & (units <= 1)).all()
    curves = np.array([config[OBJECTIVE] for config in configs], dtype=float)
    assert curves.shape == (64, table.epochs)
    assert np.isfinite(curves).all()
    assert (curves.min(axis=1) < curves[:, 0]).all()


def test_a_run_on_the_replay_is_compared_with_the_best_peer_and_the_best_of_the_table(file):
    found = search.run("asha", Replay(file), 0)
    assert (found["task"], found["best"]) == ("replay", 95.0)

    def row(method, seed, regret):
        return {"method": method, "task": "replay", "seed": seed, "best": 100.0, "epochs": [50.0, 50.0, regret]}

    rows = [row("asha", 0, 4.0), row("asha", 1, 10.0), row("optuna", 0, 8.0), row("optuna", 1, 0.0)]
    rows += [row("ray-asha", 0, 0.0)]
    lines = {line["method"]: line for line in search.replayed(rows)}
    assert lines["asha"] == {
        **{"method": "asha", "runs": 2, "error": 107.0},
        **{"to best peer": 1.1, "to best of table": 1.1},
    }
    assert lines["optuna"]["to best peer"] == 1.08
    assert lines["ray-asha"]["to best peer"] == 0.926


def test_peers_have_the_space_the_recipe_and_the_rungs_of_ours():
    plan = plan_for("asha", 3)
    assert search.as_ours(plan) == {"grace_period": 5, "reduction_factor": 3}
    made = search.PEERS["optuna-hyperband"](plan)
    assert made.next_task().config == recipe_of(plan)
    assert made._study.pruner._min_resource == 5
    assert search.PEERS["optuna-hyperband-own"](plan)._study.pruner._min_resource == 1


def test_runs_are_counted_against_the_base_by_run_and_by_seed():
    def runs(method, *finals):
        return [
            {"method": method, "task": i % 2, "seed": i // 2, "epochs": [9.0, 9.0, one], "time": [9.0, 9.0, one]}
            for i, one in enumerate(finals)
        ]

    lines = search.table([*runs("stopping", 8.0, 8.0, 8.0, 8.0), *runs("asha", 6.0, 7.0, 5.0, 9.0)], "stopping")
    assert [line["method"] for line in lines] == ["asha", "stopping"]
    asha = lines[0]
    assert (asha["epochs 100%"], asha["ratio"], asha["better"]) == (6.5, 0.812, 75.0)
    assert asha["p"] == 0.5, "two seeds of two"
    assert search.sign_test(10, 0) == pytest.approx(2 / 1024)
    assert search.numbers("0-2,7") == [0, 1, 2, 7]


@pytest.mark.parametrize("method", ["asha", "optuna"])
def test_a_short_run_has_its_regrets_at_equal_epochs_and_equal_time(task, method, monkeypatch):
    monkeypatch.setattr(Task, "whole", 2)
    found = search.run(method, task, 0)
    assert found == search.run(method, task, 0)
    assert json.loads(json.dumps(found)) == found
    assert len(found["epochs"]) == len(found["time"]) == len(search.SHARES)
    assert found["attempts"] > 2
