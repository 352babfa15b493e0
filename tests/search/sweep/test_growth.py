"""Extending, forking, stopping, noting and deleting from the command line, without Ray."""

import dataclasses
import os
import time
from functools import partial

import pytest

from search.__main__ import VERBS
from search.executors.mirror import Mirror, copies
from search.record.journal import FILE, Journal, trial_folder
from search.record.lines import read_rows
from search.record.plan import plan_of
from search.record.records import AttemptRow, ExtendRow, NoteRow, OpenRow
from search.results.leaderboard import leaderboard, leaderboard_text
from search.sweep import verbs
from search.sweep.growth import copied, enlarged
from spaces.cli import BAD_INPUT, OK
from spaces.schema import dump
from tests.made.sweeps import FACTS, answer_of, book, files_below, made_journal, made_plan, opened, write_files
from tests.search.cli.test_printed import taken
from trainables.config import changed
from trainables.runs.names import LATEST

UNSTARTED = VERBS | {name: dataclasses.replace(VERBS[name], run=f"nothing_may_start:{name}") for name in ("extend",)}


@pytest.fixture
def refused(capsys):
    return partial(answer_of, capsys, UNSTARTED)


# --- extend


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "has 2 trials of 8 epochs already; give a larger --trials or --epochs"),
        (["--trials", "2", "--epochs", "8"], "has 2 trials of 8 epochs already"),
        (["--trials", "1"], "--trials 1: has 2 already"),
        (["--epochs", "7"], "--epochs 7: trials have 8 already"),
        (["--trials", "1", "--epochs", "7"], "--epochs 7"),
        (["--trials", "0"], "'0' is no whole number from 1 to 100000"),
        (["--trials", "9", "--time-budget", "soon"], "--time-budget: 'soon' is no duration"),
    ],
)
def test_an_enlargement_that_is_none_is_refused(storage, refused, words, problem):
    before = files_below(storage)
    code, out, err = refused("extend", "first", "--storage", storage, *words)
    assert (code, out) == (BAD_INPUT, "")
    assert problem in err
    assert files_below(storage) == before


def test_a_running_sweep_a_single_run_a_confirmation_and_a_searched_length_are_refused(storage, refused, tmp_path):
    journal = opened(storage)
    _, _, err = refused("extend", "first", "--storage", storage, "--trials", "9")
    assert "is being run by another process" in err
    journal.unlock()
    space = tmp_path / "long.yaml"
    space.write_text(
        "model: graformer\nrecipes: {small: {network.width: 24, network.heads: 4}}\n"
        "search: {loop.epochs: {choice: [4, 8]}}\n",
        encoding="utf-8",
    )
    made_journal(storage, made_plan("lengths", space=space, epochs=None)).unlock()
    _, _, err = refused("extend", "lengths", "--storage", storage, "--epochs", "20")
    assert "--epochs 20: loop.epochs is a searched knob" in err


def test_trials_with_a_state_go_on_and_the_others_are_named(storage):
    (trial_folder(storage / "first", 1) / LATEST).unlink()
    journal, growth = opened(storage), ExtendRow(trials=4, epochs=12)
    plan = plan_of(journal.sweep.grown(growth), "journal")
    lines = enlarged(journal, plan, growth)
    journal.unlock()
    assert lines[0] == (
        "sweep first is enlarged from 2 trials of 8 epochs to 4 of 12; the 16 epochs that it has trained count"
    )
    assert lines[1] == "from their last epoch go on: trial 0 (finished after epoch 8)"
    assert "trial 1 (finished after epoch 8)" in lines[2]
    assert [trial.state for trial in Journal(journal.path).trials.values()] == ["waiting", "finished"]


def test_a_sweep_that_keeps_the_best_says_that_no_trial_can_go_on(storage):
    plan = made_plan("spare", trials=1, keep="best")
    journal = made_journal(storage, plan)
    book(journal, plan, {"optim.lr": 1e-3}, [50.0] * 8)
    growth = ExtendRow(epochs=12)
    lines = enlarged(journal, plan_of(journal.sweep.grown(growth), "journal"), growth)
    journal.unlock()
    assert "--keep best keeps none of ended trials" in lines[1]
    assert journal.trials[0].has_ended


