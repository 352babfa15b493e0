"""What a sweep tries first: configs that the user gives, and the best points of an earlier sweep."""

import dataclasses
import math

import numpy as np
import pytest

from search.decisions.continued import with_draws
from search.decisions.sampler import PointSampler
from search.decisions.schedulers.choose import scheduler_of
from search.record.history import fork_journal, proven_trials
from search.record.journal import FILE, Journal
from search.record.plan import begun_by, plan_of, value_at
from search.record.points.first import best_points, translated, with_first_points
from spaces.errors import ConfigError
from spaces.schema import config_id, dump
from tests.made.sweeps import FACTS, Led, book, made_journal, made_plan, trial
from trainables.config import changed

NARROW = """
model: graformer
recipes:
  small: {network.width: 24, network.layers: 2, network.heads: 4, loop.epochs: 8}
search:
  optim.lr: {log: [1e-4, 1e-2]}
  optim.weight_decay: {range: [0.0, 0.1]}
  network.layers: {choice: [2, 3]}
"""


@pytest.fixture
def plan(tmp_path):
    space = tmp_path / "narrow.yaml"
    space.write_text(NARROW, encoding="utf-8")
    return made_plan(space=space, trials=20)


def file_of(tmp_path, plan, name="best.yaml", **values):
    path = tmp_path / name
    config = changed(plan.base, {path.replace("__", "."): value for path, value in values.items()}, "test")
    path.write_text(dump(config) + "provenance: {sweep: old}\n", encoding="utf-8")
    return path


def problems_of(act):
    with pytest.raises(ConfigError) as raised:
        act()
    return "\n".join(raised.value.problems_in("launch"))


# --- configs


def test_a_given_config_is_tried_right_after_the_recipe(tmp_path, plan):
    paths = [file_of(tmp_path, plan, "a.yaml", optim__lr=3e-3), file_of(tmp_path, plan, "b.yaml", network__layers=3)]
    first = with_first_points(plan, paths, None)
    led = Led(tmp_path, first, concurrent=4)
    tasks = [led.conductor.next_task() for _ in range(4)]
    assert [(task.config["optim"]["lr"], task.config["network"]["layers"]) for task in tasks[:3]] == [
        (plan.base.optim.lr, 2),
        (3e-3, 2),
        (plan.base.optim.lr, 3),
    ]
    assert config_id(plan.base) == led.journal.trials[0].config_id
    assert led.said[0] == "trial 0 starts: recipe small"
    assert led.journal.trials[3].point.keys() == plan.domains.keys(), "and then the sampler draws"
    led.journal.unlock()


def test_a_given_config_may_lie_outside_the_domains(tmp_path, plan):
    path = file_of(tmp_path, plan, optim__lr=0.5, network__layers=4)
    point = with_first_points(plan, [path], None).points[1]
    assert (point["optim.lr"], point["network.layers"]) == (0.5, 4)


def test_a_given_config_that_differs_elsewhere_is_refused_with_every_knob_and_its_remedy(tmp_path, plan):
    path = file_of(tmp_path, plan, optim__beta1=0.8, loop__epochs=9, loop__seed=4, data__root="/elsewhere")
    found = problems_of(lambda: with_first_points(plan, [path], None))
    assert found.count("\n") == 2
    assert f"--enqueue {path}: optim.beta1 = 0.8, and 0.9 in this sweep, which does not search it" in found
    assert "--set optim.beta1=0.8" in found
    assert "--epochs 9" in found
    assert "--seed 4" in found
    assert "data.root" not in found


def test_a_config_of_another_model_and_more_configs_than_trials_are_refused(tmp_path, plan):
    other = tmp_path / "other.yaml"
    other.write_text(dump(made_plan(space="videopose3d", changes={}).base), encoding="utf-8")
    assert "is of videopose3d; this sweep is of graformer" in problems_of(
        lambda: with_first_points(plan, [other], None)
    )
    few = dataclasses.replace(plan, sweep=dataclasses.replace(plan.sweep, trials=1))
    path = file_of(tmp_path, plan, optim__lr=3e-3)
    assert "--trials 1: fewer than the recipe and 1 of --enqueue" in problems_of(
        lambda: with_first_points(few, [path], None)
    )


