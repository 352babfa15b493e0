"""Every command that is printed to be typed: the verb that prints it runs, and the verb that it names takes it."""

import argparse
import re
import shlex
from functools import partial
from pathlib import Path

import pytest

from data.__main__ import VERBS as DATA_VERBS
from data.synthetic import store
from search.__main__ import VERBS
from search.cli.command import NEEDS, Where
from search.decisions.budget import Spent
from search.record.journal import FILE
from search.record.records import AttemptRow, EndRow
from search.sweep import last_words, place, verbs
from search.tracking import sync as syncing
from spaces.cli import BAD_INPUT, FAILED, INTERRUPTED, OK, Verb, main
from spaces.commands import command, shell_line
from spaces.errors import InputError
from spaces.schema import dump
from tests.made.poses import made_in_place_of_synthetic
from tests.made.small import tiny_config, write_tiny
from tests.made.sweeps import answer_of, book, made_journal, made_plan
from trainables.__main__ import VERBS as TRAIN_VERBS

ALL = {"search": VERBS, "data": DATA_VERBS, "trainables": TRAIN_VERBS}
ODD = ("plain", "two words", "it's $HOME", 'say "a; b"', "größe")


def commands_in(text):
    """The command lines in what was printed, as words; a `;` or `)` behind one is the sentence's."""
    return [shlex.split(found) for found in re.findall(r"python -m (?:search|data|trainables) [^`\n]*", text)]


def taken(words):
    """The checked request of a printed command; AssertionError when its verb refuses it."""
    python, _, package, name, *rest = words
    assert python == "python"
    verb: Verb = ALL[package][name]
    parser = argparse.ArgumentParser(allow_abbrev=False)
    verb.add_options(parser)
    try:
        return verb.check(parser.parse_args(rest))
    except (SystemExit, InputError) as error:
        raise AssertionError(f"{shlex.join(words)} is refused: {error}") from error


@pytest.fixture(params=ODD)
def storage(request, tmp_path, monkeypatch):
    """A storage folder of an odd name with the sweep `first`, which has one whole trial and its weights."""
    monkeypatch.chdir(tmp_path)
    folder, plan = tmp_path / request.param / "sweeps", made_plan("first", trials=2, time_budget_s=100.0)
    journal = made_journal(folder, plan)
    book(journal, plan, {"optim.lr": 1e-3}, [50.0] * 8)
    (folder / "first/trials/0000").mkdir(parents=True)
    (folder / "first/trials/0000/best.safetensors").write_bytes(b"weights")
    journal.unlock()
    return folder


@pytest.fixture
def here(storage, tmp_path):
    """The sweep's place, as a user gave it who keeps everything in places of their own."""
    store = f"sqlite:///{tmp_path}/runs of mine.db"
    where = Where(storage=storage, tracking_uri=store, address="ray://there:10001")
    return place.place_of(storage / "first", where)


# --- quoting


@pytest.mark.parametrize("last", [*ODD, "", "~", "#a", "a'b", "--x y"])
def test_a_line_is_read_by_a_shell_as_the_words_that_it_was_made_of(last):
    words = ["python", "a b", last]
    assert shlex.split(shell_line(*words)) == words


def test_a_line_does_not_end_in_a_quote():
    assert shell_line("show", "--storage", "/my sweeps") == r"show --storage /my\ sweeps"
    assert command("search", "show", "a", "--storage", "/my sweeps", "--json").endswith("'/my sweeps' --json")


def test_a_file_whose_name_begins_with_a_dash_is_no_option():
    assert command("search", "train", Path("-x.yaml"), None) == "python -m search train ./-x.yaml"


@pytest.mark.parametrize("verb", sorted(NEEDS))
def test_a_verb_takes_the_places_that_it_is_told(verb):
    parser = argparse.ArgumentParser()
    VERBS[verb].add_options(parser)
    known = {action.dest for action in parser._actions}
    assert set(NEEDS[verb]) <= known


# --- sweeps


def conclude(here, reason, capsys):
    journal = last_words.Journal(here.folder / FILE)
    last_words.tell_result(journal, here, 0)
    code = last_words.conclude(journal, here, last_words.End(reason))
    return code, capsys.readouterr().out


def test_a_sweep_that_ended_says_how_to_export_its_best(here, storage, capsys):
    code, out = conclude(here, "done", capsys)
    assert code == OK
    (words,) = commands_in(out)
    request = taken(words)
    assert request.journal == storage / "first" / FILE
    assert request.out == Path("best.yaml")
    Path("best.yaml").touch()
    (words,) = commands_in(conclude(here, "done", capsys)[1])
    assert taken(words).out == Path("first.yaml")


