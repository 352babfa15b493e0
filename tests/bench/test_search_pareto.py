"""The program that compares searches for two objectives."""

import numpy as np
import pytest

from bench import search_pareto
from bench.search_pareto import hypervolume, latency, slowest, table
from bench.simulation.tasks import LAYERS, Task


def test_the_hypervolume_is_the_area_below_the_reference():
    costs = np.array([[1.0, 3.0], [2.0, 1.0], [2.5, 2.0], [9.0, 0.0]])
    assert hypervolume(costs, (4.0, 4.0)) == 3 * 1 + 2 * 2
    assert hypervolume(costs[3:], (4.0, 4.0)) == 0.0


def test_the_reference_is_the_network_with_the_best_known_error():
    task = Task(0)
    by_path = dict(zip(task.domains, task.best_units, strict=True))
    layers = task.domains[LAYERS]
    assert slowest(task) > latency(32, layers.low + by_path[LAYERS] * (layers.high - layers.low), 1) - 1e-9
    assert task.finals(task.best_units[None])[0] == task.best


def test_a_table_is_in_percent_of_optuna_at_its_full_cost():
    rows = [
        {"method": "optuna", "task": 0, "seed": 0, "volumes": [5.0, 8.0, 10.0]},
        {"method": "asha", "task": 0, "seed": 0, "volumes": [8.0, 9.0, 12.0]},
    ]
    first, second = table(rows)
    assert first == {"method": "asha", "runs": 1, "40%": 80.0, "60%": 90.0, "100%": 120.0, "better": 100.0}
    assert (second["method"], second["100%"]) == ("optuna", 100.0)


@pytest.mark.parametrize("method", ["asha", "optuna"])
def test_a_short_run_of_each_kind_ends(method, monkeypatch):
    monkeypatch.setattr(search_pareto, "WHOLE", 1)
    found = search_pareto.run(method, Task(0), 0)
    assert len(found["volumes"]) == 3
    assert found["attempts"] >= 1