def test_a_state_at_the_uri_of_the_sweep_will_do(storage):
    uri = f"file://{storage}/copies"
    plan = made_plan("far", trials=1, checkpoints=uri)
    journal = made_journal(storage, plan)
    book(journal, plan, {"optim.lr": 1e-3}, [50.0] * 8)
    write_files(storage / "far", 0)
    Mirror(uri, "far", 0).send(trial_folder(storage / "far", 0), with_best=True)
    (trial_folder(storage / "far", 0) / LATEST).unlink()
    growth = ExtendRow(epochs=12)
    lines = enlarged(journal, plan_of(journal.sweep.grown(growth), "journal"), growth)
    journal.unlock()
    assert "go on: trial 0" in lines[1]


def test_a_schedule_that_follows_the_length_is_told(storage):
    shares = {"optim.lr_decay_by": "share"}
    for space, changes, knob in (
        ("graformer", shares, "optim.lr_decay_share"),
        ("videopose3d", {}, "network.final_momentum"),
    ):
        plan = made_plan(f"paced-{space}", space=space, changes=changes, trials=1, scheduler="none")
        journal = made_journal(storage, plan)
        book(journal, plan, {"optim.lr": 1e-3}, [50.0] * 8)
        write_files(journal.path.parent, 0)
        growth = ExtendRow(epochs=12)
        lines = enlarged(journal, plan_of(journal.sweep.grown(growth), "journal"), growth)
        journal.unlock()
        assert lines[-1].startswith(f"note: {knob} follows the length of a run; the first 8 epochs")
    assert made_plan().base.paced == ()


@pytest.fixture
def unstarted(monkeypatch):
    """Sweeps go on record, and no Ray is started; their data is as it was."""
    monkeypatch.setattr(verbs, "check_data", lambda *rest: FACTS)
    monkeypatch.setattr(verbs, "run", lambda plan, place, open_journal, *rest: open_journal().unlock() or OK)


def test_an_enlargement_is_on_record_once_the_sweep_is_open_again(storage, answer, unstarted):
    code, out, err = answer("extend", "first", "--storage", storage, "--trials", "5", "--epochs", "12")
    assert code == OK, err
    assert "go on: trial 0 (finished after epoch 8), trial 1 (finished after epoch 8)" in out
    *_, before, last = (one for one, _ in read_rows(storage / "first" / FILE))
    assert isinstance(before, OpenRow)
    assert last.changed(ts_ms=0) == ExtendRow(trials=5, epochs=12, again=(0, 1))


def test_an_enlargement_beyond_the_time_budget_says_how_to_give_more(storage, answer, unstarted):
    plan = made_plan("late", trials=1, time_budget_s=0.001)
    journal = made_journal(storage, plan)
    book(journal, plan, {"optim.lr": 1e-3}, [50.0] * 8)
    time.sleep(0.01)
    journal.close("done")
    journal.unlock()
    line = ["extend", "late", "--storage", storage, "--trials", "5"]
    code, _, err = answer(*line)
    assert code == BAD_INPUT
    assert f"python -m search extend late --storage {storage} --trials 5 --time-budget 0.001s" in err
    assert answer(*line, "--time-budget", "1h")[0] == OK


# --- fork


def test_a_fork_has_records_and_files_of_the_old_sweep_which_stays_as_it_was(storage, answer):
    before = files_below(storage / "first")
    code, out, err = answer("fork", "first", "--name", "second", "--storage", storage)
    assert code == OK, err
    assert "sweep second: 2 trials of first" in out
    assert f"give it more: python -m search extend second --storage {storage} --trials 4" in out
    assert files_below(storage / "first") == before
    for number in (0, 1):
        old, new = (trial_folder(storage / name, number) for name in ("first", "second"))
        assert {path.relative_to(old): text for path, text in files_below(old).items()} == {
            path.relative_to(new): text for path, text in files_below(new).items()
        }
        assert os.path.samefile(old / LATEST, new / LATEST)
        assert not os.path.samefile(old / "log.txt", new / "log.txt"), "later attempts append to it"
    assert sorted(path.name for path in storage.iterdir()) == ["first", "second"]
    assert leaderboard(Journal(storage / "second" / FILE))["origin"]["sweep"] == "first"
    assert "done, fork of first" in leaderboard_text(Journal(storage / "second" / FILE), str)


