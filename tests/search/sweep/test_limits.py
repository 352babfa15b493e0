"""Limits of a sweep, and population-based training, on the command line, without Ray."""

import shlex

import pytest

from search.__main__ import VERBS
from search.cli.command import Where
from search.notebook.options import request_of
from search.record.durations import read_duration
from search.record.journal import FILE, Journal
from search.record.lines import read_rows
from search.record.records import AttemptRow, EndRow, OpenRow, SessionRow, TrialRow
from search.record.spending.spend import CPU, Spend
from search.sweep import last_words, place, verbs
from search.sweep.first_words import limit_notes
from spaces.cli import BAD_INPUT, OK
from tests.made.sweeps import FACTS, files_below, made_journal, made_plan, row
from tests.search.cli.test_printed import commands_in, taken


@pytest.fixture
def unstarted(monkeypatch):
    """Sweeps go on record, and no Ray is started; their data is as it was."""
    monkeypatch.setattr(verbs, "check_data", lambda *rest: FACTS)
    monkeypatch.setattr(verbs, "run", lambda plan, place, open_journal, *rest: open_journal().unlock() or OK)


@pytest.fixture
def spent(storage):
    """The sweep `dear`, whose GPU-hour is spent: half an hour each by two trials."""
    plan = made_plan("dear", trials=4, gpu_hours=1.0, price_per_gpu_hour=2.0, time_budget_s=7200.0)
    journal = made_journal(storage, plan)
    began, ends = journal.now_ms() + 1, (0, 1)
    rows = [(SessionRow(places=2, gpus=1.0), 0)]
    rows += [(TrialRow(trial=number, point={"optim.lr": 1e-3}, config_id=f"{number:010x}"), 0) for number in ends]
    rows += [(AttemptRow(trial=number, attempt=1, after_epoch=0), 0) for number in ends]
    rows += [(row(number, 1, 50.0 + number), 1800) for number in ends]
    rows += [(EndRow(trial=number, state="stopped", epoch=1, reason="gpu hours"), 1800) for number in ends]
    for one, second in rows:
        journal.now_ms = lambda second=second: began + 1000 * second
        journal.append(one)
    journal.now_ms = lambda: began + 1000 * 5400
    journal.close("gpu hours")
    journal.unlock()
    return storage / "dear"


def test_a_sweep_whose_hours_are_spent_says_how_to_go_on(storage, spent, capsys):
    where = Where(storage=storage, tracking_uri="sqlite:////runs.db")
    journal, here = Journal(spent / FILE), place.place_of(spent, where)
    last_words.tell_result(journal, here, 0)
    code = last_words.conclude(journal, here, last_words.End("gpu hours"))
    *_, summary, best, last = capsys.readouterr().out.splitlines()
    assert code == OK
    assert summary.startswith(
        "spent: 1 GPU-hours (100% useful, 0% pruned, 0% lost), 2 idle; cost at 2 an hour: 2, idle "
    )
    assert best.startswith("best: trial 0")
    assert last.startswith("1 GPU-hours of 1 GPU-hours are spent; to go on for as many again: ")
    (words,) = commands_in(last)
    request = taken(words)
    assert (request.folder, request.limits, request.where) == (spent, OpenRow(gpu_hours=1.0), where)


