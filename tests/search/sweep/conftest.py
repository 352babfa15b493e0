"""A storage folder with a sweep that has ended, and what the command line says of it."""

import argparse
from functools import partial

import pytest

from search.__main__ import VERBS
from search.sweep import requests
from tests.made.sweeps import answer_of, book, made_journal, made_plan, write_files


class Quiet:
    """A spool that sends nothing. `lacks`: how many records MLflow lacks for ever; `cut`: the first wait for it is
    interrupted; `calls`: what it was told."""

    problems = ()
    is_deleted = False

    def __init__(self, lacks=0, *, cut=False):
        self.lacks, self.cut, self.calls = lacks, cut, []
        self.trouble = "OSError: disk I/O error" if lacks else ""

    @property
    def is_running(self):
        return self.calls == ["start"]

    def start(self, rests_s=0.0):
        self.calls.append("start")

    def finish(self, timeout_s):
        self.calls.append("finish")

    def stop(self, timeout_s):
        self.calls.append("stop")
        if self.cut and timeout_s:
            raise KeyboardInterrupt

    def pending(self):
        return self.lacks


@pytest.fixture
def answer(capsys):
    return partial(answer_of, capsys, VERBS)


@pytest.fixture
def storage(tmp_path, monkeypatch):
    """A storage folder with the finished sweep `first` of two trials, whose files are there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(requests, "settle", lambda spool, place: [])
    monkeypatch.setattr(requests, "spool_of", lambda *rest: argparse.Namespace(start=lambda: None))
    plan = made_plan("first", trials=2, scheduler="none")
    journal = made_journal(tmp_path / "sweeps", plan)
    for number, lr in enumerate((1e-3, 2e-3)):
        book(journal, plan, {"optim.lr": lr}, [50.0 + number] * 8)
        write_files(journal.path.parent, number)
    journal.close("done")
    journal.unlock()
    return tmp_path / "sweeps"
