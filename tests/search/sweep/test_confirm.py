"""`confirm`: seeds as given points of a sweep, scored on the test subjects; one config, or the best of a sweep."""

import math

import pytest

from search.__main__ import VERBS
from search.cli.command import Where
from search.record.confirmed import Spread, candidates_of, recommended, spread_of
from search.record.journal import FILE, Journal
from search.record.plan import SweepConfig
from search.record.points.seeds import confirm_plan
from search.record.records import ScoreRow
from search.results.confirm import advice, confirmation_text
from search.sweep import last_words, place
from spaces.cli import BAD_INPUT, OK
from tests.made.small import tiny_config
from tests.made.sweeps import OBJECTIVE, answer_of, book, made_journal, made_plan
from tests.search.cli.test_printed import commands_in, taken


@pytest.fixture
def journal(tmp_path):
    sweep = SweepConfig(trials=3, scheduler="none", recipe="confirmed", seed=4)
    plan = confirm_plan("three", sweep, tiny_config(tmp_path, loop__seed=4))
    assert plan.is_confirmation
    assert plan.points == ({"loop.seed": 4}, {"loop.seed": 5}, {"loop.seed": 6})
    assert [plan.config(point).loop.seed for point in plan.points] == [4, 5, 6]
    made = made_journal(tmp_path, plan)
    for point in plan.points:
        book(made, plan, point, [], "waiting")
    yield made
    made.unlock()


def scored(journal, number, frame, action=1.0):
    metrics = {"frame_mean": {"mpjpe_mm": frame}, "action_mean": {"mpjpe_mm": action}}
    journal.append(ScoreRow(trial=number, metrics=metrics))


def test_mean_and_deviation_are_those_of_the_seeds(journal):
    (alone,) = candidates_of(journal.sweep, journal.trials)
    assert (alone.label, alone.tests("frame_mean"), alone.validation(OBJECTIVE)) == ("", {}, None)
    for number, value in enumerate((50.0, 52.0, 57.0)):
        scored(journal, number, value)
    found = alone.tests("frame_mean")["mpjpe_mm"]
    assert found.mean == pytest.approx(53)
    assert found.deviation == pytest.approx(math.sqrt((9 + 1 + 16) / 2))  # of a sample, as the papers give it
    text = confirmation_text(journal)
    assert "test, frame mean over 3 seeds: mpjpe_mm 53.00 +- 3.61" in text
    assert "test, action mean over 3 seeds: mpjpe_mm 1.00 +- 0.00" in text


def test_one_seed_has_no_deviation():
    found = spread_of([5.0])
    assert found.mean == 5.0
    assert math.isnan(found.deviation)
    assert spread_of([]) is None


# --- the best of a sweep


@pytest.fixture
def storage(tmp_path, monkeypatch):
    """A storage folder with the sweep `first`: its recipe, and three other trials with a score, of which one was
    pruned."""
    monkeypatch.chdir(tmp_path)
    plan = made_plan("first", trials=4)
    made = made_journal(tmp_path / "kept", plan)
    recipe = {"optim.lr": plan.base.optim.lr, "network.layers": plan.base.network.layers}
    book(made, plan, recipe, [60.0] * 8)
    book(made, plan, {"optim.lr": 1e-3, "network.layers": 3}, [58.0] * 8)
    book(made, plan, {"optim.lr": 3e-3, "network.layers": 2}, [57.0], "pruned")
    book(made, plan, {"optim.lr": 4e-3, "network.layers": 2}, [], "failed", "no")
    made.close("done")
    made.unlock()
    return tmp_path / "kept"


def request_for(storage, *words):
    return taken(["python", "-m", "search", "confirm", *words, "--storage", str(storage)])


def test_the_best_trials_stand_beside_the_recipe_with_seeds_that_the_sweep_has_not_used(storage):
    plan = request_for(storage, "first", "--top", "2", "--seeds", "3").plan
    assert (plan.name, plan.sweep.trials) == ("confirm-first", 9)
    seed = plan.base.loop.seed
    assert [point["loop.seed"] for point in plan.points] == [seed + 1 + i for i in (0, 0, 0, 1, 1, 1, 2, 2, 2)]
    configs = [plan.config(point) for point in plan.points[:3]]
    assert [(one.optim.lr, one.network.layers) for one in configs] == [
        (plan.base.optim.lr, plan.base.network.layers),
        (3e-3, 2),
        (1e-3, 3),
    ]
    assert {one.loop.epochs for one in configs} == {8}, "a pruned trial is trained whole"
    assert (plan.origin["trials"], plan.origin["scores"]) == ("0,2,1", "60.0,57.0,58.0")
    assert len(request_for(storage, "first", "--seeds", "2").plan.points) == 2 * 3, "there are but two"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["frist"], "did you mean first?"),
        (["first", "--top", "0"], "--top"),
        (["c.yaml", "--top", "2"], "--top 2: is for a sweep, and c.yaml is one config"),
    ],
)
def test_what_cannot_be_confirmed_is_told(storage, capsys, words, told):
    code, _, err = answer_of(capsys, VERBS, "confirm", *words, "--storage", storage)
    assert code == BAD_INPUT
    assert told in err


