"""What the sweep's own run shows of the whole sweep: curves that only rise, counts, spend and the leaderboard."""

import json
from pathlib import Path

import pytest

from search.record.journal import FILE, Journal
from search.record.records import ExtendRow, Facts, OpenRow
from search.tracking import overview
from search.tracking.memory import MemoryTracker
from search.tracking.tracker import DataUsed
from tests.made.advice.read import recorded_lines
from tests.made.records import OBJECTIVE, add_attempt, add_end, add_epoch, add_trial, made_journal, send

BEST, BY_SECONDS = f"best/{OBJECTIVE}", f"best_by_device_seconds/{OBJECTIVE}"
SPACE = "model: graformer\nrecipes:\n  small: {}\nsearch:\n  optim.lr: {log: [1e-4, 1e-2]}\n"
RECORDED = "edge-choice"


@pytest.fixture
def lines(tmp_path):
    """The lines of a recorded sweep of 32 trials, and where its journal is."""
    path = tmp_path / "recorded" / FILE
    path.parent.mkdir()
    return recorded_lines(RECORDED), path


def parent_of(tracker):
    (run,) = [run for run in tracker.runs.values() if run.parent_id is None]
    return run


def sent(path: Path, tracker=None):
    tracker = tracker or MemoryTracker()
    spool = send(Journal(path), tracker)
    assert (spool.pending(), spool.trouble) == (0, "")
    return tracker


def test_curves_rise_step_by_step_and_end_at_the_best(lines):
    content, path = lines
    path.write_bytes(b"".join(content))
    parent, journal = parent_of(sent(path)), Journal(path)
    for name in (BEST, BY_SECONDS, "device_hours"):
        steps = [step for step, _, _ in parent.points[name]]
        assert len(steps) > 5
        assert steps == sorted(set(steps)), name
    ends = sum(json.loads(line)["kind"] == "end" for line in content)
    assert [step for step, _, _ in parent.points[BEST]] == list(range(1, ends + 1))
    for name in (BEST, BY_SECONDS):
        values = [value for _, _, value in parent.points[name]]
        assert values == sorted(values, reverse=True)
        assert values[-1] == journal.state.best().own_score
    assert journal.state.spend.used_hours() > 0.1
    assert parent.points["device_hours"][-1][2] == pytest.approx(journal.state.spend.used_hours())
    counts = {name: points[-1][2] for name, points in parent.points.items() if name.startswith("trials/")}
    states = [trial.state for trial in journal.trials.values()]
    assert {name: count for name, count in counts.items() if count} == {
        f"trials/{state}": states.count(state) for state in set(states)
    }


def test_a_sweep_sent_in_pieces_by_several_processes_has_the_same_curves(lines):
    content, path = lines
    tracker = MemoryTracker()
    for end in (1, 2, 40, 41, 150, len(content)):
        path.write_bytes(b"".join(content[:end]))
        sent(path, tracker)
    once = sent(path)
    assert parent_of(tracker).points == parent_of(once).points
    assert parent_of(tracker).tags == parent_of(once).tags


def test_a_resumed_and_enlarged_sweep_goes_on_behind_its_last_step(journal):
    tracker = MemoryTracker()
    add_trial(journal, 0)
    add_epoch(journal, 0, 1, 50.0)
    add_end(journal, 0, "finished")
    journal.close("done")
    send(journal, tracker)
    journal.append(OpenRow())
    journal.append(ExtendRow(trials=5, epochs=7, again=(0,)))
    add_attempt(journal, 0, 2)
    add_epoch(journal, 0, 2, 45.0)
    add_end(journal, 0, "finished")
    send(journal, tracker)
    parent = parent_of(tracker)
    assert [(step, value) for step, _, value in parent.points[BEST]] == [(1, 50.0), (2, 45.0)]
    assert [value for *_, value in parent.points[BY_SECONDS]] == [50.0, 45.0]
    assert [value for *_, value in parent.points["trials/finished"]] == [1]
    assert "1 of 5 trials: 1 finished. Best: trial 0, val/mpjpe_mm 45.00" in parent.tags[overview.DESCRIPTION]


def test_the_description_is_the_leaderboard_with_the_best_first(lines):
    content, path = lines
    path.write_bytes(b"".join(content))
    parent, journal = parent_of(sent(path)), Journal(path)
    best = journal.state.best()
    head, table, last = parent.tags[overview.DESCRIPTION].split("\n\n")
    assert head.startswith("32 of 32 trials: ")
    assert head.endswith(f"Best: trial {best.number}, {OBJECTIVE} {best.own_score:.2f}")
    rows = table.splitlines()
    assert rows[0] == "| trial | state | val/mpjpe_mm | epochs | lr | dropout | width | lr_decay |"
    shown = [int(row.split("|")[1]) for row in rows[2:]]
    assert shown == [trial.number for trial in journal.leaderboard(OBJECTIVE)[: overview.LEADERS]]
    assert last == f"Trial 0 is the recipe small; {journal.state.spend.split()}"


