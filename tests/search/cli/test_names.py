"""Names of sweeps stay within the storage folder, for every verb that takes one."""

from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from search.__main__ import VERBS
from search.environment.store import redacted
from search.record.journal import sweeps
from spaces.cli import BAD_INPUT, OK, main
from spaces.schema import dump
from tests.made.sweeps import answer_of, book, files_below, made_journal, made_plan
from tests.search.cli.test_printed import taken


@pytest.fixture
def answer(capsys):
    return partial(answer_of, capsys, VERBS)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with the storage folder `in`, which has the sweep `kept`, and beside it `out`, with another;
    of the links in the storage folder one leads to its own sweep, the others out of it."""
    monkeypatch.chdir(tmp_path)
    for storage, name in (("in", "kept"), ("out", "other")):
        plan = made_plan(name)
        journal = made_journal(Path(storage), plan)
        book(journal, plan, {"optim.lr": 1e-3}, [50.0] * 8)
        journal.unlock()
    Path("in", "linked").symlink_to(Path("..", "out", "other"))
    Path("in", "same").symlink_to("kept")
    Path("free").mkdir()
    Path("in", "vacant").symlink_to(Path("..", "free"))
    Path("in", "dangling").symlink_to("nowhere")
    Path("c.yaml").write_text(dump(made_plan().base), encoding="utf-8")
    return tmp_path


def outside(here):
    return [
        "..",
        ".",
        "",
        "../out/other",
        str(here / "out" / "other"),
        "kept/../kept",
        "kept/",
        "a\0b",
        "a\nb",
        "\x1b[2J",
        "\x7f",
    ]


MORE = {
    "export": ["--out", "b.yaml"],
    "extend": ["--trials", "9"],
    "fork": ["--name", "new"],
    "stop": ["--trial", "0"],
}


@pytest.mark.parametrize("verb", ["show", "export", "resume", "extend", "fork", "stop", "delete", "sync"])
def test_a_name_that_leads_out_of_the_storage_folder_is_refused(here, answer, verb):
    before = files_below(here)
    more = MORE.get(verb, [])
    for name in [*outside(here), "linked"]:
        code, out, err = answer(verb, "--storage", "in", *more, "--", name)
        assert (code, out) == (BAD_INPUT, ""), name
        assert err.startswith("sweep '"), err
        assert ("without '/'" in err) != (name == "linked"), err
        assert err.count("\n") == 1, err
        assert err.rstrip("\n").isprintable(), err
    assert files_below(here) == before


@pytest.mark.parametrize(
    "line", ["launch graformer --recipe small", "submit graformer --recipe small", "confirm c.yaml"]
)
def test_a_new_sweep_outside_the_storage_folder_is_refused(here, answer, line):
    before = files_below(here)
    for name in [*outside(here), "-x", "a b"]:
        if not name:
            continue  # as if no name were given
        code, out, err = answer(*line.split(), "--storage", "in", f"--name={name}")
        assert (code, out) == (BAD_INPUT, ""), name
        assert "a letter or digit first" in err
        assert err.rstrip("\n").isprintable(), err
    for name in ("vacant", "dangling", "linked"):
        code, _, err = answer(*line.split(), "--storage", "in", f"--name={name}")
        assert (code, f"in/{name} is a link; choose another name" in err) == (BAD_INPUT, True), err
    assert files_below(here) == before


def test_a_link_within_the_storage_folder_is_a_name_like_others(here):
    taken(["python", "-m", "search", "show", "same", "--storage", "in"])


def test_only_sweeps_of_the_storage_folder_are_listed(here, answer):
    assert {folder.name for folder in sweeps(Path("in"))} == {"kept", "same"}
    code, out, _ = answer("list", "--storage", "in")
    assert code == OK
    assert "other" not in out


@pytest.mark.parametrize("words", [["train", "c.yaml", "--out", "a\0b"], ["train", "c.yaml", "--out", "a\nb"]])
def test_an_output_folder_with_control_characters_is_refused(here, answer, words):
    code, out, err = answer(*words)
    assert (code, out) == (BAD_INPUT, "")
    assert "holds a control character" in err


@pytest.mark.parametrize("storage", ["a\0b", "a\nb", ""])
@pytest.mark.parametrize("line", ["show x", "list", "launch graformer --recipe small", "sync x"])
def test_a_storage_folder_with_control_characters_is_refused(here, answer, line, storage):
    code, out, err = answer(*line.split(), "--storage", storage)
    assert (code, out) == (BAD_INPUT, "")
    assert "is no folder; give one without control characters" in err


def test_a_storage_uri_with_a_password_is_refused_as_the_record_would_show_it(here, answer):
    before = files_below(here)
    code, out, err = answer(
        "launch", "graformer", "--recipe", "small", "--storage", "in", "--storage", "ftp://me:hush@lab/x"
    )
    assert (code, out) == (BAD_INPUT, "")
    assert "--storage ftp://me:***@lab/x: a password or token in it would stand in the sweep's record" in err
    assert "FSSPEC_FTP=" in err
    assert "hush" not in err
    assert files_below(here) == before


@pytest.mark.parametrize("words", [["list", "--trakking-uri=http://me:hush@lab"], ["show", "http://me:hush@lab"]])
def test_a_message_about_the_command_line_hides_passwords(here, words, capsys):
    with suppress(SystemExit):
        assert main("search", "", VERBS, words, hide=redacted) == BAD_INPUT
    err = capsys.readouterr().err
    assert "http://me:***@lab" in err
    assert "hush" not in err


def test_a_taken_name_says_what_to_set_where_the_store_has_a_password(here, answer):
    line = "launch graformer --recipe small --storage in --name kept --tracking-uri http://me:hush@lab:5000"
    code, _, err = answer(*line.split(), "--address", "http://me:hush@head:8265")
    assert code == BAD_INPUT
    assert "(first set MLFLOW_TRACKING_URI to http://me:***@lab:5000 with its password, which is not printed)" in err
    assert "@head:8265" in err
    assert "hush" not in err
