"""The simulated warm start: what it compares."""

import numpy as np

from bench.simulation.tasks import Task
from bench.warm_start import EPOCHS, Like, Short, run


def test_a_like_task_has_its_best_point_near_and_not_at_the_same_place():
    ours, like, unlike = Short(20), Like(20), Task(61)
    points = ours.drawn(400)

    def ranked(task):
        task.epochs = EPOCHS
        return np.argsort(np.argsort(task.finals(points)))

    alike, apart = (np.corrcoef(ranked(ours), ranked(other))[0, 1] for other in (like, unlike))
    assert apart < alike < 0.999


def test_a_warm_sweep_trains_the_points_of_the_earlier_one_to_their_end():
    found = run(20, 0, 4, 6, is_unlike=False)
    assert list(found) == ["cold", "warm", "twice"]
    assert all(np.isfinite(error) for error, _ in found.values())
    assert found["warm"][1] >= EPOCHS
