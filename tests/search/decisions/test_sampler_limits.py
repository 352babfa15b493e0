"""What samplers refuse, say beforehand and keep between draws, and the order of a grid."""

import itertools
import random
import re

import pytest

from search.decisions.sampler import PointSampler
from search.decisions.samplers.grid import FRUITLESS, LEVELS, ordered
from search.decisions.samplers.nsga2 import population
from search.decisions.samplers.replay import KEPT, Replay
from search.decisions.samplers.units import levels
from search.record.options.sampling import SAMPLERS, UNTAUGHT, sampler_refusal
from spaces.domains import Choice, Float, Grid, Int, Normal
from spaces.errors import ConfigError
from tests import ROOT
from tests.made.sweeps import FOUR_POINTS, OBJECTIVE, Led, diverged, leads, made_plan, row

NUMBERS = {"a": Float(0.0, 1.0), "b": Int(1, 9), "c": Choice((1, 2))}


def notes(name, domains, trials):
    return PointSampler(domains, (OBJECTIVE,), name, 0, trials).notes


# --- what goes together


def test_every_sampler_takes_one_objective_and_all_but_cmaes_several():
    for count in (1, 2, 3):
        refused = [name for name in SAMPLERS if sampler_refusal(name, count, NUMBERS.values())]
        assert refused == ([] if count == 1 else ["cmaes"])
    assert sampler_refusal("cmaes", 2, NUMBERS.values()) == (
        "--sampler cmaes takes one objective, not 2; nsga2 takes several"
    )


@pytest.mark.parametrize(
    ("domains", "found"),
    [
        ([Choice((1, 2)), Choice((3, 4))], "of 2 searched here 0 are; tpe"),
        ([Choice((1, 2)), Normal(0.0, 1.0, -2, 2)], "of 2 searched here 1 is one; tpe"),
        ([Grid((1, 2)), Float(0.0, 1.0)], ""),
    ],
)
def test_cmaes_needs_two_knobs_with_numbers(domains, found):
    refusal = sampler_refusal("cmaes", 1, domains)
    assert bool(refusal) == bool(found)
    assert found in refusal


def test_what_cannot_work_is_refused_with_all_other_problems_before_anything_starts(tmp_path):
    space = tmp_path / "s.yaml"
    space.write_text(FOUR_POINTS)
    with pytest.raises(ConfigError) as refused:
        made_plan(space=space, sampler="cmaes", changes={"network.heads": 0})
    assert any("cmaes needs at least two knobs" in one for one in refused.value.problems)
    assert any("network.heads" in one for one in refused.value.problems)
    with pytest.raises(ConfigError, match="cmaes needs at least two knobs"):
        made_plan(space=space, sampler="cmaes")
    assert made_plan(sampler="cmaes").sweep.objectives == (OBJECTIVE,)


# --- the grid


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        (Choice(("a", True, None)), ["a", True, None]),
        (Grid((1, 2, 3, 5, 8, 13, 21)), [1, 2, 3, 5, 8, 13, 21]),
        (Int(2, 5), [2, 3, 4, 5]),
        (Int(2, 10), [2, 4, 6, 8, 10]),
        (Int(32, 96, step=32), [32, 64, 96]),
        (Int(1, 10000, log=True), [1, 10, 100, 1000, 10000]),
        (Float(0.0, 0.5), [0.0, 0.125, 0.25, 0.375, 0.5]),
        (Float(1e-4, 1.0, log=True), pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1.0])),
        (Float(0.1, 0.3, step=0.1), [0.1, 0.2, 0.3]),
        (Float(0.0, 1.0, step=0.1), [0.0, 0.2, 0.5, 0.8, 1.0]),
    ],
)
def test_a_grid_has_the_values_of_a_list_and_both_ends_of_a_range(domain, expected):
    assert levels(domain, LEVELS) == expected


def test_a_grid_of_a_normal_domain_has_parts_of_equal_probability():
    values = levels(Normal(0.0, 1.0, -3.0, 3.0), LEVELS)
    assert values == sorted(values)
    assert values[2] == pytest.approx(0.0, abs=1e-6)
    assert values[0] == pytest.approx(-values[4], abs=1e-6)
    assert len(values) == LEVELS


@pytest.mark.parametrize("sizes", [[1], [2, 3], [5, 4, 3, 2], [5] * 4, [7, 1, 11]])
def test_a_grid_has_every_point_once(sizes):
    assert sorted(ordered(sizes)) == list(itertools.product(*map(range, sizes)))


def test_the_beginning_of_a_large_grid_is_spread_over_the_whole():
    first = list(itertools.islice(ordered([5] * 12), 50))  # of 244 million
    for knob in range(12):
        counts = [sum(cell[knob] == at for cell in first) for at in range(5)]
        assert min(counts) >= 6, counts
    pairs = {(cell[0], cell[1]) for cell in first}
    assert len(pairs) >= 18  # of 25: knobs do not go in step


