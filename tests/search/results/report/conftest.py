"""Fixtures of the tests of reports."""

import pytest

from search.__main__ import VERBS
from search.results.report import report as reporting
from search.results.report import scoring
from search.results.report.report import write_report
from spaces.cli import OK
from tests.made.sweeps import answer_of
from tests.search.results.report.pages import Read, made_first
from tests.search.results.report.weighty import weighty_sweep


@pytest.fixture(autouse=True)
def no_library(request, monkeypatch):
    """Leaves plotly.js out, of which a test that wants it says so: its 5 MB are the same in every report."""
    if "with_library" not in request.fixturenames:
        monkeypatch.setattr(reporting, "library", lambda: "0")


@pytest.fixture
def with_library():
    """Marks a test that wants the whole page."""


@pytest.fixture
def storage(tmp_path, monkeypatch):
    """A storage folder in a working directory of its own, with the sweep `first`: recipe, pruned and best trial."""
    monkeypatch.chdir(tmp_path)
    made_first(tmp_path / "sweeps").unlock()
    return tmp_path / "sweeps"


@pytest.fixture
def read(storage, capsys):
    """Writes a report by the command line and reads it."""

    def read(*names):
        code, out, err = answer_of(capsys, VERBS, "report", *names, "--storage", storage, "--out", "r.html", "--force")
        assert (code, err) == (OK, ""), err
        assert out.startswith(f"report of {', '.join(names)} -> r.html (")
        return Read((storage.parent / "r.html").read_text(encoding="utf-8"))

    return read


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a sweep that has failed, diverged and running trials, too, and its report."""
    folder = tmp_path_factory.mktemp("whole")
    made_first(folder, is_whole=True).unlock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reporting, "library", lambda: "0")
        write_report(folder / "first", folder / "r.html")
    return folder / "first", (folder / "r.html").read_text(encoding="utf-8")


# --- what can be scored


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory of its own; returns where sweeps and where data go."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store").mkdir()
    return tmp_path / "sweeps", tmp_path / "store"


@pytest.fixture
def sweep(place):
    """The sweep `first`, which can be scored."""
    return weighty_sweep(*place)


@pytest.fixture
def say(place, capsys):
    """Writes the report of sweeps by the command line; returns what was printed, and the page."""

    def say(*words):
        code, out, err = answer_of(capsys, VERBS, "report", *words, "--storage", place[0], "--out", "r.html", "--force")
        assert (code, err) == (OK, "")
        return out, Read((place[0].parent / "r.html").read_text(encoding="utf-8"))

    return say


@pytest.fixture
def never(monkeypatch):
    """Makes it an error to score."""

    def fail(*rest):
        raise AssertionError("scored")

    def forbid():
        monkeypatch.setattr(scoring, "score_sides", fail)

    return forbid
