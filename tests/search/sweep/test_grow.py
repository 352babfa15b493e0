"""A finished sweep on a local Ray that is enlarged, and of which one trial is stopped meanwhile, as a user does it."""

import signal

import pytest

from search.record.journal import FILE
from search.record.lines import read_rows
from search.record.records import AttemptRow, EpochRow
from tests.made.commands import LINE, journal_of, launch, new_home, places, run, start, tracking, wait_for

pytestmark = pytest.mark.ray


def test_a_finished_sweep_goes_on_from_its_checkpoints_and_one_trial_is_stopped(tmp_path, empty_store):
    home = new_home(tmp_path, empty_store)
    done = run(launch(home, "grow", "--trials", "2", "--epochs", "2", "--scheduler", "none", "--concurrent", "1"))
    assert done.returncode == 0, done.stdout + done.stderr
    out = home / "extended.out"
    with start([*LINE, "extend", "grow", "--epochs", "100000", *places(home)], out) as extended:
        try:
            wait_for(lambda: extended.poll() is not None or journal_of(home, "grow").trials[0].last_epoch > 2)
            stopped = run([*LINE, "stop", "grow", "--trial", "0", "--storage", str(home / "sweeps"), *tracking(home)])
            assert stopped.returncode == 0, stopped.stderr
            wait_for(lambda: extended.poll() is not None or journal_of(home, "grow").trials[1].last_epoch > 2)
        finally:
            extended.send_signal(signal.SIGINT)
    told = out.read_text()
    assert extended.returncode == 130, told
    assert "is enlarged from 2 trials of 2 epochs to 2 of 100000; the 4 epochs that it has trained count" in told
    journal = journal_of(home, "grow")
    assert (journal.trials[0].state, journal.trials[0].reason) == ("stopped", "by the user")
    assert (journal.trials[1].state, journal.trials[1].stages) == ("running", (2,))
    rows = [row for row, _ in read_rows(home / "sweeps" / "grow" / FILE)]
    assert [row.after_epoch for row in rows if isinstance(row, AttemptRow)] == [0, 0, 2, 2]
    epochs = [(row.trial, row.epoch) for row in rows if isinstance(row, EpochRow)]
    assert len(epochs) == len(set(epochs)), "no epoch is trained twice"
