"""Sweeps as studies of Optuna's: states, values, curves, what a resume makes of them, and the dashboard over them."""

import io
import json
import os
import socket
import sys
import threading
import time
import urllib.error
import urllib.request

import optuna
import pytest

from search.__main__ import VERBS
from search.cli.results import ui
from search.record.journal import FILE, Journal
from search.record.records import AttemptRow, CloseRow, CostRow, EndRow, ExtendRow, OpenRow, TrialRow
from search.tracking.studies import writer
from search.tracking.studies.terms import shown_distribution, shown_value
from search.tracking.studies.writer import Follower, StudyWriter, refresh, study_lock
from spaces.cli import BAD_INPUT
from spaces.domains import Choice, Float, Grid, Int, Normal
from spaces.schema import config_id
from tests.made.advice.read import recorded_lines
from tests.made.sweeps import OBJECTIVE, answer_of, book, made_journal, made_plan, row

STATES = optuna.trial.TrialState
POINT = {"optim.lr": 2e-3, "network.layers": 3}


@pytest.fixture
def plan():
    return made_plan("first", trials=6)


@pytest.fixture
def journal(tmp_path, plan):
    journal = made_journal(tmp_path, plan)
    yield journal
    journal.unlock()


def study_of(file, name="first"):
    backend = optuna.storages.journal.JournalFileBackend(str(file))
    return optuna.load_study(study_name=name, storage=optuna.storages.JournalStorage(backend))


def add(journal, plan, number, scores, state, reason=""):
    book(journal, plan, {"optim.lr": 1e-3 + number * 1e-4, "network.layers": 3}, scores, state, reason)


def test_a_recorded_sweep_is_a_study_with_its_best_and_its_curves(tmp_path):
    path = tmp_path / "recorded" / FILE
    path.parent.mkdir()
    path.write_bytes(b"".join(recorded_lines("edge-choice")))
    study, journal = study_of(refresh(path), "recorded"), Journal(path)
    best = journal.state.best()
    assert (study.best_trial.number, study.best_value) == (best.number, best.own_score)
    assert len(study.trials) == len(journal.trials) == 32
    for made, trial in zip(study.trials, journal.trials.values(), strict=True):
        assert made.intermediate_values == trial.scores(OBJECTIVE)
        assert made.params["optim.lr"] == trial.point["optim.lr"]
        assert made.params["network.width"] == trial.point["network.width"]
        assert made.state.is_finished()
        assert made.datetime_start <= made.datetime_complete
        assert made.user_attrs["state"] == trial.state
    assert study.metric_names == [OBJECTIVE]
    assert study.user_attrs["sweep_id"] == journal.sweep.id


def test_every_state_is_shown_as_what_is_nearest(journal, plan):
    ends = ("finished", "pruned", "diverged", "failed", "stopped", "paused", "lost", "running", "waiting")
    for number, state in enumerate(ends):
        add(journal, plan, number, [60.0, 50.0], state, "RuntimeError: x\nout of memory" if state == "failed" else "")
    study = study_of(refresh(journal.path))
    found = {state: trial.state for state, trial in zip(ends, study.trials, strict=True)}
    assert found == {
        "finished": STATES.COMPLETE,
        "pruned": STATES.PRUNED,
        "diverged": STATES.PRUNED,
        "failed": STATES.FAIL,
        "stopped": STATES.PRUNED,
        "paused": STATES.WAITING,
        "lost": STATES.WAITING,
        "running": STATES.RUNNING,
        "waiting": STATES.WAITING,
    }
    assert study.trials[3].user_attrs["reason"] == "out of memory"
    assert study.trials[0].value == 50.0
    journal.append(CloseRow(reason="done"))
    closed = study_of(refresh(journal.path)).trials
    assert (closed[5].state, closed[7].state) == (STATES.PRUNED, STATES.WAITING)


