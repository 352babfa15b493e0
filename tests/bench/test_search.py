"""The yardstick of searches: what its tasks are like, how it counts, and that it runs the product's own conductor."""

import json
import math

import numpy as np
import pytest

from bench import search
from bench.search_tasks import EPOCHS, OBJECTIVE, Task, plan_for, recipe_of

PLAN = plan_for("none", 0)


@pytest.fixture(scope="module", params=[0, 4])
def task(request):
    return Task(request.param, PLAN.domains, EPOCHS)


def test_a_task_has_a_best_point_that_nothing_drawn_beats(task):
    units = task._on_steps(np.random.default_rng(1).uniform(size=(3000, len(PLAN.domains))))
    finals = task.finals(units)
    assert finals.min() >= task.best
    assert 0.02 < np.mean(np.isinf(finals)) < 0.4, "some diverge"
    assert np.median(finals[np.isfinite(finals)]) > task.best + 10
    assert task.regret(recipe_of(PLAN)) > 0


def test_early_values_tell_something_of_the_end_and_not_all(task):
    units = task._on_steps(np.random.default_rng(2).uniform(size=(2000, len(PLAN.domains))))
    errors, when = task.curves(units)
    errors = errors[when == 0]
    ranks = [np.argsort(np.argsort(errors[:, epoch])) for epoch in (4, 14, EPOCHS - 1)]
    early, late = (np.corrcoef(ranks[i], ranks[2])[0, 1] for i in (0, 1))
    assert 0.2 < early < late < 0.99


def test_a_course_is_that_of_its_seed_and_ends_where_it_diverges(task):
    first, again, other = (task.course(recipe_of(PLAN), seed) for seed in (0, 0, 1))
    assert first == again != other
    assert len(first.values) == EPOCHS
    fast = {**recipe_of(PLAN), "optim.lr": 3e-3, "loop.batch": 32, "network.layers": 8, "network.width": 256}
    values = [one[OBJECTIVE] for one in task.course(fast, 0).values]
    is_cut = len(values) < EPOCHS
    assert math.isnan(values[-1]) == is_cut
    assert all(map(math.isfinite, values[: len(values) - is_cut]))


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
    monkeypatch.setattr(search, "WHOLE", 2)
    found = search.run(method, task, 0, task.blind_seconds(EPOCHS * 2))
    assert found == search.run(method, task, 0, task.blind_seconds(EPOCHS * 2))
    assert json.loads(json.dumps(found)) == found
    assert len(found["epochs"]) == len(found["time"]) == len(search.SHARES)
    assert found["attempts"] > 2
