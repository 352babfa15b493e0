"""Advice on a sweep: what it finds in recorded sweeps with a planted fault, that it is silent on healthy ones, and that
what it says can be typed."""

import argparse
import dataclasses
import gzip
import json
import shlex

import pytest

import search
from search.__main__ import VERBS
from search.cli.command import Where
from search.record.journal import FILE, Journal
from search.record.plan import plan_of
from search.results.advice.advice import advice, advice_text
from search.results.advice.finding import KINDS, Lines
from search.results.advice.ranges import narrower, wider
from search.results.advice.survey import Survey, is_ordered, unit
from spaces.cli import BAD_INPUT, OK
from spaces.domain_text import read_domain
from spaces.domains import Choice, Float, Grid, Int
from spaces.schema import Knob
from spaces.yaml_text import parse_yaml
from tests.made.advice.recorded import GOLDEN, cases, is_found, record, said
from tests.made.sweeps import answer_of, book, made_journal, made_plan, made_sweep

CASES = cases()
FAULTY = [name for name, case in CASES.items() if case.kind]
HEALTHY = [name for name, case in CASES.items() if not case.kind]


def placed(storage, name):
    """Puts a kept sweep into a storage folder, under the name that it was launched with; returns its journal."""
    folder = storage / "recorded"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_bytes(gzip.decompress((GOLDEN / f"{name}.jsonl.gz").read_bytes()))
    return Journal(folder / FILE)


def findings_in(storage, name):
    journal = placed(storage, name)
    return advice(journal, plan_of(journal.sweep, "there"), Where(storage=storage))


def test_planted_faults_are_found(tmp_path):
    missed = [name for name in FAULTY if not is_found(CASES[name], findings_in(tmp_path / name, name))]
    assert len(FAULTY) == 12
    assert len(missed) <= 1, missed


def test_healthy_sweeps_get_no_advice(tmp_path):
    texts = {name: [one.found for one in findings_in(tmp_path / name, name)] for name in HEALTHY}
    alarms = {name: found for name, found in texts.items() if found}
    assert len(HEALTHY) == 12
    assert len(alarms) <= 1, alarms


def test_a_winner_within_the_noise_is_luck_where_no_knob_explains_the_scores(tmp_path):
    # A sampler that follows the noise gathers its trials, near each other, where one had luck.
    found = said(record(CASES["luck-noise"], 202, tmp_path))
    (luck,) = [one for one in found if one.kind == "luck"]
    assert "and no knob explains the scores: which of them wins is chance" in luck.found
    assert len(luck.trials) > 2


def request_of(line):
    """The checked request of a line; ConfigError or SystemExit when its verb refuses it."""
    _, _, _, verb, *words = shlex.split(line)
    parser = argparse.ArgumentParser(allow_abbrev=False)
    VERBS[verb].add_options(parser)
    return VERBS[verb].check(parser.parse_args(words))