def test_what_is_appended_record_by_record_is_what_is_written_at_once(journal, plan):
    follower = Follower(journal.path)
    follower.advance()
    for number, state in enumerate(("finished", "failed", "pruned", "paused", "diverged")):
        add(journal, plan, number, [60.0 - number, 50.0 - number], state)
        follower.advance()
    journal.append(AttemptRow(trial=3, attempt=2, after_epoch=2))
    journal.append(row(3, 3, 40.0))
    follower.advance()
    assert study_of(journal.path.with_name(writer.STUDY)).trials[3].state is STATES.RUNNING
    journal.append(EndRow(trial=3, state="finished", epoch=3, reason=""))
    journal.append(CloseRow(reason="done", best=3))
    assert follower.advance()
    assert not follower.advance()
    appended = study_of(journal.path.with_name(writer.STUDY)).trials
    at_once = study_of(refresh(journal.path)).trials

    def facts(trial):
        return trial.state, trial.values, trial.params, trial.intermediate_values, trial.user_attrs, trial.number

    assert list(map(facts, appended)) == list(map(facts, at_once))
    assert study_of(journal.path.with_name(writer.STUDY)).best_value == 40.0


def test_a_trial_that_goes_on_after_its_end_has_the_file_begun_anew(journal, plan):
    add(journal, plan, 0, [60.0], "finished")
    assert study_of(refresh(journal.path)).trials[0].state is STATES.COMPLETE
    follower = Follower(journal.path)
    follower.advance()
    journal.append(OpenRow())
    journal.append(ExtendRow(epochs=20, again=(0,)))
    journal.append(AttemptRow(trial=0, attempt=2, after_epoch=1))
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        follower.advance()
    Follower(journal.path).advance()
    assert study_of(journal.path.with_name(writer.STUDY)).trials[0].state is STATES.RUNNING


def test_several_objectives_are_several_directions(tmp_path):
    plan = made_plan("first", trials=3, objective=f"{OBJECTIVE},latency_ms")
    journal = made_journal(tmp_path, plan)
    for number, state in enumerate(("finished", "pruned")):
        journal.append(TrialRow(trial=number, point=POINT, config_id=config_id(plan.config(POINT))))
        journal.append(AttemptRow(trial=number, attempt=1, after_epoch=0))
        journal.append(CostRow(trial=number, costs={"latency_ms": 4.0}))
        journal.append(row(number, 1, 50.0))
        journal.append(EndRow(trial=number, state=state, epoch=1, reason=""))
    journal.unlock()
    study = study_of(refresh(journal.path))
    assert study.metric_names == [OBJECTIVE, "latency_ms"]
    assert [trial.state for trial in study.trials] == [STATES.COMPLETE, STATES.PRUNED]
    assert study.trials[0].values == [50.0, 4.0]


@pytest.mark.parametrize(
    ("domain", "value", "shown"),
    [
        (Choice((16, 32)), 32, 32),
        (Choice(("a", None)), None, None),
        (Choice(((1, 2), (3,))), (3,), "[3]"),
        (Choice((True, 1)), True, "true"),
        (Grid((1, 2, 8)), 8, 8),
        (Float(0.1, 0.9, False), 0.25, 0.25),
        (Float(0.1, 0.9, False), 3.0, 0.9),
        (Float(1e-4, 1e-2, True), 1e-3, 1e-3),
        (Int(1, 9, 2, False), 3, 3),
        (Int(1, 9, 1, True), 4, 4),
        (Normal(0.0, 1.0, -3.0, 3.0), 0.5, 0.5),
    ],
)
def test_a_value_is_shown_as_it_is(domain, value, shown):
    assert shown_value(domain, value) == shown
    assert shown_distribution(domain)._contains(shown_distribution(domain).to_internal_repr(shown))


def test_the_writer_follows_a_sweep_in_the_background_and_ends_with_it(journal, plan, monkeypatch):
    monkeypatch.setattr(writer, "POLL_S", 0.01)
    made = StudyWriter(journal.path)
    made.start()
    add(journal, plan, 0, [60.0], "finished")
    deadline = time.monotonic() + 20
    while not journal.path.with_name(writer.STUDY).exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with study_lock(journal.path) as is_ours:
        assert not is_ours  # so that nobody else writes meanwhile
    add(journal, plan, 1, [50.0], "finished")
    journal.append(CloseRow(reason="done", best=1))
    made.stop(20.0)
    assert not made._thread.is_alive()
    assert study_of(journal.path.with_name(writer.STUDY)).best_value == 50.0
    with study_lock(journal.path) as is_ours:
        assert is_ours


