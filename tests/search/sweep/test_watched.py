"""A sweep from start to end with its trials trained by hand, without Ray: who is told of it, what an interrupt leaves,
and in which order it ends."""

import shlex
import signal
from contextlib import contextmanager, nullcontext

import pytest

from search.cli.command import Where
from search.cluster.claims import Wish
from search.decisions.conductor import Conductor
from search.notebook.callbacks import Callbacks
from search.record.journal import FILE, Journal, is_held
from search.sweep import ending
from search.sweep import run as sweeps
from search.sweep.place import Place
from search.sweep.reporter import Reporter
from search.terminal.modes import LINES, QUIET
from search.tracking.sweep_runs import PAGE
from spaces.cli import FAILED, INTERRUPTED, OK
from tests.made.sweeps import FACTS, OBJECTIVE, made_plan, row
from tests.search.sweep.conftest import Quiet


@pytest.fixture
def plan():
    return made_plan("first", trials=2, epochs=2, scheduler="none")


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "sweeps" / "first"
    return Place(folder=folder, tracking_uri="http://x", artifact_root=tmp_path, where=Where())


@pytest.fixture
def run(monkeypatch, plan, place):
    """Runs the sweep, a new one or what is left of it, with this in the place of Ray Tune; `run.spool` is its spool,
    and `run.closing` is called where Ray would be closed."""

    @contextmanager
    def session(address, wish: Wish, *rest, **named):
        yield wish.demand(has_gpus=False), 1, None
        answer.closing()

    def answer(tune, watcher, *, is_new=True, progress=LINES, spool=None):
        answer.spool = spool or Quiet()
        monkeypatch.setattr(sweeps, "spool_of", lambda *values: answer.spool)
        monkeypatch.setattr(sweeps, "_tune", lambda reins, *values: tune(reins.conductor))
        begun = (lambda: sweeps.begin(plan, FACTS, place)) if is_new else (lambda: sweeps.reopen(place))
        with Reporter(progress) as reporter:
            return sweeps.run(plan, place, begun, reporter, watcher)

    answer.closing = lambda: None
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


def interrupt(conductor):
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("progress", [LINES, QUIET])
def test_the_result_is_there_before_ray_closes_and_what_mlflow_lacks_comes_last(run, place, capsys, progress):
    seen = []
    run.closing = lambda: seen.append((capsys.readouterr(), [*run.spool.calls], is_held(place.folder / FILE)))
    assert run(train, Callbacks(), progress=progress, spool=Quiet(3)) == OK
    ((out, err), calls, was_locked) = seen[0]
    assert out.splitlines()[-1].startswith("best: trial 1, val/mpjpe_mm 38.00; python -m search export first")
    assert "sweep first: graformer, recipe small is trial 0, done" in out
    assert (err, calls, was_locked) == ("", ["start", "finish"], True), "MLflow takes the rest while Ray closes"
    assert not is_held(place.folder / FILE)
    out, err = capsys.readouterr()
    assert out == ""
    lacks, line = err.splitlines()
    assert lacks.endswith("has not taken 3 records (OSError: disk I/O error); they are kept")
    assert shlex.split(line.partition(": ")[2])[:5] == ["python", "-m", "search", "sync", "first"]


@pytest.mark.parametrize("where", ["closing Ray", "waiting for MLflow"])
@pytest.mark.parametrize(("tune", "lacks"), [(train, 3), (train, 0), (interrupt, 3), (interrupt, 0)])
def test_ctrl_c_behind_the_result_says_what_sends_the_rest_and_what_resumes(run, place, capsys, where, tune, lacks):
    def cut():
        signal.raise_signal(signal.SIGINT)

    run.closing = cut if where == "closing Ray" else lambda: None
    assert run(tune, Callbacks(), spool=Quiet(lacks, cut=where != "closing Ray")) == INTERRUPTED
    out, err = capsys.readouterr()
    assert ("search sync first" in err) == bool(lacks)
    is_all_sent_by_sync = tune is train and lacks
    assert out.splitlines()[-1].startswith("best: " if is_all_sent_by_sync else "interrupted; go on with: python -m ")
    assert Journal(place.folder / FILE).close_reason == ("done" if tune is train else "interrupted")
    assert not is_held(place.folder / FILE)


def test_ctrl_c_while_a_sweep_that_is_done_is_closed_changes_nothing(run, place, capsys, monkeypatch):
    close = Conductor.close

    def cut(conductor, *reason, **options):
        signal.raise_signal(signal.SIGINT)
        close(conductor, *reason, **options)

    monkeypatch.setattr(Conductor, "close", cut)
    assert run(train, Callbacks()) == OK
    assert Journal(place.folder / FILE).close_reason == "done"
    assert "interrupted" not in "".join(capsys.readouterr())


def test_what_is_wrong_behind_the_result_is_shown_and_fails_the_sweep(run, capsys, monkeypatch):
    def settle(retention):
        retention._complain("/sweeps: read-only")
        raise RuntimeError("a mistake of ours")

    def close():
        monkeypatch.setattr(sweeps.Retention, "settle", settle)

    run.closing = close
    assert run(train, Callbacks()) == FAILED
    out, err = capsys.readouterr()
    assert "checkpoints that are no longer needed could not be removed: /sweeps: read-only" in out.splitlines()[-1]
    assert "RuntimeError: a mistake of ours" in err


def test_the_figures_of_the_report_are_loaded_while_trials_train(run, monkeypatch):
    loaded = []
    monkeypatch.setattr(ending, "named", lambda name: loaded.append((name, [*run.spool.calls])))
    assert run(train, Callbacks()) == OK
    assert loaded == [(PAGE, ["start"])]
