"""`ui` and `sync`: what they show and send, what they refuse, what they leave behind."""

import os
import socket
from functools import partial
from pathlib import Path

import pytest

from search.__main__ import VERBS
from search.cli.results import ui as ui_options
from search.environment.store import environment
from search.record.records import CloseRow
from spaces.cli import BAD_INPUT, FAILED, OK
from tests.made.commands import LINE, run
from tests.made.sweeps import answer_of, book, made_journal, made_plan

# mlflow reads some of its environment while it is imported.
for variable, wanted in environment().items():
    os.environ.setdefault(variable, wanted)

from search.tracking import sync as syncs  # noqa: E402
from search.tracking import ui as ui_verb  # noqa: E402
from search.tracking.memory import MemoryTracker  # noqa: E402
from search.tracking.spool import sync as send  # noqa: E402
from search.tracking.tracker import DeletedExperiment  # noqa: E402


@pytest.fixture
def answer(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return partial(answer_of, capsys, VERBS)


# --- sync


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """A whole sweep `first` of which MLflow has nothing, and a store that takes it at once."""
    tracker = MemoryTracker()
    monkeypatch.setattr(syncs, "named", lambda name: lambda uri, artifacts: tracker)
    monkeypatch.setattr(syncs, "send", partial(send, pause_s=(0.001, 0.001)))
    plan = made_plan("first", trials=1)
    journal = made_journal(tmp_path / "sweeps", plan)
    book(journal, plan, {"optim.lr": 2e-3, "network.layers": 3}, [60.0, 52.0])
    journal.append(CloseRow(reason="done"))
    journal.unlock()
    return tracker


def test_sync_sends_what_mlflow_lacks_and_counts_it(answer, sweep, tmp_path):
    words = ("sync", "first", "--storage", tmp_path / "sweeps", "--tracking-uri", "http://there:5000")
    records = (tmp_path / "sweeps" / "first" / "journal.jsonl").read_text().count("\n")
    code, out, err = answer(*words)
    assert (code, err) == (OK, "")
    assert f"{records} records sent to MLflow at http://there:5000, 0 kept" in out
    assert sweep.runs
    assert "0 records sent" in answer(*words)[1]


def test_sync_to_a_server_that_does_not_answer_keeps_everything_and_fails(answer, sweep, tmp_path, monkeypatch):
    def nobody(uri, artifacts):
        raise ConnectionError("nobody at http://me:secret@there:5000")

    monkeypatch.setattr(syncs, "named", lambda name: nobody)
    code, out, err = answer("sync", "first", "--storage", tmp_path / "sweeps", "--tracking-uri", "http://there:5000")
    assert code == FAILED
    assert "0 records sent" in out
    refused, line = err.splitlines()
    assert refused.endswith("nobody at http://me:***@there:5000")
    assert line.startswith("once it does, send them: python -m search sync first --storage ")
    monkeypatch.setattr(syncs, "named", lambda name: lambda uri, artifacts: sweep)
    assert answer("sync", "first", "--storage", tmp_path / "sweeps", "--tracking-uri", "http://there:5000")[0] == OK


def test_sync_restores_a_deleted_experiment_and_sends(answer, sweep, tmp_path, monkeypatch):
    words = ("sync", "first", "--storage", tmp_path / "sweeps", "--tracking-uri", "http://there:5000")
    deleted = ["graformer"]

    class Bin(MemoryTracker):
        def find_runs(self, experiment, key):
            if experiment in deleted:
                raise DeletedExperiment(experiment)
            return super().find_runs(experiment, key)

        def restore(self, experiment):
            if experiment not in deleted:
                return False
            deleted.remove(experiment)
            return True

    tracker = Bin()
    monkeypatch.setattr(syncs, "named", lambda name: lambda uri, artifacts: tracker)
    code, _, err = answer(*words)
    refused, line = err.splitlines()
    assert (code, "MLflow experiment graformer: is deleted and takes no runs" in refused) == (FAILED, True)
    assert line.startswith("to restore the experiment and send them: python -m search sync first --storage ")
    assert line.endswith(" --restore")
    code, out, err = answer(*words, "--restore")
    assert (code, err) == (OK, "")
    assert out.startswith("restored experiment graformer in MLflow at http://there:5000\n")
    assert tracker.runs
    assert "restored" not in answer(*words, "--restore")[1]


def test_a_store_that_refuses_to_restore_is_told(answer, sweep, tmp_path, monkeypatch):
    def nobody(uri, artifacts):
        raise ConnectionError("nobody\nat http://me:secret@there:5000")

    monkeypatch.setattr(syncs, "named", lambda name: nobody)
    words = ("sync", "first", "--storage", tmp_path / "sweeps", "--tracking-uri", "http://there:5000", "--restore")
    code, _, err = answer(*words)
    assert code == FAILED
    assert err.startswith("MLflow does not restore it: ConnectionError: nobody at http://me:***@there:5000; once ")
    assert err.endswith(" --restore\n")


def test_sync_to_a_store_that_cannot_be_written_is_refused(answer, sweep, tmp_path):
    (tmp_path / "folder.db").mkdir()
    words = ("sync", "first", "--storage", tmp_path / "sweeps", "--tracking-uri", f"sqlite:///{tmp_path}/folder.db")
    code, out, err = answer(*words)
    assert (code, out) == (BAD_INPUT, "")
    assert "folder.db is no file" in err


def test_sync_of_an_unknown_sweep_offers_the_nearest(answer, sweep, tmp_path):
    code, _, err = answer("sync", "frist", "--storage", tmp_path / "sweeps")
    assert (code, "did you mean first?" in err) == (BAD_INPUT, True)


# --- ui


@pytest.fixture
def taken_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_port_in_use_is_told_with_the_next_free_one(answer, taken_port):
    code, out, err = answer("ui", "--port", taken_port, "--tracking-uri", "http://there:5000")
    assert (code, out) == (BAD_INPUT, "")
    assert f"--port {taken_port} is in use on 127.0.0.1; the next free one: --port " in err
    free = int(err.rsplit(" ", 1)[1])
    assert free > taken_port
    assert ui_options._is_free("127.0.0.1", free)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--port", "http"], "--port http: give a number from 1 to 65535"),
        (["--port", "70000"], "--port 70000: give a number"),
        (["--host", "0.0.0.0"], "--host 0.0.0.0 is for --serve"),
        (
            ["--tracking-uri", "sqlite:////nowhere/x.db"],
            "there is no store at /nowhere/x.db yet; the first sweep makes it",
        ),
        (["--tracking-uri", "mlruns"], "is a folder of plain files"),
        (["--serve", "--host", "192.0.2.77"], "this machine cannot listen there"),
        (["--allowed-host", "*"], "--allowed-host '*': give one host name, without port"),
        (["--allowed-host", "http://box"], "--allowed-host 'http://box': give one host name"),
        (["--allowed-host", "a,*"], "--allowed-host 'a,*': give one host name"),
        (["--allowed-host", ""], "--allowed-host '': give one host name"),
    ],
)
def test_a_ui_that_cannot_be_is_answered_with_2(answer, words, text):
    code, out, err = answer("ui", *words)
    assert (code, out) == (BAD_INPUT, "")
    assert text in err