@pytest.mark.parametrize(
    ("trials", "words"),
    [
        (6, "grid of 10 points, at most 5 values of a range: 5 of them, spread over the whole, are tried in 6 trials"),
        (11, "all of them are tried in 11 trials, beside the recipe"),
        (40, "all of them are tried, which are less than the 40 trials"),
    ],
)
def test_the_size_of_a_grid_is_said_beside_the_number_of_trials(trials, words):
    domains = {"a": Float(0.0, 1.0), "c": Choice((1, 2))}
    assert words in "".join(notes("grid", domains, trials))


def test_a_grid_without_legal_points_is_given_up_in_words():
    points = PointSampler(NUMBERS, (OBJECTIVE,), "grid", 0, 40)
    assert points.draw(1, lambda point: False) == (None, 50)  # 5 x 5 x 2
    assert points.spent(50) == "the grid of 50 points has no new legal one"
    large = PointSampler({f"k{i}": Int(1, 9) for i in range(9)}, (OBJECTIVE,), "grid", 0, 40)
    assert large.draw(1, lambda point: False) == (None, FRUITLESS)
    assert large.spent(FRUITLESS) == f"{FRUITLESS} points of the grid, one after the other, are not legal"


def test_a_sweep_over_a_whole_grid_ends_in_words_and_goes_on_where_it_was(tmp_path):
    space = tmp_path / "s.yaml"
    space.write_text(FOUR_POINTS)
    plan = made_plan(space=space, sampler="grid", scheduler="none", trials=9, changes={"loop.epochs": 1})
    led = Led(tmp_path, plan, concurrent=1)
    assert "grid of 4 points" in led.conductor.notes[0]
    for again in range(4):
        task = led.conductor.next_task()
        led.conductor.hear(row(task.trial, 1, 60.0))
        if again == 1:
            rebuilt = Led(tmp_path, plan, 1, led.journal)
            led = rebuilt
    assert led.conductor.next_task() is None
    assert "the grid of 4 points has no new legal one: the sweep ends with 4 trials" in led.said
    points = {tuple(sorted(trial.point.items())) for trial in led.journal.trials.values()}
    assert len(points) == 4
    led.journal.unlock()


def test_a_sweep_too_short_for_generations_is_warned_of():
    assert notes("nsga2", NUMBERS, 20) == ["nsga2: 20 trials are few for generations of 8; tpe learns sooner"]
    assert notes("nsga2", NUMBERS, 100) == []
    assert [population(trials) for trials in (1, 200, 10_000)] == [8, 10, 50]


# --- states that are kept


@pytest.fixture
def lead(tmp_path):
    yield from leads(tmp_path, None)


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != UNTAUGHT])  # which only pbt takes
def test_a_resumed_sweep_of_every_sampler_draws_what_the_unbroken_one_draws(lead, sampler):
    drawn = []
    for name, breaks in (("unbroken", ()), ("broken", (5, 17, 30))):
        chance = random.Random(4)
        led = lead(plan=made_plan(name, sampler=sampler, trials=100, seed=2))
        running = []
        for event in range(40):
            while (task := led.conductor.next_task()) is not None:
                running.append(task.trial)
            number = running[chance.randrange(len(running))]
            trial = led.journal.trials[number]
            report = row(number, trial.last_epoch + 1, chance.uniform(40, 60))
            if not led.conductor.hear(diverged(number, trial.last_epoch + 1) if chance.random() < 0.1 else report):
                running.remove(number)
            if event in breaks:
                led, running = lead(again=led, plan=led.conductor.plan), []
                while (task := led.conductor.next_task()) is not None:
                    running.append(task.trial)
                running.sort()
            elif event in (5, 17, 30):
                running.sort()
        drawn.append([trial.point for trial in led.journal.trials.values()])
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) >= 10


def test_a_replay_that_advances_is_a_fresh_one():
    steps = []

    def step(state, generation):
        steps.append(generation)
        return (*state, generation)

    resident = Replay((), step)
    history = list(range(2 * KEPT))
    for length in range(0, len(history), 10):
        assert resident.after(history[:length]) == tuple(history[:length])
    assert len(steps) == length  # each generation once
    for at in (len(history) - 5, 3):  # a late end changes a generation, one that is kept and one long ago
        history[at] = -at
        assert resident.after(history) == tuple(history)
    assert resident.after(history[:KEPT]) == tuple(history[:KEPT])


# --- the page


def test_every_rule_of_what_is_told_has_its_test():
    page = (ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests/search/decisions").rglob("test_*.py"))
    assert len(named) >= 8
    assert not {name for name in named if f"def {name}(" not in sources}


def test_every_sampler_has_its_row():
    page = (ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8")
    assert [name for name in SAMPLERS if f"\n| `{name}`" not in page] == []
