"""Enlargements, remarks and stops by the user on a sweep's record, and the journal of a fork."""

import json

import pytest

from search.record.glance import glance
from search.record.history import fork_journal, origin_text
from search.record.journal import FILE, Journal
from search.record.lines import read_rows
from search.record.plan import plan_of
from search.record.records import STOPPED, USER, AttemptRow, EndRow, ExtendRow, MisfitError, NoteRow, OpenRow
from spaces.schema import config_id
from tests.made.sweeps import book, made_journal, made_plan, row


@pytest.fixture(scope="module")
def plan():
    return made_plan(trials=4)


@pytest.fixture
def journal(tmp_path, plan):
    """A finished trial, a pruned one, and one that failed; closed."""
    made = made_journal(tmp_path, plan)
    book(made, plan, {"optim.lr": 1e-3}, [60.0] * 7 + [50.0])
    book(made, plan, {"optim.lr": 2e-3}, [70.0], "pruned", "asha: not among the best third at epoch 1")
    book(made, plan, {"optim.lr": 3e-3}, [], "failed", "RuntimeError: no")
    made.close("done")
    yield made
    made.unlock()


def enlarged(journal, **sizes):
    journal.append(OpenRow())
    journal.append(ExtendRow(**sizes))
    return journal


# --- enlargements


def test_an_enlarged_sweep_has_its_new_size_in_the_journal_and_in_its_plan(journal):
    enlarged(journal, trials=9, epochs=12)
    again = Journal(journal.path)
    assert (again.sweep.trials, again.sweep.knob("loop.epochs"), again.is_closed) == (9, 12, False)
    plan = plan_of(again.sweep, "journal")
    assert (plan.sweep.trials, plan.base.loop.epochs) == (9, 12)
    assert again.trials == journal.trials
    assert next(read_rows(journal.path))[0].plan["trials"] == 4, "the first record stays as it was written"


def test_what_is_left_out_stays_as_it_was(journal):
    enlarged(journal, trials=9)
    assert (journal.sweep.trials, journal.sweep.knob("loop.epochs")) == (9, 8)
    assert [trial.stages for trial in journal.trials.values()] == [(), (), ()]


def test_the_trials_that_go_on_wait_and_the_others_have_ended(journal):
    assert journal.state.ended == 3
    enlarged(journal, epochs=12, again=(0,))
    assert [trial.state for trial in journal.trials.values()] == ["waiting", "pruned", "failed"]
    assert journal.state.ended == 2
    assert (journal.trials[0].last_epoch, journal.trials[0].own_score) == (8, 50.0)
    journal.append(AttemptRow(trial=0, attempt=2, after_epoch=8))
    journal.append(row(0, 9, 45.0))
    journal.append(EndRow(trial=0, state="finished", epoch=9, reason=""))
    assert (journal.state.ended, journal.trials[0].own_score) == (3, 45.0)


def test_a_trial_of_an_enlarged_sweep_has_the_config_of_its_new_length(journal, plan):
    born = journal.trials[0].config_id
    enlarged(journal, epochs=12)
    enlarged(journal, epochs=20)
    trial = Journal(journal.path).trials[0]
    longer = {"optim.lr": 1e-3, "loop.epochs": 20}
    assert trial.config["loop"]["epochs"] == 20
    assert trial.config_id == config_id(plan.config(longer)) != born
    assert trial.stages == (8, 12)
    assert trial.former_ids == (born, config_id(plan.config({**longer, "loop.epochs": 12})))


def test_a_point_of_before_the_enlargement_is_still_known_as_a_duplicate(journal, plan):
    enlarged(journal, epochs=12)
    assert config_id(plan.config({"optim.lr": 2e-3, "loop.epochs": 12})) in journal.state.config_ids
    assert config_id(plan.config({"optim.lr": 2e-3})) not in journal.state.config_ids


def test_a_trial_whose_length_is_searched_keeps_it(tmp_path, plan):
    made = made_journal(tmp_path, plan)
    book(made, plan, {"optim.lr": 1e-3, "loop.epochs": 3}, [60.0] * 3)
    enlarged(made, epochs=12)
    made.unlock()
    assert (made.trials[0].stages, made.trials[0].config["loop"]["epochs"]) == ((), 3)


