"""Functions of the user that are called as a sweep runs: when, with what, and what their errors do."""

import pytest

from search.notebook.callbacks import Callbacks
from search.notebook.records import EndRecord, EpochRecord
from search.record.records import AttemptRow, EndRow, TrialRow
from spaces.errors import ConfigError
from spaces.schema import config_id
from tests.made.sweeps import OBJECTIVE, made_journal, made_plan, row


@pytest.fixture
def plan():
    return made_plan()


@pytest.fixture
def journal(tmp_path, plan):
    """A sweep with one running trial."""
    journal = made_journal(tmp_path, plan)
    point = {"optim.lr": 1e-3}
    journal.append(TrialRow(trial=0, point=point, config_id=config_id(plan.config(point))))
    journal.append(AttemptRow(trial=0, attempt=1, after_epoch=0))
    yield journal
    journal.unlock()


def booked(journal, callbacks, *rows):
    for one in rows:
        callbacks.booked(journal.append(one))


def end(state, cause=None):
    return EndRow(trial=0, state=state, epoch=1, reason="", cause=cause)


def test_each_is_called_with_its_record_once_it_is_booked(journal):
    seen = []
    callbacks = Callbacks(seen.append, seen.append)
    callbacks.begun(journal)
    booked(journal, callbacks, row(0, 1, 50.0), row(0, 2, 48.0), row(0, 3, 49.0), end("finished"))
    assert seen == [
        EpochRecord(trial=0, epoch=1, metrics={OBJECTIVE: 50.0}),
        EpochRecord(trial=0, epoch=2, metrics={OBJECTIVE: 48.0}),
        EpochRecord(trial=0, epoch=3, metrics={OBJECTIVE: 49.0}),
        EndRecord(trial=0, state="finished", score=48.0),
    ]
    assert callbacks.folder == journal.path.parent


def test_a_lost_attempt_is_no_end_and_a_trial_without_a_score_has_none(journal):
    seen = []
    callbacks = Callbacks(on_end=seen.append)
    callbacks.begun(journal)
    booked(journal, callbacks, end("lost", "machine"))
    assert seen == []
    booked(journal, callbacks, AttemptRow(trial=0, attempt=2, after_epoch=0), end("diverged"))
    assert seen == [EndRecord(trial=0, state="diverged", score=None)]


@pytest.mark.parametrize("error", [ValueError("no such axis"), SystemExit(3)])
def test_a_function_that_raises_is_told_once_and_not_called_again(journal, capsys, error):
    calls, ends = [], []

    def draw_it(record):
        calls.append(record)
        raise error

    callbacks = Callbacks(draw_it, ends.append)
    callbacks.begun(journal)
    booked(journal, callbacks, row(0, 1, 50.0), row(0, 2, 48.0), end("finished"))
    assert len(calls) == 1
    assert len(ends) == 1  # the other one goes on
    told = capsys.readouterr().err
    assert told.count("draw_it) raised, and is not called again:") == 1
    assert type(error).__name__ in told


def test_a_second_interrupt_in_a_function_passes(journal):
    def interrupted(record):
        raise KeyboardInterrupt

    callbacks = Callbacks(interrupted)
    callbacks.begun(journal)
    with pytest.raises(KeyboardInterrupt):
        booked(journal, callbacks, row(0, 1, 50.0))


def test_what_a_function_does_to_its_record_stays_with_it(journal):
    callbacks = Callbacks(lambda record: record.metrics.clear())
    callbacks.begun(journal)
    booked(journal, callbacks, row(0, 1, 50.0))
    assert journal.trials[0].score(OBJECTIVE) == 50.0
    assert journal.trials[0].epochs[1] == {OBJECTIVE: 50.0}


def test_what_is_no_function_is_refused():
    with pytest.raises(ConfigError) as caught:
        Callbacks(3, "print")
    assert caught.value.problems == (
        "on_epoch: expected a function of one record, got int",
        "on_end: expected a function of one record, got str",
    )


def test_the_last_words_are_printed_and_kept(capsys):
    callbacks = Callbacks()
    callbacks.failed("the sweep stopped: no room")
    callbacks.failed("go on with: ...")
    assert capsys.readouterr().err == "the sweep stopped: no room\ngo on with: ...\n"
    assert callbacks.words == "the sweep stopped: no room\ngo on with: ..."