def test_a_sweep_whose_recipe_failed_says_how_to_see_why(here, storage, capsys):
    journal = last_words.Journal(storage / "first" / FILE)
    journal.lock()
    journal.append(AttemptRow(trial=0, attempt=2, after_epoch=8))
    journal.append(EndRow(trial=0, state="failed", epoch=8, reason="ValueError: width 7 is odd"))
    journal.unlock()
    assert last_words.conclude(journal, here, last_words.End("done")) == FAILED
    (words,) = commands_in(capsys.readouterr().err)
    assert taken(words).trial == 0
    code, out, _ = answer_of(capsys, VERBS, *words[3:])
    assert (code, "width 7 is odd" in out) == (OK, True)


def test_an_interrupted_sweep_says_how_to_resume(here, storage, capsys):
    code, out = conclude(here, "interrupted", capsys)
    assert code == INTERRUPTED
    (words,) = commands_in(out.splitlines()[-1])
    request = taken(words)
    assert (request.name, request.folder, request.where) == ("first", storage / "first", here.where)


def test_a_sweep_whose_time_is_over_says_how_to_go_on(here, storage, capsys):
    code, out = conclude(here, "time budget", capsys)
    assert code == OK
    (words,) = commands_in(out.splitlines()[-1])
    request = taken(words)
    assert (request.folder, request.limits.time_budget_s, request.where) == (storage / "first", 100.0, here.where)


def test_a_password_is_not_printed_and_the_reader_is_told_to_set_it(storage, capsys):
    where = Where(storage=storage, tracking_uri="postgresql://me:hush@there/runs")
    code = last_words.interrupted(place.place_of(storage / "first", where))
    out, err = capsys.readouterr()
    assert code == INTERRUPTED
    assert "hush" not in out + err
    assert "first set MLFLOW_TRACKING_URI to postgresql://me:***@there/runs with its password" in err
    assert taken(commands_in(out)[-1]).where.tracking_uri is None


class Stuck:
    """A spool whose tracker takes nothing."""

    trouble, problems, is_deleted = "OSError: disk I/O error", (), False

    def stop(self, timeout_s):
        """Nothing to end."""

    def pending(self):
        return 3


def test_records_that_mlflow_did_not_take_are_sent_by_a_printed_command(here, storage, capsys):
    taken_not, line = place.settle(Stuck(), here)
    assert taken_not.endswith("has not taken 3 records (OSError: disk I/O error); they are kept")
    (words,) = commands_in(line)
    request = taken(words)
    assert (request.journal, request.uri, request.restore) == (storage / "first" / FILE, here.tracking_uri, False)


def test_a_deleted_experiment_is_restored_by_a_printed_command(here, storage):
    stuck = Stuck()
    stuck.is_deleted = True
    line = place.settle(stuck, here)[-1]
    assert line.startswith("to restore the experiment and send them: ")
    (words,) = commands_in(line)
    request = taken(words)
    assert (request.journal, request.uri, request.restore) == (storage / "first" / FILE, here.tracking_uri, True)


def test_what_mlflow_has_not_taken_stands_behind_the_leaderboard_and_before_the_way_on(here, capfd):
    unsent = ["MLflow has not taken 3 records", "once it does, send them: sync"]
    journal = last_words.Journal(here.folder / FILE)
    for reason, after in (("done", 0), ("interrupted", 1)):
        last_words.tell_result(journal, here, 0)
        last_words.conclude(journal, here, last_words.End(reason), unsent)
        out, err = capfd.readouterr()
        assert err.splitlines() == unsent
        assert len(out.partition("best: ")[2].splitlines()) == 1 + after


def test_a_password_comes_before_the_command_that_sends(storage):
    where = Where(storage=storage, tracking_uri="postgresql://me:hush@there/runs")
    lines = place.settle(Stuck(), place.place_of(storage / "first", where))
    assert "hush" not in "".join(lines)
    assert lines[-2].startswith("first set MLFLOW_TRACKING_URI to postgresql://me:***@there/runs")
    assert "once it does, send them: python -m search sync first" in lines[-1]


def test_sync_that_leaves_records_names_itself(here, storage, capsys, monkeypatch):
    stuck = Stuck()
    stuck.sent = 0
    monkeypatch.setattr(syncing, "send", lambda *rest: stuck)
    code, _, err = answer_of(capsys, VERBS, *commands_in(here.line("sync"))[0][3:])
    assert code == FAILED
    assert taken(commands_in(err)[-1]).journal == storage / "first" / FILE


def test_a_taken_name_says_how_to_go_on_with_it(storage, capsys):
    line = ["launch", "graformer", "--recipe", "small", "--name", "first", "--storage", storage]
    code, _, err = answer_of(capsys, VERBS, *line)
    assert code == BAD_INPUT
    (words,) = commands_in(err)
    assert taken(words).folder == storage / "first"


