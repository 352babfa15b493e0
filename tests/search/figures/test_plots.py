"""The figures of a sweep: how many traces, with which values."""

import math

import numpy as np
import pytest

from search.figures import plots
from search.record.records import TrialRow
from spaces.errors import ConfigError
from spaces.schema import config_id
from tests.made.sweeps import OBJECTIVE, book, made_journal, made_plan

SPACE = """
model: graformer
recipes:
  small: {network.width: 24, network.layers: 2, network.heads: 4, loop.epochs: 8}
search:
  optim.lr: {log: [1.0e-4, 1.0e-2]}
  network.layers: {range: [2, 4]}
  data.flip: {choice: [true, false]}
"""


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "space.yaml").write_text(SPACE)
    return made_plan("drawn", tmp_path / "space.yaml", trials=30)


def point(lr=1e-3, layers=2, flip=False):
    return {"optim.lr": lr, "network.layers": layers, "data.flip": flip}


@pytest.fixture
def journal(tmp_path, plan):
    """The recipe, a pruned trial, the best one, and one that diverged before it had a score."""
    journal = made_journal(tmp_path, plan)
    book(journal, plan, point(), [60.0, 52.0, 53.0])
    book(journal, plan, point(2e-4), [70.0], "pruned", "asha: epoch 1")
    book(journal, plan, point(4e-3, 3, True), [61.0, 48.5])
    book(journal, plan, point(1e-2, 4), [math.nan], "diverged", "loss is nan")
    book(journal, plan, point(5e-3, 4), [64.0], "running")
    yield journal
    journal.unlock()


def traces(figure):
    return {trace.name: trace for trace in figure.data}


def test_history_has_a_mark_a_trial_and_the_best_so_far(journal):
    found = traces(plots.history(journal))
    assert list(found) == ["finished", "pruned", "running", "trial 0", "best so far"]
    assert (list(found["finished"].x), list(found["finished"].y)) == ([0, 2], [52.0, 48.5])
    assert (list(found["pruned"].x), list(found["pruned"].y)) == ([1], [70.0])
    star = found["trial 0"]
    assert (list(star.x), list(star.y), star.marker.symbol) == ([0], [52.0], "star")
    line = found["best so far"]
    assert (list(line.x), list(line.y)) == ([0, 1, 2, 4], [52.0, 52.0, 48.5, 48.5])
    assert "optim.lr = 0.004" in found["finished"].text[1]
    assert "data.flip = true" in found["finished"].text[1]


def test_curves_have_one_trace_a_state_and_one_for_the_best(journal):
    found = traces(plots.curves(journal))
    assert list(found) == ["finished", "pruned", "running", "best: trial 2"]
    assert list(found["finished"].x) == [1, 2, 3, None]
    assert list(found["finished"].y) == [60.0, 52.0, 53.0, None]
    assert set(found["finished"].customdata) == {0}
    assert list(found["best: trial 2"].y) == [61.0, 48.5, None]


def test_curves_of_an_unknown_metric_are_refused(journal):
    with pytest.raises(ConfigError, match=f"no trial has it; did you mean {OBJECTIVE}"):
        plots.curves(journal, "val/mpjpe")


def test_parallel_coordinates_have_an_axis_a_knob_and_one_for_the_score(journal):
    (trace,) = plots.parallel(journal).data
    rate, layers, flip, score = trace.dimensions
    assert [one.label for one in trace.dimensions] == ["optim.lr", "network.layers", "data.flip", OBJECTIVE]
    assert np.allclose(rate["values"], np.log10([1e-3, 2e-4, 4e-3, 5e-3]))
    assert np.allclose(rate.tickvals, np.log10([2e-4, 1e-3, 5e-3]))
    assert list(rate.ticktext) == ["0.0002", "0.001", "0.005"]
    assert list(layers["values"]) == [2, 2, 3, 4]
    assert (list(flip["values"]), list(flip.ticktext)) == ([1, 1, 0, 1], ["true", "false"])
    assert list(score["values"]) == [-one for one in trace.line.color] == [52.0, 70.0, 48.5, 64.0]


def test_ticks_of_whole_numbers_are_written_out(tmp_path, plan):
    space = SPACE.replace("network.layers: {range: [2, 4]}", "optim.lr_decay_steps: {log: [100, 5000]}")
    (tmp_path / "steps.yaml").write_text(space)
    plan = made_plan("steps", tmp_path / "steps.yaml", trials=3)
    journal = made_journal(tmp_path, plan)
    for number, steps in enumerate((592, 2847)):
        book(journal, plan, {"optim.lr": 1e-3, "optim.lr_decay_steps": steps, "data.flip": False}, [50.0 - number])
    journal.unlock()
    axes = {axis.label: axis for axis in plots.parallel(journal).data[0].dimensions}
    assert list(axes["optim.lr_decay_steps"].ticktext) == ["592", "1000", "2847"]


def test_a_trial_without_a_knob_runs_through_a_dash(tmp_path, plan):
    journal = made_journal(tmp_path, plan)
    book(journal, plan, point(), [60.0])
    book(journal, plan, {"optim.lr": 2e-3}, [59.0])
    book(journal, plan, point(3e-3, 4), [58.0])
    journal.unlock()
    (trace,) = plots.parallel(journal).data
    _, layers, flip, _ = trace.dimensions
    assert layers.ticktext[0] == "-"
    assert list(layers["values"]) == [2.0, layers.tickvals[0], 4.0]
    assert layers.tickvals[0] < 2
    assert (list(flip["values"]), list(flip.ticktext)) == ([1, 2, 1], ["true", "false", "-"])


