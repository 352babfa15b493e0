"""`report` of sweeps in every state, of several side by side, and the file that it writes."""

import shlex
from functools import partial

import pytest

from search.__main__ import VERBS
from search.notebook.sweep import Sweep
from search.record.history import fork_journal
from search.record.journal import FILE, Journal
from search.record.lines import read_rows
from search.record.records import (
    AttemptRow,
    CostRow,
    EndRow,
    EpochRow,
    ExtendRow,
    TrialRow,
)
from search.results.report import report as reporting
from search.results.report.report import write_report
from spaces.cli import BAD_INPUT
from spaces.schema import config_id
from tests.made.sweeps import OBJECTIVE, answer_of, book, made_journal, made_plan, write_files
from tests.search.cli.test_printed import taken
from tests.search.results.report.pages import Read, placed, write_rows

# --- states of a sweep


def test_a_sweep_without_a_trial_and_one_without_a_score_have_reports(storage, read):
    plan = made_plan("empty")
    journal = made_journal(storage, plan)
    assert "unfinished: nobody runs it" not in read("empty").texts["dd"], "it is held by this process"
    book(journal, plan, {"optim.lr": 1e-3}, [], "failed", "ValueError: no")
    journal.unlock()
    page = read("empty")
    assert "scatter" not in [figure["data"][0]["type"] for figure in page.figures]
    assert "Curves: not drawn; no trial has a score yet (trials: failed); wait for" in page.texts["p"]
    assert "unfinished: nobody runs it" in page.texts["dd"]


def test_a_sweep_of_a_model_that_has_changed_has_what_its_record_says(storage, read):
    path = storage / "first" / FILE
    rows = [row for row, _ in read_rows(path)]
    network = {**rows[0].base["network"], "gone": 1}
    write_rows(path, [rows[0].changed(base={**rows[0].base, "network": network}), *rows[1:]])
    page = read("first")
    assert "The record holds no valid plan: " in page.texts["p"]
    assert "network.gone" in page.texts["p"]
    assert "Score by knob: not drawn; " in page.texts["p"]
    assert f"{OBJECTIVE} by epoch" in page.texts["h3"]
    assert len(page.figures) == 5, "history, time, curves, survival and spend"


def test_a_running_sweep_has_a_report(storage, read):
    journal = Journal(storage / "first" / FILE)
    journal.lock()
    page = read("first")
    assert "running\n" in page.texts["dd"]
    assert " resume " not in page.texts["code"]
    journal.unlock()


def test_a_front_is_drawn_of_several_objectives(storage, read):
    plan = made_plan("two", trials=3, objective=f"{OBJECTIVE},latency_ms", limit=("latency_ms<=8",), scheduler="none")
    journal = made_journal(storage, plan)
    for number, (error, latency) in enumerate([(60.0, 4.0), (50.0, 3.0), (40.0, 9.0)]):
        point = {"optim.lr": 1e-3 * (number + 1)}
        journal.append(TrialRow(trial=number, point=point, config_id=config_id(plan.config(point))))
        journal.append(AttemptRow(trial=number, attempt=1, after_epoch=0))
        journal.append(CostRow(trial=number, costs={"latency_ms": latency}))
        metrics = {OBJECTIVE: error}
        journal.append(EpochRow(trial=number, epoch=1, metrics=metrics, seconds=0.5, lr=1e-3, loss=0.1))
        journal.append(EndRow(trial=number, state="finished", epoch=1, reason=""))
    journal.close("done")
    journal.unlock()
    page = read("two")
    assert "Front" in page.headings
    assert [trace["name"] for trace in page.figures[-2]["data"]] == ["trials", "break a limit", "front"]
    assert "latency_ms 9, limit 8" in page.texts["td"]


def test_a_grown_and_a_forked_sweep_say_so(storage, read):
    journal = Journal(storage / "first" / FILE)
    journal.lock()
    journal.append(ExtendRow(trials=9, epochs=16))
    journal.close("interrupted")
    journal.unlock()
    page = read("first")
    assert "to 9 trials, 16 epochs, " in page.texts["dd"]
    assert "3 of 9" in page.texts["b"]
    fork_journal(storage / "first" / FILE, storage / "second", "second", "an id")
    assert "fork of first" in read("second").texts["dd"]


