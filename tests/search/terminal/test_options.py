"""`--progress` and `--quiet`, for every verb that trains."""

import argparse

import pytest

from search.__main__ import VERBS
from search.executors.workers.forks import loading_ahead
from search.terminal.modes import LINES, LIVE, MODES, QUIET
from search.terminal.screen import loading

RUNNING = ("launch", "resume", "extend", "fork", "confirm", "submit", "train")


def parsed(verb, *words):
    parser = argparse.ArgumentParser(allow_abbrev=False)
    VERBS[verb].add_options(parser)
    return parser.parse_args(["x", *(["--name", "y"] if verb == "fork" else []), *words])


@pytest.mark.parametrize("verb", RUNNING)
def test_every_verb_that_trains_takes_them(verb, capsys):
    assert parsed(verb).progress is None
    assert [parsed(verb, "--progress", mode).progress for mode in MODES] == [LIVE, LINES, QUIET]
    assert parsed(verb, "--quiet").progress == QUIET
    for wrong in (["--progress", "loud"], ["--quiet", "--progress", "live"]):
        with pytest.raises(SystemExit) as left:
            parsed(verb, *wrong)
        assert left.value.code == 2
    err = capsys.readouterr().err
    assert "invalid choice: 'loud'" in err
    assert "not allowed with argument --quiet" in err


@pytest.mark.parametrize("verb", ["launch", "resume", "extend", "fork", "confirm", "train"])
def test_the_import_of_the_libraries_is_shown_as_it_says(verb):
    assert VERBS[verb].loading is (loading if verb == "train" else loading_ahead)


def test_the_import_is_silent_in_quiet_mode(capsys, monkeypatch):
    monkeypatch.setattr("search.terminal.screen.SOON_S", 0.0)
    with loading(argparse.Namespace(progress=QUIET)):
        pass
    assert capsys.readouterr() == ("", "")
