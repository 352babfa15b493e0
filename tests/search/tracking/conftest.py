"""Journals that are sent, and spools that send them."""

import pytest

from search.record.journal import Journal
from search.tracking import sweep_runs
from search.tracking.spool import Spool
from tests.made.records import (
    OBJECTIVE,
    QUICK,
    URI,
    made_journal,
    made_sweep,
)


@pytest.fixture(autouse=True)
def quick_report(request, monkeypatch):
    """A text in the place of the report of every sweep that ends, which takes a second; for all but `real_report`."""
    if "real_report" not in request.fixturenames:
        monkeypatch.setattr(sweep_runs, "report_on", lambda folder: "report")


@pytest.fixture
def real_report():
    """Reports are made."""


@pytest.fixture
def journal(tmp_path):
    """A sweep that has just begun."""
    journal = made_journal(tmp_path / "s1")
    yield journal
    journal.unlock()


@pytest.fixture
def sweep(tmp_path):
    """The journal of a whole sweep."""
    journal = made_sweep(tmp_path / "s1")
    yield journal
    journal.unlock()


@pytest.fixture
def spools():
    """Starts spools and stops them in the end."""
    started: list[Spool] = []

    def start(journal: Journal, factory) -> Spool:
        spool = Spool(journal.path, factory, OBJECTIVE, URI, QUICK)
        spool.start()
        started.append(spool)
        return spool

    yield start
    for spool in started:
        spool.stop(5.0)
        assert not spool._thread.is_alive()
