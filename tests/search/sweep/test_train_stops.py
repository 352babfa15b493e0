"""`train` that the machine stops: one line and the command that goes on; a mistake in the code keeps its traceback."""

import errno
import shlex
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from search.cli.command import Where
from search.sweep import train
from search.sweep.place import Place
from spaces.cli import FAILED
from tests.made.small import tiny_config


@pytest.fixture
def request_and_place(tmp_path):
    folder = tmp_path / "two words"
    run = SimpleNamespace(config=tiny_config(tmp_path / "store"), out=folder, init=None, resume=None)
    request = SimpleNamespace(run=run, workers=1, cpus=1.0, gpus=None, words=("--workers", 2), where=Where())
    where = Where(tracking_uri="http://there:5000")
    return request, Place(folder=folder, tracking_uri="http://there:5000", artifact_root=tmp_path, where=where)


def reason_of(request_and_place, monkeypatch, error):
    @contextmanager
    def session(address, wish):
        raise error
        yield

    monkeypatch.setattr(train, "ray_session", session)
    request, place = request_and_place
    return train._train(request, place, place.folder / "journal.jsonl")[0]


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
