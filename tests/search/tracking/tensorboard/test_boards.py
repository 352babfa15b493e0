"""TensorBoard logs: what stands in the event files, that they cost a sweep nothing, and what happens to a full disk."""

import itertools
import struct

import pytest
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

from search.__main__ import VERBS
from search.record.lines import read_rows
from search.record.records import AttemptRow, CostRow, EndRow, EpochRow, TrialRow
from search.tracking.tensorboard import boards as logs
from search.tracking.tensorboard.boards import FOLDER, Boards
from spaces.cli import BAD_INPUT
from spaces.schema import config_id
from tests.made.sweeps import OBJECTIVE, answer_of, book, made_journal, made_plan

KNOBS = {"optim.lr": 2e-3, "network.layers": 3, "data.flip": True}


def events_in(folder):
    """The events of all files of a folder, oldest file first, but for those that name the format."""
    found = []
    for path in sorted(folder.iterdir()):
        content, at = path.read_bytes(), 0
        while at < len(content):
            (size,) = struct.unpack_from("<Q", content, at)  # then a checksum, the event, and its checksum
            found.append(Event.FromString(content[at + 12 : at + 12 + size]))
            at += 12 + size + 4
    return [event for event in found if not event.file_version]


def scalars_in(folder):
    """By step, the scalars of a trial by name, rounded as a float of 32 bits is."""
    found = {}
    for event in events_in(folder):
        for value in event.summary.value:
            if value.HasField("simple_value"):
                found.setdefault(event.step, {})[value.tag] = round(value.simple_value, 4)
    return found


@pytest.fixture
def journal(tmp_path):
    """A sweep that logs, with a trial that was interrupted after two epochs and went on, and one that failed early."""
    plan = made_plan("first", trials=3, log="tensorboard")
    journal = made_journal(tmp_path, plan)
    journal.append(TrialRow(trial=0, point=KNOBS, config_id=config_id(plan.config(KNOBS))))
    journal.append(AttemptRow(trial=0, attempt=1, after_epoch=0))
    journal.append(CostRow(trial=0, costs={"parameters": 1200.0}))
    for epoch, score in enumerate([60.0, 52.0, 53.0], 1):
        metrics = {OBJECTIVE: score}
        journal.append(EpochRow(trial=0, epoch=epoch, metrics=metrics, seconds=2.0, lr=0.5, loss=0.25))
        if epoch == 2:
            journal.append(EndRow(trial=0, state="stopped", epoch=2, reason="time budget"))
            journal.append(AttemptRow(trial=0, attempt=2, after_epoch=2))
    journal.append(EndRow(trial=0, state="finished", epoch=3, reason=""))
    book(journal, plan, {**KNOBS, "network.layers": 2}, [], "failed", "ValueError: no")
    yield journal
    journal.unlock()


def watched(journal, said=()):
    board = Boards(journal, said.append if isinstance(said, list) else lambda line: None)
    for row, _ in read_rows(journal.path):
        if isinstance(row, EpochRow | EndRow):
            board.watch(row)
    return board.folder


def test_metrics_costs_and_the_best_are_scalars_by_epoch(journal):
    folder = watched(journal)
    assert folder == journal.path.parent / FOLDER
    assert [path.name for path in folder.iterdir()] == ["0000"], "the other has no epoch"
    found = scalars_in(folder / "0000")
    every = {"seconds": 2.0, "train/loss": 0.25, "train/lr": 0.5}
    best = {f"best/{OBJECTIVE}": 52.0}
    assert found == {
        0: {"parameters": 1200.0},
        1: {OBJECTIVE: 60.0, **every},
        2: {OBJECTIVE: 52.0, **every, **best},
        3: {OBJECTIVE: 53.0, **every, **best},
    }
    assert len([*(folder / "0000").iterdir()]) == 2, "an attempt each, though within a second"


def test_times_are_those_of_the_record(journal):
    times = [row.ts_ms / 1000 for row, _ in read_rows(journal.path) if isinstance(row, EpochRow)]
    found = [
        event.wall_time
        for event in events_in(watched(journal) / "0000")
        if event.summary.value and event.summary.value[0].tag == OBJECTIVE
    ]
    assert found == times


def test_knobs_are_hyperparameters(journal):
    found = {}
    for event in events_in(watched(journal) / "0000"):
        for value in event.summary.value:
            if value.tag.startswith("_hparams_/"):
                assert value.metadata.plugin_data.plugin_name == "hparams"
                found[value.tag] = HParamsPluginData.FromString(value.metadata.plugin_data.content)
    start = found["_hparams_/session_start_info"].session_start_info.hparams
    assert (start["optim.lr"].number_value, start["network.layers"].number_value) == (2e-3, 3)
    assert start["data.flip"].string_value == "true"
    (metric,) = found["_hparams_/experiment"].experiment.metric_infos
    assert metric.name.tag == f"best/{OBJECTIVE}"
    assert "_hparams_/session_end_info" in found


def test_a_sweep_that_does_not_ask_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "named", None)  # nothing is loaded
    plan = made_plan("plain")
    journal = made_journal(tmp_path, plan)
    book(journal, plan, KNOBS, [50.0])
    journal.unlock()
    assert not watched(journal).exists()


def test_a_full_disk_is_told_once_and_ends_the_writing_alone(journal, monkeypatch):
    said, calls = [], itertools.count()

    def full(folder):
        next(calls)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(logs, "named", lambda name: full)
    watched(journal, said)
    assert said == ["no more logs for TensorBoard: OSError: [Errno 28] No space left on device"]
    assert next(calls) == 1, "it was not tried again"


def test_files_are_closed_with_their_trials(journal):
    board = Boards(journal, print)
    for row, _ in read_rows(journal.path):
        if isinstance(row, EpochRow | EndRow):
            board.watch(row)
            assert len(board._files) == isinstance(row, EpochRow)


def test_another_log_is_refused_with_what_there_is(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = answer_of(capsys, VERBS, "launch", "graformer", "--log", "tensorbord")
    assert code == BAD_INPUT
    assert "did you mean tensorboard?" in err
    assert [*tmp_path.iterdir()] == []