def test_a_recipe_of_0_lies_below_a_logarithmic_axis(tmp_path):
    (tmp_path / "space.yaml").write_text(SPACE.replace("optim.lr:", "optim.weight_decay:"))
    plan = made_plan("decay", tmp_path / "space.yaml", trials=3)
    journal = made_journal(tmp_path, plan)
    for number, decay in enumerate((0.0, 1e-3, 1e-2)):
        book(journal, plan, {"optim.weight_decay": decay}, [50.0 - number])
    journal.unlock()
    axis = plots.parallel(journal).data[0].dimensions[0]
    assert list(axis.ticktext) == ["0", "0.001", "0.01"]
    assert np.allclose(axis["values"], [-3.1, -3.0, -2.0])


# --- importance


def rated(tmp_path, plan, count=16, epochs=3):
    """A sweep in which the rate alone decides, half of whose trials were pruned after the first epoch."""
    journal, rng = made_journal(tmp_path, plan), np.random.default_rng(0)
    for number in range(count):
        rate = float(10 ** rng.uniform(-4, -2))
        score = 50 + 10 * abs(math.log10(rate) + 3)
        is_pruned = number % 2
        book(
            journal,
            plan,
            point(rate, int(rng.integers(2, 5)), bool(rng.integers(2))),
            [score + 5, score, score][: 1 if is_pruned else epochs],
            "pruned" if is_pruned else "finished",
        )
    journal.unlock()
    return journal


def test_importance_finds_the_knob_that_decides_and_says_how(tmp_path, plan):
    figure = plots.importance(rated(tmp_path, plan))
    (bars,) = figure.data
    assert bars.y[-1] == "optim.lr"  # the topmost
    assert bars.x[-1] > 0.6
    assert sum(bars.x) == pytest.approx(1)
    assert set(bars.y) == {"optim.lr", "network.layers", "data.flip"}
    assert "fANOVA, 8 trials at epoch 3" in figure.layout.title.text  # which half of the trials reached
    figure = plots.importance(rated(tmp_path / "b", plan), epoch=1)
    assert "fANOVA, 16 trials at epoch 1" in figure.layout.title.text
    assert figure.data[0].x[-1] > 0.75


def test_a_recipe_outside_the_space_takes_no_knob_out_of_the_importance(tmp_path, plan):
    journal = made_journal(tmp_path, plan)
    book(journal, plan, point(5e-2), [40.0])
    for number in range(6):
        book(journal, plan, point(1e-3 * (number + 1), 2 + number % 3), [50.0 + number])
    journal.unlock()
    figure = plots.importance(journal)
    assert "6 trials at epoch 1" in figure.layout.title.text
    assert set(figure.data[0].y) == {"optim.lr", "network.layers", "data.flip"}


def test_a_trial_without_a_knob_counts_with_the_recipes_value(tmp_path, plan):
    journal = made_journal(tmp_path, plan)
    for number in range(6):
        book(journal, plan, point(1e-3 * (number + 1)) if number else {"optim.lr": 9e-3}, [50.0 + number])
    journal.unlock()
    figure = plots.importance(journal)
    assert "6 trials at epoch 1" in figure.layout.title.text
    assert set(figure.data[0].y) == {"optim.lr", "network.layers", "data.flip"}


@pytest.mark.parametrize(
    ("scores", "reason"),
    [([50.0, 51.0], "2 trials within the space have a score; importance needs 4"), ([50.0] * 5, "no knob makes a")],
)
def test_importance_of_too_little_is_refused_with_the_reason(tmp_path, plan, scores, reason):
    journal = made_journal(tmp_path, plan)
    for number, score in enumerate(scores):
        book(journal, plan, point(1e-3 * (number + 1)), [score])
    journal.unlock()
    with pytest.raises(ConfigError, match=reason):
        plots.importance(journal)


def test_importance_of_a_short_sweep_takes_the_epoch_that_enough_trials_reached(tmp_path, plan):
    journal = made_journal(tmp_path, plan)
    for number, epochs in enumerate((3, 3, 3, 1, 1, 1)):
        book(journal, plan, point(1e-3 * (number + 1)), [60.0 - number, 50.0, 49.0][:epochs])
    journal.unlock()
    assert "6 trials at epoch 1" in plots.importance(journal).layout.title.text
    with pytest.raises(ConfigError, match="3 trials reached epoch 2; importance needs 4"):
        plots.importance(journal, epoch=2)


@pytest.mark.parametrize("draw", [plots.history, plots.curves, plots.parallel, plots.importance])
def test_without_a_score_nothing_is_drawn_and_the_reason_told(tmp_path, plan, draw):
    journal = made_journal(tmp_path, plan)
    journal.append(TrialRow(trial=0, point=point(), config_id=config_id(plan.config(point()))))
    journal.unlock()
    with pytest.raises(ConfigError, match="no trial has a score yet \\(trials: waiting\\)"):
        draw(journal)