def test_the_recipe_and_a_config_given_twice_are_tried_once(tmp_path, plan):
    paths = [file_of(tmp_path, plan, "a.yaml"), *[file_of(tmp_path, plan, f"{i}.yaml", optim__lr=3e-3) for i in "bc"]]
    assert [point.get("optim.lr") for point in with_first_points(plan, paths, None).points] == [None, 3e-3]


# --- an earlier sweep


def earlier(tmp_path, plan, trials, name="old"):
    """An earlier sweep whose trials have these points and scores."""
    journal = made_journal(tmp_path, dataclasses.replace(plan, name=name))
    for point, score in trials:
        book(journal, plan, point, [] if score is None else [score] * 8)
    journal.unlock()
    return journal


def point(lr, decay=0.01, layers=2):
    return {"optim.lr": lr, "optim.weight_decay": decay, "network.layers": layers}


def test_the_best_points_come_first_each_apart_from_the_better_ones(tmp_path, plan):
    found = [(point(1e-3), 50.0), (point(1.01e-3), 51.0), (point(5e-3), 52.0), (point(1e-3, layers=3), 53.0)]
    journal = earlier(tmp_path, plan, [*found, (point(2e-4), None)])
    assert best_points(plan, journal, 3) == [found[0][0], found[2][0], found[3][0]]
    assert best_points(plan, journal, 4)[3] == found[1][0], "where there is no other, a near one"


def test_a_warm_start_is_on_record_and_tries_at_most_two_of_the_best(tmp_path, plan):
    earlier(tmp_path, plan, [(point(lr), 50.0 + i) for i, lr in enumerate(np.geomspace(2e-4, 9e-3, 12).tolist())])
    warm = with_first_points(plan, [], tmp_path / "old")
    assert len(warm.points) == 1 + 2
    assert warm.points[0] == {}, "the recipe"
    begun = begun_by(warm, "id", FACTS)
    assert begun.origin == {"as": "from", "sweep": "old", "id": "id-of-old", "first": "1,2"}
    assert plan_of(type(begun).from_record(begun.to_record()), "journal").points == tuple(warm.points)
    short = dataclasses.replace(plan, sweep=dataclasses.replace(plan.sweep, trials=4))
    assert len(with_first_points(short, [], tmp_path / "old").points) == 2, "one at least"


def test_what_is_tried_anyway_takes_no_place_of_an_earlier_sweep(tmp_path, plan):
    recipe = {path: value_at(plan.base, path) for path in plan.domains}
    given = file_of(tmp_path, plan, optim__lr=5e-3)
    earlier(tmp_path, plan, [(recipe, 40.0), ({**recipe, "optim.lr": 5e-3}, 45.0), (point(8e-3), 50.0)])
    few = dataclasses.replace(plan, sweep=dataclasses.replace(plan.sweep, trials=4))
    warm = with_first_points(few, [given], tmp_path / "old")
    assert list(warm.points[2:]) == [point(8e-3)]
    assert warm.origin["first"] == "2"
    earlier(tmp_path, plan, [(recipe, 40.0)], "alone")
    assert with_first_points(few, [], tmp_path / "alone").points == plan.points, "it has nothing new"


def test_a_fork_of_a_warm_start_knows_its_proven_trials(tmp_path, plan):
    earlier(tmp_path, plan, [(point(2e-3), 50.0)])
    warm = with_first_points(dataclasses.replace(plan, name="warm"), [], tmp_path / "old")
    journal = made_journal(tmp_path, warm)
    journal.unlock()
    fork_journal(journal.path, tmp_path / "fork", "fork", "id-of-fork")
    origin = Journal(tmp_path / "fork" / FILE).sweep.origin
    assert origin == {"as": "fork", "sweep": "warm", "id": "id-of-warm", "first": "1"}
    assert proven_trials(origin) == {1}


