"""Where the default store is: in the working directory, for every verb alike."""

import argparse
from pathlib import Path

import pytest

from search.__main__ import VERBS
from search.cli.command import Where
from search.sweep.place import place_of
from tests.made.sweeps import made_journal, made_plan


def asked(verb, *words):
    parser = argparse.ArgumentParser()
    VERBS[verb].add_options(parser)
    return VERBS[verb].check(parser.parse_args(words))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory that is not the repository, with a sweep and a store."""
    monkeypatch.chdir(tmp_path)
    made_journal(Path("mlruns", "sweeps"), made_plan("first")).unlock()
    Path("mlruns", "mlflow.db").touch()
    return tmp_path


def test_a_sweep_and_the_verbs_that_look_at_it_agree(here):
    uri = f"sqlite:///{here}/mlruns/mlflow.db"
    place = place_of(here / "mlruns" / "sweeps" / "first", Where())
    assert (place.tracking_uri, place.artifact_root) == (uri, here / "mlruns" / "artifacts")
    for request in (asked("sync", "first"), asked("ui", "--port", "5999")):
        assert (request.uri, request.artifacts) == (uri, here / "mlruns" / "artifacts")


def test_a_relative_address_counts_from_there_too(here):
    assert place_of(here, Where(tracking_uri="sqlite:///runs.db")).tracking_uri == f"sqlite:///{here}/runs.db"


def test_a_submitted_job_keeps_the_store_of_its_repository(here, monkeypatch):
    monkeypatch.setenv("POSESWEEP_HOME", str(here / "repository"))
    assert place_of(here, Where()).tracking_uri == f"sqlite:///{here}/repository/mlruns/mlflow.db"
