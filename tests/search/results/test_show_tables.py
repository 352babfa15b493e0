"""The leaderboard of `show`: the best trials alone, the width of a terminal, CSV."""

import csv
import io
import json
import shlex
import sys
from functools import partial

import pytest

from search.__main__ import VERBS
from search.record.records import CostRow, EpochRow, ScoreRow
from search.results.csv_table import FACTS
from spaces.cli import BAD_INPUT, OK
from spaces.schema import flatten
from spaces.table import fitted_table, text_table
from tests.made.sweeps import OBJECTIVE, answer_of, book, made_journal, made_plan
from tests.search.cli.test_printed import commands_in
from trainables.config import knobs_of

POINTS = [
    {"optim.lr": 0.0021, "network.width": 24, "network.dropout": 0.1},
    {"optim.lr": 0.00052, "network.width": 32, "network.dropout": 0.15},
    {"optim.lr": 0.004, "network.width": 48, "network.dropout": 0.2},
    {"optim.lr": 0.003, "network.width": 48, "network.dropout": 0.0},
]


@pytest.fixture
def answer(capsys):
    return partial(answer_of, capsys, VERBS)


@pytest.fixture
def storage(tmp_path, monkeypatch):
    """A sweep of four trials in a folder whose name needs quotes: finished, finished with the best score and costs,
    pruned, and failed without an epoch."""
    monkeypatch.chdir(tmp_path)
    folder, plan = tmp_path / "my sweeps", made_plan("first", trials=4)
    journal = made_journal(folder, plan)
    book(journal, plan, POINTS[0], [70.0, 60.5])
    book(journal, plan, POINTS[1], [50.25, 48.5, 49.0])
    journal.append(CostRow(trial=1, costs={"parameters": 1234.0, "latency_ms": 2.5}))
    journal.append(ScoreRow(trial=1, metrics={"frame_mean": {"mpjpe_mm": 51.125}}))
    book(journal, plan, POINTS[2], [90.0], "pruned", "worse than the best third")
    book(journal, plan, POINTS[3], [], "failed", 'Traceback\nValueError: a "b", c\n')
    journal.unlock()
    return folder


@pytest.fixture
def terminal(monkeypatch):
    """Makes stdout a terminal of so many characters a line."""

    def set_width(columns):
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
        monkeypatch.setenv("COLUMNS", str(columns))

    return set_width


# --- the best alone


def test_the_best_trials_alone_and_how_many_there_are(storage, answer):
    code, out, _ = answer("show", "first", "--trials", "2", "--storage", storage)
    lines = out.splitlines()
    assert code == OK
    assert [line.split()[0] for line in lines[2:4]] == ["1", "0"]
    assert lines[4].startswith("the 2 best of 4 trials; all of them: python -m search show first --storage ")
    (words,) = commands_in(lines[4])
    whole = answer(*words[3:])[1]
    assert [line.split()[0] for line in whole.splitlines()[2:6]] == ["1", "0", "2", "3"]
    assert "best of" not in whole
    assert answer("show", "first", "--trials", "4", "--storage", storage)[1] == whole


def test_json_has_the_best_trials_alone_too(storage, answer):
    found = json.loads(answer("show", "first", "--trials", "3", "--storage", storage, "--json")[1])
    assert [row["trial"] for row in found["trials"]] == [1, 0, 2]
    assert found["trials_in_all"] == 4


@pytest.mark.parametrize("number", ["0", "-1", "many"])
def test_no_trials_are_refused(storage, answer, number):
    code, out, err = answer("show", "first", "--trials", number, "--storage", storage)
    assert (code, out) == (BAD_INPUT, "")
    assert f"'{number}' is no whole number from 1 to" in err


# --- the width of the terminal


