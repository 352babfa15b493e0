"""What `show`, `export`, tables, figures and MLflow say of a sweep of several objectives and of its limits."""

import json
from functools import partial
from pathlib import Path

import pytest
import yaml

from search.__main__ import VERBS
from search.notebook.sweep import Sweep
from search.record.journal import Journal
from search.record.records import AttemptRow, CostRow, EndRow, EpochRow, TrialRow
from search.tracking.memory import MemoryTracker
from spaces.cli import BAD_INPUT, OK
from spaces.errors import ConfigError
from spaces.schema import config_id
from tests.made.records import send
from tests.made.sweeps import OBJECTIVE, answer_of, made_journal, made_plan, write_files

COSTS = {"latency_ms": 2.0, "latency_ms_spread": 0.125}
# Error, latency: 1 and 3 are on the front, 2 is beaten by 1, 4 breaks the limit, 0 is slow and bad, 5 never trained.
TRIALS = [(60.0, 4.0), (50.0, 3.0), (55.0, 3.0), (70.0, 1.0), (40.0, 9.0), (None, 20.0)]


@pytest.fixture
def storage(tmp_path, monkeypatch):
    """A working directory with the sweep `first`, of error and latency with a limit."""
    monkeypatch.chdir(tmp_path)
    plan = made_plan(trials=6, objective=f"{OBJECTIVE},latency_ms", limit=("latency_ms<=8",), scheduler="none")
    journal = made_journal(tmp_path / "sweeps", plan)
    for number, (error, latency) in enumerate(TRIALS):
        point = {"optim.lr": 1e-3 * (number + 1)}
        journal.append(TrialRow(trial=number, point=point, config_id=config_id(plan.config(point))))
        journal.append(AttemptRow(trial=number, attempt=1, after_epoch=0))
        journal.append(CostRow(trial=number, costs={**COSTS, "latency_ms": latency}))
        if error is not None:
            metrics = {OBJECTIVE: error}
            journal.append(EpochRow(trial=number, epoch=1, metrics=metrics, seconds=0.5, lr=1e-3, loss=0.1))
        state, reason = ("finished", "") if error is not None else ("pruned", "limit latency_ms<=8: latency_ms is 20")
        journal.append(EndRow(trial=number, state=state, epoch=int(error is not None), reason=reason))
        write_files(journal.path.parent, number)
    journal.close("done")
    journal.unlock()
    return tmp_path / "sweeps"


@pytest.fixture
def answer(capsys):
    return partial(answer_of, capsys, VERBS)


def test_show_has_a_column_per_objective_the_limits_and_the_front(storage, answer):
    code, out, _ = answer("show", "first", "--storage", storage)
    assert code == OK
    lines = out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("front: 2 trials"))
    assert lines[1].split()[:5] == ["trial", "state", OBJECTIVE, "latency_ms", "epochs"]
    table, front = lines[2:at], lines[at + 2 : -1]
    # Who breaks the limit comes after all that keep it.
    assert [line.split()[0] for line in table] == ["1", "2", "0", "3", "4", "5"]
    assert "latency_ms 9, limit 8" in table[4]
    assert [line.split() for line in front] == [["1", "finished", "50", "3"], ["3", "finished", "70", "1"]]


def test_show_of_one_objective_has_no_front(tmp_path, answer):
    made_journal(tmp_path, made_plan(trials=2)).unlock()
    _, out, _ = answer("show", "first", "--storage", tmp_path)
    assert "front" not in out
    assert "breaks" not in out


def test_show_as_json_names_objectives_limits_front_and_what_is_broken(storage, answer):
    found = json.loads(answer("show", "first", "--storage", storage, "--json")[1])
    assert (found["objective"], found["objectives"]) == (OBJECTIVE, [OBJECTIVE, "latency_ms"])
    assert (found["limits"], found["front"]) == (["latency_ms<=8"], [1, 3])
    best = found["trials"][0]
    assert (best["trial"], best["score"], best["broken"]) == (1, 50.0, [])
    assert best["objectives"] == {OBJECTIVE: 50.0, "latency_ms": 3.0, "latency_ms_spread": 0.125}
    assert found["trials"][4]["broken"] == ["latency_ms 9, limit 8"]
    trial = answer("show", "first", "--storage", storage, "--trial", "5")[1]
    assert "pruned: limit latency_ms<=8: latency_ms is 20" in trial
    assert "also: latency_ms 20, latency_ms_spread 0.125" in trial
    assert "limits latency_ms<=8: breaks latency_ms 20, limit 8" in trial


