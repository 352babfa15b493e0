"""How `train` ends: the result before Ray closes; what the machine stops is one line and the command that goes on; a
mistake in the code keeps its traceback. And what it shows until then."""

import errno
import shlex
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest

from search.cli.command import Where
from search.cli.runs.train import RayTrainRequest
from search.executors.group import _Book
from search.record.journal import FILE, Journal
from search.sweep import train
from search.sweep.place import Place
from search.terminal.modes import LINES, QUIET
from search.terminal.screen import Screen
from spaces.cli import FAILED, INTERRUPTED, OK
from tests.made.small import tiny_config, write_tiny
from tests.made.sweeps import OBJECTIVE, row
from tests.search.sweep.conftest import Quiet
from trainables.cli.train import TrainRequest


@pytest.fixture
def request_and_place(tmp_path):
    folder = tmp_path / "two words"
    run = SimpleNamespace(config=tiny_config(tmp_path / "store"), out=folder, init=None, resume=None)
    request = SimpleNamespace(run=run, workers=1, cpus=1.0, gpus=None, words=("--workers", 2), where=Where())
    where = Where(tracking_uri="http://there:5000")
    return request, Place(folder=folder, tracking_uri="http://there:5000", artifact_root=tmp_path, where=where)


def reason_of(request_and_place, monkeypatch, error):
    @contextmanager
    def session(address, wish, *rest, **named):
        raise error
        yield

    monkeypatch.setattr(train, "ray_session", session)
    request, place = request_and_place
    return train._train(request, place, place.folder / "journal.jsonl", Screen(QUIET), print).reason


def test_what_the_machine_refuses_is_one_line(request_and_place, monkeypatch):
    full = OSError(errno.ENOSPC, "No space left on device")
    assert reason_of(request_and_place, monkeypatch, full) == "no space left on device"
    assert "Traceback" in reason_of(request_and_place, monkeypatch, KeyError("a mistake"))


def test_a_stopped_run_names_the_command_that_goes_on(request_and_place, capsys):
    request, place = request_and_place
    trial = SimpleNamespace(state="running")
    code = train._conclude_run(request, trial, "no space left on device", place, ["MLflow has not taken 3 records"])
    out, err = capsys.readouterr()
    unsent, stopped, line = err.splitlines()
    assert (code, out) == (FAILED, "")
    assert (unsent, stopped) == ("MLflow has not taken 3 records", "the run stopped: no space left on device")
    words = shlex.split(line.partition("go on with: ")[2])
    assert words[:4] == ["python", "-m", "search", "train"]
    held, places = str(place.folder / "config.yaml"), ["--tracking-uri", "http://there:5000"]
    assert words[4:] == [held, *places, "--workers", "2", "--out", str(place.folder)]


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Types `train` for a config whose worker records these rows and then raises this; `trained.spool` is its spool,
    and `trained.closing` is called where Ray would be closed."""
    config = tiny_config(write_tiny(tmp_path / "store"), loop__epochs=2)
    run = TrainRequest(config=config, out=tmp_path / "run", resume=None, init=None)
    where = Where(tracking_uri="http://there:5000")

    @contextmanager
    def session(address, wish, *rest, **named):
        yield wish.demand(has_gpus=False), 1, None
        answer.closing()

    def answer(rows, *, error=None, progress=LINES, spool=None):
        answer.spool = spool or Quiet()

        def group(request, journal, demand):
            book = _Book(journal)
            book.begin([])
            for one in rows:
                book._journal.append(one)
            book.finish(2) if error is None else book._journal.unlock()
            if error is not None:
                raise error

        monkeypatch.setattr(train, "train_group", group)
        monkeypatch.setattr(train, "spool_of", lambda *values: answer.spool)
        request = RayTrainRequest(run=run, workers=1, cpus=1.0, gpus=None, where=where, progress=progress)
        return train.train(request)

    answer.closing, answer.journal = lambda: None, run.out / FILE
    monkeypatch.setattr(train, "ray_session", session)
    monkeypatch.setattr(train, "watched", lambda last_words: nullcontext())
    return answer


EPOCHS = (row(0, 1, 50.0), row(0, 2, 60.0))


@pytest.mark.parametrize("progress", [LINES, QUIET])
def test_the_result_of_a_run_is_there_before_ray_closes(trained, capsys, progress):
    seen = []
    trained.closing = lambda: seen.append((capsys.readouterr(), [*trained.spool.calls]))
    assert trained(EPOCHS, progress=progress, spool=Quiet(3)) == OK
    (((out, err), calls),) = seen
    *shown, best, line = out.splitlines()
    assert best.startswith(f"best: {OBJECTIVE} 50.00 at epoch 1, ")
    assert line.startswith("score it: python -m search evaluate ")
    assert (err, calls) == ("", ["start", "finish"])
    out, err = capsys.readouterr()
    lacks, line = err.splitlines()
    assert (out, lacks.endswith("has not taken 3 records (OSError: disk I/O error); they are kept")) == ("", True)
    assert "python -m search sync run " in line
    assert Journal(trained.journal).close_reason == "done"
    if progress == QUIET:
        assert shown == []
    else:
        assert sum("config " in one and "MLflow at http://there:5000" in one for one in shown) == 1
        assert [one.partition("epoch ")[2][:7] for one in shown if " epoch " in one] == ["1: loss", "2: loss"]


def test_a_finished_run_says_so_and_nothing_else(trained, capsys):
    assert trained(EPOCHS, progress=QUIET) == OK
    capsys.readouterr()
    assert trained((), progress=QUIET) == OK
    (line,) = capsys.readouterr().out.splitlines()
    assert "holds the finished run: best weights in " in line


@pytest.mark.parametrize("where", ["closing Ray", "waiting for MLflow"])
@pytest.mark.parametrize(("error", "lacks"), [(None, 3), (None, 0), (KeyboardInterrupt(), 3)])
def test_ctrl_c_behind_the_result_of_a_run(trained, capsys, where, error, lacks):
    def cut():
        raise KeyboardInterrupt

    is_late = where == "waiting for MLflow" or error is not None  # of an interrupted run Ray is closed by then
    trained.closing = (lambda: None) if is_late else cut
    assert trained(EPOCHS[:1] if error else EPOCHS, error=error, spool=Quiet(lacks, cut=is_late)) == INTERRUPTED
    out, err = capsys.readouterr()
    assert ("search sync run" in err) == bool(lacks)
    last = out.splitlines()[-1]
    assert last.startswith(
        "score it: " if error is None and lacks else "interrupted; go on with: python -m search train "
    )
    assert Journal(trained.journal).close_reason == ("interrupted" if error else "done")