def test_a_pipe_gets_every_column_whatever_the_width(storage, answer, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    out = answer("show", "first", "--storage", storage)[1]
    assert out.splitlines()[1].split() == ["trial", "state", OBJECTIVE, "epochs", "lr", "width", "dropout"]


@pytest.mark.parametrize(("columns", "left_out"), [(80, []), (53, ["dropout"]), (45, ["lr", "dropout"])])
def test_a_terminal_gets_the_columns_that_fit_and_the_line_for_the_others(storage, answer, terminal, columns, left_out):
    terminal(columns)
    _, header, *lines = answer("show", "first", "--storage", storage)[1].splitlines()
    table = [header, *lines[:4]]
    assert max(map(len, table)) <= columns
    assert [name for name in ("lr", "width", "dropout") if name not in header.split()] == left_out
    assert header.split()[:4] == ["trial", "state", OBJECTIVE, "epochs"]
    told = [line for line in lines if line.startswith("too wide")]
    assert len(told) == bool(left_out)
    if told:
        (words,) = commands_in(told[0])
        assert told[0] == f"too wide for this terminal: {', '.join(left_out)}; with them: {_line(storage, '--wide')}"
        assert answer(*words[3:])[1].splitlines()[1].split()[4:] == ["lr", "width", "dropout"]


def _line(storage, *words):
    return shlex.join(["python", "-m", "search", "show", "first", "--storage", str(storage), *words])


def test_the_line_for_the_others_keeps_the_number_of_trials(storage, answer, terminal):
    terminal(42)
    out = answer("show", "first", "--trials", "1", "--storage", storage)[1]
    assert _line(storage, "--wide", "--trials", "1") in out.splitlines()[4]


def test_the_epochs_of_a_trial_fit_too(storage, answer, terminal):
    journal, plan = made_journal(storage, made_plan("second")), made_plan("second")
    book(journal, plan, POINTS[0], [], "running")
    metrics = {"val/mpjve_mm": 3.0, OBJECTIVE: 50.0, "val/p_mpjpe_mm": 40.0}
    journal.append(EpochRow(trial=0, epoch=1, metrics=metrics, seconds=1.0, lr=1e-3, loss=0.1))
    journal.unlock()
    terminal(34)
    *_, header, _, told = answer("show", "second", "--trial", "0", "--storage", storage)[1].splitlines()
    assert header.split() == ["epoch", "val/mpjve_mm", OBJECTIVE]
    assert told.startswith("too wide for this terminal: val/p_mpjpe_mm; with them: ")
    (words,) = commands_in(told)
    header = answer(*words[3:])[1].splitlines()[-2]
    assert header.split() == ["epoch", "val/mpjve_mm", OBJECTIVE, "val/p_mpjpe_mm"]


def test_columns_are_left_out_by_rank_and_then_from_the_right():
    header, rows = ["a", "long name", "b", "c"], [[1, "x", 2, 3.0]]
    assert fitted_table(header, rows, [0, 2, 1, 2], None) == (text_table(header, rows), [])
    text, left_out = fitted_table(header, rows, [0, 2, 1, 2], 9)
    assert (text.splitlines()[0].split(), left_out) == (["a", "b", "c"], ["long name"])
    text, left_out = fitted_table(header, rows, [0, 2, 1, 2], 4)
    assert (text.splitlines()[0].split(), left_out) == (["a", "b"], ["long name", "c"])
    text, left_out = fitted_table(header, rows, [0, 0, 1, 1], 2)
    assert (text.splitlines()[0], left_out) == ("a  long name", ["b", "c"])


# --- CSV


def test_csv_has_every_trial_with_every_knob(storage, answer):
    code, out, err = answer("show", "first", "--storage", storage, "--csv")
    assert (code, err) == (OK, "")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["trial"] for row in rows] == ["0", "1", "2", "3"]
    assert [row["state"] for row in rows] == ["finished", "finished", "pruned", "failed"]
    assert [row["epochs"] for row in rows] == ["2", "3", "1", "0"]
    assert [row["score"] for row in rows] == ["60.5", "48.5", "90.0", ""]
    assert rows[1]["best_epoch"] == "2"
    assert [row[OBJECTIVE] for row in rows] == ["60.5", "48.5", "90.0", ""]
    assert [row["parameters"] for row in rows] == ["", "1234.0", "", ""]
    assert (rows[1]["latency_ms"], rows[1]["test/frame_mean/mpjpe_mm"]) == ("2.5", "51.125")
    assert rows[3]["reason"] == 'ValueError: a "b", c'


def test_the_knobs_of_the_csv_make_the_config_again(storage, answer):
    rows = list(csv.DictReader(io.StringIO(answer("show", "first", "--storage", storage, "--csv")[1])))
    known = knobs_of("graformer")
    assert set(known) <= rows[0].keys()
    for row, point in zip(rows, POINTS, strict=True):
        config = flatten(made_plan().config(point))
        read = {path: knob.read(row[path]) for path, knob in known.items()}
        assert {path: value for path, value in read.items() if value != config[path]} == {}


def test_csv_of_a_sweep_without_a_trial_is_a_line_of_names(storage, answer):
    made_journal(storage, made_plan("second")).unlock()
    assert answer("show", "second", "--storage", storage, "--csv") == (OK, ",".join(FACTS) + "\n", "")


# --- what does not go together


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--csv --json", "--csv does not go with --json: it writes every trial with every knob; leave one out"),
        (
            "--csv --follow --wide",
            "--csv does not go with --follow, --wide: it writes every trial with every knob; leave one out",
        ),
        ("--follow --trial 1", "--follow does not go with --trial: it prints events and no table; leave one out"),
        ("--follow --trials 2 --json", "--follow does not go with --json, --trials: it prints events and no table"),
        ("--wide --json", "--wide does not go with --json: JSON has every knob anyway; leave one out"),
        ("--trial 1 --trials 2", "--trial does not go with --trials: it is about one trial; leave one out"),
        ("--trial 9 --csv", "--trial 9: no such trial; trials here: 0 to 3"),
    ],
)
def test_options_that_do_not_go_together_are_refused(storage, answer, words, told):
    code, out, err = answer("show", "first", *words.split(), "--storage", storage)
    assert (code, out) == (BAD_INPUT, "")
    assert told in err
