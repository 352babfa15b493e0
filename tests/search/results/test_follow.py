"""`show --follow`: the events of a sweep that another process runs."""

import re
import signal
import subprocess
from functools import partial

import pytest

from search.__main__ import VERBS
from search.record.journal import is_held
from search.record.records import (
    LOST,
    PROCESS,
    AttemptRow,
    CostRow,
    EndRow,
    ExtendRow,
    NoteRow,
    OpenRow,
    SessionRow,
    TrialRow,
)
from search.results import follow as following
from spaces.cli import BAD_INPUT, INTERRUPTED, OK
from spaces.schema import config_id
from tests import ROOT
from tests.made.commands import LINE, wait_for
from tests.made.sweeps import Led, answer_of, book, files_below, made_journal, made_plan, row
from tests.search.cli.test_printed import commands_in


@pytest.fixture
def answer(capsys):
    return partial(answer_of, capsys, VERBS)


@pytest.fixture
def plan():
    return made_plan("first", trials=3)


@pytest.fixture
def journal(tmp_path, plan):
    """A sweep with one trial that has ended and one that runs; its journal is locked, as by its driver."""
    journal = made_journal(tmp_path, plan)
    book(journal, plan, {"optim.lr": 2e-3}, [60.0, 50.0])
    book(journal, plan, {"optim.lr": 1e-3}, [55.0], "running")
    yield journal
    journal.unlock()


@pytest.fixture
def happens(monkeypatch):
    """Has one more of these steps happen at each look at the journal."""

    def arrange(*steps):
        left = iter(steps)
        monkeypatch.setattr(following.time, "sleep", lambda seconds: next(left)())

    return arrange


def events(out):
    """What was printed between the first line and the last, without the time of day."""
    lines = [re.fullmatch(r"\d\d:\d\d:\d\d  (.*)", line) for line in out.splitlines()[1:-1]]
    assert all(lines), out
    return [line[1] for line in lines]


def test_events_are_printed_until_the_sweep_has_closed(journal, plan, answer, happens, tmp_path):
    def born():
        point = {"optim.lr": 4e-3}
        journal.append(TrialRow(trial=2, point=point, config_id=config_id(plan.config(point))))
        journal.append(AttemptRow(trial=2, attempt=1, after_epoch=0))
        journal.append(CostRow(trial=2, costs={"latency_ms": 2.5, "parameters": 1200.0}))

    happens(
        lambda: journal.append(row(1, 2, 45.5)),
        lambda: None,
        born,
        lambda: journal.append(EndRow(trial=2, state=LOST, epoch=0, reason="killed", cause=PROCESS)),
        lambda: journal.append(NoteRow(text="too hot\x1b[2J")),
        lambda: journal.append(EndRow(trial=1, state="failed", epoch=2, reason="Traceback\nValueError: odd\n")),
        lambda: journal.append(ExtendRow(trials=9)),
        lambda: journal.close("interrupted"),
    )
    code, out, err = answer("show", "first", "--follow", "--storage", tmp_path)
    assert (code, err) == (OK, "")
    assert out.splitlines()[0] == (
        "sweep first: open; 1 of 3 trials have ended; running: 1; best: trial 0, val/mpjpe_mm 50.00"
    )
    assert events(out) == [
        "trial 1 epoch 2/8: val/mpjpe_mm 45.50, 0.5 s (sweep's best 45.50, trial 1)",
        "trial 2 starts: lr=0.004",
        "trial 2: latency_ms 2.50, parameters 1200",
        "trial 2 lost after epoch 0: killed",
        "note: too hot\\x1b[2J",
        "trial 1 failed after epoch 2, best 45.50 at epoch 2 (the sweep's best): ValueError: odd",
        "the sweep is enlarged to 9 trials",
        "closed: sweep first: interrupted; 2 of 9 trials have ended; best: trial 1, val/mpjpe_mm 45.50",
    ]
    (words,) = commands_in(out.splitlines()[-1])
    assert answer(*words[3:])[0] == OK


def test_events_read_as_the_driver_prints_them(plan, answer, happens, tmp_path):
    led = Led(tmp_path, plan)

    def go():
        task = led.conductor.next_task()
        led.conductor.hear(row(task.trial, 1, 60.0))
        led.conductor.failed(task.trial, "RuntimeError: out of memory")

    happens(go, lambda: led.conductor.close("done"))
    _, out, _ = answer("show", "first", "--follow", "--storage", tmp_path)
    led.journal.unlock()
    assert events(out)[:-1] == led.said
    assert led.said[0] == "trial 0 starts: recipe small"