def test_a_score_that_gets_worse_makes_room_for_others(tmp_path):
    journal = made_journal(tmp_path / "s2", base={"loop": {"epochs": 3, "keep": "last"}, "optim": {"lr": 1e-3}})
    for number in range(overview.LEADERS + 2):
        add_trial(journal, number)
        add_epoch(journal, number, 1, 50.0 + number)
    add_epoch(journal, 3, 2, 90.0)
    journal.close("done")
    table = parent_of(sent(journal.path)).tags[overview.DESCRIPTION].split("\n\n")[1]
    shown = [int(row.split("|")[1]) for row in table.splitlines()[2:]]
    assert shown == [0, 1, 2, *range(4, overview.LEADERS + 1)]
    journal.unlock()


def test_the_description_is_renewed_at_most_every_half_minute(journal, monkeypatch):
    began, tracker, seen = journal.sweep.ts_ms, MemoryTracker(), []
    for second, score in ((1, 59.0), (29, 58.0), (31, 57.0), (32, 56.0), (60, 56.0), (61, 56.0)):
        monkeypatch.setattr(journal, "now_ms", lambda second=second: began + 1000 * second)
        if not journal.trials:
            add_trial(journal, 0)
        add_epoch(journal, 0, second, score)
        send(journal, tracker)
        seen.append(parent_of(tracker).tags[overview.DESCRIPTION].partition("mpjpe_mm ")[2][:5])
    assert seen == ["59.00", "59.00", "57.00", "57.00", "57.00", "56.00"]


def test_the_searched_space_is_among_the_params(tmp_path):
    journal = made_journal(tmp_path / "s2", space=SPACE)
    parent = parent_of(sent(journal.path))
    assert parent.params["space.optim.lr"] == "log [0.0001, 0.01]"
    journal.unlock()
    pinned = made_journal(tmp_path / "s3", space=SPACE, pinned=("optim.lr",))
    assert not any(name.startswith("space.") for name in parent_of(sent(pinned.path)).params)
    pinned.unlock()


def test_runs_have_source_user_revision_and_data(tmp_path):
    data = {"set": "tiny", "fingerprint": "0f3a91c2de44", "train": ["S1"]}
    facts = {"user": "ann", "revision": "0123abcd+changes", "command": "python -m search launch graformer"}
    journal, tracker = made_journal(tmp_path / "s2", facts=Facts(versions={}, data=data, **facts)), MemoryTracker()
    add_trial(journal, 0)
    send(journal, tracker)
    expected = {
        "mlflow.source.name": "posesweep launch",
        "mlflow.source.type": "LOCAL",
        "mlflow.user": "ann",
        "mlflow.source.git.commit": "0123abcd",
        "mlflow.source.git.dirty": "true",
    }
    assert len(tracker.runs) == 2
    for run in tracker.runs.values():
        assert expected.items() <= run.tags.items()
        assert run.data == {DataUsed(name="tiny", digest="0f3a91c2de44", facts=json.dumps(data))}
    journal.unlock()


def test_a_sweep_outside_git_by_nobody_has_neither_revision_nor_user(tmp_path):
    facts = Facts(versions={}, data={}, revision="unknown")
    journal, tracker = made_journal(tmp_path / "s2", facts=facts), MemoryTracker()
    send(journal, tracker)
    run = parent_of(tracker)
    assert {name for name in run.tags if name.startswith("mlflow.")} == {
        "mlflow.source.name",
        "mlflow.source.type",
        overview.DESCRIPTION,
    }
    assert not run.data
    journal.unlock()


def test_the_run_of_a_sweep_that_ended_has_its_report(lines, real_report):
    recorded, path = lines
    path.write_bytes(b"".join(recorded))
    text = parent_of(sent(path)).files["report.html"]
    assert text.startswith(b"<!DOCTYPE html>")
    assert b"network.width" in text


def test_a_report_that_cannot_be_made_holds_up_nothing(journal, real_report, monkeypatch):
    def fail(folder):
        raise ValueError("no colours")

    monkeypatch.setattr("search.results.report.report.page_on", fail)
    journal.close("done")
    parent = parent_of(sent(journal.path))
    assert parent.status == "FINISHED"
    assert parent.files["report.html"] == b"no report of this sweep: ValueError: no colours\n"


def test_an_interrupted_sweep_makes_no_report(journal, real_report):
    journal.close("interrupted")
    assert "report.html" not in parent_of(sent(journal.path)).files