@pytest.mark.parametrize("name", FAULTY)
def test_every_line_and_range_is_taken(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    storage = tmp_path / "my sweeps"
    journal = placed(storage, name)
    for one in advice(journal, plan_of(journal.sweep, "there"), Where(storage=storage)):
        assert one.kind in KINDS
        assert one.line == "" or request_of(one.line).where.storage == storage
        for path, entry in one.ranges.items():
            assert path in one.knobs
            read_domain(parse_yaml(json.dumps(dict(entry)), "entry"))


def test_a_line_launches_the_same_sweep_with_a_knob_fixed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = made_plan("first", trials=7, sampler="random", changes={"network.heads": 2})
    journal = made_journal(tmp_path / "kept", plan)
    book(journal, plan, {"optim.lr": 2e-3}, [60.0, 52.0])
    journal.unlock()
    line = Lines(journal, plan, Where(storage=tmp_path / "kept")).relaunch({"optim.lr_decay": 0.9}, grace=4)
    # The points of the older sweep are checked against the new plan, so this is the whole way but for the training.
    made = request_of(line).plan
    assert (made.sweep.trials, made.sweep.sampler, made.sweep.grace) == (7, "random", 4)
    assert (made.base.network.heads, made.base.optim.lr_decay, made.base.loop.epochs) == (2, 0.9, 8)
    assert plan.domains.keys() - made.domains.keys() == {"optim.lr_decay"}
    assert made.origin["sweep"] == "first"


# --- show, and Python


def test_show_prints_advice_and_its_ranges_below_the_leaderboard(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    placed(tmp_path, "edge-log")
    code, out, err = answer_of(capsys, VERBS, "show", "recorded", "--storage", tmp_path, "--advice")
    assert (code, err) == (OK, "")
    board, told = out.split("advice:\n")
    assert "sweep recorded" in board
    assert "- edge: " in told
    space = parse_yaml(told.split("space file of your own:\n")[1], "told")
    assert space["include"] == "graformer"
    assert space["search"]["optim.lr"]["log"][1] > 1e-2
    (tmp_path / "wider.yaml").write_text(told.split("space file of your own:\n")[1])
    made = request_of("python -m search launch wider.yaml --recipe small --name wider").plan
    assert made.domains["optim.lr"] == Float(1e-4, space["search"]["optim.lr"]["log"][1], log=True)
    code, out, _ = answer_of(capsys, VERBS, "show", "recorded", "--storage", tmp_path, "--advice", "--json")
    assert json.loads(out)["advice"][0]["kind"] == "edge"
    assert "advice" not in json.loads(answer_of(capsys, VERBS, "show", "recorded", "--storage", tmp_path, "--json")[1])
    code, _, err = answer_of(capsys, VERBS, "show", "recorded", "--storage", tmp_path, "--advice", "--trial", "900")
    assert code == BAD_INPUT
    assert "no such trial" in err
    assert "--trial does not go with --advice: it is about one trial; leave one out" in err


def test_a_sweep_gives_its_advice_as_a_frame(tmp_path):
    placed(tmp_path, "edge-log")
    frame = search.open("recorded", storage=tmp_path).advice()
    assert list(frame.columns) == ["kind", "knobs", "trials", "found", "do", "ranges", "line"]
    assert frame["kind"][0] == "edge"
    assert frame["knobs"][0] == ["optim.lr"]


def test_nothing_is_said_where_there_is_nothing_to_judge(tmp_path):
    plan = made_plan("first", trials=5)
    journal = made_journal(tmp_path, plan)
    assert advice(journal, plan) == []
    book(journal, plan, {"optim.lr": 2e-3}, [60.0, 52.0])
    journal.unlock()
    assert advice_text(advice(journal, plan), "graformer") == "advice: nothing stands out"
    assert advice(journal, dataclasses.replace(plan, sweep=dataclasses.replace(plan.sweep, recipe="(confirmed)"))) == []


def test_a_single_run_gets_no_advice(tmp_path, capsys, monkeypatch):
    journal = placed(tmp_path, "edge-log")
    journal.state.sweep = made_sweep(single=True)
    assert advice(journal, made_plan("first")) == []


def test_of_several_objectives_only_divergence_and_waste_are_judged(tmp_path):
    journal = placed(tmp_path, "edge-log")
    plan = plan_of(journal.sweep, "there")
    two = dataclasses.replace(plan, sweep=dataclasses.replace(plan.sweep, objective="val/mpjpe_mm,latency_ms"))
    assert {one.kind for one in advice(journal, plan)} == {"edge"}
    assert advice(journal, two) == []
    journal = placed(tmp_path, "diverging-high")
    assert [one.kind for one in advice(journal, two)] == ["diverging"]


def test_many_failures_are_told_with_the_first_reason(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = made_plan("first", trials=8)
    journal = made_journal(tmp_path / "kept", plan)
    for number in range(8):
        state = ("failed", "ValueError: width 7 is odd") if number in (2, 3, 6) else ("finished", "")
        book(journal, plan, {"optim.lr": 1e-3 + number * 1e-4}, [60.0, 52.0 - number], *state)
    journal.unlock()
    (one,) = [one for one in advice(journal, plan, Where(storage=tmp_path / "kept")) if one.kind == "budget"]
    assert one.trials == (2, 3, 6)
    assert "3 of 8 trials failed, the first with: ValueError: width 7 is odd" in one.found
    assert request_of(one.line).trial == 2


def test_where_all_trials_diverge_nothing_is_made_of_their_places(tmp_path):
    plan = made_plan("first", trials=20)
    journal = made_journal(tmp_path, plan)
    for number in range(20):
        book(journal, plan, {"optim.lr": 1e-3 + number * 1e-4}, [], "diverged")
    journal.unlock()
    assert advice(journal, plan) == []


def test_a_diverging_side_ends_inside_the_range_though_the_recipe_lies_outside(tmp_path):
    plan = made_plan("first", trials=30, changes={"network.layers": 3})
    journal = made_journal(tmp_path, plan)
    book(journal, plan, {"optim.lr": 1e-5}, [90.0])
    for number in range(1, 30):
        lr = 5e-4 * 12 ** (number / 29)
        scores, state = ([80.0], "diverged") if number < 8 else ([80.0, 51.0 + number], "finished")
        book(journal, plan, {"optim.lr": lr}, scores, state)
    journal.unlock()
    (one,) = [one for one in advice(journal, plan) if one.kind == "diverging"]
    assert one.knobs == ("optim.lr",)
    assert one.trials == tuple(range(1, 8))
    assert 5e-4 <= one.ranges["optim.lr"]["log"][0] < one.ranges["optim.lr"]["log"][1]


# --- units, curves and ranges


@pytest.mark.parametrize(
    ("domain", "value", "expected"),
    [
        (Float(1e-4, 1e-2, log=True), 1e-3, 0.5),
        (Float(0.0, 0.5), 0.1, 0.2),
        (Float(0.0, 0.5), 0.9, 1.0),
        (Int(2, 8), 8, 1.0),
        (Grid((1, 2, 10)), 2, 0.5),
        (Choice((64, 16, 32)), 32, 0.5),
        (Choice(("a", "b")), "b", 1.0),
    ],
)
def test_a_value_has_its_place_in_the_domain(domain, value, expected):
    assert unit(domain, value) == pytest.approx(expected)


def test_a_choice_of_two_or_of_texts_has_no_ends():
    domains = (Choice((1, 2)), Choice(("a", "b", "c")), Choice((False, True)), Choice((1, 2, 3)), Grid((1, 2, 3)))
    assert [is_ordered(domain) for domain in domains] == [False, False, False, True, True]


def test_a_trial_that_ended_early_is_taken_to_improve_as_the_others_did(tmp_path):
    plan = made_plan("first", trials=4, epochs=3)
    journal = made_journal(tmp_path, plan)
    for scores, state in (([60, 50, 45], "finished"), ([70, 58, 51], "finished"), ([62], "pruned"), ([90], "diverged")):
        book(journal, plan, {"optim.lr": 1e-3 + len(journal.trials) * 1e-4}, [float(one) for one in scores], state)
    journal.unlock()
    # The two gained 11 and 6 in the middle.
    assert Survey(journal, plan).levels.tolist() == [45, 51, 62 - 11 - 6, float("inf")]


def knob(**bounds):
    return Knob(path="network.dropout", type=float, default=0.1, help="", **bounds)


@pytest.mark.parametrize(
    ("domain", "bounds", "is_high", "expected"),
    [
        (Float(1e-4, 1e-2, log=True), {"above": 0}, True, {"log": [1e-4, 0.1]}),
        (Float(1e-4, 1e-2, log=True), {"above": 0}, False, {"log": [1e-5, 1e-2]}),
        (Float(0.0, 0.5), {"least": 0}, False, None),
        (Float(0.0, 0.5), {"below": 1}, True, {"range": [0.0, 0.75]}),
        (Float(0.0, 0.8), {"below": 1}, True, {"range": [0.0, 0.9]}),
        (Int(2, 8), {"least": 1}, False, {"range": [1, 8]}),
        (Int(2, 8, step=2), {}, True, {"range": [2, 10], "step": 2}),
        (Choice((16, 32, 64)), {}, True, {"choice": [16, 32, 64, 128]}),
        (Choice((0, 1, 2)), {"least": 0}, False, None),
        (Grid((1.0, 2.0, 3.0)), {}, False, {"grid": [0.5, 1.0, 2.0, 3.0]}),
    ],
)
def test_a_range_goes_on_as_far_as_its_knob_allows(domain, bounds, is_high, expected):
    assert wider(domain, knob(**bounds), is_high) == expected


def test_a_range_is_cut_where_trials_did_not_diverge():
    assert narrower(Float(1e-4, 1e-2, log=True), 3e-3, True) == {"log": [1e-4, 3e-3]}
    assert narrower(Choice((16, 32, 64)), 32, False) == {"choice": [32, 64]}
    assert narrower(Choice((16, 32, 64)), 16, True) is None
