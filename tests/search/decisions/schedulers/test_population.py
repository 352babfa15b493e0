"""Population-based training: who takes over what, on the simulated executor and on training states on disk."""

import os
import random

import pytest
import yaml

from search.decisions.schedulers.pbt import moved
from search.record.journal import trial_folder
from search.record.lines import read_rows
from search.record.records import PAUSED, AttemptRow, ExtendRow
from search.record.trial import descent_of
from search.results.export import config_text
from search.results.trial import trial_facts, trial_text
from search.sweep.first_words import population_notes
from search.sweep.population import take_over
from search.tracking.projection import Projection
from spaces.domains import Choice, Float, Grid, Int, Normal
from spaces.schema import config_id, tree_id, tree_of
from tests.made.small import tiny_config, tiny_module, write_tiny
from tests.made.sweeps import OBJECTIVE, Led, made_plan, row
from tests.search.decisions.simulations import Simulation
from trainables.engines.single import SingleEngine
from trainables.runs.folder import RunFolder
from trainables.runs.loop import train_alone


@pytest.fixture(autouse=True)
def no_disk(monkeypatch):
    """No journal here must survive a power cut."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


def population(folder, trials=8, **options):
    """A sweep of so many trials that all wait at epoch 2 with scores that rise with their numbers, and the tasks that
    come next."""
    usual = {"scheduler": "pbt", "sampler": "none", "trials": trials, "epochs": 6, "grace": 2}
    led = Led(folder, made_plan(**{**usual, **options}), concurrent=trials)
    for number in range(trials):
        assert led.conductor.next_task().trial == number
    for number in range(trials):
        assert led.conductor.next_task() is None, "the others are not there yet"
        assert led.conductor.hear(row(number, 1, 60.0 + number))
        assert not led.conductor.hear(row(number, 2, 50.0 + number))
    return led


def test_the_worst_quarter_goes_on_from_the_best_one_with_other_knobs(tmp_path):
    led = population(tmp_path)
    assert {trial.state for trial in led.journal.trials.values()} == {PAUSED}
    tasks = [led.conductor.next_task() for _ in range(8)]
    assert [task.trial for task in tasks] == [6, 7, 0, 1, 2, 3, 4, 5], "heirs start before their donors train on"
    starts = [one for one in led.records(AttemptRow) if one.attempt == 2]
    for task, start in zip(tasks, starts, strict=True):
        trial = led.journal.trials[task.trial]
        assert (start.trial, start.after_epoch) == (task.trial, 2)
        if task.trial < 6:
            assert (start.donor, start.knobs, trial.turns) == (None, None, ())
            assert task.config == trial.config
            continue
        assert start.donor in (0, 1)
        donor = led.journal.trials[start.donor]
        assert trial.turns == ((2, start.donor, start.knobs),)
        assert start.knobs.keys() == donor.point.keys()
        assert start.knobs != donor.point
        assert task.config["optim"]["lr"] == start.knobs["optim.lr"]
        factor = start.knobs["optim.lr"] / donor.point["optim.lr"]
        assert min(abs(factor - one) for one in (0.8, 1.25)) < 1e-9 or start.knobs["optim.lr"] in (1e-4, 1e-2)
        assert task.config["network"]["width"] == led.conductor.plan.base.network.width
        assert trial.config != task.config, "what MLflow holds of a trial does not change"
    assert any(
        line.startswith(f"trial 6 starts again, after epoch 2 of trial {starts[0].donor}: ") for line in led.said
    )
    led.journal.unlock()


def test_states_are_taken_over_before_that_is_on_record_and_not_where_they_are_missing(tmp_path):
    led, asked = population(tmp_path), []

    def adopt(heir, donor, config):
        asked.append((heir.number, donor.number, config["optim"]["lr"], heir.attempts))
        return heir.number == 6

    led.conductor._adopt = adopt
    tasks = [led.conductor.next_task() for _ in range(8)]
    assert [one[0] for one in asked] == [6, 7]
    assert {one[3] for one in asked} == {1}
    assert tasks[0].config["optim"]["lr"] == asked[0][2]
    assert led.journal.trials[6].turns
    assert not led.journal.trials[7].turns
    assert tasks[1].config == led.journal.trials[7].config
    led.journal.unlock()


@pytest.mark.parametrize("trials", [4, 5, 9])
def test_a_population_trains_every_trial_to_its_end_and_no_epoch_twice(tmp_path, trials):
    done = Simulation(tmp_path, trials=trials, scheduler="pbt").run()
    assert done.states == ["finished"] * trials
    assert done.executor.spent == trials * 9
    assert any(trial.turns for trial in done.trials)


def test_what_led_to_the_weights_is_in_show_export_and_mlflow(tmp_path):
    led = population(tmp_path)
    heir = led.conductor.next_task().trial
    led.conductor.hear(row(heir, 3, 10.0))
    trial = led.journal.trials[heir]
    ((after, donor, knobs),) = trial.turns
    parts = descent_of(led.journal.trials, heir, 3)
    assert parts == [(1, 2, donor, led.journal.trials[donor].point), (3, 3, heir, knobs)]
    assert descent_of(led.journal.trials, heir, 2) == [(1, 2, heir, trial.point)]
    exported = yaml.safe_load(config_text(led.journal, trial))
    assert exported["optim"]["lr"] == knobs["optim.lr"]
    assert [part["trial"] for part in exported["provenance"]["schedule"]] == [donor, heir]
    assert exported["provenance"]["config_id"] == tree_id(trial.config_at(3)) != trial.config_id
    facts = trial_facts(led.journal, trial)
    assert facts["turns"] == [{"epoch": after, "donor": donor, "knobs": knobs}]
    assert f"after epoch 2 from the state of trial {donor}: " in trial_text(facts, lambda *words: "")
    projection = Projection(OBJECTIVE)
    changes = [change for one, _ in read_rows(led.journal.path) for change in projection.take(one)]
    shown = {
        step: values["knobs/optim.lr"]
        for one in changes
        for step, _, values in one.points
        if one.number == heir and "knobs/optim.lr" in values
    }
    assert shown == {1: trial.point["optim.lr"], 2: trial.point["optim.lr"], 3: knobs["optim.lr"]}
    params = [change.config for change in changes if change.number == heir and change.config is not None]
    assert {param["optim"]["lr"] for param in params} == {trial.point["optim.lr"]}
    led.journal.unlock()


def test_a_trial_of_an_enlarged_population_goes_on_from_the_state_of_its_last_knobs(tmp_path):
    led = population(tmp_path)
    task = led.conductor.next_task()
    led.conductor.hear(row(task.trial, 3, 10.0))
    led.journal.append(ExtendRow(epochs=12))
    trial = led.journal.trials[task.trial]
    assert trial.config_at(4)["loop"]["epochs"] == 12
    assert tree_id(task.config) in trial.former_ids
    led.journal.unlock()


def test_knobs_that_shape_the_network_keep_the_recipes_values_and_are_named():
    plan = made_plan(scheduler="pbt", sampler="none")
    assert "network.width" not in plan.domains
    assert "optim.lr" in plan.domains
    (line,) = population_notes(plan)
    assert "network.width" in line
    assert population_notes(made_plan()) == []


def test_a_state_that_is_taken_over_trains_on_with_the_new_config(tmp_path):
    write_tiny(tmp_path / "store")
    led = population(tmp_path / "sweeps", trials=4)
    led.journal.unlock()
    configs = [tiny_config(tmp_path / "store", **{"optim.lr": lr, "loop.epochs": 3}) for lr in (1e-3, 2e-3)]
    data = tiny_module(configs[0])
    folder = led.journal.path.parent
    for number, config in enumerate(configs):
        part = RunFolder(trial_folder(folder, number), config)
        part.begin()
        made = SingleEngine()
        made.join(0, config)
        for _ in range(2):
            losses = made.train_epoch(data)
            part.record(made.report(0, losses[0], made.evaluate(data, [0])[0]), made.state(0))
    donor_state = RunFolder(trial_folder(folder, 0), configs[0]).resume_state()
    own_state = RunFolder(trial_folder(folder, 1), configs[1]).resume_state()
    new, told = tiny_config(tmp_path / "store", **{"optim.lr": 5e-4, "loop.epochs": 3}), []
    for _ in range(2):  # as after a crash in between
        assert take_over(folder, told.append, led.journal.trials[1], led.journal.trials[0], tree_of(new))
    heir = RunFolder(trial_folder(folder, 1), new)
    state = heir.resume_state()
    assert (state["config_id"], state["epoch"], state["step"]) == (config_id(new), 2, donor_state["step"])
    assert (state["best_score"], state["history"]) == (own_state["best_score"], own_state["history"])
    for name, tensor in donor_state["network"].items():
        assert (state["network"][name] == tensor).all()
    reports = []
    train_alone(new, data, heir, SingleEngine(), state, reports.append)
    assert [report.epoch for report in reports] == [3]
    assert told == []
    # A donor that is gone, or has gone on, changes nothing.
    assert not take_over(folder, told.append, led.journal.trials[2], led.journal.trials[0], tree_of(new))
    assert not take_over(folder, told.append, led.journal.trials[0], led.journal.trials[1], tree_of(new))
    assert "there is no checkpoint here" in told[0]
    assert "which is of epoch 3, not 2" in told[1]


@pytest.mark.parametrize(
    ("domain", "value", "found"),
    [
        (Float(1e-4, 1.0, log=True), 0.01, {0.008, 0.0125}),
        (Float(1e-4, 1e-2, log=True), 1e-2, {0.008, 1e-2}),
        (Float(0.0, 1.0), 0.0, {0.0, 0.1}),
        (Int(1, 100, log=True), 1, {1, 2}),
        (Int(0, 1000), 500, {400, 600}),
        (Grid((1, 2, 10)), 2, {1, 10}),
        (Choice(("a", "b")), "a", {"a", "b"}),
        (Normal(0.0, 1.0, -4.0, 4.0), 9.0, {None, 4.0}),
    ],
)
def test_a_value_moves_to_one_near_it(domain, value, found):
    chance = random.Random(0)
    drawn = {moved(domain, value, chance) for _ in range(100)}
    if None in found:
        assert max(drawn) == 4.0
        assert all(domain.low <= one <= domain.high for one in drawn)
    else:
        assert {round(one, 9) if isinstance(one, float) else one for one in drawn} == found