def test_a_disk_that_takes_nothing_delays_nobody_and_once_it_does_the_file_is_whole(journal, plan, monkeypatch):
    monkeypatch.setattr(writer, "POLL_S", 0.01)
    tried, write_text = threading.Event(), writer.write_text

    def full(path, text):
        tried.set()
        raise OSError("no space left on device")

    monkeypatch.setattr(writer, "write_text", full)
    made = StudyWriter(journal.path)
    made.start()
    assert tried.wait(20)
    add(journal, plan, 0, [60.0], "finished")
    monkeypatch.setattr(writer, "write_text", write_text)
    made.stop(20.0)
    assert study_of(journal.path.with_name(writer.STUDY)).best_value == 60.0


def test_stop_does_not_wait_for_a_disk_that_hangs(journal, monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(writer, "write_text", lambda path, text: gate.wait(60))
    made = StudyWriter(journal.path)
    made.start()
    began = time.monotonic()
    made.stop(0.05)
    assert time.monotonic() - began < 5
    gate.set()


def test_a_torn_or_foreign_file_is_written_anew(journal, plan):
    add(journal, plan, 0, [60.0], "finished")
    journal.path.with_name(writer.STUDY).write_text('{"op_code": 0, "wor')
    assert study_of(refresh(journal.path)).best_value == 60.0


def test_optunas_dashboard_shows_the_study(journal, plan):
    dashboard = pytest.importorskip("optuna_dashboard")
    for number, score in enumerate((60.0, 50.0, 55.0)):
        add(journal, plan, number, [score + 1, score], "finished")
    storage = study_of(refresh(journal.path))._storage
    app = dashboard.wsgi(storage)

    def asked(path):
        told = []
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO()}
        environ |= {"SERVER_NAME": "x", "SERVER_PORT": "80", "wsgi.url_scheme": "http", "QUERY_STRING": "after=0"}
        body = b"".join(app(environ, lambda status, headers, *more: told.append(status)))
        assert told == ["200 OK"], body
        return json.loads(body)

    (summary,) = asked("/api/studies")["study_summaries"]
    assert summary["study_name"] == "first"
    shown = asked(f"/api/studies/{summary['study_id']}")
    assert [trial["values"] for trial in shown["trials"]] == [[60.0], [50.0], [55.0]]
    assert shown["best_trials"][0]["number"] == 1
    assert asked(f"/api/studies/{summary['study_id']}/param_importances")


def test_the_dashboard_answers_to_its_own_names_alone_and_opens_a_file_that_was_begun_anew(journal, plan):
    dashboard = pytest.importorskip("search.tracking.studies.dashboard")
    add(journal, plan, 0, [60.0], "finished")
    file = refresh(journal.path)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def asked(**headers):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/api/studies/0?after=0", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status, len(json.loads(reply.read())["trials"])
        except urllib.error.HTTPError as error:
            return error.code, 0

    with dashboard.served(file, ["127.0.0.1", "localhost"], "127.0.0.1", port) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            assert asked() == (200, 1)
            assert asked(Host="evil.com:8080")[0] == 403
            assert asked(Origin="http://evil.com")[0] == 403
            add(journal, plan, 1, [50.0], "finished")
            number = os.stat(file).st_ino
            assert os.stat(refresh(journal.path)).st_ino != number
            assert asked(Host="localhost:1", Origin=f"http://127.0.0.1:{port}") == (200, 2)
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--optuna"], "--optuna shows one sweep: give its NAME"),
        (["first", "--optuna", "--serve"], "--serve is for MLflow; --optuna is for this machine alone"),
        (["frist", "--optuna"], "did you mean first?"),
    ],
)
def test_a_dashboard_that_cannot_be_is_answered_with_2(capsys, journal, words, text):
    code, out, err = answer_of(capsys, VERBS, "ui", *words, "--storage", journal.path.parents[1], "--port", 1)
    assert (code, out) == (BAD_INPUT, "")
    assert text in err


def test_a_dashboard_that_is_not_installed_is_told_with_the_line_that_installs_it(capsys, journal, monkeypatch):
    monkeypatch.setattr(ui.importlib.util, "find_spec", lambda name: None)
    code, _, err = answer_of(capsys, VERBS, "ui", "first", "--optuna", "--storage", journal.path.parents[1])
    assert code == BAD_INPUT
    assert f"install it: {sys.executable} -m pip install optuna-dashboard==0.21.0" in err