def test_a_folder_without_sweeps_says_how_to_start_one_there(storage, capsys):
    empty = storage.parent / "none yet"
    code, out, _ = answer_of(capsys, VERBS, "list", "--storage", empty)
    assert code == OK
    (words,) = commands_in(out)
    assert taken(words).folder.parent == empty


def test_an_export_says_how_to_train_and_to_score(storage, capsys, tmp_path):
    config, weights = storage.parent / "best.yaml", storage.parent / "best.safetensors"
    where = ["--storage", storage, "--tracking-uri", f"sqlite:///{tmp_path}/m.db"]
    code, out, err = answer_of(capsys, VERBS, "export", "first", *where, "--out", config, "--weights", weights)
    assert code == OK, err
    train, evaluate = commands_in(out)
    assert taken(train).run.config == taken(evaluate).config
    assert taken(train).where.tracking_uri == f"sqlite:///{tmp_path}/m.db"
    assert taken(evaluate).weights == weights


@pytest.mark.parametrize("verb", ["export", "list", "resume"])
def test_a_command_that_needs_a_password_is_followed_by_the_note(storage, capsys, verb, monkeypatch):
    where = ["--storage", storage, "--tracking-uri", "http://me:hush@there"]
    if verb == "resume":
        facts = last_words.Journal(storage / "first" / FILE).sweep.facts
        monkeypatch.setattr(verbs, "check_data", lambda *rest: facts)
        monkeypatch.setattr(verbs, "spent_before", lambda path, limit_s: Spent(100.0, 100.0))
    words = {
        "export": ["export", "first", *where, "--out", storage.parent / "best.yaml"],
        "list": ["list", "--storage", storage.parent / "none yet", *where[2:]],
        "resume": ["resume", "first", *where],
    }[verb]
    _, out, err = answer_of(capsys, VERBS, *words)
    note = "(first set MLFLOW_TRACKING_URI to http://me:***@there with its password, which is not printed)"
    told = next(line for line in (out + err).splitlines() if "python -m search " in line)
    assert told.endswith(note)
    assert "hush" not in out + err


def test_ctrl_c_before_there_is_a_sweep_repeats_the_line_without_its_password(capsys):
    def stop(options):
        raise KeyboardInterrupt

    launching = {
        "launch": Verb(summary="s", example="e", add_options=VERBS["launch"].add_options, check=stop, run="a:b")
    }
    uri = "http://me:hush@there"
    words = ["launch", "graformer", "--storage", "my sweeps", "--tracking-uri", uri]
    assert main("search", "", launching, words, hide=lambda word: word.replace("hush", "***")) == INTERRUPTED
    err = capsys.readouterr().err
    assert "hush" not in err
    assert "with the password put back in the place of ***" in err
    assert commands_in(err.splitlines()[-1]) == [["python", "-m", "search", *words[:-1], uri.replace("hush", "***")]]


# --- runs and data


@pytest.mark.parametrize("name", ODD)
def test_a_bare_training_says_how_to_score_it(tmp_path, capsys, name):
    root = write_tiny(tmp_path / name / "store")
    config = tmp_path / name / "tiny.yaml"
    config.write_text(dump(tiny_config(root, loop__epochs=1)), encoding="utf-8")
    code, out, err = answer_of(capsys, TRAIN_VERBS, "train", config, "--out", tmp_path / name / "out of it")
    assert code == OK, err
    (words,) = commands_in(out)
    assert words[2:4] == ["trainables", "evaluate"]
    request = taken(words)
    assert request.weights.is_file()
    code, _, err = answer_of(capsys, TRAIN_VERBS, *words[3:])
    assert code == OK, err


@pytest.mark.parametrize("name", ODD)
def test_a_folder_without_data_says_how_to_write_some(tmp_path, capsys, name):
    root = tmp_path / name
    root.mkdir()
    code, _, err = answer_of(capsys, DATA_VERBS, "describe", "--root", root)
    assert code == BAD_INPUT
    words = shlex.split(re.search(r"`([^`]*)`", err)[1])
    parser = argparse.ArgumentParser()
    DATA_VERBS["synth"].add_options(parser)
    assert words[:4] == ["python", "-m", "data", "synth"]
    assert parser.parse_args(words[4:]).root == root


@pytest.mark.parametrize("words", [["--images", "10"], ["--mesh", "hand", "--images", "10"], []], ids=" ".join)
def test_a_written_set_says_how_to_check_it(tmp_path, capsys, monkeypatch, words):
    made_in_place_of_synthetic(monkeypatch)
    monkeypatch.setattr(store, "write_images", partial(store.write_images, mean_frames=12))
    root = tmp_path / "it's here"
    code, out, err = answer_of(capsys, DATA_VERBS, "synth", "--root", root, *words)
    assert code == OK, err
    (line,) = commands_in(out)
    assert line[2:4] == ["data", "check"]
    code, _, err = answer_of(capsys, DATA_VERBS, *line[3:])
    assert code == OK, err