def test_a_fork_that_is_enlarged_is_made_and_then_extended(storage, answer, monkeypatch):
    seen = []
    monkeypatch.setattr(verbs, "extend", lambda request: seen.append(request) or OK)
    code, _, err = answer("fork", "first", "--name", "second", "--storage", storage, "--epochs", "12")
    assert code == OK, err
    assert (seen[0].folder, seen[0].row) == (storage / "second", ExtendRow(epochs=12))
    assert (storage / "second" / FILE).is_file()


def test_a_fork_under_a_taken_name_or_of_a_running_sweep_is_refused(storage, answer):
    before = files_below(storage)
    code, _, err = answer("fork", "first", "--name", "first", "--storage", storage)
    assert (code, "a sweep of this name exists" in err) == (BAD_INPUT, True)
    journal = opened(storage)
    code, _, err = answer("fork", "first", "--name", "second", "--storage", storage, "--trials", "1")
    journal.unlock()
    assert code == BAD_INPUT
    assert "sweep 'first' is being run by another process" in err
    assert "sweep 'first' --trials 1: has 2 already" in err
    assert files_below(storage) == before


def test_a_fork_that_cannot_be_written_leaves_nothing(storage, monkeypatch):
    def full(*rest, **more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copytree", full)
    before = files_below(storage)
    with pytest.raises(Exception, match="No space left"):
        copied(storage / "first", storage / "second")
    assert files_below(storage) == before


def test_a_fork_copies_what_is_at_the_uri(storage):
    uri = f"file://{storage}/copies"
    plan = made_plan("far", trials=1, checkpoints=uri)
    journal = made_journal(storage, plan)
    book(journal, plan, {"optim.lr": 1e-3}, [50.0] * 8)
    write_files(storage / "far", 0)
    Mirror(uri, "far", 0).send(trial_folder(storage / "far", 0), with_best=True)
    journal.unlock()
    copied(storage / "far", storage / "near")
    assert copies(uri, "near") == copies(uri, "far") != {}


def test_a_note_and_an_extension_leave_the_rest_of_the_record_alone(storage):
    journal = opened(storage)
    before = {number: (trial.state, trial.own_score) for number, trial in journal.trials.items()}
    for one in (NoteRow(text="x"), OpenRow(), ExtendRow(trials=3)):
        journal.append(one)
    journal.append(AttemptRow(trial=0, attempt=2, after_epoch=8))
    journal.unlock()
    again = Journal(journal.path)
    assert again.trials[1].state == before[1][0]
    assert again.best("val/mpjpe_mm").number == 0


# --- the first points of a launch


def test_launch_takes_configs_and_an_earlier_sweep_and_tells_all_problems_at_once(storage, refused, tmp_path):
    config = tmp_path / "mine.yaml"
    config.write_text(dump(changed(made_plan().base, {"optim.lr": 3e-3, "optim.beta1": 0.5}, "test")), encoding="utf-8")
    line = ["launch", "graformer", "--recipe", "small", "--data", "tiny", "--storage", storage, "--name", "next"]
    line += ["--enqueue", config, "--epochs", "8"]
    code, _, err = refused(*line, "--from", "frist")
    assert code == BAD_INPUT
    assert "did you mean first?" in err
    code, _, err = refused(*line, "--sampler", "tpee")
    assert code == BAD_INPUT
    assert "sampler = tpee" in err
    assert "optim.beta1 = 0.5, and 0.9 in this sweep" in err
    request = taken(["python", "-m", "search", *map(str, line), "--set", "optim.beta1=0.5", "--from", "first"])
    assert [round(point.get("optim.lr", 0), 6) for point in request.plan.points] == [0, 0.003, 0.001]
    assert request.plan.origin["sweep"] == "first"