def test_a_resume_without_more_hours_is_refused_and_with_more_is_on_record(storage, spent, answer, unstarted):
    before = files_below(spent)
    line = ["resume", "dear", "--storage", storage]
    code, _, err = answer(*line)
    assert code == BAD_INPUT
    again = f"python -m search resume dear --storage {shlex.quote(str(storage))} --gpu-hours 1"
    assert f"its 1 GPU-hours are spent; to go on for as many again: {again}" in err
    assert answer(*line, "--time-budget", "9h")[0] == BAD_INPUT, "that gives no hours"
    assert files_below(spent) == before
    assert answer(*line, "--gpu-hours", "0.5")[0] == OK
    *_, last = (one for one, _ in read_rows(spent / FILE))
    assert (type(last), last.gpu_hours, last.time_budget_s) == (OpenRow, 0.5, None)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["--scheduler", "pbt", "--sampler", "tpe", "--trials", "3", "--workers", "2"],
            [
                "--sampler tpe: --scheduler pbt changes knobs while trials train, which no sampler is told; leave",
                "--trials 3: --scheduler pbt replaces the worst quarter by the best; give at least 4",
                "--executor group: --scheduler pbt needs solo",
            ],
        ),
        (["--sampler", "none"], ["--sampler none: is for --scheduler pbt alone; `random` draws without learning"]),
        (
            ["--scheduler", "pbt", "--checkpoints", "s3://bucket/x"],
            ["s3://bucket/x: --scheduler pbt hands training states on in the sweep's folder; leave --checkpoints"],
        ),
        (["--gpu-hours", "0"], ["gpu_hours = 0: out of bounds; allowed: float or none and > 0"]),
        (
            ["--gpu-hours", "many", "--price-per-gpu-hour", "-1"],
            ["gpu_hours = many: expected float", "price_per_gpu_hour = -1: out of bounds"],
        ),
    ],
)
def test_a_launch_that_cannot_work_is_refused_with_what_does(storage, answer, words, expected):
    before = files_below(storage)
    code, out, err = answer("launch", "graformer", "--recipe", "small", "--storage", storage, *words)
    assert (code, out) == (BAD_INPUT, ""), err
    assert all(text in err for text in expected), err
    assert files_below(storage) == before


def test_python_takes_the_same_limits(storage, spent):
    options = {"storage": storage, "gpu_hours": 0.5, "time_budget": "2h"}
    for name, target in (("resume", "dear"), ("extend", "dear")):
        more = {"trials": 9} if name == "extend" else {}
        request, _ = request_of(name, VERBS[name], target, options | more)
        assert request.limits == OpenRow(gpu_hours=0.5, time_budget_s=7200.0)
    launching = {"storage": storage, "gpu_hours": 40, "price_per_gpu_hour": 2.5, "scheduler": "pbt", "epochs": 8}
    sweep = request_of("launch", VERBS["launch"], "graformer", launching)[0].plan.sweep
    assert (sweep.gpu_hours, sweep.price_per_gpu_hour, sweep.sampler) == (40.0, 2.5, "none")


@pytest.mark.parametrize("verb", ["resume", "extend", "fork"])
def test_wrong_limits_are_told_at_once_and_nothing_is_written(storage, spent, answer, verb):
    before = files_below(storage)
    more = {"extend": ["--trials", "9"], "fork": ["--name", "copy"]}.get(verb, [])
    code, _, err = answer(verb, "dear", "--storage", storage, *more, "--gpu-hours", "-1", "--time-budget", "soon")
    assert code == BAD_INPUT
    assert "gpu_hours = -1: out of bounds; allowed: float or none and > 0" in err
    assert "--time-budget: 'soon' is no duration" in err
    assert files_below(storage) == before


def test_the_sweep_says_what_it_counts_where_there_is_no_gpu():
    spend = Spend()
    spend.take(SessionRow(places=2, gpus=0.0))
    assert limit_notes(spend) == []
    spend.gpu_hours = 3.0
    assert spend.unit == CPU
    assert limit_notes(spend) == ["trials have no GPU here: device-hours are CPU-hours, 1 for each hour of a trial"]
    spend.take(SessionRow(places=2, gpus=1.0))
    assert limit_notes(spend) == []


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("20m", 1200), ("2h", 7200), ("1h30m", 5400), ("1.5h", 5400)]
)
def test_a_duration_is_read_in_hours_minutes_and_seconds(text, seconds):
    assert read_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "2d", "-5m", "30m1h", "1h 30m", "nan", "1e3"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="is no duration"):
        read_duration(text)