@pytest.mark.parametrize("scheduler", ["asha", "stopping", "hyperband", "median"])
def test_the_best_of_an_earlier_sweep_train_to_their_end(tmp_path, scheduler):
    space = tmp_path / "narrow.yaml"
    space.write_text(NARROW, encoding="utf-8")
    plan = made_plan(space=space, trials=20, scheduler=scheduler)
    earlier(tmp_path, plan, [(point(2e-3), 50.0), (point(8e-3), 60.0)])
    given = file_of(tmp_path, plan, optim__lr=5e-3)
    warm = with_first_points(plan, [given], tmp_path / "old")
    assert warm.origin["first"] == "2,3", "after the recipe and the given config"
    judges = scheduler_of(plan_of(begun_by(warm, "id", FACTS), "journal")), scheduler_of(plan)
    rivals = [trial(number, [50.0] * 8) for number in (0, 1, *range(4, 13))]
    for epoch in range(1, 9):
        late = [trial(number, [90.0] * epoch) for number in (2, 3, 13)]
        late.append(trial(14, [math.nan] * epoch))
        for judge in judges:
            for rival in rivals:
                judge.judge(rival, epoch, can_pause=True)
        verdicts = [[judge.judge(one, epoch, can_pause=True).goes_on for one in late] for judge in judges]
        assert verdicts[0][:2] == [True, True]
        assert verdicts[0][2:] == verdicts[1][2:], "the others are judged as ever"
        if not verdicts[1][0]:
            return
    pytest.fail("nobody was stopped")


def test_values_are_moved_into_a_changed_space_and_fixed_knobs_count(plan):
    old = trial(0, [50.0], point={"optim.lr": 0.2, "network.layers": 3})
    old._terms.sweep.base.update(optim={"weight_decay": 0.05})
    assert translated(plan, old) == point(1e-2, 0.05, 3)
    assert translated(plan, trial(0, [50.0], point={"optim.lr": 1e-3, "network.layers": 3})) is None, "no decay known"
    old.point["network.layers"] = 7
    assert translated(plan, old) is None, "no such choice"


def test_an_earlier_sweep_that_gives_nothing_is_refused(tmp_path, plan):
    empty = earlier(tmp_path, plan, [(point(1e-3), None)], "empty")
    assert "has no trial with a score of val/mpjpe_mm" in problems_of(lambda: best_points(plan, empty, 3))
    far = earlier(tmp_path, plan, [(point(1e-3, layers=5), 50.0)], "far")
    assert "no trial of it can be translated" in problems_of(lambda: best_points(plan, far, 3))
    other = made_journal(tmp_path, made_plan("other", space="videopose3d"))
    other.unlock()
    assert "is of videopose3d; this sweep is of graformer" in problems_of(lambda: best_points(plan, other, 3))


# --- draws of an earlier sweep's sampler


def started(plan, folder):
    """The plan of a warm start as `launch --from` makes it."""
    return with_draws(with_first_points(plan, [], folder), folder)


def test_after_the_best_a_warm_start_tries_what_the_earlier_sampler_would_draw_next(tmp_path, plan):
    rates = np.geomspace(1e-4, 1e-2, 24).tolist()
    earlier(
        tmp_path, plan, [(point(lr, 0.004 * i, 3), 50 + 20 * abs(np.log10(lr / 4e-3))) for i, lr in enumerate(rates)]
    )
    warm = started(plan, tmp_path / "old")
    drawn = warm.points[3:]
    assert len(drawn) == 10
    assert warm.origin["first"] == "1,2", "those of the sampler are judged as any other"
    ids = [config_id(plan.config(one)) for one in warm.points]
    assert len(set(ids)) == len(ids)
    assert all(one.keys() == plan.domains.keys() for one in drawn)
    near = [abs(np.log10(one["optim.lr"] / 4e-3)) for one in drawn]
    assert np.median(near) < 0.25, "blind ones are 0.6 away"
    assert started(plan, tmp_path / "old").points == warm.points, "a function of the records and the seed"
    other = dataclasses.replace(plan, sweep=dataclasses.replace(plan.sweep, seed=1))
    assert started(other, tmp_path / "old").points[3:] != drawn
    assert plan_of(begun_by(warm, "id", FACTS), "journal").points == tuple(warm.points), "so a resumed sweep has them"


@pytest.mark.parametrize(("trials", "kinds"), [(2, (1, 0)), (4, (1, 2)), (8, (2, 4)), (20, (2, 10)), (200, (2, 10))])
def test_half_of_a_short_sweep_and_ten_trials_at_most_are_drawn_so(tmp_path, plan, trials, kinds):
    earlier(
        tmp_path, plan, [(point(lr, 0.01 * i), 50 + i) for i, lr in enumerate(np.geomspace(2e-4, 9e-3, 9).tolist())]
    )
    sized = dataclasses.replace(plan, sweep=dataclasses.replace(plan.sweep, trials=trials))
    best = with_first_points(sized, [], tmp_path / "old").points
    assert (len(best) - 1, len(started(sized, tmp_path / "old").points) - len(best)) == kinds


