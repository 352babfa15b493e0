"""The figures of a sweep's course and of its slices: what is drawn where."""

import itertools

import pytest

from search.decisions import importance
from search.figures import courses, plots
from search.figures.several import several
from search.figures.slices import slices
from search.record.records import SessionRow
from spaces.errors import ConfigError
from tests.made.sweeps import OBJECTIVE, book, made_journal, made_plan

SPACE = """
model: graformer
recipes:
  small: {network.width: 24, network.layers: 2, network.heads: 4, loop.epochs: 9}
search:
  optim.weight_decay: {log: [1.0e-4, 1.0e-2]}
  network.layers: {choice: [2, 3]}
"""
HOUR_MS = 3_600_000


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "space.yaml").write_text(SPACE)
    options = {"scheduler": "asha", "grace": 1, "reduction": 3, "trials": 9}
    return made_plan("drawn", tmp_path / "space.yaml", epochs=9, **options)


@pytest.fixture
def journal(tmp_path, plan):
    """Four trials, an hour a record: recipe, pruned, the best, failed."""
    journal = made_journal(tmp_path, plan)
    journal.now_ms = (journal.sweep.ts_ms + HOUR_MS * hour for hour in itertools.count()).__next__
    journal.append(SessionRow(places=1, gpus=2.0))
    book(journal, plan, {"optim.weight_decay": 1e-3, "network.layers": 2}, [60.0, 52.0, 53.0])
    book(journal, plan, {"optim.weight_decay": 2e-4, "network.layers": 3}, [70.0], "pruned")
    book(journal, plan, {"optim.weight_decay": 4e-3, "network.layers": 2}, [61.0, 48.5])
    book(journal, plan, {"optim.weight_decay": 0.0}, [64.0], "failed", "ValueError: no")
    journal.unlock()
    return journal


def traces(figure):
    return {trace.name: trace for trace in figure.data}


def test_hours_are_those_of_devices_up_to_each_new_best(journal):
    (line,) = courses.hours(journal).data
    # Two GPUs: an attempt's first epoch comes an hour after its start.
    assert list(line.y) == [60.0, 52.0, 48.5, 48.5]
    assert list(line.x)[:3] == [2.0, 4.0, 2 * (4 + 2 + 2)]
    assert line.x[3] == journal.state.spend.used_hours() > line.x[2]
    assert courses.hours(journal).layout.xaxis.title.text == "GPU-hours of trials"


def test_hours_of_processors_are_called_so(tmp_path, plan):
    journal = made_journal(tmp_path / "b", plan)
    journal.append(SessionRow(places=1, gpus=0))
    book(journal, plan, {"optim.weight_decay": 1e-3, "network.layers": 2}, [60.0])
    journal.unlock()
    assert courses.hours(journal).layout.xaxis.title.text == "CPU-hours of trials (one per worker)"


def test_survival_counts_the_trials_of_each_state_that_reached_an_epoch(journal):
    figure = courses.survival(journal)
    found = {name: list(trace.y) for name, trace in traces(figure).items()}
    assert found == {"finished": [2, 2, 1], "pruned": [1, 0, 0], "failed": [1, 0, 0]}
    assert [shape.x0 for shape in figure.layout.shapes] == [1, 3]


def test_curves_have_lines_at_the_rungs_and_lose_marks_and_epochs_when_there_are_many(journal, monkeypatch):
    figure = plots.curves(journal)
    assert [shape.x0 for shape in figure.layout.shapes] == [1, 3]
    assert {trace.mode for trace in figure.data} == {"lines+markers"}
    monkeypatch.setattr(plots, "MOST_MARKED", 2)
    monkeypatch.setattr(plots, "MOST_POINTS", 3)
    found = traces(plots.curves(journal))
    assert list(found["finished"].x) == [1, 3, None]
    assert found["finished"].mode == "lines"
    assert found["pruned"].mode == "lines+markers", "a curve of one epoch has no line"
    assert list(found["best: trial 2"].y) == [61.0, 48.5, None], "the best keeps every epoch"


def test_the_spend_is_one_bar_of_what_came_of_it(journal):
    bars = traces(courses.spend(journal))
    assert {name: bar.x[0] for name, bar in bars.items()} == {
        name: hours for name, hours in journal.state.spend.split().to_json().items() if name in bars and hours
    }
    assert {"useful", "pruned", "lost"} <= bars.keys()


def test_a_sweep_that_spent_nothing_has_no_bar(tmp_path, plan):
    journal = made_journal(tmp_path / "b", plan)
    journal.unlock()
    with pytest.raises(ConfigError, match="no time of a trial is on record yet"):
        courses.spend(journal)


def test_slices_have_a_panel_a_knob_on_the_axis_of_its_domain(journal):
    figure = slices(journal)
    rates = [trace for trace in figure.data if trace.xaxis == "x"]
    layers = [trace for trace in figure.data if trace.xaxis == "x2"]
    assert list(rates[0].x) == [1e-3, 4e-3]
    assert list(rates[0].y) == [52.0, 48.5]
    assert (rates[-1].name, list(rates[-1].x), list(rates[-1].y)) == ("best", [4e-3], [48.5])
    assert figure.layout.xaxis.type == "log"
    assert (figure.layout.xaxis.title.text, figure.layout.xaxis2.title.text) == ("optim.weight_decay", "network.layers")
    assert list(figure.layout.xaxis2.categoryarray) == ["2", "3"]
    assert list(layers[0].x) == ["2", "2"]
    failed = [list(trace.x) for trace in figure.data if trace.name == "failed"]
    assert failed == [[0.0], []], "it lacks the second knob"
    assert [trace.showlegend for trace in layers] == [False] * 4


def test_several_sweeps_have_a_line_each_by_trials_and_by_time(tmp_path, plan, journal):
    other = made_journal(tmp_path / "b", plan)
    book(other, plan, {"optim.weight_decay": 1e-3, "network.layers": 2}, [59.0])
    other.unlock()
    figure = several({"<b>a": journal, "other": other})
    assert [trace.name for trace in figure.data[::2]] == ["&lt;b&gt;a", "other"]
    first = figure.data[0]
    assert (list(first.x), list(first.y)) == ([1, 2, 3, 4], [52.0, 52.0, 48.5, 48.5])
    assert list(figure.data[1].y) == [60.0, 52.0, 48.5, 48.5]
    assert figure.layout.yaxis.title.text == f"best {OBJECTIVE}"


def test_the_importance_of_many_trials_is_that_of_a_sample_and_says_so(tmp_path, plan, monkeypatch):
    monkeypatch.setattr(importance, "MOST_TRIALS", 5)
    journal = made_journal(tmp_path / "b", plan)
    for number in range(11):
        point = {"optim.weight_decay": 1e-3 * (number % 9 + 1), "network.layers": 2 + number % 2}
        book(journal, plan, point, [50.0 + number])
    journal.unlock()
    assert "fANOVA, 5 of 11 trials at epoch 1" in plots.importance(journal).layout.title.text