def test_a_sweep_without_another_score_and_a_confirmation_are_refused(storage, capsys, tmp_path):
    plan = made_plan("bare", trials=2)
    bare = made_journal(storage, plan)
    book(bare, plan, {"optim.lr": plan.base.optim.lr}, [60.0])
    bare.unlock()
    code, _, err = answer_of(capsys, VERBS, "confirm", "bare", "--storage", storage)
    assert (code, "no trial with a score besides the recipe" in err) == (BAD_INPUT, True)
    confirmed(storage, {}).unlock()
    code, _, err = answer_of(capsys, VERBS, "confirm", "confirm-first", "--storage", storage)
    assert (code, "is no search" in err) == (BAD_INPUT, True)


def confirmed(storage, scores):
    """The journal of a confirmation with two seeds; `scores`: trial -> score."""
    plan = request_for(storage, "first", "--top", "2", "--seeds", "2").plan
    made = made_journal(storage, plan)
    for number, point in enumerate(plan.points):
        book(made, plan, point, [scores[number]] * 8 if number in scores else [], "finished" if scores else "waiting")
    return made


def test_the_recommended_config_is_that_of_the_best_mean_and_luck_is_told(storage, capsys):
    # Recipe 60, 61; trial 2, the sweep's best at 57, 58 and 63; trial 1 58.5, 58.7.
    made = confirmed(storage, dict(enumerate((60.0, 58.0, 58.5, 61.0, 63.0, 58.7))))
    for number in range(6):
        scored(made, number, 70.0 + number)
    candidates = candidates_of(made.sweep, made.trials)
    assert [one.label for one in candidates] == ["recipe", "trial 2", "trial 1"]
    assert [[trial.number for trial in one.trials] for one in candidates] == [[0, 3], [1, 4], [2, 5]]
    assert candidates[1].validation(OBJECTIVE) == Spread(60.5, pytest.approx(math.sqrt(12.5)), 2)
    assert recommended(candidates, OBJECTIVE) is candidates[2]
    text = confirmation_text(made)
    assert "recommended: trial 1, val/mpjpe_mm 58.60 +- 0.14 over 2 seeds" in text
    assert "warning: another config is better on average: the sweep had its best, trial 2, at 57.00" in text
    assert "trial 1, test, frame mean over 2 seeds: mpjpe_mm 73.50 +- 2.12" in text
    row = next(line for line in text.splitlines() if line.startswith("trial 2"))
    assert row.split()[:5] == ["trial", "2", "1", "4", "57.0"]
    here = place.place_of(storage / made.sweep.name, Where(storage=storage))
    last_words.tell_result(made, here, 0)
    code = last_words.conclude(made, here, last_words.End("done"))
    out = capsys.readouterr().out
    (words,) = commands_in(out)
    assert (code, taken(words).trial) == (OK, 2), "the better seed of the recommended config"
    assert Journal(storage / "confirm-first" / FILE).trials[2].config["optim"]["lr"] == 1e-3
    made.unlock()


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        ((65.0, 59.4, 62.0, 66.0, 59.6, 62.2), "warning: that was luck: the sweep had its best, trial 2, at 57.00"),
        ((60.0, 57.0, 62.0, 61.0, 57.2, 62.2), ""),
        (
            (60.0, 57.0, 62.0, 55.0, 57.2, 62.2),
            "warning: the recipe, at 57.50 +- 3.54, is within two",
        ),
    ],
)
def test_warnings_say_what_the_seeds_show(storage, scores, told):
    made = confirmed(storage, dict(enumerate(scores)))
    lines = advice(made.sweep, candidates_of(made.sweep, made.trials))
    assert lines[0].startswith("recommended: trial 2, ")
    assert [line for line in lines[1:] if told and told in line] == lines[1:]
    assert len(lines) == 1 + bool(told)
    made.unlock()