@pytest.mark.parametrize("sampler", ["random", "qmc", "grid"])
def test_a_sampler_that_does_not_learn_gets_no_such_draws(tmp_path, sampler):
    space = tmp_path / "narrow.yaml"
    space.write_text(
        NARROW.replace("range: [0.0, 0.1]", "grid: [0.0, 0.1]").replace("log: [1e-4, 1e-2]", "grid: [0.001, 0.01]"),
        encoding="utf-8",
    )
    plan = made_plan(space=space, trials=20, sampler=sampler)
    earlier(tmp_path, plan, [(point(1e-3, 0.1), 50.0), (point(1e-2, 0.1), 51.0)])
    assert len(started(plan, tmp_path / "old").points) == 3


def test_trials_that_the_new_space_cannot_say_do_not_guide_the_draws(tmp_path, plan):
    foreign = [(point(2e-4, 0.09, layers=7), 10.0 + i) for i in range(20)]
    earlier(tmp_path, plan, [*foreign, *[(point(5e-3 + 1e-5 * i, 0.01, 3), 50.0 + i) for i in range(20)]])
    assert {one["network.layers"] for one in started(plan, tmp_path / "old").points[3:]} <= {2, 3}
    drawn = np.median([one["optim.lr"] for one in started(plan, tmp_path / "old").points[3:]])
    assert drawn > 1e-3, "the better ones, of 7 layers, had a rate of 2e-4"


# --- a simulated warm start


def searched(plan, objective, first, seed):
    """Best score after each trial of a sweep that tries these points first, without stopping."""
    sampler = PointSampler(plan.domains, ("val/mpjpe_mm",), "tpe", seed, plan.sweep.trials)
    best, curve = np.inf, []
    for number in range(plan.sweep.trials):
        drawn = first[number] if number < len(first) else sampler.draw(number, lambda point: True)[0]
        value = objective(drawn)
        sampler.tell(trial(number, [value], point=drawn))
        best = min(best, value)
        curve.append(best)
    return curve


def valley(lr, decay, layers):
    """Error in millimetres with its minimum, 40, at these values."""

    def error(point):
        off = (np.log10(point["optim.lr"]) - np.log10(lr)) ** 2 + ((point["optim.weight_decay"] - decay) / 0.05) ** 2
        return 40 + 10 * off + 4 * (point["network.layers"] != layers)

    return error


def runs(tmp_path, plan, old_task, task, seeds=3):
    """Curves of cold and of warm starts on a task, after sweeps over an old one."""
    recipe = {path: value_at(plan.base, path) for path in plan.domains}
    cold, warm = [], []
    for seed in range(seeds):
        seen = []

        def noted(point, seen=seen):
            seen.append((point, float(old_task(point))))
            return seen[-1][1]

        searched(plan, noted, [recipe], 100 + seed)
        earlier(tmp_path, plan, seen, f"old-{seed}")
        points = started(plan, tmp_path / f"old-{seed}").points
        cold.append(searched(plan, task, [recipe], seed))
        warm.append(searched(plan, task, [recipe, *points[1:]], seed))
    return np.array(cold), np.array(warm)


def test_a_warm_start_from_a_like_task_reaches_the_cold_best_in_half_of_the_trials(tmp_path, plan):
    cold, warm = runs(tmp_path, plan, valley(2e-3, 0.03, 3), valley(2.5e-3, 0.025, 3))
    # Within a hundredth: seeds of one config differ by more.
    assert np.median(warm[:, 9]) <= 1.01 * np.median(cold[:, -1])


def test_a_warm_start_from_a_misleading_task_is_at_most_a_tenth_worse(tmp_path, plan):
    cold, warm = runs(tmp_path, plan, valley(1e-4, 0.1, 2), valley(6e-3, 0.01, 3))
    assert np.median(warm[:, -1]) <= 1.1 * np.median(cold[:, -1])
