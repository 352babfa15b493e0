"""A sweep from start to end with its trials trained by hand, without Ray: who is told of it, and what an interrupt
leaves."""

from contextlib import contextmanager, nullcontext

import pytest

from search.cli.command import Where
from search.cluster.claims import Wish
from search.notebook.callbacks import Callbacks
from search.record.journal import FILE, Journal
from search.sweep import run as sweeps
from search.sweep.place import Place
from search.sweep.reporter import Reporter
from search.terminal.modes import LINES
from spaces.cli import FAILED, INTERRUPTED, OK
from tests.made.sweeps import FACTS, OBJECTIVE, made_plan, row


class Quiet:
    """A spool that sends nothing."""

    problems = ()
    trouble = ""

    def __init__(self):
        self.is_running = False

    def start(self):
        self.is_running = True

    def stop(self, timeout_s):
        self.is_running = False

    def pending(self):
        return 0


@pytest.fixture
def plan():
    return made_plan("first", trials=2, epochs=2, scheduler="none")


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "sweeps" / "first"
    return Place(folder=folder, tracking_uri="http://x", artifact_root=tmp_path, where=Where())


@pytest.fixture
def run(monkeypatch, plan, place):
    """Runs the sweep, a new one or what is left of it, with this in the place of Ray Tune; `run.spool` is its spool."""

    @contextmanager
    def session(address, wish: Wish):
        yield wish.demand(has_gpus=False), 1, None

    def answer(tune, watcher, *, is_new=True, progress=LINES):
        answer.spool = Quiet()
        monkeypatch.setattr(sweeps, "spool_of", lambda *values: answer.spool)
        monkeypatch.setattr(sweeps, "_tune", lambda reins, *values: tune(reins.conductor))
        begun = (lambda: sweeps.begin(plan, FACTS, place)) if is_new else (lambda: sweeps.reopen(place))
        with Reporter(progress) as reporter:
            return sweeps.run(plan, place, begun, reporter, watcher)

    monkeypatch.setattr(sweeps, "ray_session", session)
    monkeypatch.setattr(sweeps, "watched", lambda last_words: nullcontext())
    return answer


def train(conductor):
    """Trains every trial of two epochs to its end."""
    while task := conductor.next_task():
        for epoch in (1, 2):
            conductor.hear(row(task.trial, epoch, 50.0 - 10 * task.trial - epoch))


def test_callbacks_are_called_after_their_record_is_on_disk(run, place):
    seen = []

    def on_epoch(record):
        held = Journal(place.folder / FILE).trials[record.trial]
        seen.append((record.trial, record.epoch, held.epochs[record.epoch] == record.metrics))

    def on_end(record):
        held = Journal(place.folder / FILE).trials[record.trial]
        seen.append((record.trial, record.state, held.state, record.score))

    callbacks = Callbacks(on_epoch, on_end)
    assert run(train, callbacks) == OK
    expected = [[(n, 1, True), (n, 2, True), (n, "finished", "finished", 48.0 - 10 * n)] for n in (0, 1)]
    assert seen == [*expected[0], *expected[1]]
    assert callbacks.folder == place.folder
    assert callbacks.words == ""


def test_a_callback_that_raises_harms_no_trial(run, place, capsys):
    def on_epoch(record):
        raise RuntimeError("no display")

    assert run(train, Callbacks(on_epoch)) == OK
    journal = Journal(place.folder / FILE)
    assert [trial.state for trial in journal.trials.values()] == ["finished", "finished"]
    assert journal.close_reason == "done"
    assert capsys.readouterr().err.count("raised, and is not called again") == 1


def test_the_watcher_of_a_sweep_that_fails_has_its_last_words(run, capsys):
    def fail(conductor):
        while task := conductor.next_task():
            conductor.failed(task.trial, "ValueError: odd")

    callbacks = Callbacks()
    assert run(fail, callbacks) == FAILED
    assert callbacks.words.startswith("no trial finished (2 failed); why: python -m search show first --trial 0")
    assert callbacks.words in capsys.readouterr().err


def test_a_process_that_lives_on_after_an_interrupt_may_resume(run, place, capsys):
    def interrupt(conductor):
        conductor.hear(row(conductor.next_task().trial, 1, 50.0))
        raise KeyboardInterrupt

    assert run(interrupt, Callbacks()) == INTERRUPTED
    assert not run.spool.is_running
    assert "interrupted; go on with: python -m search resume first" in capsys.readouterr().out
    assert run(train, Callbacks(), is_new=False) == OK
    assert Journal(place.folder / FILE).best(OBJECTIVE).number == 1