def test_an_enlargement_of_trials_that_are_not_there_is_refused(journal):
    before = journal.path.read_bytes()
    with pytest.raises(MisfitError, match="no trial 7"):
        journal.append(ExtendRow(trials=9, again=(7,)))
    assert journal.path.read_bytes() == before
    assert journal.sweep.trials == 4


# --- stops and remarks


def test_a_trial_stopped_by_the_user_has_ended_and_one_stopped_by_a_budget_has_not(journal, plan):
    book(journal, plan, {"optim.lr": 4e-3}, [55.0], "running")
    journal.append(EndRow(trial=3, state=STOPPED, epoch=1, reason="time budget"))
    assert (journal.trials[3].has_ended, journal.state.ended) == (False, 3)
    journal.append(EndRow(trial=3, state=STOPPED, epoch=1, reason="by the user", cause=USER))
    again = Journal(journal.path)
    assert (again.trials[3].has_ended, again.trials[3].state, again.state.ended) == (True, "stopped", 4)


def test_list_sees_size_and_remarks_without_reading_the_whole_journal(journal, monkeypatch):
    enlarged(journal, trials=9)
    journal.append(NoteRow(text="an early remark"))
    journal.close("done")
    monkeypatch.setattr("search.record.glance.Journal", None)  # a replay would raise
    seen = glance(journal.path)
    assert (seen.trials, seen.ended, seen.note, seen.state) == (9, 3, "an early remark", "done")
    journal.append(NoteRow(text="a late one"))
    journal.append(NoteRow(text="the last"))
    assert (glance(journal.path).note, glance(journal.path).score) == ("the last", 50.0)


def test_a_remark_behind_a_lost_line_is_not_trusted(journal):
    journal.append(NoteRow(text="late"))
    lines = journal.path.read_bytes().splitlines(keepends=True)
    journal.path.write_bytes(b"".join([*lines[:-2], lines[-1]]))
    with pytest.raises(Exception, match="damaged at line"):
        glance(journal.path)


def test_list_of_an_open_sweep_sees_the_remark_too(journal):
    journal.append(NoteRow(text="so far"))
    enlarged(journal, trials=9)
    seen = glance(journal.path)
    assert (seen.state, seen.trials, seen.note) == ("open", 9, "so far")


def test_a_close_record_of_an_earlier_version_is_read(journal):
    lines = journal.path.read_text(encoding="utf-8").splitlines()
    close = json.loads(lines[-1])
    assert (close["trials"], "note" in close) == (4, False)
    assert glance(journal.path).trials == 4


# --- forks


def test_a_fork_has_the_trials_of_the_old_sweep_under_a_new_name_and_id(journal, tmp_path):
    enlarged(journal, epochs=12, again=(0,))
    journal.append(NoteRow(text="of the old one"))
    before = journal.path.read_bytes()
    fork_journal(journal.path, tmp_path / "second", "second", "other-id")
    fork = Journal(tmp_path / "second" / FILE)
    assert (fork.sweep.name, fork.sweep.id, fork.sweep.knob("loop.epochs")) == ("second", "other-id", 12)
    assert origin_text(fork.sweep) == "fork of first"
    assert [(one.state, one.last_epoch) for one in fork.trials.values()] == [
        (one.state, one.last_epoch) for one in journal.trials.values()
    ]
    assert fork.trials[0].config == journal.trials[0].config
    assert (fork.is_closed, fork.close_reason, fork.state.notes) == (True, "interrupted", [])
    assert journal.path.read_bytes() == before


def test_a_fork_of_a_finished_sweep_is_done_and_no_time_of_its_budget_is_used(journal, tmp_path):
    from_folder = tmp_path / "second"
    fork_journal(journal.path, from_folder, "second", "other-id")
    fork = Journal(from_folder / FILE)
    assert fork.close_reason == "done"
    rows = [one for one, _ in read_rows(fork.path)]
    assert rows[-1].ts_ms - rows[0].ts_ms < 60_000
    fork.lock()
    fork.append(OpenRow())
    fork.unlock()