def test_export_takes_the_best_by_the_first_error_and_says_who_else_is_on_the_front(storage, answer):
    code, out, _ = answer("export", "first", "--storage", storage, "--out", "best.yaml")
    assert code == OK
    assert f"trial 1 is the best by {OBJECTIVE} of {OBJECTIVE}, latency_ms; on the front are also 3" in out
    provenance = yaml.safe_load(Path("best.yaml").read_text())["provenance"]
    assert provenance["trial"] == 1
    assert provenance["objectives"]["latency_ms"] == 3.0
    code, out, _ = answer("export", "first", "--storage", storage, "--out", "3.yaml", "--trial", "3")
    assert (code, "is the best by" in out) == (OK, False)
    code, out, _ = answer("export", "first", "--storage", storage, "--out", "4.yaml", "--trial", "4")
    assert "warning: trial 4 breaks a limit of the sweep: latency_ms 9, limit 8" in out
    assert yaml.safe_load(Path("4.yaml").read_text())["provenance"]["breaks"] == ["latency_ms 9, limit 8"]


def test_where_nobody_keeps_the_limits_there_is_no_winner(tmp_path, answer):
    plan = made_plan(trials=1, limit=("val/mpjpe_mm<=1",))
    journal = made_journal(tmp_path, plan)
    journal.append(TrialRow(trial=0, point={}, config_id=config_id(plan.base)))
    journal.append(EpochRow(trial=0, epoch=1, metrics={OBJECTIVE: 5.0}, seconds=0.5, lr=1e-3, loss=0.1))
    journal.close("done")
    journal.unlock()
    code, _, err = answer("export", "first", "--storage", tmp_path, "--out", tmp_path / "best.yaml")
    assert (code, "no trial with a score that keeps its limits yet" in err) == (BAD_INPUT, True)
    with pytest.raises(ConfigError, match="no trial with a score keeps the limits: val/mpjpe_mm<=1"):
        _ = Sweep(tmp_path / "first").best


def test_the_parent_run_has_the_front_and_each_trial_its_costs(storage):
    tracker = MemoryTracker()
    send(Journal(storage / "first" / "journal.jsonl"), tracker)
    runs = {run.name: run for run in tracker.runs.values()}
    parent = runs["first"]
    assert (parent.tags["front"], parent.tags["best_trial"]) == ("1,3", "1")
    assert parent.files["front.csv"].decode().splitlines() == [
        f"trial,state,{OBJECTIVE},latency_ms",
        "1,finished,50.0,3.0",
        "3,finished,70.0,1.0",
    ]
    lowest = {name: points[-1][2] for name, points in parent.points.items() if name.startswith("front/")}
    assert lowest == {"front/trials": 2.0, f"front/{OBJECTIVE}": 50.0, "front/latency_ms": 1.0}
    slow = runs["first/0004"]
    assert slow.points["latency_ms"][0][2] == 9.0
    assert (slow.tags["breaks"], runs["first/0001"].tags["breaks"]) == ("latency_ms 9, limit 8", "")


def test_a_notebook_has_the_front_as_a_table_and_as_a_figure(storage):
    sweep = Sweep(storage / "first")
    assert list(sweep.pareto()["trial"]) == [1, 3]
    assert list(sweep.pareto()["latency_ms"]) == [3.0, 1.0]
    assert sweep.best.metrics["latency_ms"] == 3.0
    every, broken, front = sweep.plot_pareto().data
    assert (list(every.x), list(every.y)) == ([3.0, 3.0, 4.0, 1.0], [50.0, 55.0, 60.0, 70.0])
    assert (broken.name, list(broken.x), list(broken.y)) == ("break a limit", [9.0], [40.0])
    assert (list(front.x), list(front.y), front.mode) == ([1.0, 3.0], [70.0, 50.0], "lines+markers")
    colour = sweep.plot_pareto(f"{OBJECTIVE},latency_ms,latency_ms_spread").data[0].marker
    assert (list(colour.color), colour.colorbar.title.text) == ([0.125] * 4, "latency_ms_spread")
    *_, best = sweep.plot_history().data
    assert list(best.y) == [60.0, 50.0, 50.0, 50.0, 50.0], "who breaks a limit is not the best"
    with pytest.raises(ConfigError, match="a front is drawn of 2 or 3 metrics, not 1"):
        sweep.plot_pareto(OBJECTIVE)
    with pytest.raises(ConfigError, match="no trial has it"):
        sweep.plot_pareto([OBJECTIVE, "macs"])


def test_before_any_trial_has_all_metrics_the_front_is_empty(tmp_path):
    plan = made_plan(trials=2, objective=f"{OBJECTIVE},latency_ms", scheduler="none")
    journal = made_journal(tmp_path, plan)
    for number in range(2):
        point = {"optim.lr": 1e-3 * (number + 1)}
        journal.append(TrialRow(trial=number, point=point, config_id=config_id(plan.config(point))))
    journal.append(EpochRow(trial=0, epoch=1, metrics={OBJECTIVE: 50.0}, seconds=0.5, lr=1e-3, loss=0.1))
    journal.append(CostRow(trial=1, costs=COSTS))
    journal.unlock()
    sweep = Sweep(tmp_path / plan.name)
    assert sweep.pareto().empty
    assert sweep.plot_pareto().layout.title.text == "first: front, 0 of 0 trials"