def _request(host="127.0.0.1", names=()):
    return ui_options.UiRequest(
        uri="sqlite:////x.db", artifacts=Path("/x"), host=host, port=5001, is_shared=True, names=names
    )


@pytest.mark.parametrize(
    ("host", "names", "good", "bad"),
    [
        ("127.0.0.1", (), ["localhost:5001", "127.0.0.1:9", "localhost"], ["box:5001", "10.0.0.1:5001", "evil.com"]),
        ("127.0.0.1", ("box", "box.lab"), ["box:5001", "box", "box.lab:80"], ["boxx:5001", "a.box", "box.evil.com"]),
        ("10.0.0.7", (), ["10.0.0.7:5001"], ["10.0.0.8:5001", "10.evil.com"]),
        ("0.0.0.0", ("box",), ["10.0.0.8:5001", "192.168.1.1:5001", "172.20.0.1:5001", "box:5001"], ["evil.com"]),
    ],
)
def test_the_server_answers_to_its_own_names_and_those_that_are_allowed(monkeypatch, host, names, good, bad):
    from mlflow.server import security_utils

    for name, text in ui_verb.host_variables(_request(host, names)).items():
        monkeypatch.setenv(name, text)
    allowed, origins = security_utils.get_allowed_hosts_from_env(), security_utils.get_allowed_origins_from_env()
    assert [name for name in good if not security_utils.is_allowed_host_header(allowed, name)] == []
    assert [name for name in bad if security_utils.is_allowed_host_header(allowed, name)] == []
    for name in names:
        assert not security_utils.should_block_cors_request(f"http://{name}:5001", "POST", origins)
    assert security_utils.should_block_cors_request("http://evil.com:5001", "POST", origins)


def test_what_the_user_allows_is_kept(monkeypatch):
    monkeypatch.setenv("MLFLOW_SERVER_ALLOWED_HOSTS", "mine:*")
    assert ui_verb.host_variables(_request())["MLFLOW_SERVER_ALLOWED_HOSTS"].startswith("mine:*,localhost,")


def test_a_server_for_other_machines_is_warned_about():
    assert _request("127.0.0.1").is_private
    assert not _request("10.0.0.7").is_private
    assert "listens on 0.0.0.0, not only for this machine, and asks no passwords" in ui_verb._warning(
        _request("0.0.0.0")
    )


def test_a_server_has_a_ui_of_its_own(answer):
    code, out, _ = answer("ui", "--port", _free_port(), "--tracking-uri", "http://me:secret@there:5000")
    assert (code, out) == (OK, "the store in use is a server with a UI of its own: http://me:***@there:5000\n")


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_server_that_does_not_start_shows_its_last_words(tmp_path):
    (tmp_path / "mlflow.db").write_text("this is no database")
    line = [*LINE, "ui", "--port", str(_free_port()), "--tracking-uri", f"sqlite:///{tmp_path}/mlflow.db"]
    done = run(line)
    assert done.returncode == FAILED
    assert "MLflow did not start" in done.stderr
    assert "file is not a database" in done.stderr