def test_a_confirmation_shows_means_and_no_knobs(storage, read):
    plan = made_plan("sure", trials=2)
    journal = made_journal(storage, plan)
    book(journal, plan, {"loop.seed": 1}, [50.0])
    book(journal, plan, {"loop.seed": 2}, [52.0])
    journal.unlock()
    path = storage / "sure" / FILE
    rows = [row for row, _ in read_rows(path)]
    origin = {"as": "confirm", "sweep": "first", "id": "x", "trials": "0", "scores": "49.0"}
    rows[0] = rows[0].changed(plan={**rows[0].plan, "recipe": "confirmed"}, origin=origin)
    write_rows(path, rows)
    page = read("sure")
    assert "Knobs" not in page.headings
    assert "Confirmation" in page.headings
    assert "Test scores" not in page.headings
    assert " confirm " not in page.texts["code"]
    assert "50.0" in page.texts["pre"]


def test_a_single_run_has_curves_alone(storage, read):
    made_single(storage)
    page = read("run")
    assert not {"Knobs", "Advice"} & {*page.headings}
    assert [title for title in page.texts["h3"].splitlines() if "by epoch" in title] == [f"{OBJECTIVE} by epoch"]


def made_single(storage):
    plan = made_plan("run", trials=1)
    journal = made_journal(storage, plan)
    book(journal, plan, {}, [50.0, 49.0])
    journal.unlock()
    path = storage / "run" / FILE
    rows = [row for row, _ in read_rows(path)]
    write_rows(path, [rows[0].changed(plan={"objective": OBJECTIVE}, single=True), *rows[1:]])


def test_machines_are_those_of_the_logs(storage, read):
    for number, hosts in enumerate((["alpha", "beta"], ["beta"])):
        write_files(storage / "first", number, ["log.txt"])
        log = storage / "first" / "trials" / f"{number:04d}" / "log.txt"
        text = [
            f"--- trial {number}, attempt {n}, {host}, process 7, 2026-11-30T10:00:00\nepoch\n"
            for n, host in enumerate(hosts)
        ]
        log.write_text("".join(text))
    cells = read("first").texts["td"].splitlines()
    at = cells.index("beta")
    assert cells[at : at + 3] == ["beta", "2", "2"]
    assert cells[at + 3 : at + 6] == ["alpha", "1", "1"]


# --- several


def test_several_sweeps_stand_side_by_side(storage, read):
    placed(storage, "wide", "edge-log")
    placed(storage, "deep", "healthy-two")
    page = read("wide", "deep", "first")
    assert page.headings == ["Best", "Course", "Best configs", "Differences", "Commands"]
    (figure,) = page.figures
    assert [trace["name"] for trace in figure["data"]] == [
        *("wide", "wide (GPU)", "deep", "deep (GPU)", "first", "first (CPU)"),
    ]
    trials, hours = figure["data"][:2]
    assert trials["y"][-1] == hours["y"][-1], "both end at the best"
    assert len(trials["x"]) == 40
    cells = page.texts["td"].splitlines()
    assert "choice [16, 32, 48, 64, 96]" in cells
    assert "sampler" not in cells
    for line in page.texts["code"].splitlines():
        assert taken(shlex.split(line)).storage == storage
    assert "trials" in cells


def test_sweeps_without_a_score_are_compared_all_the_same(storage, read):
    for name in ("a", "b"):
        made_journal(storage, made_plan(name)).unlock()
    page = read("a", "b")
    assert "Course: not drawn; no trial has a score yet, so there is nothing to compare" in page.texts["p"]


# --- the file


def test_wrong_input_is_told_at_once_and_nothing_is_written(storage, capsys):
    answer = partial(answer_of, capsys, VERBS, "report", "--storage", storage)
    (storage.parent / "there.html").write_text("mine")
    code, _, err = answer("frist", "first", "first", "--out", "there.html")
    assert code == BAD_INPUT
    assert "did you mean first?" in err
    assert "first: named 2 times; name each sweep once" in err
    assert "there.html exists; choose another name or add --force" in err
    assert (storage.parent / "there.html").read_text() == "mine"


def test_a_report_replaces_its_file_whole_or_not_at_all(storage, monkeypatch):
    out = storage.parent / "r.html"
    write_report(storage / "first", out)
    before = out.read_bytes()
    assert before.startswith(b"<!DOCTYPE html>")
    write_report(storage / "first" / FILE, out)

    def refuse(*rest):
        raise RuntimeError("no")

    monkeypatch.setattr(reporting, "sections_of_one", refuse)
    with pytest.raises(RuntimeError):
        write_report(storage / "first", out)
    assert out.read_bytes()[:200] == before[:200]
    assert [path.name for path in storage.parent.iterdir() if path.name.startswith(".")] == []


def test_a_notebook_writes_the_same(storage):
    sweep = Sweep(storage / "first")
    out = sweep.report(storage.parent / "n.html")
    assert Read(out.read_text(encoding="utf-8")).headings[0] == "Overview"
