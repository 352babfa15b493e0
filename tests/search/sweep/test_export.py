"""What `list`, `show` and `export` print and write."""

import argparse
import json
import os
import shutil
from functools import partial

import pytest
import yaml

from search.__main__ import VERBS
from search.record import glance as glances
from search.record.journal import Journal, create
from search.record.records import OpenRow
from spaces.cli import BAD_INPUT, OK
from spaces.schema import config_id, flat
from tests.made.sweeps import FACTS, OBJECTIVE, answer_of, book, files_below, made_journal, made_plan, made_sweep
from trainables.__main__ import VERBS as TRAIN_VERBS
from trainables.config import knobs_of, read_config


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


@pytest.fixture
def answer(capsys):
    return partial(answer_of, capsys, VERBS)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A storage folder with the sweep `first`; trial 2 is its best."""
    folder, plan = tmp_path_factory.mktemp("template") / "sweeps", made_plan("first", trials=5)
    journal = made_journal(folder, plan)
    book(journal, plan, {"optim.lr": 2e-3, "network.layers": 3}, [60.0, 52.0])
    book(journal, plan, {"optim.lr": 3e-3, "network.layers": 2}, [70.0], "pruned", "asha: epoch 1")
    book(journal, plan, {"optim.lr": 1e-3, "network.layers": 4}, [61.0, 48.5, 49.0])
    book(journal, plan, {"optim.lr": 5e-3, "network.layers": 4}, [float("nan")], "diverged", "loss is nan")
    journal.close("done")
    weights = journal.path.parent / "trials" / "0002" / "best.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights of trial 2")
    journal.unlock()
    return folder


@pytest.fixture
def storage(template, tmp_path, monkeypatch):
    """A copy of it in an otherwise empty working directory."""
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(template, tmp_path / "sweeps")


# --- list and show


def test_list_has_one_line_a_sweep_oldest_first(storage, answer):
    made_journal(storage, made_plan("second", trials=3)).unlock()
    code, out, err = answer("list", "--storage", storage, "--json")
    assert (code, err) == (OK, "")
    first, second = json.loads(out, parse_constant=refuse)["sweeps"]
    assert first == {
        "sweep": "first",
        "model": "graformer",
        "data": "tiny",
        "state": "done",
        "ended": 4,
        "trials": 5,
        "objective": OBJECTIVE,
        "best": 48.5,
        "best_trial": 2,
        "note": None,
    }
    assert (second["sweep"], second["state"], second["ended"], second["best"]) == ("second", "open", 0, None)
    code, out, err = answer("list", "--storage", storage)
    assert [line.split()[0] for line in out.splitlines()] == ["sweep", "first", "second"]


@pytest.mark.parametrize("place", ["nowhere", "a-file"])
def test_list_without_sweeps_says_how_to_start_one(tmp_path, answer, place):
    (tmp_path / "a-file").touch()
    code, out, _ = answer("list", "--storage", tmp_path / place)
    assert code == OK
    assert "no sweeps in" in out
    assert "python -m search launch" in out
    code, out, _ = answer("list", "--storage", tmp_path / place, "--json")
    assert (code, json.loads(out)) == (OK, {"sweeps": []})


def test_show_has_the_contracts_json(storage, answer):
    code, out, err = answer("show", "first", "--storage", storage, "--json")
    assert (code, err) == (OK, "")
    found = json.loads(out, parse_constant=refuse)
    assert (found["sweep"], found["state"], found["objective"]) == ("first", "done", OBJECTIVE)
    assert [one["trial"] for one in found["trials"]] == [2, 0, 1, 3]
    best, *_, last = found["trials"]
    assert best == {
        "trial": 2,
        "state": "finished",
        "reason": "",
        "cause": "",
        "score": 48.5,
        "epochs": 3,
        "config_id": config_id(made_plan("first").config({"optim.lr": 1e-3, "network.layers": 4})),
        "knobs": {"optim.lr": 1e-3, "network.layers": 4},
        "objectives": {OBJECTIVE: 48.5},
        "broken": [],
    }
    assert (found["objectives"], found["limits"], found["front"]) == ([OBJECTIVE], [], [2])
    assert (last["state"], last["score"], last["epochs"]) == ("diverged", None, 1)
    assert last["reason"] == "loss is nan"


def test_show_prints_the_leaderboard_best_first(storage, answer):
    code, out, _ = answer("show", "first", "--storage", storage)
    title, header, *rows, spent = out.splitlines()
    assert code == OK
    assert spent.startswith("spent: ")
    assert title == "sweep first: graformer, recipe small is trial 0, done"
    assert header.split() == ["trial", "state", OBJECTIVE, "epochs", "lr", "layers"]
    assert rows[0].split() == ["2", "finished", "48.5", "3", "0.001", "4"]
    assert rows[-1].split() == ["3", "diverged", "-", "1", "0.005", "4"]


def test_show_of_a_single_run_names_no_recipe(storage, answer):
    create(storage / "alone", made_sweep(name="alone", single=True, plan={"objective": OBJECTIVE})).unlock()
    code, out, err = answer("show", "alone", "--storage", storage)
    assert (code, err) == (OK, "")
    assert out.splitlines()[0] == "sweep alone: graformer, one run, open"


@pytest.mark.parametrize("verb", [["show"], ["resume"], ["export", "--out", "x.yaml"]], ids=lambda words: words[0])
@pytest.mark.parametrize(
    ("name", "words"),
    [("frist", "did you mean first?"), ("zzz", "sweeps here: first")],
)
def test_an_unknown_sweep_is_answered_with_the_nearest(storage, answer, verb, name, words):
    before = files_below(storage.parent)
    code, out, err = answer(*verb, name, "--storage", storage)
    assert (code, out) == (BAD_INPUT, "")
    assert err.startswith(f"sweep '{name}': no such sweep in {storage}")
    assert words in err
    assert files_below(storage.parent) == before


def test_a_sweep_cut_off_at_its_birth_is_none(storage, answer):
    (storage / "torn").mkdir()
    (storage / "torn" / "journal.jsonl").write_text('{"kind": "swe')
    code, _, err = answer("show", "torn", "--storage", storage)
    assert code == BAD_INPUT
    assert "no such sweep" in err
    assert answer("list", "--storage", storage)[0] == OK


DAMAGES = {
    "garbage above": lambda lines: [b"garbage\n", *lines],
    "a lost line": lambda lines: [*lines[:4], *lines[5:]],
    "swapped lines": lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]],
    "one digit less": lambda lines: [*lines[:4], lines[4].replace(b"1", b"", 1), *lines[5:]],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_journal_is_named_and_hides_no_other(storage, answer, damage):
    made_journal(storage, made_plan("second", trials=3)).unlock()
    journal = storage / "first" / "journal.jsonl"
    journal.write_bytes(b"".join(DAMAGES[damage](journal.read_bytes().splitlines(keepends=True))))
    line = 1 if damage == "garbage above" else 5
    for words in (["show", "first"], ["export", "first", "--out", "x.yaml"], ["resume", "first"], ["sync", "first"]):
        code, out, err = answer(*words, "--storage", storage)
        assert (code, out) == (BAD_INPUT, "")
        assert err.startswith(f"{journal}: is damaged at line {line}: ")
        assert err.endswith("; restore it from a backup, or cut it off above that line and resume\n")
    code, out, err = answer("list", "--storage", storage, "--json")
    assert code == OK
    states = {one["sweep"]: one["state"] for one in json.loads(out)["sweeps"]}
    if damage == "swapped lines":  # which `list` does not read: what the last one says was right when it was written
        assert (err, states) == ("", {"first": "done", "second": "open"})
        return
    assert err.startswith(f"{journal}: is damaged at line {line}: ")
    assert states == {"first": "damaged", "second": "open"}
    code, out, err = answer("list", "--storage", storage)
    assert sorted(line.split()[0] for line in out.splitlines()) == ["first", "second", "sweep"]


def test_a_name_is_looked_up_beside_damaged_sweeps(storage, answer):
    (storage / "odd").mkdir()
    (storage / "odd" / "journal.jsonl").write_text('{"kind": "sweep", "ts_ms": 1}\n')
    code, _, err = answer("show", "frist", "--storage", storage)
    assert code == BAD_INPUT
    assert "did you mean first?" in err
    assert answer("show", "first", "--storage", storage)[0] == OK


def test_list_says_the_same_from_two_lines_as_from_the_whole_journal(storage, answer):
    journal = storage / "first" / "journal.jsonl"
    at_a_glance = answer("list", "--storage", storage, "--json")
    lines = journal.read_bytes().splitlines(keepends=True)
    assert b'"at": ' in lines[-1]
    # Without its last end of a line the journal is whole, but does not stand as `list` can trust it.
    journal.write_bytes(b"".join(lines)[:-1])
    assert answer("list", "--storage", storage, "--json") == at_a_glance


def test_list_reads_two_lines_of_a_sweep_that_ended_and_all_of_one_that_runs(storage, answer, monkeypatch):
    read = []
    monkeypatch.setattr(glances, "Journal", lambda path: read.append(path.parent.name) or Journal(path))
    made_journal(storage, made_plan("second", trials=3)).unlock()
    assert answer("list", "--storage", storage)[0] == OK
    assert read == ["second"]
    journal = Journal(storage / "first" / "journal.jsonl")
    journal.lock()
    journal.append(OpenRow())
    journal.unlock()
    states = [one["state"] for one in json.loads(answer("list", "--storage", storage, "--json")[1])["sweeps"]]
    assert states == ["open", "open"]


# --- export


def test_export_writes_the_best_trial_as_a_whole_config(storage, answer, tmp_path):
    code, out, err = answer("export", "first", "--out", "best.yaml", "--storage", storage)
    assert (code, err) == (OK, "")
    assert out == "trial 2 -> best.yaml; train it: python -m search train best.yaml\n"
    assert read_config(tmp_path / "best.yaml") == made_plan().config({"optim.lr": 1e-3, "network.layers": 4})
    tree = yaml.safe_load((tmp_path / "best.yaml").read_text())
    del tree["provenance"]
    assert list(flat(tree)) == list(knobs_of("graformer")), "every field stands there, not only the searched ones"


def test_export_says_where_a_config_comes_from(storage, answer, tmp_path):
    answer("export", "first", "--out", "best.yaml", "--storage", storage)
    config = read_config(tmp_path / "best.yaml")
    provenance = yaml.safe_load((tmp_path / "best.yaml").read_text())["provenance"]
    assert provenance == {
        "sweep": "first",
        "sweep_id": "id-of-first",
        "trial": 2,
        "state": "finished",
        "score": {OBJECTIVE: 48.5, "epoch": 2, "epochs": 3},
        "seed": 0,
        "config_id": config_id(config),
        "data": FACTS.data,
        "revision": FACTS.revision,
        "versions": FACTS.versions,
        "command": FACTS.command,
    }


def test_an_exported_config_is_what_train_reads(storage, answer, tmp_path):
    answer("export", "first", "--out", "best.yaml", "--storage", storage)
    parser = argparse.ArgumentParser()
    TRAIN_VERBS["train"].add_options(parser)
    request = TRAIN_VERBS["train"].check(parser.parse_args(["best.yaml", "--set", "loop.epochs=2"]))
    assert request.config.loop.epochs == 2
    assert request.config.optim.lr == 1e-3


def test_a_named_trial_is_exported_even_if_it_is_not_the_best(storage, answer, tmp_path):
    for trial, lr in ((0, 2e-3), (3, 5e-3)):
        assert answer("export", "first", "--trial", trial, "--out", f"{trial}.yaml", "--storage", storage)[0] == OK
        assert read_config(tmp_path / f"{trial}.yaml").optim.lr == lr
    assert yaml.safe_load((tmp_path / "3.yaml").read_text())["provenance"]["score"][OBJECTIVE] is None


def test_weights_are_exported_with_the_config(storage, answer, tmp_path):
    words = ["export", "first", "--out", "best.yaml", "--weights", "best.safetensors", "--storage", storage]
    code, out, _ = answer(*words)
    assert code == OK
    assert (tmp_path / "best.safetensors").read_bytes() == b"weights of trial 2"
    assert "python -m search evaluate best.yaml --weights best.safetensors" in out


def test_weights_that_are_not_there_are_told_before_anything_is_written(storage, answer, tmp_path):
    words = ["export", "first", "--trial", "0", "--out", "a.yaml", "--weights", "a.safetensors", "--storage", storage]
    before = files_below(tmp_path)
    code, _, err = answer(*words)
    assert code == BAD_INPUT
    assert "trial 0 has no weights" in err
    assert files_below(tmp_path) == before


def test_an_existing_file_is_kept_unless_force_is_given(storage, answer, tmp_path):
    (tmp_path / "best.yaml").write_text("mine")
    (tmp_path / "best.safetensors").write_bytes(b"mine")
    words = ["export", "first", "--out", "best.yaml", "--weights", "best.safetensors", "--storage", storage]
    before = files_below(tmp_path)
    code, out, err = answer(*words)
    assert (code, out) == (BAD_INPUT, "")
    assert err.splitlines() == [
        "export: 2 problems",
        "  best.yaml exists; choose another name or add --force",
        "  best.safetensors exists; choose another name or add --force",
    ]
    assert files_below(tmp_path) == before
    assert answer(*words, "--force")[0] == OK
    assert read_config(tmp_path / "best.yaml").optim.lr == 1e-3
    assert (tmp_path / "best.safetensors").read_bytes() == b"weights of trial 2"
    assert not list(tmp_path.glob(".*")), "no temporary file is left"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--trial", "9", "--out", "x.yaml"], "--trial 9: no such trial; trials here: 0 to 3"),
        (["--trial", "-1", "--out", "x.yaml"], "--trial -1: no such trial; trials here: 0 to 3"),
        (["--trial", "two", "--out", "x.yaml"], "--trial two: no such trial; trials here: 0 to 3"),
        (["--out", "nowhere/x.yaml"], "nowhere/x.yaml: there is no folder nowhere"),
        (["--out", "sweeps"], "sweeps is a folder; name a file"),
        (["--out", "sweeps", "--force"], "sweeps is a folder; name a file"),
        (["--out", "x.yaml", "--weights", "no/x"], "no/x: there is no folder no"),
    ],
)
def test_export_refuses_what_it_cannot_write(storage, answer, tmp_path, words, problem):
    before = files_below(tmp_path)
    code, out, err = answer("export", "first", *words, "--storage", storage)
    assert (code, out, err) == (BAD_INPUT, "", f"export: {problem}\n")
    assert files_below(tmp_path) == before


def test_a_sweep_without_scores_has_nothing_to_export(storage, answer, tmp_path):
    made_journal(storage, made_plan("empty")).unlock()
    code, _, err = answer("export", "empty", "--out", "x.yaml", "--storage", storage)
    assert (code, err) == (BAD_INPUT, "sweep 'empty': has no trial with a score yet; name one with --trial\n")
    assert not (tmp_path / "x.yaml").exists()
    code, _, err = answer("export", "empty", "--trial", "0", "--out", "x.yaml", "--storage", storage)
    assert (code, err) == (BAD_INPUT, "export: --trial 0: no such trial; trials here: none\n")


def test_a_folder_without_rights_is_told(storage, answer, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # these tests may run as root, who may do everything
    code, _, err = answer("export", "first", "--out", "x.yaml", "--storage", storage)
    assert code == BAD_INPUT
    assert "x.yaml: . is not writable" in err