def test_a_sweep_that_goes_on_at_once_is_followed_on(journal, answer, happens, tmp_path):
    def closed_and_reopened():
        journal.close("time budget")
        journal.append(OpenRow())
        journal.append(SessionRow(places=2, gpus=0.5))

    happens(closed_and_reopened, lambda: journal.close("done"))
    _, out, _ = answer("show", "first", "--follow", "--storage", tmp_path)
    assert [line.partition(":")[0] for line in events(out)] == [
        "closed",
        "the sweep goes on",
        "the sweep runs, 2 trials at a time, 0.5 GPUs each",
        "closed",
    ]


def test_a_closed_sweep_is_told_and_left(journal, answer, happens, tmp_path):
    journal.close("done")
    happens()
    code, out, _ = answer("show", "first", "--follow", "--storage", tmp_path)
    assert code == OK
    assert out.splitlines()[0].startswith("sweep first: done; 1 of 3 trials have ended; best: trial 0")
    assert len(out.splitlines()) == 2


def test_only_what_is_new_is_read(journal, answer, happens, tmp_path, monkeypatch):
    offsets, read = [], following.read_rows
    monkeypatch.setattr(following, "read_rows", lambda path, offset: offsets.append(offset) or read(path, offset))
    sizes = []

    def epoch(number):
        sizes.append(journal.path.stat().st_size)
        journal.append(row(1, number, 45.0))

    happens(*(partial(epoch, number) for number in range(2, 6)), lambda: journal.close("done"))
    answer("show", "first", "--follow", "--storage", tmp_path)
    assert offsets[: len(sizes)] == sizes


def test_a_line_that_is_not_whole_yet_waits(journal, answer, happens, tmp_path):
    whole = {}

    def torn():
        before = journal.path.stat().st_size
        journal.append(row(1, 2, 45.5))
        text = journal.path.read_bytes()
        whole["rest"] = text[before + 20 :]
        journal.path.write_bytes(text[: before + 20])

    def completed():
        with journal.path.open("ab") as file:
            file.write(whole["rest"])

    happens(torn, completed, lambda: journal.close("done"))
    _, out, _ = answer("show", "first", "--follow", "--storage", tmp_path)
    assert [line.split(":")[0] for line in events(out)] == ["trial 1 epoch 2/8", "closed"]


def test_a_deleted_sweep_ends_it(journal, answer, happens, tmp_path):
    happens(lambda: journal.path.unlink())
    code, _, err = answer("show", "first", "--follow", "--storage", tmp_path)
    assert code == BAD_INPUT
    assert "is not there any more: somebody has deleted the sweep" in err


def test_a_damaged_line_ends_it_with_its_number(journal, answer, happens, tmp_path):
    def spoil():
        with journal.path.open("ab") as file:
            file.write(b'{"crc": "00000000", "kind": "note"}\n')

    lines = len(journal.path.read_bytes().splitlines())
    happens(spoil)
    code, _, err = answer("show", "first", "--follow", "--storage", tmp_path)
    assert code == BAD_INPUT
    assert f"is damaged at line {lines + 1}" in err


# --- another process


def test_it_follows_the_sweep_of_a_living_process_and_ctrl_c_changes_nothing(journal, tmp_path):
    line = [*LINE, "show", "first", "--follow", "--storage", str(tmp_path)]
    out = tmp_path.parent / f"{tmp_path.name}.txt"
    with out.open("w") as file:
        process = subprocess.Popen(line, cwd=ROOT, stdout=file, stderr=file)
    wait_for(lambda: out.exists() and "sweep first: open" in out.read_text())
    journal.append(row(1, 2, 45.5))
    wait_for(lambda: "trial 1 epoch 2/8" in out.read_text())
    assert is_held(journal.path)  # by this process, as before
    before = files_below(tmp_path)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == INTERRUPTED
    (words,) = commands_in(out.read_text().splitlines()[-1])
    assert words[3:] == line[3:]
    assert files_below(tmp_path) == before
    journal.append(row(1, 3, 44.5))
