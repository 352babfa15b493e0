"""Lines in a pipe, the quiet mode, and the log of a whole simulated sweep."""

import collections
import re
import time

import pytest

from search.record.records import LOST, PROCESS, EndRow
from search.terminal.log import FILE
from search.terminal.modes import LINES, QUIET
from tests.search.terminal.reported import reported

LINE = re.compile(r" *\d+:\d\d  (.*)")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A sweep of 60 trials from start to end. Its journal, and what it printed in a pipe."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        printed = []
        patch.setattr("sys.stdout.write", printed.append, raising=False)
        with reported(folder, LINES, trials=60) as sweep:
            sweep.run()
    return sweep.journal, [LINE.fullmatch(line)[1] for line in "".join(printed).splitlines()]


def by_trial(lines):
    found = collections.defaultdict(list)
    for line in lines:
        if named := re.match(r"trial (\d+) ", line):
            found[int(named[1])].append(line)
    return found


def test_a_trial_has_at_most_three_lines_and_none_for_its_epochs(whole):
    journal, lines = whole
    told = by_trial(lines)
    assert len(told) == len(journal.trials) == 60
    assert max(map(len, told.values())) == 3
    assert not any(re.match(r"trial \d+ epoch", line) for line in lines)
    attempts = [trial.attempts for trial in journal.trials.values()]
    assert max(attempts) > 2, "trials that were promoted twice would have had six lines"
    for number, trial in journal.trials.items():
        assert told[number][0].startswith(f"trial {number} starts: ")
        if trial.state == "finished":
            assert told[number][-1].startswith(f"trial {number} finished after epoch 27, best ")


def test_trials_that_wait_in_the_end_are_one_line(whole):
    journal, lines = whole
    waited = sum(trial.state == "pruned" for trial in journal.trials.values())
    assert waited > 10
    assert lines[-1] == f"{waited} trials that waited are pruned: the sweep is over"


def test_a_start_shows_what_differs_from_the_best_so_far(whole):
    journal, lines = whole
    starts = [line for line in lines if " starts: " in line]
    assert starts[0] == "trial 0 starts: recipe small"
    assert starts[1].endswith(", else as trial 0")
    number, rival = map(int, re.search(r"trial (\d+) starts.*else as trial (\d+)$", starts[40]).groups())
    trial, best = journal.trials[number], journal.trials[rival]
    shown = {word.partition("=")[0] for word in starts[40].split(": ")[1].split(", else")[0].split()}
    differing = {path.split(".", 1)[1] for path in trial.point if trial.point[path] != best.point[path]}
    assert shown == differing
    assert len(differing) < len(trial.point)


def test_the_log_has_every_event_with_date_and_time(whole):
    journal, lines = whole
    logged = (journal.path.parent / FILE).read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  \S", line) for line in logged)
    events = [line[21:] for line in logged]
    assert set(lines) <= set(events)
    epochs = sum(trial.last_epoch for trial in journal.trials.values())
    assert sum(bool(re.match(r"trial \d+ epoch \d+/27: ", event)) for event in events) == epochs
    assert events[-1].startswith("sweep first: done; 60 of 60 trials have ended; best: trial ")


def test_quiet_prints_nothing_and_logs_the_same(tmp_path, capsys):
    with reported(tmp_path, QUIET, trials=3, scheduler="none") as sweep, sweep.reporter.step("starting Ray"):
        sweep.run()
    assert capsys.readouterr() == ("", "")
    logged = (sweep.journal.path.parent / FILE).read_text()
    assert len(re.findall(r"trial \d starts", logged)) == 3
    assert len(re.findall(r"trial \d epoch", logged)) == 3 * 27


def test_lost_attempts_are_told_once(tmp_path, capsys):
    with reported(tmp_path, LINES, trials=1, scheduler="none") as sweep:
        for _ in range(3):
            task = sweep.conductor.next_task()
            sweep.conductor.hear(EndRow(trial=task.trial, state=LOST, epoch=0, reason="killed", cause=PROCESS))
            sweep.clock.now += 100
    told = [line for line in capsys.readouterr().out.splitlines() if "trial 0 " in line]
    assert [line.split("  ")[-1] for line in told] == [
        "trial 0 starts: recipe small",
        "trial 0 lost after epoch 0: killed",
        "trial 0 failed after epoch 0: given up after 3 lost attempts: killed",
    ]


def test_a_step_that_takes_a_while_has_a_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("search.terminal.screen.SOON_S", 0.05)
    monkeypatch.setattr("search.terminal.screen.LONG_S", 0.1)
    with reported(tmp_path, LINES, trials=1) as sweep:
        with sweep.reporter.step("starting Ray"):
            sweep.reporter._screen._over.wait(0.6)
        with sweep.reporter.step("closing Ray"):
            pass
    out = capsys.readouterr().out
    assert "starting Ray ...\n" in out
    assert "starting Ray: took " in out
    assert "closing Ray" not in out


@pytest.mark.parametrize(("progress", "behind_s", "shown"), [(LINES, 0.05, 1), (LINES, 60.0, 0), (QUIET, 0.05, 0)])
def test_what_goes_on_behind_the_last_words_has_one_line_if_it_takes_long(
    tmp_path, capsys, monkeypatch, progress, behind_s, shown
):
    monkeypatch.setattr("search.terminal.screen.BEHIND_S", behind_s)
    monkeypatch.setattr("search.terminal.screen.SOON_S", 0.05)
    monkeypatch.setattr("search.terminal.screen.LONG_S", 0.6)
    with reported(tmp_path, progress, trials=1) as sweep:
        sweep.reporter.finish("")
        with sweep.reporter.behind("closing Ray"):
            time.sleep(0.7)
        sweep.reporter.tell("a file could not be removed")
    lines = capsys.readouterr().out.splitlines()
    assert sum("closing Ray" in line for line in lines) == shown
    assert sum(line.endswith("a file could not be removed") for line in lines) == (progress == LINES)
    logged = (sweep.journal.path.parent / FILE).read_text()
    assert "closing Ray: took 1 s" in logged
    assert "a file could not be removed" in logged
