"""A sweep on a local Ray whose trials pause and are promoted."""

import re

import pytest

from search.record.lines import read_rows
from search.record.records import PAUSED, AttemptRow, EndRow, EpochRow
from tests.made.commands import journal_of, launch, new_home, run

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def home(tmp_path_factory, empty_store):
    return new_home(tmp_path_factory.mktemp("home"), empty_store)


def overheads(rows):
    """Seconds from the start of each promoted attempt to its first epoch, but for the epoch itself."""
    starts, found = {}, []
    for row in rows:
        if isinstance(row, AttemptRow) and row.after_epoch:
            starts[row.trial] = row.ts_ms
        elif isinstance(row, EpochRow) and (start := starts.pop(row.trial, None)) is not None:
            found.append((row.ts_ms - start) / 1000 - row.seconds)
    return found


def test_a_promoted_trial_goes_on_at_once_in_a_process_that_is_reused(home):
    done = run(launch(home, "halving", "--trials", "6", "--epochs", "4", "--concurrent", "1"))
    assert done.returncode == 0, done.stdout + done.stderr
    journal = journal_of(home, "halving")
    rows = [row for row, _ in read_rows(journal.path)]
    epochs = [(row.trial, row.epoch) for row in rows if isinstance(row, EpochRow)]
    assert len(epochs) == len(set(epochs))
    paused = {row.trial for row in rows if isinstance(row, EndRow) and row.state == PAUSED}
    promoted = {row.trial for row in rows if isinstance(row, AttemptRow) and row.after_epoch}
    assert promoted
    assert promoted <= paused
    states = [trial.state for trial in journal.trials.values()]
    assert states.count("finished") == 1
    assert set(states) == {"finished", "pruned"}
    heads = [
        line
        for trial in journal.trials
        for line in (journal.path.parent / "trials" / f"{trial:04d}" / "log.txt").read_text().splitlines()
        if line.startswith("--- ")
    ]
    assert len(heads) == sum(isinstance(row, AttemptRow) for row in rows)
    processes = {re.search(r"process (\d+)", line).group(1) for line in heads}
    assert len(processes) == 1, heads
    # Half a second on a machine that does nothing else.
    assert min(overheads(rows)) < 3.0, overheads(rows)
    print("seconds of overhead:", [round(one, 2) for one in overheads(rows)])
