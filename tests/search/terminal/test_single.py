"""What the terminal shows of a single run: its epochs as they arrive, and the figures of its panel."""

import sys

import pytest

from search.record.journal import FILE, create
from search.record.records import AttemptRow, SweepRow, TrialRow
from search.terminal import screen as screens
from search.terminal import single
from search.terminal.modes import LIVE
from search.terminal.screen import Screen
from search.terminal.single import SingleRun
from spaces.schema import config_id, tree_of
from tests.made.small import tiny_config
from tests.made.sweeps import FACTS, OBJECTIVE, row
from tests.search.terminal.glass import terminal
from tests.search.terminal.test_screen import panel_on, until


@pytest.fixture
def journal(tmp_path, monkeypatch):
    """The locked journal of a run of 9 epochs, of which an earlier session has trained one, in 2 s."""
    monkeypatch.setattr(single, "POLL_S", 0.01)
    config = tiny_config(tmp_path / "store", loop__epochs=9)
    plan = {"objective": OBJECTIVE}
    born = SweepRow(
        id="1", name="train-x", model="graformer", single=True, plan=plan, base=tree_of(config), facts=FACTS
    )
    made = create(tmp_path, born)
    made.append(TrialRow(trial=0, point={}, config_id=config_id(config)))
    made.append(AttemptRow(trial=0, attempt=1, after_epoch=0))
    made.append(row(0, 1, 70.0).changed(seconds=2.0))
    yield made
    made.unlock()


def test_every_epoch_of_this_session_is_one_line(journal):
    told = []
    with SingleRun(journal.path, "graformer on tiny", told.append):
        journal.append(row(0, 2, 50.0).changed(seconds=4.0, loss=0.25))
        journal.append(row(0, 3, 60.0).changed(seconds=3.0, loss=0.125))
    assert told == [
        f"epoch 2: loss 0.250000, {OBJECTIVE} 50.00, 4.0 s",
        f"epoch 3: loss 0.125000, {OBJECTIVE} 60.00, 3.0 s",
    ]


def test_the_figures_are_those_of_all_sessions(journal):
    with SingleRun(journal.path, "graformer on tiny", lambda line: None) as run:
        before = run.status()
        journal.append(row(0, 2, 50.0).changed(seconds=4.0))
        journal.append(row(0, 3, 60.0).changed(seconds=3.0))
    now = run.status()
    assert before.best == (0, 70.0, 1, 9)
    assert before.left_s == pytest.approx(8 * 2.0, abs=5.0)
    assert now.best == (0, 50.0, 2, 9)
    ((_, epoch, epochs, last, score, _, _),) = now.running
    assert (epoch, epochs, last, score) == (3, 9, 60.0, 50.0)
    assert now.left_s == pytest.approx(6 * 3.0, abs=5.0)  # the time since the last epoch, on a busy machine
    assert 2.0 <= now.spent_s < 20.0
    assert now.is_single


def test_nothing_is_known_before_the_first_epoch(journal, tmp_path):
    path = tmp_path / "fresh" / FILE
    path.parent.mkdir()
    path.write_bytes(b"".join(journal.path.read_bytes().splitlines(keepends=True)[:2]))
    status = SingleRun(path, "graformer on tiny", lambda line: None).status()
    assert (status.best, status.left_s, status.running[0].last) == (None, None, None)


def test_the_panel_of_a_run_stands_below_its_epochs(journal, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(screens, "SHARE", 1.0)
    with terminal(80, 24) as glass:
        with Screen(LIVE) as screen, SingleRun(journal.path, "graformer on tiny, 2 workers", screen.tell) as run:
            screen.follow(run.status)
            journal.append(row(0, 2, 50.0).changed(seconds=4.0, loss=0.25))
            panel = panel_on(glass, 79, "train-x", "epoch 2 of 9", f"{OBJECTIVE} 50.00, epoch 2 of 9", "left")
            assert len(panel) == 5
        until(lambda: len(glass.lines()) < 3)
        assert glass.lines() == [f"epoch 2: loss 0.250000, {OBJECTIVE} 50.00, 4.0 s", ""]
